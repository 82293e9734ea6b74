"""Rows as JSON objects, one text each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from json.encoder import encode_basestring
from typing import Any


class _Encoders(dict[type, Callable[[Any], str]]):
    """How values become JSON, by their type; what is not listed is left to `json`."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        return lambda value: json.dumps(value, ensure_ascii=False)


_ENCODERS = _Encoders(
    {
        str: encode_basestring,
        int: int.__repr__,
        float: lambda value: float.__repr__(value) if value - value == 0 else json.dumps(value),
        type(None): lambda _: "null",
    }
)
"""As `json` has them, without the search for what a value is."""


def json_objects(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], shared: int = 0
) -> Iterator[str]:
    """Yield each row as a JSON object in one line; of columns with one name the last counts.

    Parameters
    ----------
    shared:
        So many columns at the beginning are often the same in rows that follow each other, and
        each of them has values of one type; what they became is used again.
    """
    if len(set(columns)) < len(columns):
        for row in rows:
            yield json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)
        return
    heads = [f"{encode_basestring(name)}: " for name in columns]
    first, others = heads[:shared], heads[shared:]
    encoders = _ENCODERS
    last: Sequence[Any] | None = None
    begin = ""
    for row in rows:
        if shared:
            above = row[:shared]
            if above != last:
                last = above
                begin = "".join(
                    [h + encoders[type(v)](v) + ", " for h, v in zip(first, above, strict=True)]
                )
                if not others:
                    begin = begin.removesuffix(", ")
            row = row[shared:]
        cells = [h + encoders[type(v)](v) for h, v in zip(others, row, strict=True)]
        yield "{" + begin + ", ".join(cells) + "}"
