"""The views and functions that each revision of the schema has, as they stand in files beside the migrations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def migrations_folder() -> Path:
    """Return the folder of the migrations: in the installed package, or in the checkout."""
    packaged = Path(__file__).parent / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "migrations"


def view_statements(revision: str, dialect: str) -> Iterator[str]:
    """Yield the statements that make the views of a revision of the schema."""
    text = (migrations_folder() / "views" / f"{revision}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            yield in_dialect(statement, dialect)


def in_dialect(statement: str, dialect: str) -> str:
    """Return a statement that was written for SQLite as the other database has it."""
    if dialect == "postgresql":
        return statement.replace("group_concat(", "string_agg(")
    return statement


def functions(revision: str) -> str:
    """Return the SQL that makes, or makes anew, dcat's functions on PostgreSQL."""
    path = migrations_folder() / "functions" / f"{revision}.sql"
    return path.read_text(encoding="utf-8")
