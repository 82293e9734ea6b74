"""`@NAME`: saved selections, wherever a selection may stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from catalog.cli import options

if TYPE_CHECKING:
    from catalog.database.saved_selections import Saved
    from catalog.query.selection import Selection

MOST_LINES = 100_000
"""Lines of a list that a saved selection may hold."""

_SIGNS = {
    "patient": "--patient",
    "study": "--study",
    "series": "--series",
    "instance": "--instance",
    "modality": "--modality",
    "date": "--date",
    "accession": "--accession",
    "key": "-k",
    "words": "--text",
    "where": "--where",
    "sql": "--sql",
}
"""Parameters of `options.selection` that may be saved, and how people type them."""

_FLAGS = {"exact": "--exact", "no_links": "--no-links"}
"""Those without a value, in the same way."""

_LINES = "lines"
"""The key of a definition under which the lines of `--from` stand."""


def names(words: Sequence[str]) -> list[str]:
    """Return the names in `@NAME` words.

    Raises
    ------
    SelectionError
        If a word does not begin with `@`, or nothing that may be a name follows.
    """
    from catalog.database.saved_selections import checked_name
    from catalog.errors import SelectionError

    for word in words:
        if word == "@":
            raise SelectionError(
                "@ is followed by the name of a saved selection: @NAME. `dcat selection list` shows them.",
                word,
            )
        if not word.startswith("@"):
            raise SelectionError(
                f"{word!r} is not expected here. A saved selection is written @NAME; "
                "everything else that selects is an option, such as --patient ID.",
                word,
            )
    return [checked_name(word[1:]) for word in words]


def beside(chosen: Selection, words: Sequence[str], db: str | None) -> Selection:
    """Return what fits `chosen` and each of the saved selections that `words` (`@NAME`) name.

    Its text says what the names mean now, so that the ledger stays true when they change.

    Raises
    ------
    SelectionError
        If a name is unknown, or what it means cannot be understood any more.
    """
    from catalog.query.selection import Selection

    wanted = names(words)
    if not wanted:
        return chosen
    from catalog.database.saved_selections import all_saved

    with options.opened(db) as catalogue, catalogue.read() as connection:
        known = all_saved(connection)
    texts: dict[str, str] = {}
    for name in wanted:
        chosen &= _meaning(known, name, db, (), texts)
    told = (f"[@{name} is {text}]" for name, text in texts.items())
    return Selection(text=" ".join([chosen.text, *told])) & chosen


def _meaning(
    known: Sequence[Saved],
    name: str,
    db: str | None,
    within: tuple[str, ...],
    texts: dict[str, str],
) -> Selection:
    """Return the selection called `name`; put its text, and of those that it refers to, into `texts`."""
    from catalog.database.saved_selections import named
    from catalog.errors import SelectionError

    if name in within:
        way = " → ".join(f"@{each}" for each in (*within[within.index(name) :], name))
        raise SelectionError(f"@{name} would be part of itself: {way}.", name)
    saved = named(known, name)
    texts.setdefault(name, saved.text)
    return meaning(known, saved.definition, db, (*within, name), texts)


def meaning(
    known: Sequence[Saved],
    definition: Mapping[str, Any],
    db: str | None,
    within: tuple[str, ...] = (),
    texts: dict[str, str] | None = None,
) -> Selection:
    """Return the selection that a definition describes now.

    Parameters
    ----------
    known:
        All saved selections, as it may refer to them.
    within:
        The names whose definitions lead to this one; none of them may come again.

    Raises
    ------
    SelectionError
        If a part cannot be understood, a name is unknown, or one of `within`.
    """
    from catalog.database.saved_selections import SAVED
    from catalog.errors import SelectionError
    from catalog.query.selection import Selection

    if not {*_SIGNS, *_FLAGS, _LINES, SAVED} >= definition.keys():
        raise SelectionError(
            f"@{within[-1] if within else ''} was saved by another version of dcat, which knows more options. Save it again with this one."
        )
    given = {name: value for name, value in definition.items() if name in {*_SIGNS, *_FLAGS}}
    try:
        chosen = options.selection(**given, db=db)
    except SelectionError as exc:
        if not within:
            raise
        raise SelectionError(f"In @{within[-1]}: {exc}", exc.term) from exc
    if _LINES in definition:
        chosen &= Selection(lists=(tuple(definition[_LINES]),))
    for name in definition.get(SAVED, ()):
        chosen &= _meaning(known, name, db, within, {} if texts is None else texts)
    return chosen


def definition(
    given: Mapping[str, Any], lines: Sequence[str] | None, words: Sequence[str]
) -> dict[str, Any]:
    """Return what is saved: the options that were given, the lines of a list, the names of others.

    Raises
    ------
    SelectionError
        If nothing is selected, or the list is too long to be kept.
    """
    from catalog.database.saved_selections import SAVED
    from catalog.errors import SelectionError

    found: dict[str, Any] = {name: value for name, value in given.items() if value}
    if lines is not None:
        kept = [line for line in lines if line.strip()]
        if len(kept) > MOST_LINES:
            raise SelectionError(
                f"The list has {len(kept):,} lines; a saved selection holds at most {MOST_LINES:,}. "
                "Say what they have in common, or give the list with --from each time."
            )
        found[_LINES] = kept
    others = names(words)
    if others:
        found[SAVED] = others
    if not found:
        raise SelectionError(
            "Nothing says what is to be selected. Give options as to `dcat find`, such as --modality CT."
        )
    return found


def as_typed(saved: Mapping[str, Any]) -> str:
    """Return a definition as options that people can type; a list is named by its length."""
    import shlex

    return shlex.join(_typed(saved))


def _typed(saved: Mapping[str, Any]) -> Iterator[str]:
    from catalog.database.saved_selections import SAVED

    for name in saved.get(SAVED, ()):
        yield f"@{name}"
    for name, sign in _SIGNS.items():
        for value in saved.get(name, ()):
            yield sign
            yield value
    for name, sign in _FLAGS.items():
        if saved.get(name):
            yield sign
    if _LINES in saved:
        count = len(saved[_LINES])
        yield "--from"
        yield f"({count:,} {'line' if count == 1 else 'lines'})"
