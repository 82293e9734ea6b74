"""A File-set in a ZIP file (STD-GEN-ZIP-MAIL: PS3.11 Annex L, PS3.12 Annex V).

Entries are written straight into the file, with nothing on the disk beside it. The central
directory, which makes it a ZIP file, is written last, and lists the DICOMDIR first.
"""

from __future__ import annotations

import hashlib
import io
import os
import weakref
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from catalog.errors import ExportError, SourceChanged
from catalog.exporting.container import check_new_file, check_other_name, partial_of
from catalog.exporting.receiver import ANY_TIME, CHUNK_BYTES, DICOMDIR, Check, Turn, chunks_of
from catalog.exporting.zip_headers import (
    DEFLATED,
    LIMIT,
    STORED,
    UTF8,
    Head,
    Sums,
    central_header,
    dos_time,
    end_of_directory,
    local_header,
)
from catalog.files.copy import Copied, read_at_once
from catalog.files.inflating import Codec, Inflated
from catalog.files.member_stream import MemberStream
from catalog.files.opening import Opened, Opening
from catalog.files.stretch import Stretch
from catalog.files.writing import MOST_AT_ONCE_BYTES, sync_folder, writing_to
from catalog.fileset.file_id import FileId

AT_ONCE_BYTES = 4 << 20
"""Files up to this are read by one call and written by another."""

ASIDE_BYTES = 128 << 10
"""Longer files are digested by a thread while they are written: neither needs Python's lock."""

_HAS_PWRITEV = hasattr(os, "pwritev")

ENTRY_BYTES = 30 + 46 + 2 * 71
"""Most bytes that the archive itself needs for an entry; a File ID has up to 71."""

_WIDE_BYTES = LIMIT - CHUNK_BYTES
"""Sources of so many bytes get 64-bit sizes; some room, as deflate can lengthen."""


