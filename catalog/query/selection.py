"""A selection: which instances a command works on, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.attributes import Attribute, further_label
from catalog.entities import Claims, Level, Value
from catalog.query.matchers import Matcher

_LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE)


@dataclass(frozen=True, slots=True)
class Term:
    """One attribute and what it may be: any of `matchers`."""

    attribute: Attribute
    matchers: tuple[Matcher, ...]

    def accepts(self, stored: Value) -> bool:
        """Return whether any matcher accepts the stored value."""
        return any(matcher.accepts(self.attribute, stored) for matcher in self.matchers)


@dataclass(frozen=True, slots=True)
class Selection:
    """Everything that fits all `terms`, all `conditions`, and the lists where given.

    Attributes
    ----------
    terms:
        By attribute, all of which must hold.
    conditions:
        SQL conditions over the columns of the view `v_instance`.
    statements:
        SQL queries whose first column names what is selected: a UID of any level, a Patient ID,
        `instance_ref` or a path, by its column name.
    listed:
        UIDs of any level or paths of files, as read from a list; `None` if no list was given. An
        empty list selects nothing.
    """

    terms: tuple[Term, ...] = ()
    conditions: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    listed: tuple[str, ...] | None = None
    text: str = field(default="", compare=False)
    """The selection as the user typed it, for the ledger."""

    @property
    def is_everything(self) -> bool:
        """Whether nothing was asked, so that all is selected."""
        return (
            not self.terms and not self.conditions and not self.statements and self.listed is None
        )

    def at(self, *levels: Level) -> tuple[Term, ...]:
        """Return the terms whose attribute belongs to one of `levels`."""
        return tuple(term for term in self.terms if term.attribute.level in levels)

    def matches(self, claims: Claims) -> bool:
        """Return whether an instance fits all terms; conditions, statements and lists aside."""
        values = values_of(claims)
        return all(term.accepts(values.get(term.attribute.column)) for term in self.terms)


def values_of(claims: Claims) -> Mapping[str, Value]:
    """Return the values of an instance and all above it, by column (`Attribute.column`)."""
    values: dict[str, Value] = {}
    for level, entity in zip(_LEVELS, claims[:4], strict=True):
        if entity is not None:
            values.update(entity._asdict())
            values.update((further_label(name, level), value) for name, value in entity.attributes)
    return values
