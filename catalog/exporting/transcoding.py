"""Copies in another Transfer Syntax than their sources, where the order asks for that.

Off by default: an export copies byte for byte. What cannot be brought into the ordered Transfer
Syntax is left out with the reason, never copied as it is: whoever orders one has a receiver that
reads no other.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from catalog import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from catalog.dicom import sop_classes
from catalog.entities import Instance
from catalog.errors import DcatError, ExportError, HeaderError, SourceChanged
from catalog.exporting.item import Item
from catalog.files.opening import Opened
from catalog.findings import Finding, Severity

if TYPE_CHECKING:
    from catalog.dicom.transcoding import Transcoded

MOST_IN_MEMORY_BYTES = 16 << 20
"""A file longer than this waits in a temporary file until it is copied."""

_HEADER_BYTES = 64 << 10


def target_named(name: str) -> str:
    """Return the UID of the Transfer Syntax that users call `name`.

    Raises
    ------
    ExportError
        If there is none.
    """
    from catalog.dicom.transcoding import TARGETS  # most exports transcode nothing

    try:
        return TARGETS[name.lower()]
    except KeyError:
        raise ExportError(
            f"{name!r} is no Transfer Syntax that dcat writes; {', '.join(TARGETS)} is the one."
        ) from None


def is_transcoded(transfer_syntax_uid: str | None, target: str | None) -> bool:
    """Return whether a file in this Transfer Syntax is written anew when `target` is ordered."""
    return target is not None and transfer_syntax_uid != target


def size_estimate(instance: Instance, size_bytes: int) -> int:
    """Return about how many bytes a transcoded file will have, to make sure that there is space.

    From Rows, Columns, Bits Allocated and Number of Frames; three samples where the Photometric
    Interpretation is one of colours.
    """
    if not (instance.rows and instance.columns and instance.bits_allocated):
        return size_bytes + _HEADER_BYTES
    colours = (instance.photometric_interpretation or "").startswith(("RGB", "YBR"))
    pixels = instance.rows * instance.columns * (3 if colours else 1)
    decoded = pixels * instance.bits_allocated // 8 * (instance.number_of_frames or 1)
    return max(decoded + _HEADER_BYTES, size_bytes)


def expected_size(item: Item, target: str | None) -> int:
    """Return about how many bytes the copy of `item` will have in the Transfer Syntax `target`."""
    size_bytes = item.source.size_bytes or 0
    if is_transcoded(item.source.transfer_syntax_uid, target):
        return size_estimate(item.candidate.claims.instance, size_bytes)
    return size_bytes


class Transcoder:
    """Opens sources in the Transfer Syntax `target`; what it did joins `findings`."""

    def __init__(self, target: str, findings: list[Finding]) -> None:
        self._target = target
        self._findings = findings

    def opening(
        self, item: Item, opening: AbstractContextManager[Opened]
    ) -> AbstractContextManager[Opened]:
        """Return what opens `item` in the ordered Transfer Syntax: `opening` itself if it is in it.

        What is opened is a temporary file, in memory up to 16 MiB. Opening raises SourceChanged
        if the instance cannot be transcoded.
        """
        if not is_transcoded(item.source.transfer_syntax_uid, self._target):
            return opening
        return self._transcoded(item, opening)

    @contextmanager
    def _transcoded(self, item: Item, opening: AbstractContextManager[Opened]) -> Iterator[Opened]:
        from catalog.dicom.transcoding import Implementation, transcode

        writer = Implementation(IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME)
        with ExitStack() as stack:
            source = stack.enter_context(opening)
            spooled = stack.enter_context(tempfile.SpooledTemporaryFile(MOST_IN_MEMORY_BYTES))
            copy = cast(BinaryIO, spooled)
            try:
                stream = _seekable(source.stream, stack)
                size = stream.seek(0, io.SEEK_END)
                done = transcode(stream, size, copy, writer)
            except HeaderError as exc:
                raise SourceChanged(f"it cannot be transcoded: {exc}") from exc
            except DcatError as exc:
                raise SourceChanged(str(exc)) from exc
            except OSError as exc:
                raise SourceChanged(f"it cannot be transcoded: {exc.strerror or exc}") from exc
            copy.seek(0)
            yield _TranscodedFile(copy, source, size)
        self._findings.append(_finding(item, done))


def _seekable(stream: BinaryIO, stack: ExitStack) -> BinaryIO:
    """Return the file itself, or a temporary copy of what can be read only forwards."""
    if isinstance(stream, io.FileIO):
        return stream
    copy = stack.enter_context(
        tempfile.SpooledTemporaryFile(MOST_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by the stack
    )
    shutil.copyfileobj(stream, copy, 1 << 20)
    return cast(BinaryIO, copy)


class _TranscodedFile(Opened):
    """A transcoded copy, as old and as unchanged as its source."""

    def __init__(self, stream: BinaryIO, source: Opened, source_size_bytes: int) -> None:
        self.stream = stream
        self.mtime_ns, self.atime_ns = source.mtime_ns, source.atime_ns
        self._source, self._source_size_bytes = source, source_size_bytes

    def is_as_before(self, size_bytes: int) -> bool:
        """Return whether the source has not changed since it was opened."""
        return self._source.is_as_before(self._source_size_bytes)


def _finding(item: Item, done: Transcoded) -> Finding:
    from_name = sop_classes.name(done.transfer_syntax_uid)
    message = f"Transcoded from {from_name} to Explicit VR Little Endian."
    if done.is_decompressed and done.was_lossy:
        message += " Its image had been compressed with loss, as (0028,2110) still says."
    if done.had_signatures:
        message += " Its digital signatures were made of the source and may not hold for the copy."
    return Finding("transcoded", Severity.NOTE, message, item.file_id.path, "PS3.5 §10")
