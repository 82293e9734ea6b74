"""What an archive holds: members, and how much of it is looked at."""

from __future__ import annotations

from enum import Enum

from catalog.files.paths import numbered, to_text
from catalog.findings import Finding, Severity
from catalog.shapes import frozen

MAX_MEMBERS = 100_000
"""Most members of one archive; the results of an archive are held in memory together."""

MAX_LISTED = 1_000_000
"""Most members of a ZIP or ISO file where only the list of them is held in memory."""

MAX_NAME_BYTES = 4096
"""Longest name of a member; no file system takes a longer path."""

MAX_MEMBER_BYTES = 16 << 30
"""Most bytes that one member may inflate to; DICOM objects beyond a few GB are unknown."""

MAX_ARCHIVE_BYTES = 1 << 40
"""Most bytes that the members of one archive may inflate to together."""

MAX_RATIO = 200
"""Most bytes that a byte may inflate to, on average; deflate gives up to 1,032 for one, bzip2 and xz far more."""

FREE_BYTES = 256 << 20
"""So much may be inflated at any ratio: empty images are small, and this takes a second."""


def allowance(compressed_bytes: int, limit_bytes: int | None = None) -> int:
    """Return how many bytes may come of so many compressed ones; the limit is that of an archive."""
    limit = MAX_ARCHIVE_BYTES if limit_bytes is None else limit_bytes
    return min(limit, max(FREE_BYTES, compressed_bytes * MAX_RATIO))


class MemberKind(Enum):
    """What a member is."""

    FILE = "file"
    FOLDER = "folder"
    NOT_FOLLOWED = "not-followed"
    """A link, or a special file; `reason` says which."""
    UNREADABLE = "unreadable"
    """A file that cannot be read; `reason` says why."""


@frozen
class Member:
    """A member of an archive.

    Attributes
    ----------
    name:
        Its name as it stands in the archive, in text form (`catalog.files.paths`), numbered if
        others before it have the same.
    size_bytes:
        The size that the archive states; `None` if it states none.
    findings:
        What is odd about its name.
    """

    name: str
    kind: MemberKind
    size_bytes: int | None = None
    reason: str = ""
    findings: tuple[Finding, ...] = ()


class Names:
    """Makes names of members unique: of several that are alike, all but the first get a number."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def named(
        self, raw: bytes, kind: MemberKind, size_bytes: int | None, reason: str = ""
    ) -> Member:
        """Return the member whose name is the bytes `raw`."""
        findings = []
        text = to_text(raw[:MAX_NAME_BYTES].decode("utf-8", "surrogateescape"))
        if len(raw) > MAX_NAME_BYTES:
            kind, reason = MemberKind.UNREADABLE, f"its name has {len(raw):,} bytes"
        if kind is MemberKind.FOLDER:
            return Member(text, kind)
        if not _is_utf8(raw):
            message = "The member's name is not UTF-8; its other bytes are shown as \\xNN."
            findings.append(Finding("member-name-not-utf8", Severity.NOTE, message))
        if _is_unsafe(text):
            message = "The member's name is empty, absolute or leads out of the archive. dcat writes nothing under it, other programs may."
            findings.append(Finding("member-name-unsafe", Severity.WARNING, message))
        count = self._count[text] = self._count.get(text, 0) + 1
        if count > 1:
            message = f"It is member {count} of this name; programs that extract the archive keep only one of them."
            findings.append(Finding("member-name-twice", Severity.WARNING, message))
        return Member(numbered(text, count), kind, size_bytes, reason, tuple(findings))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_unsafe(name: str) -> bool:
    """Return whether a careless program would write outside its folder under `name`."""
    unified = name.replace("\\\\", "/")
    return (
        not name
        or unified.startswith("/")
        or ".." in unified.split("/")
        or (len(unified) > 1 and unified[1] == ":" and unified[0].isalpha())
    )
