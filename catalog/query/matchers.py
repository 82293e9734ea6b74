r"""How one stored value is compared with one asked value (PS3.4 C.2.2.2).

Each matcher has a twin in SQL (`catalog.database.select`). `None` (absent) and `''` (empty) are
matched by `Anything` and `Empty` alone: unlike a C-FIND provider (PS3.4 C.2.2.1.2) the catalogue
never returns an entity that lacks the value for which it was asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from catalog.attributes import Attribute
from catalog.entities import Value
from catalog.normal_forms import folded_name


@dataclass(frozen=True, slots=True)
class Anything:
    """Universal matching: every entity, whether it has the attribute or not (C.2.2.2.3)."""

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return True."""
        return True


@dataclass(frozen=True, slots=True)
class Empty:
    """Empty value matching: absent or present without a value (C.2.2.2.7)."""

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether nothing is stored."""
        return stored is None or stored == ""


@dataclass(frozen=True, slots=True)
class Equal:
    """Single value matching: equal to one of `values`, all in normal form (C.2.2.2.1, .2).

    Several values are several spellings of one time, or a list of UIDs.
    """

    values: tuple[Value, ...]

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether `stored`, or any of its values, is one of `values`."""
        return any(part in self.values for part in parts(attribute, stored))


@dataclass(frozen=True, slots=True)
class EachOf:
    """Multiple value matching: all of `values` are among the stored ones (C.2.2.2.8)."""

    values: tuple[str, ...]

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether `stored` has every one of `values`."""
        return set(self.values) <= set(parts(attribute, stored))


@dataclass(frozen=True, slots=True)
class Like:
    """Wildcard matching: `*` any run of characters, `?` exactly one (C.2.2.2.4)."""

    pattern: str

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether `stored`, or any of its values, fits the whole pattern."""
        expression = _expression(self.pattern)
        return any(expression.fullmatch(str(part)) is not None for part in parts(attribute, stored))


@dataclass(frozen=True, slots=True)
class Between:
    """Range matching over normal forms, both ends included (C.2.2.2.5).

    `low` is a lower bound as text. `high` ends with `~`, which sorts after every character of a
    normal form, so that a shorter, less precise end takes in all that it covers.
    """

    low: str | None
    high: str | None

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether `stored` lies in the range."""
        return any(
            (self.low is None or str(part) >= self.low)
            and (self.high is None or str(part) <= self.high)
            for part in parts(attribute, stored)
        )


@dataclass(frozen=True, slots=True)
class NameLike:
    """Matching of person names: without case and accents, in any component group (C.2.2.2.1.1).

    `pattern` is folded and may hold wildcards. It must fit from the beginning of a group to the
    end of a group, so it finds a name by its alphabetic, its ideographic or its phonetic form.
    """

    pattern: str

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether any group of any name fits the pattern."""
        if stored is None or stored == "":
            return False
        return (
            _expression(f"*={self.pattern}=*").fullmatch(f"={folded_name(str(stored))}=")
            is not None
        )


Matcher = Anything | Empty | Equal | EachOf | Like | Between | NameLike


def parts(attribute: Attribute, stored: Value) -> tuple[Value, ...]:
    r"""Return the values of which `stored` consists; none if it is absent or empty."""
    if stored is None or stored == "":
        return ()
    if attribute.is_multi_valued:
        return tuple(part for part in str(stored).split("\\") if part)
    return (stored,)


def _expression(pattern: str) -> re.Pattern[str]:
    translated = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.compile(translated, re.DOTALL)