class ZipReceiver:
    """Takes a File-set into a new ZIP file (see `catalog.exporting.receiver.Receiver`).

    Until it is finished the file is called `NAME.part` and has no central directory. The same
    sources, with the same times, give the same bytes. Some 80 bytes of memory are kept for each entry.

    Parameters
    ----------
    path:
        The file to make.
    deflate:
        Compress. Most pixel data hardly gets smaller, and takes many times as long.
    dated_s:
        The date of the DICOMDIR and other files, in seconds since 1970 UTC. Copies have the
        modification times of their sources, in UTC, to two seconds, not before 1980.
    """

    def __init__(self, path: Path, *, deflate: bool = False, dated_s: int = 0) -> None:
        self.place = path
        self._partial = partial_of(path)
        self._method = DEFLATED if deflate else STORED
        self._dated = dos_time(dated_s)
        self._at = 0
        self._central = bytearray()
        self._count = 0
        self._others: set[str] = set()
        self._opened: BinaryIO | None = None
        self._aside: ThreadPoolExecutor | None = None

    def prepare(self, size_bytes: int) -> None:
        """Make sure that the file is new, and that there is so much space."""
        check_new_file(self.place, size_bytes)

    def begin(self) -> None:
        """Make the unfinished file."""
        with writing_to(self.place):
            self.place.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a full disk is noticed by write(), never by a later close().
            file = cast(BinaryIO, self._partial.open("x+b", buffering=0))
        self._opened = file
        weakref.finalize(self, file.close)

    @property
    def _file(self) -> BinaryIO:
        assert self._opened is not None, "begin() comes first"
        return self._opened

    def put(
        self,
        file_id: FileId,
        opening: AbstractContextManager[Opened],
        check: Check,
        turn: Turn = ANY_TIME,
    ) -> Copied:
        """Take in a file, and have `check` read it from the archive itself.

        A file that is in memory as a whole waits for its turn only when it is to be written.
        """
        path = opening.local_path if isinstance(opening, Opening) else None
        whole = None if path is None or self._method else read_at_once(path, AT_ONCE_BYTES)
        if whole is not None:
            return self._put_at_once(file_id, *whole, check, turn)
        with turn:
            return self._put_in_pieces(file_id, opening, check)

    def _put_in_pieces(
        self, file_id: FileId, opening: AbstractContextManager[Opened], check: Check
    ) -> Copied:
        digest = hashlib.sha256()
        with ExitStack() as stack:
            try:
                source = stack.enter_context(opening)
                size_bytes = _stated_size(source)
            except OSError as exc:
                raise SourceChanged(f"the source cannot be opened: {exc.strerror}") from exc
            wide = size_bytes is None or size_bytes >= _WIDE_BYTES
            dated = dos_time(source.mtime_ns // 1_000_000_000)
            head = Head(file_id.path.encode("ascii"), 0, self._method, dated, wide)
            with self._taken_back():
                start = self._at
                sums = self._entry(head, _digested(source.stream, digest))
                if not source.is_as_before(sums.size_bytes):
                    raise SourceChanged("the source changed while it was copied")
                check(self._copy(start, head, sums), sums.size_bytes)
        self._central += central_header(head, sums, start)
        self._count += 1
        return Copied(sums.size_bytes, digest.hexdigest())

    def _put_at_once(
        self, file_id: FileId, data: bytes, status: os.stat_result, check: Check, turn: Turn
    ) -> Copied:
        """Take in a file that is in memory: what is digested and checked is what is written."""
        size_bytes = len(data)
        dated = dos_time(status.st_mtime_ns // 1_000_000_000)
        head = Head(file_id.path.encode("ascii"), 0, STORED, dated, size_bytes >= _WIDE_BYTES)
        digest = self._digest_of(data, is_alone=turn is ANY_TIME)
        check(io.BytesIO(data), size_bytes)
        sums = Sums(zlib.crc32(data), size_bytes, size_bytes)
        local = local_header(head, sums)
        with turn:
            start = self._at
            with self._taken_back():
                self._write_at(start, local, data)
                self._at += len(local) + size_bytes
            self._central += central_header(head, sums, start)
            self._count += 1
        return Copied(size_bytes, digest())

    def _digest_of(self, data: bytes, *, is_alone: bool) -> Callable[[], str]:
        """Return what gives the digest of `data`.

        If that takes long and files are put one by one, `is_alone`, a thread makes it meanwhile.
        """
        if not is_alone or len(data) < ASIDE_BYTES:
            digest = hashlib.sha256(data).hexdigest()
            return lambda: digest
        if self._aside is None:
            self._aside = ThreadPoolExecutor(1, thread_name_prefix="digest")
        return self._aside.submit(lambda: hashlib.sha256(data).hexdigest()).result

    def put_data(self, name: str, data: bytes | BinaryIO) -> None:
        """Take in another file."""
        check_other_name(name)
        if name.casefold() in self._others:
            raise ExportError(f"{name!r} is in {self.place} already.")
        self._others.add(name.casefold())
        self._central += self._plain(name, *chunks_of(data))
        self._count += 1

    def finish(self, dicomdir: BinaryIO) -> None:
        """Write the DICOMDIR and the central directory, flush all to the disk, and give the file its name."""
        first = self._plain(DICOMDIR, *chunks_of(dicomdir))
        count = self._count + 1
        length = len(first) + len(self._central)
        end = end_of_directory(count, self._at, length)
        with writing_to(self.place):
            _write_all(self._file, self._at, first, self._central, end)
            self._file.truncate(
                self._at + length + len(end)
            )  # nothing that was taken back may follow
            os.fsync(self._file.fileno())
            self._file.close()
            # Another program may have made a file of this name meanwhile, which is not ours to replace.
            if os.path.lexists(self.place):
                raise ExportError(
                    f"{self.place} was made by somebody else meanwhile; the finished ZIP file is {self._partial}."
                )
            self._partial.rename(self.place)
        sync_folder(self.place.parent)

    def _plain(self, name: str, chunks: Iterator[bytes], size_bytes: int) -> bytes:
        """Write an entry that needs no check; return its part of the central directory."""
        flags = 0 if name.isascii() else UTF8
        wide = size_bytes >= _WIDE_BYTES
        head = Head(name.encode("utf-8"), flags, self._method, self._dated, wide)
        start = self._at
        with self._taken_back():
            sums = self._entry(head, chunks)
        return central_header(head, sums, start)

    @contextmanager
    def _taken_back(self) -> Iterator[None]:
        """When the block raises, cut off what it has written: the archive is as it was before."""
        start = self._at
        try:
            yield
        except BaseException:
            self._at = start
            try:
                self._file.truncate(start)
            except OSError:
                pass  # what lies there is written over, or the first error ends the export
            raise

    def _entry(self, head: Head, chunks: Iterator[bytes]) -> Sums:
        """Write one entry at the end; return its checksum and sizes."""
        start = self._at
        crc = size = packed = 0
        header_bytes = len(local_header(head, Sums(0, 0, 0)))
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15) if head.method else None
        self._at += header_bytes
        first = next(chunks, b"")
        second = next(chunks, b"") if first else b""
        if deflate is None and not second:
            # Most files are one piece: header and content in one write
            sums = Sums(zlib.crc32(first), len(first), len(first))
            self._write_at(start, local_header(head, sums), first)
            self._at += len(first)
            return sums
        for chunk in _joined(first, second, chunks):
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            data = chunk if deflate is None else deflate.compress(chunk)
            self._append(data)
            packed += len(data)
        if deflate is not None:
            data = deflate.flush()
            self._append(data)
            packed += len(data)
        sums = Sums(crc, packed, size)
        if not head.is_wide and max(size, packed) >= LIMIT:
            raise SourceChanged(f"the source grew to {size:,} bytes while it was copied")
        self._write_at(start, local_header(head, sums))
        return sums

    def _append(self, data: bytes) -> None:
        if data:
            self._write_at(self._at, data)
            self._at += len(data)

    def _write_at(self, offset: int, *pieces: bytes) -> None:
        with writing_to(self.place):
            _write_all(self._file, offset, *pieces)

    def _copy(self, start: int, head: Head, sums: Sums) -> BinaryIO:
        """Return an entry's content, as it now stands in the archive."""
        begin = start + len(local_header(head, sums))
        if head.method == STORED:
            return cast(BinaryIO, Stretch(self._file, begin, sums.size_bytes))
        flow = Inflated(
            self._file, begin, sums.packed_bytes, Codec.DEFLATE, sums.size_bytes + 1, is_one=True
        )
        return cast(BinaryIO, MemberStream(flow, sums.size_bytes, sums.crc, ends_flow=True))


def _write_all(file: BinaryIO, offset: int, *pieces: bytes | bytearray) -> None:
    """Write `pieces` one after the other from `offset`; the file's position may move."""
    size = sum(map(len, pieces))
    is_little = size <= MOST_AT_ONCE_BYTES
    if is_little and _HAS_PWRITEV and os.pwritev(file.fileno(), pieces, offset) == size:
        return
    file.seek(offset)
    for piece in pieces:
        left = memoryview(piece)
        while left:
            left = left[file.write(left[:MOST_AT_ONCE_BYTES]) :]


def _joined(first: bytes, second: bytes, more: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    if second:
        yield second
        yield from more


def _digested(stream: BinaryIO, digest: hashlib._Hash) -> Iterator[bytes]:
    """Yield the content of `stream` in pieces, each digested."""
    while True:
        try:
            chunk = stream.read(CHUNK_BYTES)
        except OSError as exc:
            raise SourceChanged(f"the source cannot be read: {exc.strerror}") from exc
        if not chunk:
            return
        digest.update(chunk)
        yield chunk


def _stated_size(source: Opened) -> int | None:
    """Return how long the source says that it is; `None` if only reading it tells."""
    if isinstance(source.stream, MemberStream):
        return source.stream.size_bytes
    size_bytes = source.stream.seek(0, os.SEEK_END)
    source.stream.seek(0)
    return size_bytes
