"""Selections as SQL: the twin of `Selection.matches`. Tests hold the two together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, or_, select

from catalog.database import dialect, file_paths, followed_links, selected_sql
from catalog.database import models as m
from catalog.database.matching import PARENT_REFS, TABLES, all_of, term_condition
from catalog.database.rows import LEVELS, UID_COLUMN
from catalog.entities import Level
from catalog.query.selection import Selection
from catalog.query.words import Text, Word

json_value = dialect.json_value

_ORDER = tuple(TABLES)

_Conditions = dict[Level, list[ColumnElement[bool]]]


def selected_ids(connection: Connection, level: Level, selection: Selection) -> Select[Any]:
    """Return the query for the ids of the rows of `level` that are selected.

    A patient, study or series is selected if its own attributes fit and, where something is asked
    of what lies below it, one thing below it fits all of that. An instance is selected if all above
    it fits too and, where something is asked of files, one of its files.

    Raises
    ------
    SelectionError
        If a condition or statement of the selection is not SQL that can be run.
    """
    asked: _Conditions = {each: [] for each in _ORDER}
    for term in selection.terms:
        asked[term.level].append(term_condition(term))
    for whose in selection.identities:
        asked[Level.PATIENT].append(followed_links.condition(connection, whose))
    for free in selected_sql.conditions(connection, selection):
        asked[free.level].append(free.condition)
    _add_lists(connection, asked, level, selection.lists)
    if selection.texts:
        _add_texts(asked, level, selection.texts)
    source = TABLES[level]
    conditions = [*_above(asked, level, selection), *asked[level], *_below(asked, level, selection)]
    if level is Level.FILE and not selection.is_everything:
        conditions.append(m.file.c.instance_ref.is_not(None))
    return select(source.c.id).where(all_of(conditions)) if conditions else select(source.c.id)


def _above(
    asked: _Conditions, level: Level, selection: Selection, *, in_series: bool = False
) -> list[ColumnElement[bool]]:
    """Return the conditions that what a row of `level` belongs to fits what is asked of that.

    `in_series` says that it surely belongs to a series.
    """
    upper = _ORDER[: _ORDER.index(level)]
    if not any(asked[each] for each in upper):
        return []
    parent = TABLES[upper[-1]]
    above = _above(asked, upper[-1], selection, in_series=in_series)
    fitting = select(parent.c.id).where(all_of([*above, *asked[upper[-1]]]))
    ref = PARENT_REFS[level]
    if level is Level.INSTANCE and not in_series and _takes_orphans(asked, selection):
        return [or_(ref.is_(None), ref.in_(fitting))]
    return [ref.in_(fitting)]


def _takes_orphans(asked: _Conditions, selection: Selection) -> bool:
    """Return whether an instance that belongs to no series fits what is asked of series and above: by lacking every value."""
    terms = selection.at(Level.PATIENT, Level.STUDY, Level.SERIES)
    whose = selection.identities
    others = sum(len(asked[each]) for each in LEVELS[:3]) - len(terms) - len(whose)
    lacking = all(term.accepts(None) for term in terms) and all(w.accepts({}, None) for w in whose)
    return lacking and not others


def _below(asked: _Conditions, level: Level, selection: Selection) -> list[ColumnElement[bool]]:
    """Return the condition that one row below fits what is asked of all that lies below `level`.

    It is about the deepest row of which anything is asked, and all that this belongs to: so little
    has to be read where something is asked that no index serves.
    """
    lower = _ORDER[_ORDER.index(level) + 1 :]
    deepest = max((each for each in lower if asked[each]), key=_ORDER.index, default=None)
    if deepest is None:
        return []
    in_series = level is not Level.INSTANCE
    ref = PARENT_REFS[deepest]
    above = _above(asked, deepest, selection, in_series=in_series)
    found = select(ref).where(all_of([*asked[deepest], *above]), ref.is_not(None))
    for each in reversed(lower[: lower.index(deepest)]):
        ref = PARENT_REFS[each]
        found = select(ref).where(TABLES[each].c.id.in_(found), ref.is_not(None))
    return [TABLES[level].c.id.in_(found)]


def _related(level: Level, other: Level, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a row of `level` is, holds or belongs to a row of `other` that fits `condition`."""
    if level is other:
        return condition
    at = _ORDER.index(level)
    if at > _ORDER.index(other):
        above = _ORDER[at - 1]
        return PARENT_REFS[level].in_(
            select(TABLES[above].c.id).where(_related(above, other, condition))
        )
    below = _ORDER[at + 1]
    ref = PARENT_REFS[below]
    holding = select(ref).where(ref.is_not(None), _related(below, other, condition))
    found: ColumnElement[bool] = TABLES[level].c.id.in_(holding)
    return found


