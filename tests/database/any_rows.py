"""Rows of every table with values of every kind that its columns can hold, which make no sense otherwise."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, Table, UniqueConstraint

from catalog.database import full_text
from catalog.database.models import metadata

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
FLOAT = st.floats(allow_nan=False) | st.sampled_from(
    [-0.0, 5e-324, 0.1 + 0.2, 1.7976931348623157e308]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip

# A number alone would be one to SQLite, not text. No column holds one.
JSON_TEXT = (TEXT | st.lists(_JSON, max_size=3) | st.dictionaries(TEXT, _JSON, max_size=4)).map(
    json.dumps
)

Rows = dict[str, list[tuple[Any, ...]]]


def _values(column: Column[Any]) -> st.SearchStrategy[Any]:
    kind = column.type
    if isinstance(kind, JSON):
        return JSON_TEXT | st.just('{"a":  1.0}\n')
    if isinstance(kind, Boolean):
        return st.integers(0, 1)
    if isinstance(kind, Float):
        return FLOAT
    if isinstance(kind, (BigInteger, Integer)):
        wide = isinstance(kind, BigInteger) or "postgresql" in kind._variant_mapping
        bits = 63 if wide else 31
        return st.integers(-(2**bits), 2**bits - 1)
    return TEXT


@st.composite
def catalogues(draw: st.DrawFn) -> Rows:
    """Rows of all tables, by table: references lead to rows that are there, what is unique is unique."""
    keys: dict[str, list[int]] = {}
    made: Rows = {}
    for table in metadata.sorted_tables:
        made[table.name] = _rows(draw, table, keys)
        keys[table.name] = [row[0] for row in made[table.name]]
    return made


def _rows(draw: st.DrawFn, table: Table, keys: dict[str, list[int]]) -> list[tuple[Any, ...]]:
    unique = [
        tuple(column.name for column in constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ] + [tuple(column.name for column in table.primary_key)]
    seen: set[tuple[Any, ...]] = set()
    rows = []
    for _ in range(draw(st.integers(0, 3))):
        row: dict[str, Any] = {}
        for column in table.c:
            (reference,) = column.foreign_keys or (None,)
            if reference is not None:
                there = keys[reference.column.table.name]
                if not there and not column.nullable:
                    return []
                choices = [*there, None] if column.nullable else there
                row[column.name] = draw(st.sampled_from(choices))
            elif column.name == "id":
                row["id"] = draw(st.integers(1, 2**60))
            else:
                values = _values(column)
                row[column.name] = draw(values | st.none() if column.nullable else values)
        at = {(names, *(row[name] for name in names)) for names in unique}
        if seen.isdisjoint(at):
            seen |= at
            rows.append(tuple(row.values()))
    return sorted(rows, key=lambda row: row[0])


def put(path: Path, rows: Rows) -> None:
    """Store the rows in the empty catalogue at `path`."""
    with closing(sqlite3.connect(path)) as db:
        for table in metadata.sorted_tables:
            if rows[table.name]:
                names = ", ".join(f'"{column.name}"' for column in table.c)
                marks = ", ".join("?" * len(table.c))
                statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
                db.executemany(statement, rows[table.name])
        for index in full_text.INDEXES:
            db.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")
        db.commit()


def stored(path: Path) -> Rows:
    """Return all rows of the catalogue at `path`, sorted by key, floats as their bits."""
    found: Rows = {}
    with closing(sqlite3.connect(path)) as db:
        for table in metadata.sorted_tables:
            names = ", ".join(f'"{column.name}"' for column in table.c)
            order = ", ".join(column.name for column in table.primary_key)
            found[table.name] = [
                tuple(value.hex() if isinstance(value, float) else value for value in row)
                for row in db.execute(f"SELECT {names} FROM {table.name} ORDER BY {order}")
            ]
    return found
