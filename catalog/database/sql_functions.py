"""Functions that dcat's reading connections add to SQLite: `dcat_…`.

Pure, deterministic and bounded: each takes a time that does not grow with what it is given, as
longer texts are cut. On PostgreSQL they are made with the schema (`migrations/functions`), and give
the same results.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable
from functools import lru_cache
from itertools import islice

from catalog.normal_forms import clock, fold, folded_name, instant, is_uid, name_key, number

MOST_CHARACTERS = 64
"""So much of a name is compared; a component group has no more (PS3.5 §6.2)."""

MOST_DIGITS = 15
"""Numbers are rounded to so many digits at most, before the point and behind it."""

CACHED = 20_000
"""So many names, and pairs of words, are remembered: people are compared with several others."""

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


def register(connection: sqlite3.Connection) -> None:
    """Add the functions to a connection."""
    for name, arguments, function in (
        ("dcat_folded_name", 1, _folded_name),
        ("dcat_name_likeness", 2, _likeness),
        ("dcat_is_uid", 1, _is_uid),
        ("dcat_rounded", 2, _rounded),
        ("dcat_slice_location", 2, _location),
        ("dcat_name_key", 1, _of_text(name_key)),
        ("dcat_clock", 1, _of_text(clock)),
        ("dcat_instant", 1, _of_text(instant)),
        ("dcat_number", 1, _of_text(number)),
    ):
        connection.create_function(name, arguments, function, deterministic=True)


def _of_text(
    function: Callable[[str], str | int | float | None],
) -> Callable[[object], str | int | float | None]:
    """Return `function` for values of SQL: NULL stays NULL."""
    return lambda value: None if value is None else function(str(value))


def _folded_name(names: object) -> str | None:
    return None if names is None else folded_name(str(names))


def _likeness(one: object, other: object) -> int | None:
    return None if one is None or other is None else name_likeness(str(one), str(other))


def _is_uid(text: object) -> int | None:
    return None if text is None else int(is_uid(str(text)))


def _rounded(text: object, digits: object) -> str | None:
    return None if text is None else rounded(str(text), int(str(digits)))


def _location(position: object, orientation: object) -> float | None:
    if position is None or orientation is None:
        return None
    return slice_location(str(position), str(orientation))


def name_likeness(one: str, other: str) -> int:
    """Return how like two names are, 0 to 100: 100 for the same words in whatever order.

    The words are compared without case and accents, each with the one most like it that is left
    (Jaro-Winkler), weighted by their lengths. Words of the longer name that are left over count
    against it, a little; single letters count as the word that they begin. Names that share less
    than seven in ten of the letters of the one with fewer are not compared: 0.
    """
    one_letters, one_words = _words(one)
    other_letters, other_words = _words(other)
    shared = (one_letters & other_letters).bit_count()
    if 10 * shared < 7 * min(one_letters.bit_count(), other_letters.bit_count()) or not shared:
        return 0
    first, second = sorted((one_words, other_words), key=lambda words: (len(words), words))
    pairs = sorted(
        ((_word_likeness(a, b), i, j) for i, a in enumerate(first) for j, b in enumerate(second)),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    total = weight = 0.0
    met_first: set[int] = set()
    met_second: set[int] = set()
    for score, i, j in pairs:
        if i in met_first or j in met_second:
            continue
        met_first.add(i)
        met_second.add(j)
        length = max(len(first[i]), len(second[j]))
        total += score * length
        weight += length
    left = sum(len(word) for j, word in enumerate(second) if j not in met_second)
    return math.floor(100 * total / (weight + left / 8))


@lru_cache(maxsize=CACHED)
def _words(name: str) -> tuple[int, list[str]]:
    """Return the words of a name's first component group that has any, sorted, and the set of their letters.

    A bit stands for each letter, and for those far from the Latin ones for several.
    """
    for group in name[: 4 * MOST_CHARACTERS].split("="):
        words = _WORD.findall(fold(group[:MOST_CHARACTERS]))
        if words:
            letters = 0
            for letter in set("".join(words)):
                letters |= 1 << (ord(letter) % 61)
            return letters, sorted(words)
    return 0, []


@lru_cache(maxsize=CACHED)
def _word_likeness(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if min(len(one), len(other)) == 1:
        return 0.9 if one[0] == other[0] else 0.0
    return jaro_winkler(one, other)


def jaro_winkler(one: str, other: str) -> float:
    """Return the likeness of two words, 0 to 1, by Jaro, and Winkler's bonus for a common beginning."""
    if one == other:
        return 1.0
    if not one or not other:
        return 0.0
    reach = max(max(len(one), len(other)) // 2 - 1, 0)
    taken = [False] * len(other)
    met: list[str] = []
    for i, letter in enumerate(one):
        for j in range(max(0, i - reach), min(len(other), i + reach + 1)):
            if not taken[j] and other[j] == letter:
                taken[j] = True
                met.append(letter)
                break
    if not met:
        return 0.0
    ordered = (letter for letter, is_taken in zip(other, taken, strict=True) if is_taken)
    moved = sum(a != b for a, b in zip(met, ordered, strict=True)) / 2
    count = len(met)
    jaro = (count / len(one) + count / len(other) + (count - moved) / count) / 3
    common = 0
    for a, b in islice(zip(one, other, strict=False), 4):
        if a != b:
            break
        common += 1
    return jaro + common * 0.1 * (1 - jaro)


def rounded(text: str, digits: int) -> str:
    r"""Return the numbers of a multi-valued text, joined by `\`, each rounded to so many digits (-15 to 15).

    What is no number stays as it is, so that two texts which cannot be compared differ.
    """
    kept = max(-MOST_DIGITS, min(MOST_DIGITS, digits))
    return "\\".join(_rounded_number(part.strip(), kept) for part in text.split("\\"))


def _rounded_number(text: str, digits: int) -> str:
    number = _number(text)
    if number is None:
        return text
    return f"{round(number, digits) + 0.0:.{max(digits, 0)}f}"  # + 0.0 makes a zero of -0.0


def slice_location(position: str, orientation: str) -> float | None:
    """Return where a slice lies along its normal, in mm rounded to 0.01 (PS3.3 C.7.6.2.1.1).

    `None` if one of the two is not what it must be.
    """
    at = _numbers(position, 3)
    direction = _numbers(orientation, 6)
    if at is None or direction is None:
        return None
    row, column = direction[:3], direction[3:]
    normal = (
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    )
    # Not by sum(), which adds up in another way since Python 3.12.
    place = at[0] * normal[0] + at[1] * normal[1] + at[2] * normal[2]
    return round(place, 2) + 0.0 if math.isfinite(place) else None


def _numbers(text: str, count: int) -> list[float] | None:
    numbers = [number for part in text.split("\\") if (number := _number(part.strip())) is not None]
    return numbers if len(numbers) == count == text.count("\\") + 1 else None


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None
