"""A File-set in an ISO 9660 image (PS3.12 Annex F: Level 1), with UDF beside it where that is asked for.

pycdlib makes the image. It wants to know every file before the first byte is written, so sources
are read twice: when they are put, for the check and the digest, and when the image is made, where
their digest must be the same. Nothing is copied in between, but for what has no file of its own.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import BinaryIO, cast

from catalog.errors import ExportError, SourceChanged
from catalog.events import Listener, ignore
from catalog.exporting.container import check_new_file, check_other_name, partial_of
from catalog.exporting.iso_mastering import Content, master
from catalog.exporting.receiver import ANY_TIME, CHUNK_BYTES, DICOMDIR, Check, Turn, chunks_of
from catalog.files.copy import Copied
from catalog.files.member_stream import MemberStream
from catalog.files.opening import Opened, Opener, Opening
from catalog.files.stretch import Stretch
from catalog.files.writing import sync_folder, writing_to
from catalog.fileset.file_id import FileId

MAX_FILE_BYTES = 0xFFFFFFFF
"""Longest file of one section (ECMA-119 §9.1.4); Level 1 allows no second one (§10.1)."""

MAX_COMPONENTS = 7
"""Deepest file. ISO 9660 has eight levels of folders, so eight components could be (ECMA-119
§6.8.2.1), but pycdlib counts the file as a level. dcat's own names have five."""

MAX_FOLDERS = 0xFFFF
"""Most folders, the root included: the path table numbers them in 16 bits (ECMA-119 §9.4.4)."""

MAX_IMAGE_BYTES = 0xFFFFFFFF * 2048
"""Most sectors: their numbers have 32 bits (ECMA-119 §8.4.8)."""

