"""The manifest of a medium: the SHA-256 of every file, in the form that `sha256sum -c` reads.

A line is the digest in hexadecimal, two spaces, and the file's path below the medium's root. A name
with a backslash or a line break has those escaped, and its line begins with a backslash. PS3.10
§8.1 allows such a file beside the DICOM files; no directory record names it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from catalog.fileset.file_id import unsafe
from catalog.findings import Finding, Severity

MANIFEST = "MANIFEST.SHA256"
MANIFEST_LEVEL_1 = "MANIFEST.SHA"
"""The same on an ISO 9660 Level 1 disc, whose names have up to three letters after the dot."""

MAX_MANIFEST_BYTES = 512 << 20
"""Longest manifest that is read."""

MOST_FINDINGS = 50
"""So many lines of one manifest that cannot be used are named; the others are counted."""

_MARK = b"\xef\xbb\xbf"
_OWN = frozenset((MANIFEST, MANIFEST_LEVEL_1))
_OTHERS = re.compile(r"(.*[.-])?(SHA256SUMS?|SHA-256|SHA256)(\.TXT)?", re.IGNORECASE)
_OTHER_DIGESTS = re.compile(
    r"(.*[.-])?((MD5|SHA1|SHA224|SHA384|SHA512|B2)(SUMS?)?)(\.TXT)?", re.IGNORECASE
)
_VERSION = re.compile(r";[0-9]+$")
_LINE = re.compile(rb"(\\?)([0-9A-Fa-f]{64}) [ *](.+)", re.DOTALL)
_TAGGED = re.compile(rb"(\\?)SHA256 \((.+)\) ?= ?([0-9A-Fa-f]{64})", re.DOTALL)
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}
_ESCAPE = re.compile(rb"\\.?", re.DOTALL)


class Listed(NamedTuple):
    """What manifests say: the SHA-256 of each file by path as written, and what cannot be used.

    `digests` are in lower-case hexadecimal; of a path that is listed twice the first stands. Bytes
    of a path that are no UTF-8 are lone surrogates, as Python has them in names of files.
    """

    digests: dict[str, str]
    findings: list[Finding]


def line(name: str, digest: str) -> str:
    r"""Return the manifest's line, with its `\n`, for the file `name` with the SHA-256 `digest`."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"


def text(digests: Iterable[tuple[str, str]]) -> str:
    """Return the manifest of files given by name and SHA-256, sorted by name."""
    return "".join(line(name, digest) for name, digest in sorted(digests))


def edited(data: bytes, gone: Collection[str], fresh: Mapping[str, str]) -> bytes:
    """Return the manifest `data` without the lines of `gone`, and with lines for `fresh`, digests by name.

    All other lines stay as they are, also those that cannot be used. New lines stand where the
    order of names has them, at the end if there is none.
    """
    kept: list[tuple[str | None, bytes]] = []
    for raw in data.removeprefix(_MARK).split(b"\n"):
        said = _said(raw.removesuffix(b"\r"))
        name = said[0] if said else None
        if raw and (name is None or (name not in gone and name not in fresh)):
            kept.append((name, raw))
    names = [name or "" for name, _ in kept]
    is_sorted = names == sorted(names)
    for name in sorted(fresh):
        raw = line(name, fresh[name]).encode("utf-8", "surrogateescape").removesuffix(b"\n")
        at = bisect_left(names, name) if is_sorted else len(names)
        names.insert(at, name)
        kept.insert(at, (name, raw))
    return b"".join(raw + b"\n" for _, raw in kept)


def manifests_among(paths: Iterable[str]) -> tuple[list[str], bool]:
    """Return which of a medium's files are SHA-256 manifests, sorted, and whether one is of dcat.

    They lie in the root. Beside those of dcat, in whatever case and with a version (`;1`), these are
    `SHA256SUMS`, `checksums.sha256` and the like, which other programs write.
    """
    found = []
    is_own = False
    for path in sorted(paths):
        bare = _VERSION.sub("", path).upper()
        if "/" not in path and (bare in _OWN or _OTHERS.fullmatch(bare)):
            found.append(path)
            is_own |= bare in _OWN
    return found, is_own


def other_digests_among(paths: Iterable[str]) -> list[str]:
    """Return which files in a medium's root look like lists of other digests, such as `MD5SUMS`."""
    return sorted(
        path
        for path in paths
        if "/" not in path and _OTHER_DIGESTS.fullmatch(_VERSION.sub("", path))
    )


def read(data: bytes, place: str, into: Listed) -> None:
    r"""Add what the manifest `data`, which is called `place`, lists to `into`.

    Read is what `sha256sum` reads: text and binary marks, lines of `--tag`, escaped names, either
    case of the digits, and line ends of either kind. Findings: `manifest-line` (a line that is
    none), `manifest-path` (a path that leads out of the medium; it is never followed) and
    `manifest-twice` (with another digest).
    """
    bad = 0
    for number, raw in enumerate(data.removeprefix(_MARK).split(b"\n"), 1):
        for finding in _add(raw.removesuffix(b"\r"), number, place, into.digests):
            bad += 1
            if bad <= MOST_FINDINGS:
                into.findings.append(finding)
    if bad > MOST_FINDINGS:
        message = f"{bad - MOST_FINDINGS:,} further lines cannot be used."
        into.findings.append(Finding("manifest-line", Severity.ERROR, message, place))


def _add(raw: bytes, number: int, place: str, digests: dict[str, str]) -> Iterator[Finding]:
    """Take one line in; yield what is wrong with it."""
    where = f"{place} line {number}"
    if not raw.strip() or raw.startswith(b"#"):
        return  # `sha256sum` passes over both
    stated = _said(raw)
    if stated is None:
        message = "The line is no digest with the name of a file."
        yield Finding("manifest-line", Severity.ERROR, message, where)
        return
    path, said = stated
    if reason := _refusal(path):
        message = f"The path is refused, and was not followed: {reason}."
        yield Finding("manifest-path", Severity.ERROR, message, where)
        return
    known = digests.setdefault(path, said)
    if known != said:
        message = "Its file is listed before with another digest; that one is taken."
        yield Finding("manifest-twice", Severity.ERROR, message, where)


def _said(raw: bytes) -> tuple[str, str] | None:
    """Return path and digest of a line, without its end; `None` if it has not that form."""
    if plain := _LINE.fullmatch(raw):
        escaped, digest, name = plain.groups()
    elif tagged := _TAGGED.fullmatch(raw):
        escaped, name, digest = tagged.groups()
    else:
        return None
    path = (_unescaped(name) if escaped else name).decode("utf-8", "surrogateescape")
    return path.removeprefix("./"), digest.decode("ascii").lower()


def _unescaped(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[0], match[0]), name)


def _refusal(path: str) -> str | None:
    """Return why `path` must not be followed; backslashes and colons are letters of a name here."""
    if "\0" in path:
        return "it holds a NUL"
    harmless = path.translate({0x5C: "_", 0x3A: "_", 0x0A: "_", 0x0D: "_", 0x09: "_"})
    return unsafe(harmless.split("/"))
