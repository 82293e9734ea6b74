"""Names of copies in an archive folder: a template, filled in so that any file system takes the result.

What stands in a file is somebody else's text. A value never makes a folder of its own, never leads
out of its folder and never means a device; see `component`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeAlias

from catalog.attributes import BY_KEYWORD
from catalog.entities import Claims, Level
from catalog.errors import ConfigError
from catalog.files.paths import ARCHIVE_SUFFIXES
from catalog.files.writing import PARTIAL_SUFFIX
from catalog.shapes import frozen

DEFAULT = (
    "{PatientID}/{StudyDate}_{StudyInstanceUID}/{SeriesNumber}_{Modality}/{SOPInstanceUID}.dcm"
)

MAX_COMPONENT_BYTES = 220
"""Longest component in UTF-8. File systems take 255; the rest is for `.part` and what `apart` adds."""

MAX_PATH_BYTES = 1000
"""Longest path below the archive folder; Windows takes 32,767 characters, Linux 4,096 bytes."""

MAX_COMPONENTS = 16

_LEVELS = {
    Level.PATIENT: "patient",
    Level.STUDY: "study",
    Level.SERIES: "series",
    Level.INSTANCE: "instance",
}
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|]')
_DEVICES = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])[ ]*(\..*)?", re.I | re.S
)
_FIELD = re.compile(r"\{([^{}]*)\}")
Names: TypeAlias = Callable[[str], Iterable[str]]
_MEANING = (*ARCHIVE_SUFFIXES, PARTIAL_SUFFIX)
"""Endings that would make dcat take a copy for something else."""


@frozen
class Template:
    """A template of names: components, each of (text, keyword) pairs; `keyword` is `''` for none."""

    text: str
    components: tuple[tuple[tuple[str, str], ...], ...]

    def path(self, claims: Claims) -> str:
        """Return the path that the template gives an instance, `/` between components.

        It is the same for the same instance, wherever and whenever it is imported. Absent or
        empty values become `no-KEYWORD`.
        """
        most = min(MAX_COMPONENT_BYTES, MAX_PATH_BYTES // len(self.components) - 1)
        return "/".join(
            component("".join(text + _value(claims, name) for text, name in parts), most)
            for parts in self.components
        )


def template(text: str) -> Template:
    """Return the template that `text` means: components with `/` between them, `{Keyword}` in them.

    Raises
    ------
    ConfigError
        If it names an attribute that the catalogue does not keep, is not a relative path, or holds
        what not every file system takes in a name.
    """
    if not text.strip():
        raise ConfigError("The template of names is empty.")
    components = []
    for part in text.split("/"):
        literal = _FIELD.sub("", part)
        if "{" in literal or "}" in literal:
            raise ConfigError(f"The template of names {text!r} has a brace without its partner.")
        if found := _FORBIDDEN.search(literal):
            raise ConfigError(
                f"The template of names {text!r} holds {found[0]!r}, which not every file system takes in a name."
            )
        if not part or part in (".", ".."):
            raise ConfigError(
                f"The template of names {text!r} must be a path below the archive folder, such as {DEFAULT!r}."
            )
        components.append(_parts(part, text))
    if len(components) > MAX_COMPONENTS:
        raise ConfigError(
            f"The template of names {text!r} has {len(components)} folders and names; {MAX_COMPONENTS} are allowed."
        )
    if not any(keyword for parts in components for _, keyword in parts):
        raise ConfigError(
            f"The template of names {text!r} names no attribute, so all copies would have one name. Write attributes in braces, as in {DEFAULT!r}."
        )
    return Template(text, tuple(components))


def checked_template(text: str | None) -> str:
    """Return `text`, or the default for none, having made sure that it is a template.

    Raises
    ------
    ConfigError
        As `template`.
    """
    return template(DEFAULT if text is None else text).text


def _parts(part: str, text: str) -> tuple[tuple[str, str], ...]:
    found = []
    at = 0
    for field in _FIELD.finditer(part):
        found.append((part[at : field.start()], _keyword(field[1], text)))
        at = field.end()
    if at < len(part):
        found.append((part[at:], ""))
    return tuple(found)


def _keyword(name: str, text: str) -> str:
    known = {a.keyword for a in BY_KEYWORD.values() if a.level in _LEVELS}
    if name in known:
        return name
    folded = {keyword.casefold(): keyword for keyword in known}
    near = folded.get(name.casefold()) or next(
        iter(difflib.get_close_matches(name, sorted(known), n=1)), None
    )
    hint = f" Did you mean {{{near}}}?" if near else ""
    raise ConfigError(
        f"{{{name[:100]}}} in the template of names {text[:200]!r} is not a keyword that the catalogue keeps.{hint}"
    )


def _value(claims: Claims, keyword: str) -> str:
    """Return what the claims say of `keyword`, as a part of a name."""
    if not keyword:
        return ""
    attribute = BY_KEYWORD[keyword]
    entity = getattr(claims, _LEVELS[attribute.level])
    value = None if entity is None else getattr(entity, attribute.column)
    if value is None and entity is not None:
        value = dict(entity.raw).get(keyword)
    said = "" if value is None else str(value)
    if attribute.vr in ("DA", "TM", "DT"):
        said = said.replace("-", "").replace(":", "").replace("T", "")
    return _FORBIDDEN.sub("_", said.strip()) or f"no-{keyword}"


def component(text: str, most_bytes: int = MAX_COMPONENT_BYTES) -> str:
    r"""Return `text` as one component of a path, such that every usual file system takes it.

    Unicode form NFC. Control characters and `/ \ : * ? " < > |` become `_`, as do dots and spaces
    at the end and a dot at the beginning. What Windows takes for a device (`CON`, `nul.dcm`) gets
    `_` in front; what dcat would take for an archive, an unfinished copy or a DICOMDIR gets it
    behind. What is too long is cut and gets `~` and a digest of the whole. Never empty.
    """
    whole = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    name = _FORBIDDEN.sub("_", whole)
    name = "".join("_" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in name)  # fmt: skip
    if len(name.encode("utf-8")) > most_bytes:
        name = _cut(name, whole, most_bytes)
    if (bare := name.rstrip(". ")) != name:
        name = bare + "_" * (len(name) - len(bare))
    if name.startswith("."):
        name = f"_{name[1:]}"
    if name.startswith(" "):
        name = "_" * (len(name) - len(name.lstrip(" "))) + name.lstrip(" ")
    if _DEVICES.fullmatch(name):
        name = f"_{name}"
    if name.lower().endswith(_MEANING) or re.fullmatch(r"dicomdir\.?(;[0-9]+)?", name, re.I):
        name = f"{name}_"
    return name or "_"


def _cut(name: str, whole: str, most_bytes: int) -> str:
    """Return the beginning and the extension of `name`, with a digest of the whole in between."""
    stem, dot, extension = name.rpartition(".")
    ending = f".{extension}" if dot and stem and 0 < len(extension.encode("utf-8")) <= 8 else ""
    ending = f"~{_short(whole)}{ending}"
    kept = name.encode("utf-8")[: most_bytes - len(ending.encode("utf-8")) - 2]
    return kept.decode("utf-8", "ignore") + ending


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:8]


def folded(name: str) -> str:
    """Return what file systems that know no case, or one Unicode form, take two equal names for."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", name).casefold())
    return unicodedata.normalize("NFC", once.casefold())