# -- lists -----------------------------------------------------------------------------------------


def _add_lists(
    connection: Connection, asked: _Conditions, level: Level, lists: Sequence[Sequence[str]]
) -> None:
    """Add the conditions of lists: a row is, holds or belongs to what each of them names.

    A list alone is asked of the level itself, so that a study of which only a directory record is
    known is found although nothing lies below it. With anything else asked of what lies below, and
    beside another list, all is about one instance.
    """
    lower = _ORDER[_ORDER.index(level) + 1 :]
    is_alone = len(lists) == 1 and not any(asked[each] for each in lower)
    at = level if is_alone else max(level, Level.INSTANCE, key=_ORDER.index)
    for listed in lists:
        named = [
            _related(at, of, dialect.is_listed(TABLES[of].c[column], listed))
            for of, column in UID_COLUMN.items()
        ]
        named += [
            _related(at, Level.INSTANCE, m.instance.c.id.in_(query))
            for query in _by_path(connection, listed)
        ]
        asked[at].append(dialect.any_way(TABLES[at].c.id, named))


def _by_path(connection: Connection, listed: Sequence[str]) -> list[Select[Any]]:
    """Return queries for the instances of the files whose paths are listed."""
    return [
        select(m.file.c.instance_ref).where(m.file.c.root_ref == ref, file_paths.is_one_of(paths))
        for ref, paths in _paths_by_root(connection, listed).items()
    ]


def _paths_by_root(connection: Connection, listed: Sequence[str]) -> dict[int, list[str]]:
    """Return those of `listed` that lie in a known root, relative to it, by the root's id."""
    found: dict[int, list[str]] = {}
    for ref, root_path in connection.execute(select(m.root.c.id, m.root.c.path)):
        start = root_path.rstrip("/") + "/"
        paths = [item[len(start) :] for item in listed if item.startswith(start)]
        if paths:
            found[ref] = paths
    return found


def unmatched(connection: Connection, listed: Sequence[str]) -> list[str]:
    """Return those of the listed UIDs and paths that the catalogue does not know, in their order."""
    known: set[str] = set()
    for level, column in UID_COLUMN.items():
        uid = TABLES[level].c[column]
        known.update(
            connection.execute(
                select(uid).where(dialect.is_listed(uid, listed)).distinct()
            ).scalars()
        )
    for ref, paths in _paths_by_root(connection, listed).items():
        root_path = connection.execute(select(m.root.c.path).where(m.root.c.id == ref)).scalar_one()
        found = connection.execute(
            select(m.file.c.path).where(m.file.c.root_ref == ref, file_paths.is_one_of(paths))
        ).scalars()
        known.update(f"{root_path.rstrip('/')}/{path}" for path in found)
    return [item for item in listed if item not in known]


# -- full text -------------------------------------------------------------------------------------


def _add_texts(asked: _Conditions, level: Level, texts: Sequence[Text]) -> None:
    """Add the condition that one series has all words, with its study and patient.

    Of a study without series in the catalogue the words of study and patient are all there is.
    """
    in_series = _with_texts(Level.SERIES, texts)
    is_of_series = any(asked[each] for each in (Level.SERIES, Level.INSTANCE, Level.FILE))
    if level in (Level.PATIENT, Level.STUDY) and not is_of_series:
        alone = _with_texts(Level.STUDY, texts)
        below = _related(Level.STUDY, Level.SERIES, in_series)
        asked[Level.STUDY].append(dialect.any_way(m.study.c.id, [alone, below]))
    else:
        asked[Level.SERIES].append(in_series)


def _with_texts(level: Level, texts: Sequence[Text]) -> ColumnElement[bool]:
    """Return the condition that a row of `level`, with all above it, has the words of each text."""
    ids = TABLES[level].c.id
    fitting = (
        [dialect.all_ways(ids, [_with_word(level, word) for word in words]) for words in text]
        for text in texts
    )
    return dialect.all_ways(ids, [dialect.any_way(ids, each) for each in fitting])


def _with_word(level: Level, word: Word) -> ColumnElement[bool]:
    """Return the condition that a row of `level`, or one above it, has the word."""
    places = _ORDER[: _ORDER.index(level) + 1]
    found = [
        _related(level, each, dialect.has_words(TABLES[each].c, each.value, (word,)))
        for each in places
    ]
    return dialect.any_way(TABLES[level].c.id, found)
