"""Every error that dcat raises on purpose.

    DcatError                       exit code 1
    ├── ConfigError                 the configuration cannot be used
    ├── CatalogueError              the database
    │   ├── CatalogueMissing        there is none yet
    │   ├── NotACatalogue           a file, but not a dcat database
    │   ├── SchemaTooOld            needs `dcat db upgrade`
    │   ├── SchemaTooNew            written by a later dcat
    │   ├── CatalogueBusy           another dcat is writing
    │   ├── ConnectionLost          the server cannot be reached, or not any more
    │   └── QueryError              an SQL statement was stopped or failed
    │       └── StatementError      exit code 2; the statement is wrong, or does not only read
    ├── HeaderError                 one file's header (kept as that file's status, seldom seen)
    │   ├── NotDicom
    │   └── TruncatedHeader
    ├── FileSetError                File-sets and their DICOMDIR
    │   ├── FileIdError
    │   ├── EncodingError           a value that the declared character set cannot carry
    │   └── DicomdirError           carries offset_bytes and clause
    ├── PathError                   a path that the user named: missing, not readable, not a folder
    ├── StorageError                storage behind a URL: not reached, refused, or broken off
    │   └── BucketMissing
    ├── ArchiveError                a ZIP, tar or gzip file, or a member of it (also an OSError)
    ├── ExecutorError               who should read files cannot, or is gone (processes, a cluster)
    ├── SelectionError              exit code 2; carries the term
    │   └── UnknownKeyword          an attribute that the catalogue does not keep
    └── ExportError
        ├── DestinationNotEmpty
        ├── SourceChanged
        └── MediaFull

An error holds facts, builds its one sentence (what, where, what to do) in `__str__`, and carries
the exit code of the command that it ends.
"""

from __future__ import annotations

import errno
from functools import partial


class DcatError(Exception):
    """Base of all; its `str()` is one sentence for the user."""

    exit_code = 1


class ConfigError(DcatError):
    """The configuration file cannot be read or holds something unknown."""


class PathError(DcatError):
    """A path given by the user cannot be used."""


class StorageError(DcatError):
    """Storage behind a URL cannot be reached or used: nothing is known of what lies there.

    It ends the work, unlike what is wrong with one object, which is an `OSError` as of a file.
    """


class BucketMissing(StorageError):
    """There is no such bucket."""


class CatalogueError(DcatError):
    """The database cannot be used as asked."""


class CatalogueMissing(CatalogueError):
    """No database is at the place in use."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place

    def __str__(self) -> str:
        return (
            f"There is no catalogue at {self.place}. "
            "Make one with `dcat index FOLDER`, or name another with --db."
        )


class NotACatalogue(CatalogueError):
    """The file exists but dcat did not write it."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place} is not a dcat catalogue ({self.reason}). Name another with --db."


class SchemaTooOld(CatalogueError):
    """The schema needs a migration first."""

    def __init__(self, place: str, found: str, wanted: str) -> None:
        super().__init__(place, found, wanted)
        self.place, self.found, self.wanted = place, found, wanted

    def __str__(self) -> str:
        return (
            f"The catalogue {self.place} has schema revision {self.found}; this dcat needs "
            f"{self.wanted}. Run `dcat db upgrade` (it makes a backup first)."
        )


class SchemaTooNew(CatalogueError):
    """A later dcat wrote this schema."""

    def __init__(self, place: str, found: str) -> None:
        super().__init__(place, found)
        self.place, self.found = place, found

    def __str__(self) -> str:
        return (
            f"The catalogue {self.place} has schema revision {self.found}, which this dcat does "
            "not know. Install the dcat that wrote it, or a later one."
        )


class CatalogueBusy(CatalogueError):
    """Another process holds the writer's lock."""

    def __init__(self, place: str, holder: str) -> None:
        super().__init__(place, holder)
        self.place, self.holder = place, holder

    def __str__(self) -> str:
        return (
            f"Another dcat is writing to {self.place} ({self.holder}). Try again when it is done."
        )


