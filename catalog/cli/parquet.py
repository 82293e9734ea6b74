"""Rows as a Parquet file (extra `parquet`)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from catalog.errors import DcatError, SelectionError

if TYPE_CHECKING:
    from catalog.database.columns import Column

ROWS_IN_GROUP = 5_000
"""Rows of one row group, all that is in memory at once."""


def check_possible() -> None:
    """Make sure that Parquet can be written to standard output.

    Raises
    ------
    SelectionError
        If that is a terminal.
    DcatError
        If pyarrow is not installed.
    """
    if sys.stdout.isatty():
        raise SelectionError(
            "Parquet is not for a terminal. Write it to a file: `dcat find … -o parquet > FILE`."
        )
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as exc:
        raise DcatError(
            "`-o parquet` needs pyarrow, which is not installed. "
            "Install it with `pip install 'dicom-dcat[parquet]'`, or write -o csv."
        ) from exc


class _Sink:
    """A stream as pyarrow wants one: it need not be able to seek."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._written_bytes = 0
        self.closed = False

    def write(self, data: Any) -> int:
        written = self._stream.write(data)
        self._written_bytes += memoryview(data).nbytes
        return written

    def tell(self) -> int:
        return self._written_bytes

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.flush()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


def write_parquet(
    columns: Sequence[Column], rows: Iterable[Sequence[Any]], stream: BinaryIO
) -> int:
    """Write rows as one Parquet file, a row group at a time; return how many there were.

    Texts are strings, counts and numbers of integer VRs 64-bit integers, other numbers doubles.
    """
    import pyarrow
    from pyarrow import parquet

    kinds = {"text": pyarrow.string(), "integer": pyarrow.int64(), "real": pyarrow.float64()}
    schema = pyarrow.schema([(each.name, kinds[each.kind]) for each in columns])
    count = 0
    source = iter(rows)
    with parquet.ParquetWriter(_Sink(stream), schema) as writer:
        while part := list(islice(source, ROWS_IN_GROUP)):
            arrays = [
                pyarrow.array(values, type=each.type)
                for values, each in zip(zip(*part, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.table(arrays, schema=schema))
            count += len(part)
    stream.flush()
    return count
