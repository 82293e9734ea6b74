r"""How one stored value is compared with one asked value (PS3.4 C.2.2.2).

Each matcher has a twin in SQL (`catalog.database.matching`). `None` (absent) and `''` (empty) are
matched by `Anything` and `Empty` alone: unlike a C-FIND provider (PS3.4 C.2.2.1.2) the catalogue
never returns an entity that lacks the value for which it was asked.
"""

from __future__ import annotations

import operator

from catalog.attributes import Attribute
from catalog.entities import Value
from catalog.normal_forms import clock, folded_name, instant, name_key, number
from catalog.query.wildcards import fits
from catalog.shapes import frozen

COMPARISONS = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@frozen
class Anything:
    """Universal matching: every entity, whether it has the attribute or not (C.2.2.2.3)."""

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return True."""
        return True


@frozen
class Empty:
    """Empty value matching: absent or present without a value (C.2.2.2.7)."""

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether nothing is stored."""
        return stored is None or stored == ""


@frozen
class Equal:
    """Single value matching: equal to one of `values`, all in normal form (C.2.2.2.1, .2)."""

    values: tuple[Value, ...]

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether `stored`, or any of its values, is one of `values`."""
        return any(part in self.values for part in parts(attribute, stored))


@frozen
class Like:
    """Wildcard matching (C.2.2.2.4); `pattern` as `catalog.query.wildcards` has it."""

    pattern: str

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether `stored`, or any of its values, fits the whole pattern."""
        return any(fits(self.pattern, str(part)) for part in parts(attribute, stored))


@frozen
class Between:
    """Range matching over normal forms as text (C.2.2.2.5); a stored value counts as its earliest moment.

    `low` is the shortest spelling of the first moment and `high` sorts after every spelling of the
    last, so that the order of texts is that of times.
    """

    low: str | None
    high: str | None
    is_open: bool = False
    """Whether the ends themselves lie outside."""

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether `stored`, or any of its values, lies in the range."""
        return any(
            _lies_within(str(part), self.low, self.high, self.is_open)
            for part in parts(attribute, stored)
        )


@frozen
class Moments:
    """Range matching of date-times that may have a UTC offset (C.2.2.2.5.3).

    Each end is compared as an instant where both it and the stored value have an offset, else by
    the clock as written, whichever of the two has one.
    """

    low: str | None
    high: str | None
    low_instant: str | None
    high_instant: str | None
    is_open: bool = False

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether `stored`, or any of its values, lies in the range."""
        return any(self._takes(str(part)) for part in parts(attribute, stored))

    def _takes(self, form: str) -> bool:
        at, moment = clock(form), instant(form)
        return all(
            _lies_within(moment, low_instant, high_instant, self.is_open)
            if moment is not None and (low_instant or high_instant)
            else at is not None and _lies_within(at, low, high, self.is_open)
            for low, high, low_instant, high_instant in (
                (self.low, None, self.low_instant, None),
                (None, self.high, None, self.high_instant),
            )
        )


@frozen
class Compared:
    """Comparison of a number, an extra beyond the standard; `sign` is a key of `COMPARISONS`."""

    sign: str
    bound: int | float

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether `stored`, or any of its values, is a number so related to the bound."""
        holds = COMPARISONS[self.sign]
        numbers = (number(part) if isinstance(part, str) else part for part in parts(attribute, stored))  # fmt: skip
        return any(each is not None and holds(each, self.bound) for each in numbers)


@frozen
class NameLike:
    """Matching of person names, by component group (C.2.2.2.1.1).

    `pattern` may hold wildcards. Without `=` it must fit one whole component group of any of the
    names, with `=` groups side by side; empty groups and empty components at the end do not count.
    """

    pattern: str
    is_exact: bool = False
    """Whether case and accents count; if not, `pattern` is folded."""

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether a component group of a name fits the pattern."""
        if stored is None or stored == "":
            return False
        key = name_key(str(stored)) if self.is_exact else folded_name(str(stored))
        if "=" in self.pattern:
            return fits(f"*={self.pattern}=*", f"={key}=")
        return any(fits(self.pattern, group) for group in key.split("="))


@frozen
class AllOf:
    r"""Multiple value matching: each matcher accepts one of the stored values (C.2.2.2.8)."""

    matchers: tuple[Matcher, ...]

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether all matchers accept `stored`."""
        return all(matcher.accepts(attribute, stored) for matcher in self.matchers)


@frozen
class AnyOf:
    """Several spellings of one thing asked: any of the matchers accepts."""

    matchers: tuple[Matcher, ...]

    def accepts(self, attribute: Attribute, stored: Value) -> bool:
        """Return whether any matcher accepts `stored`."""
        return any(matcher.accepts(attribute, stored) for matcher in self.matchers)


Matcher = Anything | Empty | Equal | Like | Between | Moments | Compared | NameLike | AllOf | AnyOf


def parts(attribute: Attribute, stored: Value) -> tuple[Value, ...]:
    r"""Return the values of which `stored` consists; none if it is absent or empty."""
    if stored is None or stored == "":
        return ()
    if attribute.is_multi_valued:
        return tuple(part for part in str(stored).split("\\") if part)
    return (stored,)


def _lies_within(text: str, low: str | None, high: str | None, is_open: bool) -> bool:
    if is_open:
        return (low is None or text > low) and (high is None or text < high)
    return (low is None or text >= low) and (high is None or text <= high)
