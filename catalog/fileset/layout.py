"""What lies where in a DICOMDIR, as values: its elements and Directory Records in physical order.

`items` fills them, `linking` makes a tree of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias

from catalog.dicom.elements import Element
from catalog.fileset.tree import SPECIFIC_CHARACTER_SET, needs_character_set
from catalog.findings import Finding, Severity
from catalog.shapes import field, mutable

DIRECTORY_RECORDS = 0x00041220

IN_USE = 1
"""Flag of a record: its In-use Flag is not 0000H."""
DECLARES = 2
"""Flag of a record: it declares a character set."""
IN_NEED = 4
"""Flag of a record: it declares none, and its text is in need of one."""
RECOVERED = 8
"""Flag of a record: no offset led to it."""

Numbers: TypeAlias = "array[int]"
Keys: TypeAlias = tuple[Element, ...]


class Noted(Protocol):
    """Where findings go, in the order in which they are made."""

    def append(self, finding: Finding, /) -> None:
        """Keep a finding."""

    def __iter__(self) -> Iterator[Finding]:
        """Yield them."""

    def __len__(self) -> int:
        """Return how many there are."""


@mutable
class Laid:
    """One Directory Record as it lies in the file.

    Attributes
    ----------
    keys:
        Sorted by tag, each tag once; the links and the type are not among them.
    next, lower, mrdr:
        The offsets as the file has them; `None` where the element is absent.
    """

    offset_bytes: int
    type: str = ""
    keys: Sequence[Element] = ()
    next: int | None = None
    lower: int | None = None
    mrdr: int | None = None
    in_use: bool = True


class LaidRecords:
    """The Directory Records of a file in physical order, each known by its number, from 0.

    A DICOMDIR may have hundreds of thousands, so that what every record has are numbers in columns,
    some twenty bytes a record. Keys are held, or read again from the file whenever they are asked for.

    Attributes
    ----------
    offsets, ends:
        Where each item begins, ascending, and where the bytes that belong to it end.
    next, lower:
        The offsets as the file has them; 0 where there is none.
    flags:
        `IN_USE`, `DECLARES`, `IN_NEED` and `RECOVERED`.
    mrdr:
        The value of (0004,1504) of those that have it.
    """

    def __init__(self, size_bytes: int = 0, *, hold: bool = True) -> None:
        """Make a list of no records of a file of `size_bytes`; `hold`: the keys of all are held."""
        wide = "Q" if size_bytes >> 32 else "I"
        self.offsets: Numbers = array(wide)
        self.ends: Numbers = array(wide)
        self.next: Numbers = array("I")
        self.lower: Numbers = array("I")
        self.flags = bytearray()
        self.mrdr: dict[int, int] = {}
        self.holds_all = hold
        self._types: Numbers = array("I")
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._held: dict[int, Keys] = {}
        self._read_again: Callable[[int, int], Keys] = _not_there

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.offsets)

    def add(self, laid: Laid, end: int, *, hold: bool) -> None:
        """Add a record whose item ends at `end`.

        `hold`: its keys are held in any case, because reading it again may not give the same.
        """
        if laid.mrdr is not None:
            self.mrdr[len(self)] = laid.mrdr
        keys = tuple(laid.keys)
        if hold or self.holds_all:
            self._held[len(self)] = keys
        self.add_plain(
            laid.offset_bytes, end, self.type_number(laid.type), laid.next or 0, laid.lower or 0, text_flags(keys) | (IN_USE if laid.in_use else 0)
        )  # fmt: skip

    def add_plain(
        self, offset: int, end: int, type_number: int, next_: int, lower: int, flags: int
    ) -> None:
        """Add a record without (0004,1504)."""
        self.offsets.append(offset)
        self.ends.append(end)
        self._types.append(type_number)
        self.next.append(next_)
        self.lower.append(lower)
        self.flags.append(flags)

    def type_number(self, name: str) -> int:
        """Return the number that stands for the record type `name`."""
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return number

    def type(self, i: int) -> str:
        """Return the type of record `i`."""
        return self._names[self._types[i]]

    def has(self, name: str) -> bool:
        """Return whether there is a record of the type `name`."""
        return name in self._numbers

    def count(self, name: str) -> int:
        """Return how many records have the type `name`."""
        number = self._numbers.get(name)
        return 0 if number is None else self._types.count(number)

    def keys(self, i: int) -> Keys:
        """Return the keys of record `i`."""
        held = self._held.get(i)
        return self._read_again(self.offsets[i], self.ends[i]) if held is None else held

    def hold(self, i: int, keys: Iterable[Element]) -> None:
        """Have record `i` hold these keys in place of its own."""
        self._held[i] = found = tuple(keys)
        self.flags[i] = self.flags[i] & ~(DECLARES | IN_NEED) | text_flags(found)

    def hold_next(self, keys: Keys) -> None:
        """Hold the keys of the record that is added next."""
        self._held[len(self.offsets)] = keys

    def let_go(self, i: int) -> Keys:
        """Return the keys of record `i`, which are not asked for again."""
        held = self._held.pop(i, None)
        return self._read_again(self.offsets[i], self.ends[i]) if held is None else held

    def read_again_by(self, read: Callable[[int, int], Keys]) -> None:
        """Have keys that are not held read by `read`, which is given offset and end of the item."""
        self._read_again = read


def rest(data: object) -> None:
    """Give back the memory of the pages that were looked at, if `data` is a mapped file; they come again when asked for."""
    if isinstance(data, bytes):
        return
    import mmap  # most DICOMDIRs are small, and no file is mapped

    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)


def _not_there(offset: int, end: int) -> Keys:
    raise LookupError(f"the keys of the record at byte {offset} are not held")


def declared(keys: Iterable[Element]) -> Element | None:
    """Return the first Specific Character Set that is not blank, `None` if there is none."""
    return next((e for e in keys if e.tag == SPECIFIC_CHARACTER_SET and e.data.strip()), None)


def text_flags(keys: Sequence[Element]) -> int:
    """Return `DECLARES`, `IN_NEED` or 0."""
    if declared(keys) is not None:
        return DECLARES
    return IN_NEED if needs_character_set(keys) else 0


@mutable
class Layout:
    """Everything in a DICOMDIR, in physical order: File Meta, data set, records."""

    meta: dict[int, Element] = field(default_factory=dict)
    elements: dict[int, Element] = field(default_factory=dict)
    records: LaidRecords = field(default_factory=LaidRecords)
    has_sequence: bool = False
    findings: Noted = field(default_factory=list[Finding])

    def note(
        self,
        code: str,
        severity: Severity,
        message: str,
        offset: int | None,
        clause: str | None = None,
    ) -> None:
        """Keep a finding."""
        self.findings.append(Finding(code, severity, message, "", clause, offset))
