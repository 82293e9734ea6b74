"""A File-set in a folder."""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from catalog.errors import DestinationNotEmpty, ExportError, MediaFull
from catalog.exporting.receiver import ANY_TIME, DICOMDIR, Check, Turn, chunks_of
from catalog.files.copy import Copied, Link, copy_opened, link_opened
from catalog.files.opening import Opened
from catalog.files.paths import to_text
from catalog.files.writing import (
    PARTIAL_SUFFIX,
    UNFINISHED,
    atomic,
    removed_on_failure,
    sync_all,
    sync_folder,
    syncs_at_once,
    watch,
    write_error,
    writing_to,
)
from catalog.fileset.file_id import FileId

_UNFINISHED_TEXT = (
    "This export is not complete. It has no DICOMDIR yet, and files may be missing.\r\n"
    "If no dcat is running that writes here, the export was interrupted. Continue it with\r\n"
    "    dcat export --resume FOLDER\r\n"
    "or remove this folder and export again.\r\n"
    "File-set UID: {}\r\n"
)


def unfinished_text(file_set_uid: str) -> str:
    """Return what stands in UNFINISHED.TXT; from its last line an export knows its own folder."""
    return _UNFINISHED_TEXT.format(file_set_uid)


class FolderReceiver:
    """Takes a File-set into a new or empty folder (see `catalog.exporting.receiver.Receiver`).

    `put` may be called by several threads at a time.

    Parameters
    ----------
    file_set_uid:
        Of the File-set; it stands in UNFINISHED.TXT, so that the export can be resumed.
    link:
        Make links to the sources instead of copies.
    """

    def __init__(
        self, destination: Path, file_set_uid: str = "", *, link: Link | None = None
    ) -> None:
        self.place = destination
        self._file_set_uid = file_set_uid
        self._link = link
        self._written: list[str] = []
        self._text = str(destination)
        self._folders: set[str] = set()
        self._identity: tuple[int, int] | None = None
        self._watched: int | None = None
        self._close: Callable[[], object] = lambda: None

    def prepare(self, size_bytes: int) -> None:
        """Make sure that the folder is new or empty, and has so much space."""
        check_destination(self.place, 0 if self._link else size_bytes)

    def begin(self) -> None:
        """Make the folder, with a file in it that says that it is not finished.

        Of several exports that begin in one folder at the same time one goes on.
        """
        target = self.place / UNFINISHED
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            self._claim(target)
            self._identity = _identity(self.place)
        except OSError as exc:
            raise write_error(exc, target) from exc
        self._watched = watch(self.place)
        if self._watched is not None:
            self._close = weakref.finalize(self, os.close, self._watched)

    def _claim(self, target: Path) -> None:
        """Put the mark of the unfinished, which is another export's if it stands there already."""
        mark = unfinished_text(self._file_set_uid).encode("ascii")
        partial = Path(f"{target}{PARTIAL_SUFFIX}")
        try:
            stream = partial.open("xb")  # who has made it may put the mark, and nobody else
        except FileExistsError:
            raise self._taken() from None
        with removed_on_failure(partial):
            with stream:
                stream.write(mark)
            if target.exists():
                if target.read_bytes() != mark:
                    raise self._taken()
                partial.unlink()
                return
            partial.replace(target)
        if not self._may_stand_there() and os.listdir(self.place) != [UNFINISHED]:
            target.unlink()  # another export began, and was finished, since the folder was empty
            raise self._taken()

    def _may_stand_there(self) -> bool:
        """Return whether files may be in the folder already."""
        return False

    def _taken(self) -> ExportError:
        return ExportError(
            f"Another export to {to_text(str(self.place))} has begun. Name another folder; nothing was written."
        )

    def put(
        self,
        file_id: FileId,
        opening: AbstractContextManager[Opened],
        check: Check,
        turn: Turn = ANY_TIME,
    ) -> Copied:
        """Copy or link a file; see `catalog.files.copy`."""
        target = self._target(file_id.path)
        if self._link is None:
            result = copy_opened(opening, target, check)
        else:
            result = link_opened(opening, target, check, self._link)
        self._note(target)
        return result

    def put_data(self, name: str, data: bytes | BinaryIO) -> None:
        """Write another file."""
        target = self._target(name)
        partial = Path(f"{target}{PARTIAL_SUFFIX}")
        with writing_to(target), removed_on_failure(partial):
            with partial.open("wb") as file:
                file.writelines(chunks_of(data)[0])
            partial.replace(target)
        self._note(target)

    def finish(self, dicomdir: BinaryIO) -> None:
        """Flush all copies, write the DICOMDIR, and take the mark of the unfinished away."""
        self._check_is_there()
        sync_all(self.place, self._written, self._watched)
        self._close()
        with atomic(self.place / DICOMDIR) as stream:
            shutil.copyfileobj(dicomdir, stream)
        with writing_to(self.place):
            (self.place / UNFINISHED).unlink(missing_ok=True)
            sync_folder(self.place)

    def _note(self, target: str) -> None:
        """Remember what was written, where files are flushed one by one."""
        if not syncs_at_once():
            self._written.append(target)

    def _target(self, name: str) -> str:
        """Return the path of a file below the folder; its own folder exists then."""
        folder = name.rpartition("/")[0]
        if folder not in self._folders:
            self._check_is_there()
            _make_folder(self.place / folder)
            self._folders.add(folder)
        return f"{self._text}/{name}"

    def _check_is_there(self) -> None:
        """Make sure that the folder is the one that the export began with.

        Where a medium was pulled, its mount point is a folder of another disk, which must not be
        filled.
        """
        try:
            found = _identity(self.place)
        except OSError as exc:
            raise write_error(exc, self.place) from exc
        if self._identity is not None and found != self._identity:
            raise ExportError(
                f"{to_text(str(self.place))} is no longer the folder that this export began with. Has the medium been taken out?"
            )


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def check_destination(destination: Path, size_bytes: int) -> None:
    """Make sure that an export can start at `destination`.

    Raises
    ------
    DestinationNotEmpty, ExportError, MediaFull
        If it holds something, is no folder, cannot be written, or has too little space.
    """
    _check_folder(destination, size_bytes, _refuse_any)


