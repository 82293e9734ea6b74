r"""From what a user types to a `Selection`.

`KEYWORD=VALUE` follows DICOM matching (PS3.4 C.2.2.2): wildcards `*` and `?` for text, ranges
`a-b` for dates and times, lists `uid\uid` (or with commas) for UIDs, `""` for no value, an empty
VALUE for anything. Beyond it `!=` negates, `<`, `<=`, `>` and `>=` compare numbers, dates and times,
and `StudyDate+StudyTime=` takes a date and a time together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from catalog.attributes import Attribute, Further
from catalog.errors import SelectionError
from catalog.query import naming, periods, values
from catalog.query.matchers import AllOf, AnyOf, Anything, Equal, Like, Matcher
from catalog.query.saying import shown
from catalog.query.selection import IdentityTerm, Selection, Term
from catalog.query.values import PLAIN, Manner, matcher
from catalog.query.words import text_words

MAX_TERMS = 400
"""How many different things may be asked at once. Of single values, UIDs and wildcard patterns there may be any number."""

_PAIR = re.compile(r"([^=!<>]*)(!=|<=|>=|=|<|>)(.*)", re.DOTALL)


def is_always_kept(pair: str) -> bool:
    """Return whether a `KEYWORD=VALUE` text names attributes that every catalogue keeps."""
    found = _PAIR.fullmatch(pair)
    return found is None or all(map(naming.is_always_kept, found[1].split("+")))


class Asked(NamedTuple):
    """One thing asked of an attribute, not yet understood by its VR."""

    attribute: Attribute
    time: Attribute | None
    sign: str
    value: str


def term(
    keyword: str, texts: Iterable[str], further: Sequence[Further] = (), manner: Manner = PLAIN
) -> Term:
    """Return the term for `keyword` being any of `texts`.

    Raises
    ------
    SelectionError
        If the keyword is unknown or a value cannot be a value, pattern or range of its VR.
    """
    attribute = naming.attribute_named(keyword, further)
    return Term(attribute, tuple(matcher(attribute, text, manner) for text in texts))


def key_terms(
    pairs: Sequence[str], further: Sequence[Further] = (), manner: Manner = PLAIN
) -> tuple[Term, ...]:
    """Return the terms of `KEYWORD=VALUE` texts and the like.

    Of an attribute that is given several times with `=` any of the values will do. What is excluded
    by `!=`, and every comparison, must hold beside.

    Raises
    ------
    SelectionError
        If a text has no sign such as `=`, or as `term` does.
    """
    return terms([asked(pair, further) for pair in pairs], manner)


def asked(pair: str, further: Sequence[Further] = ()) -> Asked:
    """Return what a `KEYWORD=VALUE` text asks.

    Raises
    ------
    SelectionError
        If it has no sign, or names no attribute that is kept.
    """
    found = _PAIR.fullmatch(pair)
    if found is None:
        raise SelectionError(
            f"{shown(pair)} is not of the form KEYWORD=VALUE, such as Modality=CT.", pair
        )
    keyword, sign, value = found.groups()
    name, plus, of_time = keyword.partition("+")
    attribute = naming.attribute_named(name, further)
    return Asked(
        attribute, _time_beside(attribute, of_time, further) if plus else None, sign, value
    )


def _time_beside(date: Attribute, name: str, further: Sequence[Further]) -> Attribute:
    """Return the attribute of times called `name`, to be taken together with `date`."""
    time = naming.attribute_named(name, further)
    if (date.vr, time.vr) != ("DA", "TM") or date.is_multi_valued or time.is_multi_valued:
        raise SelectionError(
            f"{date.keyword} and {time.keyword} cannot be taken together; name a date and a time, such as StudyDate+StudyTime.",
            f"{date.keyword}+{name}",
        )
    if date.level is not time.level:
        raise SelectionError(
            f"{date.keyword} and {time.keyword} cannot be taken together: one is of the {date.level}, the other of the {time.level}.",
            f"{date.keyword}+{name}",
        )
    return time


def terms(things: Iterable[Asked], manner: Manner = PLAIN) -> tuple[Term, ...]:
    """Return the terms that together mean all that is asked; see `key_terms`.

    Raises
    ------
    SelectionError
        If a value cannot be a value, pattern or range of its VR.
    """
    found: dict[tuple[object, ...], list[Matcher]] = {}
    for each in things:
        made = _matcher(each, manner)
        # Comparisons stand each by itself, values beside each other.
        alone = made if each.sign not in ("=", "!=") else None
        key = (each.attribute, each.time, each.sign == "!=", alone)
        found.setdefault(key, []).append(made)
    count = len(found) + sum(_weight(each) for matchers in found.values() for each in matchers)
    if count > MAX_TERMS:
        raise SelectionError(
            f"{count:,} different conditions are asked at once, more than {MAX_TERMS}. Say what they have in common."
        )
    return tuple(
        Term(attribute, tuple(dict.fromkeys(matchers)), is_negated, time)  # type: ignore[arg-type]  # the key's last part widens the tuple's types
        for (attribute, time, is_negated, _), matchers in found.items()
    )


def _weight(matcher: Matcher) -> int:
    """Return how many conditions a matcher is, those aside that a database takes any number of."""
    match matcher:
        case Equal() | Like():
            return 0
        case AllOf(matchers) | AnyOf(matchers):
            return len(matchers)
    return 1


def _matcher(thing: Asked, manner: Manner) -> Matcher:
    attribute, time, sign, value = thing
    positive = "=" if sign == "!=" else sign
    if time is not None and value.strip() and value != '""':
        values.check_text(attribute, value)
        made = periods.combined(attribute, positive, value.strip(), manner.today)
    else:
        made = matcher(attribute, value, manner, positive)
    if sign == "!=" and isinstance(made, Anything):
        raise SelectionError(
            f'{attribute.keyword}!= excludes everything. Write a value, or {attribute.keyword}!="" for what has one.',
            value,
        )
    return made


def selection(  # noqa: PLR0913 - one for each kind of option
    keys: Sequence[str] = (),
    options: Sequence[tuple[str, Sequence[str]]] = (),
    conditions: Sequence[str] = (),
    statements: Sequence[str] = (),
    listed: Iterable[str] | None = None,
    text: str = "",
    further: Sequence[Further] = (),
    words: Sequence[str] = (),
    manner: Manner = PLAIN,
) -> Selection:
    """Return the selection that the command line describes.

    Parameters
    ----------
    keys:
        `KEYWORD=VALUE` texts.
    options:
        Keywords with the values of their own options (`--patient` and so on).
    text:
        The command line, for the ledger.
    further:
        The attributes that the catalogue keeps beyond those of every catalogue.
    words:
        Texts, of one of which all words are to be found.
    manner:
        What day is today, and how names are compared.

    Raises
    ------
    SelectionError
        As `key_terms` does, or if a text has no words.
    """
    typed = [value for _, given in options for value in given]
    for each in (*keys, *conditions, *statements, *words, *typed):
        if not _is_text(each):
            raise SelectionError(f"{shown(each)} holds bytes that are no text.", each)
    things = [
        Asked(naming.attribute_named(keyword), None, "=", value)
        for keyword, given in options
        for value in given
    ]
    things += [asked(pair, further) for pair in keys]
    lines = () if listed is None else (tuple(line.rstrip("\r\n") for line in listed if line.strip()),)  # fmt: skip
    texts = (tuple(text_words(each) for each in words),) if words else ()
    found = terms(things, manner)
    found, identities = _with_identities(found) if manner.follows_links else (found, ())
    return Selection(found, tuple(conditions), tuple(statements), lines, texts, identities, text)


def _with_identities(
    found: tuple[Term, ...],
) -> tuple[tuple[Term, ...], tuple[IdentityTerm, ...]]:
    """Return the terms, and apart from them those that are about whose it is.

    An issuer alone names nobody; beside a Patient ID it says whose ID is meant.
    """
    of_id = [term for term in found if term.attribute.keyword == "PatientID"]
    asked_for = tuple(term for term in of_id if not term.is_negated)
    made = []
    if asked_for:
        issuers = tuple(term for term in found if term.attribute.keyword == "IssuerOfPatientID")
        asked_for += issuers
        made.append(IdentityTerm(asked_for))
    excluded = tuple(term for term in of_id if term.is_negated)
    made += [IdentityTerm((Term(each.attribute, each.matchers),), True) for each in excluded]
    taken = {*asked_for, *excluded}
    return tuple(term for term in found if term not in taken), tuple(made)


def _is_text(typed: str) -> bool:
    try:
        typed.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate stands for a byte that is not UTF-8
        return False
    return True
