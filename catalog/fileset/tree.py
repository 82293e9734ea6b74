"""A File-set's directory as plain values in order; byte offsets are no part of it (PS3.3 F.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from catalog.dicom.elements import WIDTH, Element, Item
from catalog.fileset.file_id import FileId, components_of
from catalog.shapes import frozen, replace

SPECIFIC_CHARACTER_SET = 0x00080005
NEXT_RECORD = 0x00041400
IN_USE = 0x00041410
LOWER_RECORD = 0x00041420
RECORD_TYPE = 0x00041430
MRDR_OFFSET = 0x00041504
NUMBER_OF_REFERENCES = 0x00041600
FILE_ID = 0x00041500
SOP_CLASS_IN_FILE = 0x00041510
SOP_INSTANCE_IN_FILE = 0x00041511
TRANSFER_SYNTAX_IN_FILE = 0x00041512
RELATED_CLASSES_IN_FILE = 0x0004151A

LINKS = frozenset((NEXT_RECORD, IN_USE, LOWER_RECORD, RECORD_TYPE))
"""Elements of a record that say where it stands; `Record.keys` never holds them."""

_BINARY = frozenset((*WIDTH, "OB", "UN"))

TEXT_VRS = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
"""VRs that (0008,0005) governs (PS3.5 §6.1.2.2)."""


@frozen
class Record:
    """One Directory Record and the entity below it.

    Attributes
    ----------
    type:
        The Directory Record Type (0004,1430), capitals, no padding.
    keys:
        Every other element, private ones and the reference to a file included, sorted by tag.
    children:
        In the order of their chain.
    """

    type: str
    keys: tuple[Element, ...] = ()
    children: tuple[Record, ...] = ()

    def element(self, tag: int) -> Element | None:
        """Return the key `tag`, or `None` if the record lacks it."""
        for element in self.keys:
            if element.tag == tag:
                return element
        return None

    def value(self, tag: int) -> bytes | None:
        """Return the bytes of key `tag` without padding, `b''` if empty, `None` if absent."""
        element = self.element(tag)
        return None if element is None else unpadded(element)

    def plain(self, tag: int) -> str | None:
        """Return key `tag` as text without padding, `''` if empty, `None` if absent.

        For VRs of the default repertoire (CS, DA, IS, TM, UI …); other bytes become `\\xNN`.
        """
        value = self.value(tag)
        return None if value is None else value.strip(b" \0").decode("ascii", "backslashreplace")

    @property
    def file_components(self) -> tuple[str, ...] | None:
        """The components of (0004,1500), legal or not; `()` if empty, `None` if absent."""
        value = self.value(FILE_ID)
        return None if value is None else components_of(value)

    @property
    def character_set(self) -> tuple[str, ...] | None:
        """The values of (0008,0005), trimmed; `None` if absent."""
        text = self.plain(SPECIFIC_CHARACTER_SET)
        return None if text is None else tuple(part.strip() for part in text.split("\\"))


@frozen
class FileSet:
    """What a DICOMDIR says, apart from its layout.

    Attributes
    ----------
    file_set_id:
        (0004,1130), `''` if empty.
    file_set_uid:
        The SOP Instance UID of the DICOMDIR (PS3.10 §8.1).
    records:
        The root entity, in order.
    descriptor_file_id:
        Components of (0004,1141), `()` if absent; legal or not, since readers meet both.
    descriptor_character_set:
        (0004,1142), `None` if absent.
    extra:
        Other elements of the data set, such as private ones, sorted by tag.
    """

    file_set_id: str
    file_set_uid: str
    records: tuple[Record, ...] = ()
    descriptor_file_id: tuple[str, ...] = ()
    descriptor_character_set: str | None = None
    extra: tuple[Element, ...] = ()


def walk(records: Iterable[Record]) -> Iterator[tuple[int, Record]]:
    """Yield (depth, record) depth first, a parent before its children, siblings in order.

    The records at the root have depth 0. Memory is that of the depth, not of the width.
    """
    stack = [iter(records)]
    while stack:
        record = next(stack[-1], None)
        if record is None:
            stack.pop()
            continue
        yield len(stack) - 1, record
        if record.children:
            stack.append(iter(record.children))


def paths(records: Iterable[Record]) -> Iterator[tuple[Record, ...]]:
    """Yield, depth first, each record preceded by its ancestors, outermost first."""
    chain: list[Record] = []
    for depth, record in walk(records):
        del chain[depth:]
        chain.append(record)
        yield tuple(chain)


def flat(record: Record) -> Record:
    """Return `record` without its children."""
    return replace(record, children=()) if record.children else record


def count(records: Iterable[Record]) -> int:
    """Return how many records there are, all levels together."""
    return sum(1 for _ in walk(records))


def file_id_element(name: FileId) -> Element:
    """Return (0004,1500) for `name`."""
    return Element(FILE_ID, "CS", padded("CS", name.value))


def unpadded(element: Element) -> bytes:
    """Return the value's bytes without trailing spaces and NULs; binary values as they are."""
    return element.data if element.vr in _BINARY else element.data.rstrip(b" \0")


def is_full(element: Element) -> bool:
    """Return whether there is a value: an item, a number, or text that is not blank."""
    return bool(element.value if isinstance(element.value, tuple) else unpadded(element))


def padded(vr: str, value: bytes) -> bytes:
    """Return `value` with its VR's padding if its length is odd (PS3.5 §6.2)."""
    if len(value) % 2 == 0:
        return value
    return value + (b"\0" if vr in ("UI", "OB", "UN") else b" ")


def needs_character_set(elements: Iterable[Element]) -> bool:
    """Return whether a text value, nested ones included, leaves the default repertoire.

    Bytes above 7FH or an escape sequence say so (PS3.5 §6.1). Items that declare their own
    character set answer for themselves.
    """
    pending: list[Item] = [tuple(elements)]
    while pending:
        for element in pending.pop():
            if isinstance(element.value, tuple):
                pending.extend(
                    item
                    for item in element.value
                    if not any(e.tag == SPECIFIC_CHARACTER_SET for e in item)
                )
            elif element.vr in TEXT_VRS and (
                not element.value.isascii() or b"\x1b" in element.value
            ):
                return True
    return False
