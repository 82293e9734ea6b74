"""A selection: which instances a command works on, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping

from catalog.attributes import Attribute, at, further_label
from catalog.entities import Claims, Level, StoredFile, Value
from catalog.query.matchers import Matcher
from catalog.query.words import Text, words_of
from catalog.shapes import field, frozen

_LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE)


@frozen
class Term:
    """One attribute and what it may be: any of `matchers`, or none of them.

    Attributes
    ----------
    is_negated:
        Whether it holds exactly where none of the matchers accepts: also where there is no value.
    time:
        An attribute of times that is taken together with `attribute`, a date, as one moment.
    """

    attribute: Attribute
    matchers: tuple[Matcher, ...]
    is_negated: bool = False
    time: Attribute | None = None

    @property
    def level(self) -> Level:
        """The entity that the term is about."""
        return self.attribute.level

    def accepts(self, stored: Value) -> bool:
        """Return whether the stored value fits."""
        return self.is_negated is not any(
            matcher.accepts(self.attribute, stored) for matcher in self.matchers
        )

    def value_in(self, values: Mapping[str, Value]) -> Value:
        """Return the value that the term is about, of values by column; `None` if it is absent."""
        value = values.get(self.attribute.column)
        if self.time is None or not value:
            return value
        time = values.get(self.time.column)
        return f"{value}T{time}" if time else value


@frozen
class IdentityTerm:
    """What Patient ID and issuer may be, where links of patients are followed.

    All of `terms` must hold of one identity: the one that the patient's files state, or the one that
    people linked it to (`catalog.database.patient_links`). An ID of the one beside an issuer of the
    other would be somebody else.

    Attributes
    ----------
    is_negated:
        Whether it holds exactly where neither identity fits.
    """

    terms: tuple[Term, ...]
    is_negated: bool = False

    def accepts(self, values: Mapping[str, Value], linked: Mapping[str, Value] | None) -> bool:
        """Return whether a patient with these values by column, linked to the identity `linked`, fits."""
        return self.is_negated is not any(
            all(term.accepts(term.value_in(identity)) for term in self.terms)
            for identity in (values, linked)
            if identity is not None
        )


@frozen
class Selection:
    """Everything that fits all of what is here.

    Attributes
    ----------
    terms:
        By attribute, all of which must hold; several may be of one attribute.
    conditions:
        SQL conditions over the columns of the view `v_instance`.
    statements:
        SQL queries whose first column names what is selected: a UID of any level, a Patient ID,
        `instance_ref` or a path, by its column name.
    lists:
        UIDs of any level or paths of files, as read from lists. An empty list selects nothing.
    texts:
        Words to be found in one series, its study and its patient.
    identities:
        Whose it may be, where links of patients are followed.
    """

    terms: tuple[Term, ...] = ()
    conditions: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    lists: tuple[tuple[str, ...], ...] = ()
    texts: tuple[Text, ...] = ()
    identities: tuple[IdentityTerm, ...] = ()
    text: str = field(default="", compare=False)
    """The selection as the user typed it, for the ledger."""

    @property
    def is_everything(self) -> bool:
        """Whether nothing was asked, so that all is selected."""
        return self == Selection()

    @property
    def listed(self) -> tuple[str, ...] | None:
        """All lines of all lists, each once, in their order; `None` if no list was given."""
        return tuple(dict.fromkeys(line for lines in self.lists for line in lines)) if self.lists else None  # fmt: skip

    @property
    def keywords(self) -> tuple[str, ...]:
        """The attributes that are asked for, by keyword, each once."""
        of_patients = [term for each in self.identities for term in each.terms]
        every = (*of_patients, *self.terms)
        named = (a.keyword for term in every for a in (term.attribute, term.time) if a)
        return tuple(dict.fromkeys(named))

    def __and__(self, other: Selection) -> Selection:
        """Return the selection of what fits both."""
        return Selection(
            tuple(dict.fromkeys((*self.terms, *other.terms))),
            tuple(dict.fromkeys((*self.conditions, *other.conditions))),
            tuple(dict.fromkeys((*self.statements, *other.statements))),
            tuple(dict.fromkeys((*self.lists, *other.lists))),
            tuple(dict.fromkeys((*self.texts, *other.texts))),
            tuple(dict.fromkeys((*self.identities, *other.identities))),
            self.text or other.text,
        )

    def at(self, *levels: Level) -> tuple[Term, ...]:
        """Return the terms whose attribute belongs to one of `levels`."""
        return tuple(term for term in self.terms if term.level in levels)

    def matches(
        self,
        claims: Claims,
        file: StoredFile | None = None,
        computed: Mapping[str, Value] | None = None,
        linked: Mapping[str, Value] | None = None,
    ) -> bool:
        """Return whether an instance fits all terms and texts; conditions, statements and lists aside.

        Parameters
        ----------
        file:
            The file that holds it, for terms about files. What has several fits if one of them does.
        computed:
            Values of `catalog.query.computed.COMPUTED`, by column.
        linked:
            Patient ID and issuer, by column, that its patient is linked to; `None` if to nobody.
        """
        values = values_of(claims, file) | dict(computed or {})
        known = words_of(claims) if self.texts else frozenset()
        return (
            all(term.accepts(term.value_in(values)) for term in self.terms)
            and all(each.accepts(values, linked) for each in self.identities)
            and all(
                any(all(word.is_in(known) for word in words) for words in text)
                for text in self.texts
            )
        )


def values_of(claims: Claims, file: StoredFile | None = None) -> dict[str, Value]:
    """Return the values of an instance, all above it and its file, by column (`Attribute.column`)."""
    values: dict[str, Value] = {}
    for level, entity in zip(_LEVELS, claims[:4], strict=True):
        if entity is not None:
            values.update(entity._asdict())
            values.update((further_label(name, level), value) for name, value in entity.attributes)
    if file is not None:
        values.update((each.column, getattr(file, each.column)) for each in at(Level.FILE))
    return values
