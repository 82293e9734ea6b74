"""Cells of PostgreSQL's answers as SQLite has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.database.postgresql_driver import psycopg

if TYPE_CHECKING:
    from psycopg import Connection


def read_as_sqlite(connection: Connection[Any]) -> None:
    """Have a connection give cells as SQLite has them: numbers, texts and `None`."""
    module = psycopg()
    loader, text = module.adapt.Loader, module.types.string.TextLoader

    # The driver is loaded where it is used alone, so its class is a value that mypy cannot follow.
    class Number(loader):  # type: ignore[misc, valid-type]
        def load(self, data: Any) -> int | float | str:
            written = bytes(data)
            if written.lstrip(b"-").isdigit():
                return int(written)
            return float(written) if written[-1:].isdigit() else written.decode()

    class Real(loader):  # type: ignore[misc, valid-type]
        def load(self, data: Any) -> float | str:
            written = bytes(data)
            return float(written) if written[-1:].isdigit() else written.decode()

    class Truth(loader):  # type: ignore[misc, valid-type]
        def load(self, data: Any) -> int:
            return int(bytes(data) == b"t")

    class Bytes(loader):  # type: ignore[misc, valid-type]
        def load(self, data: Any) -> str:
            return bytes(data).decode().removeprefix("\\x")

    whole = module.types.numeric.IntLoader
    kinds = {"numeric": Number, "float4": Real, "float8": Real, "bool": Truth, "bytea": Bytes}
    kinds |= dict.fromkeys(("int2", "int4", "int8", "oid"), whole)
    for info in module.adapters.types:
        for oid, kind in ((info.oid, kinds.get(info.name, text)), (info.array_oid, text)):
            if oid:
                connection.adapters.register_loader(oid, kind)
