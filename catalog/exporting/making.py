"""How the directory of an export is made: as `catalog.fileset.making` says of every directory."""

from catalog.fileset.making import PLAIN, Making, making

__all__ = ["PLAIN", "Making", "making"]
