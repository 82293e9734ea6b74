"""The part of PostgreSQL's functions that is made from Python's Unicode tables.

`python -m tests.database.folding` writes it anew; what a new Python folds in another way shows in
the difference. A catalogue that exists keeps the functions that it was made with.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from catalog.normal_forms import fold

FILE = Path(__file__).parents[2] / "migrations" / "functions" / "0006.sql"
MARK = "-- @generated@\n"

_WORD = re.compile(r"[^\W_]")
_ENTRIES_PER_LINE = 12


def characters() -> Iterator[str]:
    """Yield all characters beyond ASCII that a text may have."""
    yield from (chr(c) for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000)


def generated() -> str:
    """Return the SQL of the functions that hold tables."""
    folded = {c: f for c in characters() if (f := fold(c)) != c}
    entries = [f"{json.dumps(c)}:{json.dumps(f)}" for c, f in folded.items()]
    lines = (",".join(entries[n : n + _ENTRIES_PER_LINE]) for n in range(0, len(entries), _ENTRIES_PER_LINE))  # fmt: skip
    table = ",\n".join(lines).replace("'", "''")
    return f"""-- One character beyond ASCII, folded; Unicode {unicodedata.unidata_version}.
CREATE OR REPLACE FUNCTION dcat_folded_character(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT AS $$
BEGIN
  RETURN coalesce('{{
{table}
}}'::jsonb ->> value, value);
END
$$;

-- The runs of letters and digits of a folded text.
CREATE OR REPLACE FUNCTION dcat_split_words(value text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT AS $$
  SELECT regexp_split_to_array(value, '[^{_ranges(folded)}]+')
$$;
"""


def _ranges(folded: dict[str, str]) -> str:
    """Return a class of all characters of words; characters that are folded away may be in it."""
    ranges = [["a", "z"], ["0", "9"]]
    begins = True
    seen = {c for f in folded.values() for c in f}
    for c in characters():
        if c in folded and c not in seen:
            continue
        if not _WORD.match(c):
            begins = True
        elif begins:
            ranges.append([c, c])
            begins = False
        else:
            ranges[-1][1] = c
    return "".join(_escaped(a) if a == b else f"{_escaped(a)}-{_escaped(b)}" for a, b in ranges)


def _escaped(character: str) -> str:
    number = ord(character)
    if number < 0x80:
        return character
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def whole() -> str:
    """Return what the file must hold."""
    return FILE.read_text(encoding="utf-8").partition(MARK)[0] + MARK + generated()


if __name__ == "__main__":
    FILE.write_text(whole(), encoding="utf-8")