def check_space(destination: Path, size_bytes: int) -> None:
    """Make sure that `destination`, a folder that may hold something, can take so many bytes.

    Raises
    ------
    ExportError, MediaFull
        If it is no folder, cannot be written, or has too little space.
    """
    _check_folder(destination, size_bytes, lambda folder: None)


def free_bytes(destination: Path) -> int:
    """Return the free space where `destination` is, or will be.

    Raises
    ------
    ExportError
        If that cannot be told.
    """
    try:
        return shutil.disk_usage(_nearest(destination)).free
    except OSError as exc:
        raise ExportError(f"{destination} cannot be used: {exc.strerror}.") from exc


def block_bytes(destination: Path) -> int:
    """Return the size of the blocks in which the file system of `destination` stores files."""
    try:
        return os.statvfs(_nearest(destination)).f_frsize or 4096
    except (OSError, AttributeError):  # an estimate: what cannot be used is told by others
        return 4096


def _nearest(destination: Path) -> Path:
    nearest = destination.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    return nearest


def _refuse_any(folder: Path) -> None:
    if any(folder.iterdir()):
        raise DestinationNotEmpty(str(folder))


def _check_folder(destination: Path, size_bytes: int, look: Callable[[Path], None]) -> None:
    try:
        if destination.exists():
            if not destination.is_dir():
                raise ExportError(f"{destination} is not a folder. Name a new or empty folder.")
            look(destination)
        elif destination.is_symlink():
            raise ExportError(
                f"{destination} is a link to nothing. Name a new or empty folder; nothing was written."
            )
        nearest = _nearest(destination)
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise ExportError(f"{nearest} cannot be written by this user. Nothing was written.")
        free = shutil.disk_usage(nearest).free
    except OSError as exc:
        raise ExportError(f"{destination} cannot be used: {exc.strerror}.") from exc
    if free < size_bytes:
        raise MediaFull(
            f"{destination} has {free:,} bytes free and the export needs {size_bytes:,}. Nothing was written."
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise write_error(exc, folder) from exc