_FOLDER = re.compile(r"[A-Z0-9_]{1,8}")
_FILE = re.compile(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?")


class IsoReceiver:
    """Takes a File-set into a new ISO 9660 image (see `catalog.exporting.receiver.Receiver`).

    Until it is finished the file is called `NAME.part` and is empty, or not whole. The same
    sources, with the same times, give the same bytes. Some two kilobytes of memory are kept for
    each file, or twice as much with UDF.

    Parameters
    ----------
    path:
        The file to make.
    volume_identifier:
        The File-set ID (PS3.12 F.2): up to 16 of A-Z, 0-9 and _; may be empty.
    udf:
        Add UDF 1.02, which DVDs may have (PS3.12 Annex P: UDF 1.02 to 2.01, or ISO 9660). pycdlib
        makes no later one, so it does not give what DVD-RAM (1.5) and BD (2.5, 2.6) ask for.
    dated_s:
        The date of the volume and of other files, in seconds since 1970 UTC. Copies have the
        modification times of their sources, in UTC.
    listener:
        Hears how much of the image is written.
    """

    def __init__(
        self,
        path: Path,
        volume_identifier: str = "",
        *,
        udf: bool = False,
        dated_s: int = 0,
        listener: Listener = ignore,
    ) -> None:
        self.place = path
        self._partial = partial_of(path)
        self._volume_identifier, self._udf, self._dated_s = volume_identifier, udf, dated_s
        self._listener = listener
        self._contents: list[Content] = []
        self._names: set[str] = set()
        self._openers: list[Opener] = []
        self._spooled: BinaryIO | None = None

    def prepare(self, size_bytes: int) -> None:
        """Make sure that the file is new, that there is so much space, and that pycdlib is there."""
        try:
            import pycdlib  # noqa: F401
        except ModuleNotFoundError as exc:
            raise ExportError(
                "An ISO image is made with pycdlib, which is not installed: python -m pip install 'dicom-dcat[iso]'. Nothing was written."
            ) from exc
        check_new_file(self.place, size_bytes)

    def begin(self) -> None:
        """Make the unfinished file."""
        with writing_to(self.place):
            self.place.parent.mkdir(parents=True, exist_ok=True)
            self._partial.open("xb").close()

    def put(
        self,
        file_id: FileId,
        opening: AbstractContextManager[Opened],
        check: Check,
        turn: Turn = ANY_TIME,
    ) -> Copied:
        """Read and check a file; its bytes go into the image when that is made."""
        if len(file_id.components) > MAX_COMPONENTS:
            raise ExportError(
                f"{file_id} has more than {MAX_COMPONENTS} components, which dcat cannot put into an ISO image; export to a folder or ZIP file."
            )
        if isinstance(opening, Opening):
            content = self._to_read_again(file_id, opening, check)
        else:
            content = self._to_keep(file_id, opening, check)
        self._contents.append(content)
        return Copied(content.size_bytes, content.digest)

    def put_data(self, name: str, data: bytes | BinaryIO) -> None:
        """Take in another file, whose name must be one of ISO 9660 Level 1.

        Raises
        ------
        ExportError
            If the name is not, or is there already.
        """
        check_other_name(name)
        check_level_1(name)
        if name in self._names:
            raise ExportError(f"{name!r} is in {self.place} already.")
        self._names.add(name)
        self._contents.append(self._spool(name, chunks_of(data)[0], self._dated_s))

    def finish(self, dicomdir: BinaryIO) -> None:
        """Make the image, flush it to the disk, and give it its name.

        Raises
        ------
        ExportError
            If a source is no longer what it was when it was put. The image is not finished then.
        """
        dicomdir.seek(0)
        directory = self._spool(DICOMDIR, _pieces(dicomdir), self._dated_s)
        try:
            with writing_to(self.place), self._partial.open("r+b") as image:
                master(
                    cast(BinaryIO, image),
                    [directory, *self._contents],
                    self._volume_identifier,
                    self._dated_s,
                    udf=self._udf,
                    listener=self._listener,
                )
                image.flush()
                os.fsync(image.fileno())
        finally:
            for opener in self._openers:
                opener.close()
        with writing_to(self.place):
            # Another program may have made a file of this name meanwhile, which is not ours to replace.
            if os.path.lexists(self.place):
                raise ExportError(
                    f"{self.place} was made by somebody else meanwhile; the finished image is {self._partial}."
                )
            self._partial.rename(self.place)
        if self._spooled is not None:
            self._spooled.close()
        sync_folder(self.place.parent)

    # -- the first reading -----------------------------------------------------------------

    def _to_read_again(self, file_id: FileId, opening: Opening, check: Check) -> Content:
        digest = hashlib.sha256()
        with ExitStack() as stack:
            source = _entered(stack, opening)
            size_bytes = 0
            for chunk in _pieces(source.stream):
                digest.update(chunk)
                size_bytes += len(chunk)
            _refuse_long(size_bytes)
            if not source.is_as_before(size_bytes):
                raise SourceChanged("the source changed while it was read")
            is_member = isinstance(source.stream, MemberStream)
            if not is_member:
                source.stream.seek(0)
                check(source.stream, size_bytes)
            seconds = source.mtime_ns // 1_000_000_000
        if is_member:  # it cannot be sought back to its first byte
            with ExitStack() as stack:
                check(_entered(stack, opening).stream, size_bytes)
        if opening.opener not in self._openers:
            self._openers.append(opening.opener)
        return Content(file_id.path, size_bytes, digest.hexdigest(), seconds, opening)

    def _to_keep(
        self, file_id: FileId, opening: AbstractContextManager[Opened], check: Check
    ) -> Content:
        """Keep a copy of what cannot be opened again, such as what is made while it is read."""
        spool = self._spool_file()
        with writing_to(self.place):
            start = spool.seek(0, os.SEEK_END)
        try:
            with ExitStack() as stack:
                source = _entered(stack, opening)
                seconds = source.mtime_ns // 1_000_000_000
                content = self._spool(file_id.path, _pieces(source.stream), seconds)
                _refuse_long(content.size_bytes)
                if not source.is_as_before(content.size_bytes):
                    raise SourceChanged("the source changed while it was read")
                check(cast(BinaryIO, Stretch(spool, start, content.size_bytes)), content.size_bytes)
        except BaseException:
            with writing_to(self.place):
                spool.truncate(start)
            raise
        return content

    def _spool(self, name: str, chunks: Iterator[bytes], seconds: int) -> Content:
        spool = self._spool_file()
        digest = hashlib.sha256()
        size_bytes = 0
        with writing_to(self.place):
            start = spool.seek(0, os.SEEK_END)
        for chunk in chunks:
            digest.update(chunk)
            size_bytes += len(chunk)
            with writing_to(self.place):
                _write_all(spool, chunk)
        return Content(name, size_bytes, digest.hexdigest(), seconds, (spool, start))

    def _spool_file(self) -> BinaryIO:
        """Return the nameless file beside the image that holds what has no file of its own."""
        if self._spooled is None:
            with writing_to(self.place):
                made = tempfile.TemporaryFile(dir=self.place.parent, buffering=0)  # noqa: SIM115
            self._spooled = cast(BinaryIO, made)
            weakref.finalize(self, made.close)
        return self._spooled


def file_system_of(profile: str | None) -> tuple[bool, str]:
    """Return whether an image for `profile` gets UDF, and what it is not; `''` if it is as it should be.

    `profile` is the name of an Application Profile of PS3.11 or `None`. PS3.12 says which file
    system each medium has: Annexes F (CD), P (DVD), J (DVD-RAM), X (BD), R to U (flash memory).
    """
    parts = profile.split("-") if profile else []
    both = "the image has ISO 9660 and UDF 1.02, which drives read all the same"
    if "RAM" in parts:
        return True, f"{profile} is for DVD-RAM with UDF 1.5 (PS3.12 Annex J); {both}."
    if "DVD" in parts:
        return True, ""
    if "BD" in parts:
        return True, f"{profile} is for BD with UDF 2.5 or 2.6 (PS3.12 Annex X); {both}."
    if {"USB", "MMC", "CF", "SD"} & set(parts):
        return False, f"{profile} is for a medium with FAT (PS3.12), not for an ISO image; export to a folder of that medium instead."  # fmt: skip
    return False, ""


def check_bounds(names: Sequence[str], size_bytes: int, *, with_pages: bool = False) -> None:
    """Make sure that one image can hold files of these names, `/` between folders, and so many bytes.

    Raises
    ------
    ExportError
        If it cannot. Nothing was written then.
    """
    folders = {"/".join(parts[:end]) for name in names for parts in (name.split("/"),) for end in range(1, len(parts))}  # fmt: skip
    for name in names:
        if name.count("/") >= MAX_COMPONENTS:
            raise ExportError(
                f"{name} has more than {MAX_COMPONENTS} components, which dcat cannot put into an ISO image; export to a folder or ZIP file. Nothing was written."
            )
        check_level_1(name)
    # Pages have a folder for each that the DICOM files have.
    count = 1 + len(folders) * (2 if with_pages else 1)
    if count > MAX_FOLDERS:
        raise ExportError(
            f"The File-set has {count:,} folders, and an ISO 9660 image holds at most {MAX_FOLDERS:,}. Divide it with --media, select less, or export to a folder or ZIP file. Nothing was written."
        )
    if size_bytes > MAX_IMAGE_BYTES:
        raise ExportError(
            f"The File-set has {size_bytes:,} bytes, and an ISO 9660 image at most {MAX_IMAGE_BYTES:,}. Divide it with --media, or select less. Nothing was written."
        )


def check_level_1(name: str) -> None:
    """Make sure that `name` is one of ISO 9660 Level 1 (ECMA-119 §10.1); `/` separates folders.

    Raises
    ------
    ExportError
        If it is not; the sentence says what would be.
    """
    *folders, file = name.split("/")
    if len(folders) >= MAX_COMPONENTS:
        raise ExportError(f"{name!r} has more than {MAX_COMPONENTS} components.")
    if _FILE.fullmatch(file) and all(_FOLDER.fullmatch(folder) for folder in folders):
        return
    stem, _, extension = file.upper().partition(".")
    near = "/".join([*(_legal(f.upper(), 8) for f in folders), _legal(stem, 8)])
    if extension:
        near += f".{_legal(extension, 3)}"
    raise ExportError(
        f"{name!r} cannot be a name on an ISO 9660 Level 1 disc (up to 8 and, after a dot, 3 of A-Z, 0-9 and _); {near} could."
    )


def _legal(text: str, most: int) -> str:
    return re.sub("[^A-Z0-9_]", "_", text)[:most] or "_"


def _entered(stack: ExitStack, opening: AbstractContextManager[Opened]) -> Opened:
    try:
        return stack.enter_context(opening)
    except OSError as exc:
        raise SourceChanged(f"the source cannot be opened: {exc.strerror}") from exc


def _refuse_long(size_bytes: int) -> None:
    if size_bytes > MAX_FILE_BYTES:
        raise SourceChanged(
            f"it has {size_bytes:,} bytes, and a file on an ISO 9660 Level 1 disc at most {MAX_FILE_BYTES:,}; export it to a folder or ZIP file"
        )


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            chunk = stream.read(CHUNK_BYTES)
        except OSError as exc:
            raise SourceChanged(f"the source cannot be read: {exc.strerror}") from exc
        if not chunk:
            return
        yield chunk


def _write_all(file: BinaryIO | io.FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