def apart(name: str, mark: str) -> str:
    """Return `name` with `~MARK` before its extension."""
    stem, dot, extension = name.rpartition(".")
    if dot and stem and len(extension) <= 8:
        return f"{stem}~{mark}.{extension}"
    return f"{name}~{mark}"


class Folders:
    """Keeps names apart that differ in case or Unicode form alone, which some file systems take for one.

    Parameters
    ----------
    names_in:
        Gives the names in a folder below the archive folder, `''` for itself; none if there is no
        such folder.
    """

    def __init__(self, names_in: Names) -> None:
        self._names_in = names_in
        self._known: dict[str, dict[str, set[str]]] = {}

    def settled(self, path: str) -> str:
        """Return `path` with components that no other name in its folder is like.

        A component that is there already stays; another that only case tells from one that is
        there gets a mark made from its own letters, the same every time.
        """
        folder = ""
        for name in path.split("/"):
            known = self._names(folder)
            alike = known.setdefault(folded(name), set())
            if name not in alike and alike:
                name = apart(name, _short(name))
                alike = known.setdefault(folded(name), set())
            alike.add(name)
            folder = f"{folder}/{name}" if folder else name
        return folder

    def _names(self, folder: str) -> dict[str, set[str]]:
        if folder not in self._known:
            names: dict[str, set[str]] = {}
            for name in self._names_in(folder):
                names.setdefault(folded(name), set()).add(name)
            self._known[folder] = names
        return self._known[folder]
