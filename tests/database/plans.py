"""How a database goes about a question, in its own words."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ClauseElement, Connection, Executable, Select
from sqlalchemy.ext.compiler import compiles


class _Explained(Executable, ClauseElement):
    """A statement that asks for the plan of another."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(_Explained, "sqlite")
def _on_sqlite(element: _Explained, compiler: Any, **asked: Any) -> str:
    return f"EXPLAIN QUERY PLAN {compiler.process(element.statement, **asked)}"


@compiles(_Explained, "postgresql")
def _on_postgresql(element: _Explained, compiler: Any, **asked: Any) -> str:
    return f"EXPLAIN {compiler.process(element.statement, **asked)}"


def steps(connection: Connection, query: Select[Any]) -> list[str]:
    """Return the lines of the plan for `query`."""
    rows = connection.execute(_Explained(query)).all()
    return [str(row[-1]).strip(" ->") for row in rows]
