"""How to index, and what a run counts."""

from __future__ import annotations

from collections import Counter

from catalog.attributes import Further
from catalog.shapes import field, frozen, mutable


@frozen
class Settings:
    """How to index.

    Attributes
    ----------
    jobs:
        Processes that read headers.
    full:
        Read every file again, also those whose size and time are as before.
    follow_links:
        Follow links to folders too.
    digest:
        Store the SHA-256 of every file that is read; whole files are read for it.
    prove:
        With `digest`: read unchanged files too, and hold them against their digest. Size and time
        of a file can be as before although its content is not.
    attributes:
        Attributes that are kept beside those of every catalogue, sorted by name.
    reread_attributes:
        Read unchanged files again that were read before one of `attributes` was asked for.
    archives:
        Look into archives; otherwise an archive is a file that is left alone.
    """

    jobs: int = 1
    full: bool = False
    follow_links: bool = False
    digest: bool = False
    prove: bool = False
    attributes: tuple[Further, ...] = ()
    reread_attributes: bool = False
    archives: bool = True


_DONE = (
    "opened",
    "new",
    "changed",
    "unchanged",
    "returned",
    "moved",
    "missing",
    "unlisted",
    "emptied",
    "lacking",
)


@mutable
class Counts:
    """What a run met and did.

    Attributes
    ----------
    by_status:
        Every entry met, by what it is now; their sum is `files`.
    done:
        `new`, `changed`, `unchanged`, `returned` (were missing, are back): their sum is `files`
        too. `moved` are among the new; `missing` are gone since the last run, and not among
        `files`. `opened` is how many were opened. `lacking` are those of the unchanged that were
        read before an attribute was asked for that now is.
    lacking:
        Of these files, how many lack each attribute, by name.
    """

    by_status: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)

    @property
    def files(self) -> int:
        """How many entries were met."""
        return sum(self.by_status.values())

    def add(self, other: Counts) -> None:
        """Add the counts of another run."""
        self.by_status.update(other.by_status)
        self.done.update(other.done)
        self.lacking.update(other.lacking)

    def copy(self) -> Counts:
        """Return these counts as they are now."""
        return Counts(self.by_status.copy(), self.done.copy(), self.lacking.copy())

    def take(self, other: Counts) -> None:
        """Become what `other` is."""
        self.by_status, self.done, self.lacking = other.by_status, other.done, other.lacking

    def as_dict(self) -> dict[str, int]:
        """Return all counts by name, for the run's row."""
        return {
            "files": self.files,
            **{name: self.done[name] for name in _DONE},
            **{f"status {k}": v for k, v in self.by_status.items()},
        }
