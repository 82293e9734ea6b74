"""Putting files into a receiver, without a catalogue."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from catalog.exporting.receiver import Receiver
from catalog.files.opening import Opener, Source
from catalog.fileset.file_id import FileId

WHEN_S = 1_000_000_000

Content = Sequence[tuple[str, bytes]]


def sources(folder: Path, content: Content) -> Path:
    """Write `content` to files called `0`, `1` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (_, data) in enumerate(content):
        path = folder / str(number)
        path.write_bytes(data)
        os.utime(path, (WHEN_S + number, WHEN_S + number))
    return folder


def named(name: str) -> FileId:
    return FileId(tuple(name.split("/")))


class Reads:
    """A check that reads the whole copy, forwards and then back from the first byte."""

    def __init__(self, expected: bytes) -> None:
        self.expected = expected
        self.was_called = False

    def __call__(self, stream: BinaryIO, size_bytes: int) -> None:
        self.was_called = True
        assert size_bytes == len(self.expected)
        assert stream.read(7) == self.expected[:7]
        stream.seek(0)
        assert b"".join(iter(lambda: stream.read(size_bytes + 1), b"")) == self.expected
        if size_bytes > 3:
            stream.seek(-3, os.SEEK_END)
            assert stream.tell() == size_bytes - 3


def put_all(receiver: Receiver, folder: Path, content: Content) -> None:
    """Put the files of `sources` under their names, each read by a check."""
    with Opener() as opener:
        for number, (name, data) in enumerate(content):
            check = Reads(data)
            copied = receiver.put(named(name), opener.open(Source(str(folder), str(number))), check)
            assert check.was_called
            assert copied == (len(data), hashlib.sha256(data).hexdigest())


def fill(
    receiver: Receiver,
    folder: Path,
    content: Content,
    others: Content = (),
    directory: bytes = b"D",
) -> None:
    """Make the whole medium, with `directory` for a DICOMDIR."""
    receiver.prepare(sum(len(data) for _, data in content))
    receiver.begin()
    put_all(receiver, sources(folder, content), content)
    for name, data in others:
        receiver.put_data(name, data)
    receiver.finish(io.BytesIO(directory))


def expected(content: Content, others: Content = (), directory: bytes = b"D") -> dict[str, bytes]:
    """Return what must be on the medium of `fill`, by name."""
    return {**dict(content), **dict(others), "DICOMDIR": directory}


def below(folder: Path) -> dict[str, bytes]:
    """Return all files below `folder` by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
