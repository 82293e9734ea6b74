"""XHTML Basic 1.1 whose every text is escaped: what is no `Markup` is text."""

from __future__ import annotations

import re
from collections.abc import Iterable

DOCTYPE = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML Basic 1.1//EN" "http://www.w3.org/TR/xhtml-basic/xhtml-basic11.dtd">'

_ILLEGAL = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|[\u202a-\u202e\u2066-\u2069]"
)
"""What XML 1.0 cannot hold, and the characters that turn the direction of text around them."""

_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": ""}
)
_EMPTY = frozenset({"br", "img", "meta", "link"})


class Markup(str):
    """Text that is XHTML already."""

    __slots__ = ()

    def between(self, parts: Iterable[Markup]) -> Markup:
        """Return `parts` with this between them."""
        return Markup(self.join(parts))


def escaped(text: str) -> Markup:
    """Return `text` as character data; what XML cannot hold becomes U+FFFD."""
    return Markup(_ILLEGAL.sub("\ufffd", text).translate(_ESCAPES))


def joined(*parts: str) -> Markup:
    """Return `parts` one after the other, escaped unless they are markup."""
    return Markup("".join(part if isinstance(part, Markup) else escaped(part) for part in parts))


def tag(name: str, /, *content: str, **attributes: str | int | None) -> Markup:
    """Return an element; attributes that are `None` are left out, and `class_` is `class`."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{said} />")
    return Markup(f"<{name}{said}>{joined(*content)}</{name}>")


def lines(text: str) -> Markup:
    """Return `text` with its line breaks."""
    return tag("br").between(escaped(line) for line in text.splitlines())


def link(href: str, *content: str) -> Markup:
    """Return a link to another file of the medium; `href` has the legal characters of File IDs."""
    return tag("a", *content, href=href)


def facts(pairs: list[tuple[str, str]]) -> Markup:
    """Return names with their values; pairs without a value are left out."""
    rows = [joined(tag("dt", name), tag("dd", value or "\u2013")) for name, value in pairs if value]
    return tag("dl", *rows, class_="facts") if rows else Markup()


def table(caption: str, heads: list[str], rows: list[list[str]]) -> Markup:
    """Return a table; each row begins with its own heading.

    On a narrow screen each row becomes a block, in which the heads of the columns are repeated.
    """
    head = tag("tr", *(tag("th", text, scope="col") for text in heads), class_="heads")
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(_cell(text, cell) for text, cell in zip(heads[1:], row[1:], strict=True)),
        )
        for row in rows
    ]
    return tag("table", tag("caption", caption), head, *body)


def _cell(head: str, cell: str) -> Markup:
    return tag("td", tag("span", f"{head}: ", class_="label"), cell) if cell else tag("td")


def unbroken(text: str) -> Markup:
    """Return text that stays on one line, such as a date."""
    return tag("span", text, class_="unbroken") if text else Markup()
