"""File IDs: the names of files inside a File-set (PS3.10 §8.2, §8.5), and files found by them.

What a DICOMDIR says is never joined to a path. It is looked up in a listing of the medium, so a
record can only ever lead to a file that the listing holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from catalog.errors import FileIdError
from catalog.findings import Finding, Severity
from catalog.shapes import frozen

MAX_COMPONENTS = 8
MAX_COMPONENT_LENGTH = 8

_is_component = lru_cache(maxsize=1024)(re.compile(r"[A-Z0-9_]{1,8}").fullmatch)
"""Files of one folder share all but their last component."""

_CLAUSE = "PS3.10 §8.2"
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VERSION = re.compile(r";[0-9]+$")


@frozen
class FileId:
    """A legal File ID; ordered by its components, root first.

    Raises
    ------
    FileIdError
        On construction, if the components break PS3.10 §8.2 or §8.5.
    """

    components: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.components) <= MAX_COMPONENTS:
            raise FileIdError(
                f"A File ID has 1 to {MAX_COMPONENTS} components, not {len(self.components)} ({_CLAUSE})."
            )
        for component in self.components:
            if not _is_component(component):
                raise FileIdError(
                    f"{component!r} is no component of a File ID: 1 to {MAX_COMPONENT_LENGTH} of "
                    "A-Z, 0-9 and _ (PS3.10 §8.2, §8.5)."
                )

    def __lt__(self, other: FileId) -> bool:
        return self.components < other.components

    @property
    def path(self) -> str:
        """The components joined by `/`."""
        return "/".join(self.components)

    @property
    def value(self) -> bytes:
        """The DICOM value: components joined by backslashes, not padded."""
        return "\\".join(self.components).encode("ascii")

    def __str__(self) -> str:
        return self.path


def file_id(components: Sequence[str]) -> FileId:
    """Return the File ID made of `components`, root first.

    One to eight components of one to eight characters A-Z, 0-9 and _ (PS3.10 §8.2, §8.5).

    Raises
    ------
    FileIdError
        If a component is empty, too long, or outside the repertoire.
    """
    return FileId(tuple(components))


def file_id_from_value(value: bytes) -> FileId:
    """Return the File ID that a value of (0004,1500) or (0004,1141) stands for.

    Spaces around components are insignificant (VR CS).

    Raises
    ------
    FileIdError
        If the value is no legal File ID.
    """
    return FileId(components_of(value))


def components_of(value: bytes) -> tuple[str, ...]:
    """Return the components that `value` claims, root first, legal or not; empty for no value.

    A byte outside ASCII becomes `<NN>` in hexadecimal: File IDs have no character set to read it by.
    """
    value = value.rstrip(b" \0")
    if value.isascii():
        text = value.decode("ascii")
    else:
        text = "".join(chr(b) if b < 0x80 else f"<{b:02X}>" for b in value)
    return tuple(part.strip(" ") for part in text.split("\\")) if text else ()


@frozen
class Resolution:
    """Where a referenced file is: `path` is one of the listing's paths, or `None`."""

    path: str | None
    findings: tuple[Finding, ...] = ()


class Listing:
    """The files of a medium, by relative path with `/` between components.

    Built once and asked for each record; it holds three dictionaries and touches no disk.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._folded: dict[str, list[str]] = {}
        self._loose: dict[str, list[str]] = {}
        for path in sorted(paths):
            self._exact.add(path)
            folded = path.casefold()
            self._folded.setdefault(folded, []).append(path)
            for loose in dict.fromkeys(_loosened(folded)):
                self._loose.setdefault(loose, []).append(path)

    def __contains__(self, path: str) -> bool:
        return path in self._exact

    def __len__(self) -> int:
        return len(self._exact)

    def like(self, path: str) -> tuple[tuple[str, ...], str]:
        """Return the paths that `path` may mean, sorted, and how they differ from it.

        The first of these that finds anything: `exact`, `case`, `suffix` (a version `;1`, a
        trailing dot or one extension on the medium that the File ID lacks). Empty if none does.
        """
        if path in self._exact:
            return (path,), "exact"
        folded = path.casefold()
        if found := self._folded.get(folded):
            return tuple(found), "case"
        found = self._loose.get(folded) or [
            p for loose in _loosened(folded) for p in self._folded.get(loose, ())
        ]
        return tuple(dict.fromkeys(found)), "suffix" if found else ""


def _loosened(path: str) -> list[str]:
    """Return `path` without a version, a trailing dot, or one extension of its last component."""
    if "." not in path and ";" not in path:
        return []  # as nearly all names by the standard
    bare = "/".join(_VERSION.sub("", part).rstrip(".") for part in path.split("/"))
    folder, slash, name = bare.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    found = [bare]
    if dot and stem and extension:
        found.append(folder + slash + stem)
    return found if found[0] != path else found[1:]


def unsafe(components: Sequence[str]) -> str | None:
    """Return why `components` must not be followed, or `None`: they stay below the root.

    Refused are `.` and `..`, absolute paths, drive letters, and separators or control characters
    inside a component. Lower case, dots and length are no danger; `resolve` copes with them.
    """
    if not components or not any(components):
        return "it is empty"
    if not components[0]:
        return "it is absolute"
    for component in components:
        if not component:
            return "it has an empty component"
        if component.strip(". ") == "":
            return f"{component!r} leads out of its folder"
        if _DRIVE.match(component) or ":" in component:
            return f"{component!r} names a drive or stream"
        if "/" in component or "\\" in component:
            return f"{component!r} holds a separator"
        if _CONTROL.search(component):
            return "it holds a control character"
    return None


def candidates(components: Sequence[str], listing: Listing | Iterable[str]) -> tuple[str, ...]:
    """Return the paths of `listing` that `components` may mean, best first; empty if none or unsafe."""
    known = listing if isinstance(listing, Listing) else Listing(listing)
    return () if unsafe(components) else known.like("/".join(components))[0]


def resolve(
    components: Sequence[str], listing: Listing | Iterable[str], offset_bytes: int | None = None
) -> Resolution:
    """Return the file that `components` mean on a medium, and what had to be overlooked.

    Tried in turn: the exact path; another case; a version (`;1`), trailing dot or extension on
    the medium. The result is always a path of `listing`. Findings: `file-id-unsafe` (refused),
    `file-missing`, `file-id-case`, `file-id-suffix`, `file-id-ambiguous` (the first in sorted
    order is taken).
    """
    place = "/".join(components)

    def found(code: str, severity: Severity, message: str) -> Finding:
        return Finding(code, severity, message, place, _CLAUSE, offset_bytes)

    if reason := unsafe(components):
        message = f"The File ID is refused: {reason}."
        return Resolution(None, (found("file-id-unsafe", Severity.ERROR, message),))
    known = listing if isinstance(listing, Listing) else Listing(listing)
    paths, how = known.like(place)
    if not paths:
        message = "The referenced file is not on the medium."
        return Resolution(None, (found("file-missing", Severity.ERROR, message),))
    if how == "exact":
        return Resolution(paths[0])
    findings = [
        found(f"file-id-{how}", Severity.WARNING, f"The file on the medium is called {paths[0]}.")
    ]
    if len(paths) > 1:
        message = f"{len(paths)} files on the medium can be meant; {paths[0]} is taken."
        findings.append(found("file-id-ambiguous", Severity.WARNING, message))
    return Resolution(paths[0], tuple(findings))


def is_file_set_id(text: str) -> bool:
    """Return whether `text` may be a File-set ID: up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1, §8.5)."""
    return re.fullmatch(r"[A-Z0-9_]{0,16}", text) is not None
