"""The command line for tests of what a command writes."""

from tests.cli.conftest import dcat

__all__ = ["dcat"]
