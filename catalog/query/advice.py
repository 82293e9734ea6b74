"""Why a selection that finds nothing may not be what was meant.

Matching is that of PS3.4 C.2.2.2, which surprises people in three ways: a code in small letters is
none, a family name alone is a whole name, and in descriptions capitals count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catalog.attributes import WORDS
from catalog.normal_forms import words
from catalog.query.matchers import AllOf, AnyOf, Equal, Like, Matcher, NameLike
from catalog.query.selection import Selection, Term

_TEXTS = ("LO", "ST", "LT", "UT")
_IDENTIFIERS = ("ID", "IDs", "Number")
"""How keywords end whose values nobody expects to find by a part, or in other letters."""


def advice(selection: Selection) -> tuple[str, ...]:
    """Return a sentence for each thing asked that finds less than people expect; none if nothing is odd."""
    found = (_of(term) for term in selection.terms if not term.is_negated and term.time is None)
    return tuple(dict.fromkeys(each for each in found if each))


def _of(term: Term) -> str:
    keyword, vr = term.attribute.keyword, term.attribute.vr
    typed = list(_typed(term.matchers))
    if vr == "CS":
        small = next((text for text in typed if text != text.upper()), "")
        return f"{keyword} is written in capitals: {small.upper()}." if small else ""
    if vr == "PN":
        bare = next((text for text in typed if text.isalnum()), "")
        return f"{keyword} is matched whole: '{bare}^*' finds a family name, '{bare}*' what begins so." if bare else ""  # fmt: skip
    if vr in _TEXTS and keyword in WORDS.get(term.level, ()) and not keyword.endswith(_IDENTIFIERS):
        asked = next((found for text in typed if (found := words(text))), ())
        if asked:
            whole = "" if any("*" in text for text in typed) else ", and the whole value is matched"
            return (
                f"In {keyword} capitals count{whole}; --text '{' '.join(asked)}' looks for words."
            )
    return ""


def _typed(matchers: Sequence[Matcher]) -> Iterator[str]:
    """Yield the texts that are looked for."""
    for each in matchers:
        match each:
            case Equal(values=values):
                yield from (value for value in values if isinstance(value, str))
            case Like(pattern=pattern) | NameLike(pattern=pattern):
                yield pattern
            case AnyOf(matchers=(NameLike(pattern=pattern), *_)):
                yield pattern  # the others follow from it
            case AllOf(matchers=inner) | AnyOf(matchers=inner):
                yield from _typed(inner)
            case _:
                pass
