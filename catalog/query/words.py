"""Full text: words that all stand in what is said of one series, its study and its patient.

A word is found whole, without case and accents; with `*` at its end by its beginning. What a word is
says `catalog.normal_forms.words`, of values and of what is typed alike.
"""

from __future__ import annotations

from typing import NamedTuple

from catalog.attributes import WORDS, column_name
from catalog.entities import Claims, Level
from catalog.errors import SelectionError
from catalog.normal_forms import words
from catalog.query.saying import shown

MAX_WORDS = 100
"""How many words may be asked for at once."""


class Word(NamedTuple):
    """One word that is looked for, in the form of `catalog.normal_forms.words`."""

    text: str
    is_prefix: bool = False

    def is_in(self, known: frozenset[str]) -> bool:
        """Return whether it, or a word that begins with it, is among `known`."""
        if self.is_prefix:
            return any(each.startswith(self.text) for each in known)
        return self.text in known


Text = tuple[tuple[Word, ...], ...]
"""Several texts, any of which has all its words in one place."""


def text_words(typed: str) -> tuple[Word, ...]:
    """Return the words of what a user typed, each once.

    Raises
    ------
    SelectionError
        If there is none, or far too many, or a `*` stands elsewhere than at the end of a word.
    """
    found: dict[Word, None] = {}
    for chunk in typed.split():
        bare = chunk.rstrip("*")
        if "*" in bare:
            raise SelectionError(
                f"In {shown(typed)} a * stands inside a word; it can stand at the end of one, for its beginning.",
                typed,
            )
        whole = words(bare)
        # `doe^ja*`: the last word alone has the star, if the star follows it at all.
        is_begun = (
            bare != chunk and words(bare + "x")[-1:] == (whole[-1] + "x",) if whole else False
        )
        for word in whole:
            found[Word(word, is_begun and word == whole[-1])] = None
    if not found:
        raise SelectionError(
            f"{shown(typed)} holds no word to look for; a word has letters or digits.", typed
        )
    if len(found) > MAX_WORDS:
        raise SelectionError(
            f"{shown(typed)} holds {len(found):,} words, more than {MAX_WORDS}.", typed
        )
    return tuple(found)


def words_of(claims: Claims) -> frozenset[str]:
    """Return the words of an instance's series, study and patient; none if it belongs to no series."""
    entities = (claims.patient, claims.study, claims.series)
    if claims.series is None:
        return frozenset()
    texts = (
        str(getattr(entity, column_name(keyword)) or "")
        for level, entity in zip((Level.PATIENT, Level.STUDY, Level.SERIES), entities, strict=True)
        for keyword in WORDS[level]
    )
    return frozenset(word for text in texts for word in words(text))
