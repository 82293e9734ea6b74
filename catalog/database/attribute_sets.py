"""The lists of attributes that the configuration added, as the catalogue remembers them.

Each file says with which list it was read. So the catalogue knows by itself which further
attributes it holds, and which files were read before one was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, exists, func, insert, select

from catalog.attributes import Further, further_from
from catalog.database import models as m
from catalog.entities import Status
from catalog.errors import CatalogueError

READ = (Status.OK.value, Status.TRUNCATED.value)
"""Files that state attributes."""


def set_ref(connection: Connection, asked: Sequence[Further]) -> int | None:
    """Return the row of the list `asked`, made if there is none; `None` for an empty list."""
    if not asked:
        return None
    text = json.dumps([attribute.as_dict() for attribute in asked], ensure_ascii=False)
    c = m.attribute_set.c
    found = connection.execute(select(c.id).where(c.attributes == text)).scalar()
    if found is None:
        found = connection.execute(
            insert(m.attribute_set).values(attributes=text).returning(c.id)
        ).scalar_one()
    return int(found)


def definitions(connection: Connection) -> Mapping[str, Further]:
    """Return every further attribute that ever was asked for, by its name and level (`Further.column`)."""
    return {a.column: a for _, members in _sets(connection) for a in members}


def kept(connection: Connection) -> tuple[Further, ...]:
    """Return the further attributes with which any file was read, sorted by name, each once.

    Of a name that was asked for at several levels, that of the latest list counts.
    """
    in_use = exists().where(m.file.c.attribute_set_ref == m.attribute_set.c.id)
    found = {a.keyword: a for _, members in _sets(connection, in_use) for a in members}
    return tuple(found[name] for name in sorted(found))


def lacking(
    connection: Connection, asked: Sequence[Further]
) -> Mapping[int | None, tuple[str, ...]]:
    """Return which names of `asked` were not asked for in each list that lacks any; `None` is the empty list."""
    sets: list[tuple[int | None, frozenset[Further]]] = [(None, frozenset())]
    sets += [(ref, frozenset(members)) for ref, members in _sets(connection)]
    found = {ref: tuple(a.keyword for a in asked if a not in members) for ref, members in sets}
    return {ref: names for ref, names in found.items() if names}


def files_lacking(connection: Connection, asked: Sequence[Further]) -> Mapping[str, int]:
    """Return how many readable files were read without each of `asked`, by name, zeros too."""
    counts: dict[int | None, int] = dict(
        connection.execute(
            select(m.file.c.attribute_set_ref, func.count())
            .where(m.file.c.status.in_(READ))
            .group_by(m.file.c.attribute_set_ref)
        ).all()
    )  # fmt: skip
    found = {attribute.keyword: 0 for attribute in asked}
    for ref, names in lacking(connection, asked).items():
        for name in names:
            found[name] += counts.get(ref, 0)
    return found


def _sets(
    connection: Connection, condition: ColumnElement[bool] | None = None
) -> list[tuple[int, tuple[Further, ...]]]:
    """Return (id, attributes) of each list, the latest last.

    Raises
    ------
    CatalogueError
        If one of them is not what dcat wrote.
    """
    query = select(m.attribute_set.c.id, m.attribute_set.c.attributes).order_by(
        m.attribute_set.c.id
    )
    if condition is not None:
        query = query.where(condition)
    found = []
    for ref, text in connection.execute(query):
        try:
            members = tuple(further_from(definition) for definition in json.loads(text))
        except (ValueError, LookupError, TypeError) as exc:
            raise CatalogueError(
                f"List {ref} of attributes in the catalogue cannot be understood; it is not as dcat wrote it. Take the catalogue from a backup."
            ) from exc
        found.append((ref, members))
    return found
