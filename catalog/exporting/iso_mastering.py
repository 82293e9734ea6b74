"""Making an ISO image of contents that are opened one at a time, each proved while it is written.

pycdlib takes the time of day and a random number from the modules of those names. While it works
here it gets its own, so that the same contents make the same bytes, in any time zone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import struct_time
from typing import Any, BinaryIO, NamedTuple

from catalog.errors import ExportError
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.opening import Opening
from catalog.files.stretch import Stretch

BLOCK_BYTES = 1 << 20
STAGE = "Making the image"
UDF = "2.60"
"""The only name that pycdlib takes; the descriptors that it makes say UDF 1.02, and are."""

_LATEST_S = 0xFFFFFFFF


class Content(NamedTuple):
    """A file of the image: `origin` is what opens it, or a file that stays open and where it begins there."""

    name: str
    size_bytes: int
    digest: str
    seconds: int
    origin: Opening | tuple[BinaryIO, int]


def master(
    image: BinaryIO,
    contents: Sequence[Content],
    volume_identifier: str,
    dated_s: int,
    *,
    udf: bool,
    listener: Listener = ignore,
) -> None:
    """Write the image of `contents`, the first of which tells it from others of the same name.

    Raises
    ------
    ExportError
        If a content is no longer what its digest is of, or no image can be made of them.
    OSError
        If the image cannot be written.
    """
    from pycdlib import PyCdlib
    from pycdlib.pycdlibexception import PyCdlibException

    clock = _Clock(dated_s, int(contents[0].digest[:8], 16))
    try:
        with _instead_of_time_and_chance(clock):
            iso = PyCdlib()
            iso.new(
                interchange_level=1,
                vol_ident=volume_identifier,
                app_ident_str="DCAT",
                udf=UDF if udf else None,
            )
            made: set[str] = set()
            for content in contents:
                clock.now_s = dated_s
                _make_folders(iso, content.name, made, udf=udf)
                clock.now_s = min(max(content.seconds, 0), _LATEST_S)
                iso.add_fp(
                    _Reading(content),
                    content.size_bytes,
                    _iso_path(content.name),
                    udf_path=f"/{content.name}" if udf else None,
                )
            clock.now_s = dated_s
            iso.write_fp(image, blocksize=BLOCK_BYTES, progress_cb=_told(listener))
            listener(Finished(STAGE, image.seek(0, 2)))
            iso.close()
    except PyCdlibException as exc:
        raise ExportError(f"No ISO image can be made of the File-set: {exc}.") from exc


def _told(listener: Listener) -> Callable[[int, int], None]:
    """Return what tells `listener` how much is written, once for each MiB.

    It is a plain function, as pycdlib counts the arguments of what it is given.
    """
    told = -1

    def tell(done: int, total: int) -> None:
        nonlocal told
        if told < 0:
            listener(Started(STAGE, total, "bytes"))
            told = 0
        if done - told >= BLOCK_BYTES:
            told = done
            listener(Progress(STAGE, done, total))

    return tell


def _make_folders(iso: Any, name: str, made: set[str], *, udf: bool) -> None:
    folder = ""
    for component in name.split("/")[:-1]:
        folder = f"{folder}/{component}"
        if folder not in made:
            made.add(folder)
            iso.add_directory(folder, udf_path=folder if udf else None)


def _iso_path(name: str) -> str:
    """Return the path with the dot that File IDs lack and ISO 9660 wants (ECMA-119 §7.5.1), and version 1."""
    return f"/{name};1" if "." in name.rpartition("/")[2] else f"/{name}.;1"


class _Reading:
    """A content as pycdlib reads it: opened when it is sought, closed and proved at its end."""

    __slots__ = ("_content", "_digest", "_left", "_stack", "_stream")

    mode = "rb"
    """pycdlib asks for it."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._stack: ExitStack | None = None
        self._stream: BinaryIO | None = None
        self._digest: Any = None
        self._left = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Open the content anew, at its first byte."""
        assert offset == whence == 0, "pycdlib reads each file once, from its first byte"
        self._close()
        self._stack = ExitStack()
        origin = self._content.origin
        if isinstance(origin, tuple):
            self._stream = Stretch(*origin, self._content.size_bytes)  # type: ignore[assignment]  # a raw stream, of which only read is used
        else:
            try:
                self._stream = self._stack.enter_context(origin).stream
            except OSError as exc:
                raise self._changed(f"cannot be opened any more ({exc.strerror})") from exc
        self._digest = hashlib.sha256()
        self._left = self._content.size_bytes
        return 0

    def read(self, count: int) -> bytes:
        """Return exactly `count` of the following bytes."""
        assert self._stream is not None
        pieces = []
        while count:
            try:
                data = self._stream.read(count)
            except OSError as exc:
                raise self._changed(f"cannot be read any more ({exc.strerror})") from exc
            if not data:
                raise self._changed("became shorter")
            pieces.append(data)
            count -= len(data)
            self._left -= len(data)
            self._digest.update(data)
        if self._left == 0:
            if not isinstance(self._content.origin, tuple) and self._stream.read(1):
                raise self._changed("became longer")
            digest = self._digest.hexdigest()
            self._close()
            if digest != self._content.digest:
                raise self._changed("has other content")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _close(self) -> None:
        if self._stack is not None:
            self._stack.close()
        self._stack = self._stream = self._digest = None

    def _changed(self, what: str) -> ExportError:
        self._close()
        origin = self._content.origin
        name = (
            self._content.name
            if isinstance(origin, tuple)
            else f"{origin.source.root.rstrip('/')}/{origin.source.path}"
        )
        return ExportError(
            f"{name} {what} since the export began, so the image is not finished. Index it again, remove what was written, and export again."
        )


class _Clock:
    """Stands for the modules `time` and `random` in pycdlib."""

    def __init__(self, now_s: int, number: int) -> None:
        self.now_s, self._number = now_s, number

    def time(self) -> int:
        return self.now_s

    def localtime(self, seconds: float | None = None) -> struct_time:
        return time.gmtime(self.now_s if seconds is None else seconds)

    def getrandbits(self, count: int) -> int:
        return self._number & ((1 << count) - 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@contextmanager
def _instead_of_time_and_chance(clock: _Clock) -> Iterator[None]:
    """Give pycdlib's modules `clock`, and take it away again."""
    from pycdlib import dates, headervd, udf, utils
    from pycdlib import pycdlib as whole

    places = [(module, "time") for module in (dates, headervd, udf, utils, whole)]
    places.append((udf, "random"))
    before = [(m, name, getattr(m, name)) for m, name in places if hasattr(m, name)]
    try:
        for module, name, _ in before:
            setattr(module, name, clock)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
