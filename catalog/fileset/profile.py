"""The form of an Application Profile (PS3.11) as a value."""

from __future__ import annotations

from collections.abc import Mapping

from catalog.fileset.record_types import Key
from catalog.shapes import field, frozen


@frozen
class ExtraKey(Key):
    """A key that a profile adds to a record type.

    Attributes
    ----------
    in_shared_groups:
        Where the data set's top level has no value, it is taken from a functional group of the
        Shared Functional Groups Sequence (5200,9229).
    """

    in_shared_groups: bool = False


@frozen
class IconRule:
    """What a profile says of Icon Image Sequence (0088,0200).

    Attributes
    ----------
    type:
        `1`: every IMAGE record has an icon. `3`: it may.
    size:
        Rows and Columns, exactly.
    photometric:
        Allowed Photometric Interpretations; bits are 8.
    frame_position:
        Which frame of several stands for the image, 0 the first, 1 the last, where the image
        names no Representative Frame Number (0028,6010).
    """

    type: str
    size: int
    photometric: frozenset[str]
    clause: str
    frame_position: float = 0.5


@frozen
class Demand:
    """What a profile asks of an attribute of the files themselves; one field beside the name is set.

    Attributes
    ----------
    values:
        One of these, text or number.
    at_most:
        A number no greater than this.
    one_below:
        A number, one less than that of this tag.
    present:
        The attribute is there, empty or not; `False`: it is not there.
    inside:
        The attribute is in every item of this sequence, which has one at least.
    """

    tag: int
    keyword: str
    values: tuple[str | int, ...] = ()
    at_most: int | None = None
    one_below: int | None = None
    present: bool | None = None
    inside: int | None = None


Alternatives = tuple[tuple[Demand, ...], ...]
"""Sets of demands, of which an instance must meet one."""

Keys = Mapping[str, tuple[Key, ...]]


@frozen
class Profile:
    """One Application Profile.

    Attributes
    ----------
    name:
        Its identifier.
    clause:
        The annex of PS3.11.
    media:
        In words.
    syntaxes:
        Transfer Syntaxes for every Storage SOP Class; `None`: whatever the conformance statement
        says, which for dcat is all. Not looked at if `classes` is given.
    classes:
        The SOP Classes that it allows, each with its Transfer Syntaxes; `None`: all of storage.
    keys:
        What it adds to the keys of record types.
    icons:
        `None`: as PS3.3 F.7 has them.
    demands:
        By SOP Class, on the files themselves.
    photometric:
        Allowed Photometric Interpretations by Transfer Syntax; empty: no such rule.
    needs_dicomdir:
        Whether a DICOMDIR must be there. dcat always writes one.
    updater:
        Whether a File-set Updater may work on it; `None`: not known.
    unverified:
        Facts here that were not found in the standard: names of these fields.
    remarks:
        What else the profile asks that dcat does not see to.
    """

    name: str
    clause: str
    media: str
    syntaxes: frozenset[str] | None = None
    classes: Mapping[str, frozenset[str]] | None = None
    keys: Keys = field(default_factory=dict)
    icons: IconRule | None = None
    demands: Mapping[str, Alternatives] = field(default_factory=dict)
    photometric: Mapping[str, frozenset[str]] = field(default_factory=dict)
    needs_dicomdir: bool = True
    updater: bool | None = True
    unverified: tuple[str, ...] = ()
    remarks: str = ""