class ConnectionLost(CatalogueError):
    """The connection to the database's server ended, or none can be made."""

    def __init__(self, place: str, reason: str, *, is_new: bool = False) -> None:
        super().__init__(place, reason, is_new)
        self.place, self.reason, self.is_new = place, reason, is_new

    def __reduce__(self) -> tuple[object, ...]:
        return partial(ConnectionLost, is_new=self.is_new), (self.place, self.reason)

    def __str__(self) -> str:
        if self.is_new:
            return f"The server of {self.place} cannot be reached: {self.reason}. Is it running, and are the host and the port right?"
        return f"The connection to {self.place} was lost ({self.reason}). What was stored before is safe; run the command again."


class QueryError(CatalogueError):
    """An SQL statement was stopped or failed."""


class StatementError(QueryError):
    """An SQL statement is wrong, lacks a parameter, or does more than read."""

    exit_code = 2


class HeaderError(DcatError):
    """A file's header cannot be read."""


class NotDicom(HeaderError):
    """The file is not DICOM."""


class TruncatedHeader(HeaderError):
    """The file ends inside its header."""


class FileSetError(DcatError):
    """A File-set cannot be written or read."""


class FileIdError(FileSetError):
    """A File ID breaks PS3.10 §8.2 or §8.5."""


class EncodingError(FileSetError):
    """A value cannot be written as asked."""


class DicomdirError(FileSetError):
    """A DICOMDIR cannot be read at all (a deviation that can be survived is a finding)."""

    def __init__(
        self,
        message: str,
        offset_bytes: int | None = None,
        clause: str | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message, offset_bytes, clause, advice)
        self.message, self.offset_bytes, self.clause = message, offset_bytes, clause
        self.advice = advice

    def of(self, place: str) -> DicomdirError:
        """Return the same error with the name of the file that it is about, and what can be done."""
        reason = self.message[:1].lower() + self.message[1:]
        named = f"{place} cannot be read as a DICOMDIR: {reason}"
        advice = (
            "Name another file; or do without it: `dcat index FOLDER` catalogues the files beside "
            "it, and `dcat dicomdir create FOLDER` makes a new one for them."
        )
        return DicomdirError(named, self.offset_bytes, self.clause, advice)

    def __str__(self) -> str:
        where = f" at byte {self.offset_bytes}" if self.offset_bytes else ""
        clause = f" ({self.clause})" if self.clause else ""
        advice = f" {self.advice}" if self.advice else ""
        return f"{self.message}{where}{clause}.{advice}"


class ArchiveError(DcatError, OSError):
    """An archive or one of its members cannot be read.

    It is an `OSError` too: who reads a file need not know that it lies in an archive.
    """

    def __init__(self, message: str) -> None:
        super().__init__(errno.EIO, message)
        self.message = message

    def __reduce__(self) -> tuple[object, ...]:
        return ArchiveError, (self.message,)

    def __str__(self) -> str:
        return self.message


class ExecutorError(DcatError):
    """Those who should read files, processes or a cluster, cannot be reached, used or replaced."""


class SelectionError(DcatError):
    """A selection is malformed."""

    exit_code = 2

    def __init__(self, message: str, term: str = "") -> None:
        super().__init__(message, term)
        self.message, self.term = message, term

    def __str__(self) -> str:
        return self.message


class UnknownKeyword(SelectionError):
    """A name of no attribute that the catalogue keeps.

    `near` is the keyword that is probably meant; `is_sure` says that it differs by no letter, or is
    commonly called so.
    """

    def __init__(self, name: str, near: str | None = None, is_sure: bool = False) -> None:
        super().__init__(name, name)
        self.name, self.near, self.is_sure = name, near, is_sure

    def __str__(self) -> str:
        hint = f" Did you mean {self.near}?" if self.near else ""
        return (
            f"{self.name[:100]!r} is not a keyword that the catalogue keeps.{hint} "
            "To have another attribute kept, add it to `attributes` under [index] in the configuration file and index again."
        )


class ExportError(DcatError):
    """An export cannot start or go on."""


class DestinationNotEmpty(ExportError):
    """The destination holds something already."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place

    def __str__(self) -> str:
        return f"{self.place} is not empty. Name a new or empty folder; nothing was written."


class SourceChanged(ExportError):
    """A source file is no longer what the catalogue says."""


class MediaFull(ExportError):
    """No space is left at the destination."""
