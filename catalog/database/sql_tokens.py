"""The words and signs of SQL as PostgreSQL reads it: for parameters and for column headers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted name"
    TEXT = "text"
    NUMBER = "number"
    PARAMETER = "parameter"
    SIGN = "sign"
    OPEN = "text or name that is not closed"


class Token(NamedTuple):
    """A part of a statement that means something; space and comments do not."""

    kind: Kind
    text: str
    start: int
    """Where it begins in the statement."""

    @property
    def end(self) -> int:
        """Return where it ends in the statement."""
        return self.start + len(self.text)

    @property
    def name(self) -> str:
        """Return the name that a word or a quoted name stands for, as it is written."""
        return self.text[1:-1].replace('""', '"') if self.kind is Kind.QUOTED else self.text

    def says(self, *words: str) -> bool:
        """Return whether it is one of these words or signs, in capitals."""
        return self.kind in (Kind.WORD, Kind.SIGN) and self.text.upper() in words


_LETTER = r"A-Za-z_\x80-\U0010ffff"
_TOKEN = re.compile(
    rf"""
      (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<dollar>\$(?:[{_LETTER}][\w]*)?\$)
    | (?P<text>[eE]'(?:[^'\\]|\\.|'')*+' | (?:[uU]&|[bBxXnN])?(?<![eE])'(?:[^']|'')*+')
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*+")
    | (?P<open>[eE]?['"])
    | (?P<parameter>(?<!:):[A-Za-z_]\w*)
    | (?P<number>\d[\w.]*|\.\d\w*|\$\d+)
    | (?P<word>[{_LETTER}][\w$]*)
    | (?P<sign>::|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_KINDS = {
    "text": Kind.TEXT, "quoted": Kind.QUOTED, "parameter": Kind.PARAMETER, "number": Kind.NUMBER,
    "word": Kind.WORD, "sign": Kind.SIGN,
}  # fmt: skip


def tokens(statement: str) -> Iterator[Token]:
    """Yield what a statement consists of."""
    place = 0
    while place < len(statement):
        found = _TOKEN.match(statement, place)
        assert found is not None
        kind = str(found.lastgroup)
        if kind == "comment":
            place = _after_comment(statement, place)
            continue
        if kind == "dollar":
            end = statement.find(found[0], found.end())
            text = statement[place:] if end < 0 else statement[place : end + len(found[0])]
            yield Token(Kind.OPEN if end < 0 else Kind.TEXT, text, place)
            place += len(text)
            continue
        if kind == "open":
            yield Token(Kind.OPEN, statement[place:], place)
            return
        if kind != "space":
            yield Token(_KINDS[kind], found[0], place)
        place = found.end()


def _after_comment(statement: str, place: int) -> int:
    """Return where a comment ends; comments may hold others."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(statement, place):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(statement)


class Numbered(NamedTuple):
    """A statement whose parameters are numbers, as PostgreSQL takes them."""

    text: str
    names: tuple[str, ...]
    """The parameters' names: the first is that of `$1`."""
    pieces: tuple[tuple[int, int], ...]
    """Where pieces begin in `text`, and where the same stands in the statement."""

    def origin(self, place: int) -> int:
        """Return where in the statement stands what stands at `place` in `text`."""
        begin, origin = max(piece for piece in self.pieces if piece[0] <= max(place, 0))
        return origin + place - begin


def numbered(parts: Collection[Token], statement: str, start: int, end: int) -> Numbered:
    """Return the part of a statement from `start` to `end`, which consists of `parts`, with its parameters numbered."""
    names: list[str] = []
    text, copied = "", start
    pieces = [(0, start)]
    for token in parts:
        if token.kind is not Kind.PARAMETER or not start <= token.start < end:
            continue
        name = token.text[1:]
        if name not in names:
            names.append(name)
        text += statement[copied : token.start] + f"${names.index(name) + 1}"
        copied = token.end
        pieces.append((len(text), copied))
    return Numbered(text + statement[copied:end], tuple(names), tuple(pieces))
