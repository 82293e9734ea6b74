"""Selections that were given a name: what was typed, kept in the catalogue.

Kept are the options as they were typed, not what they meant then: a relative date stays relative,
and `@NAME` in a definition follows the selection of that name when that changes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from catalog.database.catalogue import Catalogue
from catalog.database.models import saved_selection as table
from catalog.database.runs import now_text
from catalog.errors import SelectionError

SAVED = "saved"
"""The key of a definition under which the names of other saved selections stand."""

LONGEST_NAME = 64
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}", re.ASCII)


class Saved(NamedTuple):
    """A saved selection: `definition` has values by option, `text` is what was typed."""

    name: str
    definition: Mapping[str, Any]
    text: str
    created_at: str


def checked_name(name: str) -> str:
    """Return `name`, which is what a saved selection may be called.

    Raises
    ------
    SelectionError
        If it is not made of letters, digits, `-`, `_` and `.`, or begins otherwise than with a
        letter or digit, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise SelectionError(
            f"{name!r} cannot be the name of a selection. A name has letters (a-z, A-Z), digits, "
            f"-, _ and ., begins with a letter or digit, and has at most {LONGEST_NAME} characters.",
            name,
        )
    return name


def all_saved(connection: Connection) -> tuple[Saved, ...]:
    """Return all saved selections, sorted by name."""
    c = table.c
    rows = connection.execute(
        select(c.name, c.definition, c.text, c.created_at).order_by(c.name)
    ).all()
    return tuple(Saved(*row) for row in rows)


def named(known: Sequence[Saved], name: str) -> Saved:
    """Return that of `known` which is called `name`.

    Raises
    ------
    SelectionError
        If there is none; the message names the nearest.
    """
    for each in known:
        if each.name == name:
            return each
    raise SelectionError(_unknown(name, [each.name for each in known]), name)


def _unknown(name: str, known: Sequence[str]) -> str:
    if not known:
        return (
            f"There is no selection @{name}: none is saved. `dcat selection save NAME …` saves one."
        )
    small = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), small, n=1)
    hint = f" Did you mean @{small[near[0]]}?" if near else ""
    return f"There is no selection @{name}.{hint} `dcat selection list` shows those that there are."


def save(
    catalogue: Catalogue, name: str, definition: Mapping[str, Any], text: str, *, replace: bool
) -> None:
    """Keep a selection under `name`; with `replace` in the place of the one that has it.

    Raises
    ------
    SelectionError
        If the name cannot be one, or is taken and `replace` is not given.
    """
    checked_name(name)
    c = table.c
    values = {"definition": dict(definition), "text": text, "created_at": now_text()}
    with catalogue.write() as connection:
        if connection.execute(select(c.id).where(c.name == name)).first() is None:
            connection.execute(insert(table).values(name=name, **values))
        elif replace:
            connection.execute(update(table).where(c.name == name).values(**values))
        else:
            raise SelectionError(
                f"There is a selection @{name} already; --replace puts this one in its place.", name
            )


def remove(catalogue: Catalogue, name: str) -> Saved:
    """Forget the selection of that name, and return what it was.

    Raises
    ------
    SelectionError
        If there is none, or another selection refers to it.
    """
    with catalogue.write() as connection:
        known = all_saved(connection)
        found = named(known, name)
        users = [each.name for each in known if name in each.definition.get(SAVED, ())]
        if users:
            raise SelectionError(
                f"@{name} is part of {', '.join(f'@{each}' for each in users)}; change or remove that first.",
                name,
            )
        connection.execute(delete(table).where(table.c.name == name))
    return found
