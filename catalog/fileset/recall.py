"""What was made from the headers before, for headers that say the same again.

Instances of a series differ in a few elements, and most of what a record is made from is not among
them. While something is made it is watched which elements are asked for (`Watched`). Another header
that answers those questions alike leads to the same result, whatever else it holds, because what
makes records asks nothing but its header.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from catalog.dicom.elements import Element
from catalog.fileset.maker import Built, Maker
from catalog.fileset.record_types import Key
from catalog.fileset.supplied import Header
from catalog.fileset.tree import needs_character_set
from catalog.findings import Finding
from catalog.shapes import replace

ExtraKeys = Mapping[str, Sequence[Key]]
"""Keys that an application profile adds, by record type."""

MOST_REMEMBERED = 2048
"""Results that one `Recall` keeps; when there are more it begins anew."""

T = TypeVar("T")


class Watched:
    """A header that notes in `seen` what it was asked for, and what it answered."""

    __slots__ = ("_header", "seen")

    def __init__(self, header: Header) -> None:
        self._header = header
        self.seen: dict[int, Element | None] = {}

    def get(self, tag: int, /) -> Element | None:
        """Return the element `tag`, `None` if the header lacks it."""
        element = self.seen[tag] = self._header.get(tag)
        return element


class Recall(Generic[T]):
    """The last result of each name, with the elements that it was made from.

    Asking is cheapest where the elements are the very objects of the header before.
    """

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[tuple[int, ...], tuple[Element | None, ...], T]] = {}

    def find(self, name: Hashable, header: Header) -> T | None:
        """Return the result `name` if `header` has all that it was made from, or `None`."""
        made = self._made.get(name)
        if made is None or tuple(map(header.get, made[0])) != made[1]:
            return None
        return made[2]

    def keep(self, name: Hashable, seen: dict[int, Element | None], result: T) -> None:
        """Remember `result` under `name`, made from what `seen` says; the one before is forgotten."""
        if len(self._made) >= MOST_REMEMBERED:
            self._made.clear()
        self._made[name] = (tuple(seen), tuple(seen.values()), result)


class _Part(NamedTuple):
    """One key of a record: the element, what was noticed, and whether its text needs (0008,0005)."""

    element: Element | None
    findings: tuple[Finding, ...]
    refused: Finding | None
    is_text: bool


class Memory:
    """What the records made last were made from.

    Records of equal elements are then mostly one object. For one thread, and one `extra` at a time:
    with another it begins anew.
    """

    def __init__(self) -> None:
        self._extra: ExtraKeys | None = None
        self._wholes: Recall[Built] = Recall()
        self._parts: Recall[_Part] = Recall()

    def begin(self, extra: ExtraKeys) -> None:
        """Forget everything if it was made with other keys than those of `extra`."""
        if self._extra is not extra:
            self._extra, self._wholes, self._parts = extra, Recall(), Recall()

    def whole(self, name: tuple[object, ...], header: Header, place: str) -> Built | None:
        """Return the record `name` of `header` if it was made before, as noticed at `place`."""
        built = self._wholes.find(name, header)
        if built is None or not built.findings:
            return built
        return Built(built.record, tuple(replace(f, place=place) for f in built.findings))

    def keep(self, name: tuple[object, ...], header: Watched, built: Built) -> None:
        """Remember the record `name`, made from `header`."""
        self._wholes.keep(name, header.seen, built)

    def part(self, maker: Maker, key: Key) -> tuple[Element | None, bool]:
        """Return what `maker` makes of `key`, and whether it needs (0008,0005); `maker` has the rest."""
        name = (maker.record_type, key.tag)
        part = self._parts.find(name, maker.header)
        if part is not None:
            if part.findings:
                maker.findings += [replace(f, place=maker.place) for f in part.findings]
            if part.refused is not None:
                maker.refused = replace(part.refused, place=maker.place)
            return part.element, part.is_text
        watched = Watched(maker.header)
        apart = Maker(watched, maker.record_type, maker.clause, maker.place)
        element = apart.element(key)
        is_text = element is not None and needs_character_set((element,))
        part = _Part(element, tuple(apart.findings), apart.refused, is_text)
        self._parts.keep(name, watched.seen, part)
        maker.findings += apart.findings
        maker.refused = apart.refused
        return element, is_text
