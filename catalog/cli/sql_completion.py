"""What the Tab key offers in the SQL shell: tables, columns of the tables in use, words of SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from catalog.database.sql import FUNCTIONS, KEYWORDS, Relations, tables_in

_WORD = re.compile(r"[\w.\\]*\Z")
_TABLE_NEXT = re.compile(r"\b(?:FROM|JOIN)\s+(?:\w+\s*(?:AS\s+)?\w*\s*,\s*)*\Z", re.IGNORECASE)
_ALIAS = re.compile(r"\b(?:FROM|JOIN|,)\s+(\w+)(?:\s+AS)?\s+(\w+)", re.IGNORECASE)


def word_before(text: str) -> str:
    """Return the word that ends `text`, which completion continues; `''` after a space."""
    match = _WORD.search(text)
    return match[0] if match else ""


def completions(
    before: str, after: str, known: Relations, commands: Sequence[str] = ()
) -> list[str]:
    """Return what the last word of `before` may become, the likelier first.

    Parameters
    ----------
    before, after:
        The statement up to the cursor, and from there.
    commands:
        Commands of the shell, which stand at the beginning of a statement.
    """
    word = word_before(before)
    start = before[: len(before) - len(word)]
    if word[:1] in (".", "\\"):
        return _fitting(word, commands) if not start.strip() else []
    if start.count("'") % 2:
        return []  # inside a text
    named = tables_in(before + after, known)
    alias, dot, _ = word.rpartition(".")
    if dot:
        table = _aliases(before + after, known).get(alias.lower())
        return _fitting(word, (f"{alias}.{column}" for column in known[table])) if table else []
    if _TABLE_NEXT.search(start):
        return _fitting(word, known)
    views = [name for name in known if name.startswith("v_")]
    columns = dict.fromkeys(column for name in named or views for column in known[name])
    found = _fitting(word, columns)
    if word:
        found += _fitting(word, known)
        spelled = str.lower if word.islower() else str.upper
        found += [spelled(each) for each in _fitting(word, KEYWORDS)]
        found += _fitting(word, FUNCTIONS)
    return list(dict.fromkeys(found))


def _fitting(word: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.lower().startswith(word.lower())]


def _aliases(text: str, known: Relations) -> dict[str, str]:
    """Return the tables of `text` by alias and by name, in small letters."""
    by_name = {name.lower(): name for name in known}
    found = dict(by_name)
    for table, alias in _ALIAS.findall(text):
        if table.lower() in by_name and alias.upper() not in KEYWORDS:
            found[alias.lower()] = by_name[table.lower()]
    return found
