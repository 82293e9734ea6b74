"""Carrying out a plan: copies first, each proved from its own bytes; the DICOMDIR last."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

from catalog import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from catalog.events import Finished, Listener, Progress, Started
from catalog.exporting.directory import Directory
from catalog.exporting.item import Item
from catalog.exporting.kept_items import sizes_of
from catalog.exporting.making import PLAIN, Making
from catalog.exporting.receiver import Receiver
from catalog.fileset.profiles import check_profile
from catalog.fileset.tree import FileSet
from catalog.fileset.writer import Writing, write_records
from catalog.findings import Finding
from catalog.shapes import field, mutable

if TYPE_CHECKING:
    from catalog.exporting.proof import Proved

STAGE = "Copying"
MOST_IN_MEMORY_BYTES = 4 << 20
"""A DICOMDIR longer than this waits in a temporary file until it is written."""


class Done(NamedTuple):
    """What became of one item: `digest` is `None` and `reason` says why if it failed."""

    item: Item
    size_bytes: int | None
    digest: str | None
    reason: str | None


@mutable
class Written:
    """What an export wrote."""

    directory: Directory
    findings: list[Finding] = field(default_factory=list)
    dicomdir_size_bytes: int = 0


class Extras(Protocol):
    """Makes files that go with the DICOM files, which no directory record names (PS3.10 §8.1)."""

    def take(self, item: Item, proved: Proved, stream: BinaryIO, size_bytes: int) -> None:
        """Take note of an instance from the bytes of its copy."""

    def ready(self) -> Iterable[tuple[str, bytes]]:
        """Return name and bytes of files that are finished since the last call."""

    def files(self) -> Iterable[tuple[str, bytes]]:
        """Return all other files, when every instance has been copied."""


class Additions(NamedTuple):
    """What an export does beside copying byte for byte, one file after the other.

    `transfer_syntax` is the UID of the Transfer Syntax of all copies, or `None`: that of the source.
    With several `jobs` the receiver's `put` is called by so many threads; what `extras` takes comes
    in the order of the plan, so with them files are copied one by one.
    """

    extras: Extras | None = None
    transfer_syntax: str | None = None
    jobs: int = 1


NOTHING_MORE = Additions()


def write_fileset(
    items: Sequence[Item],
    receiver: Receiver,
    file_set_id: str,
    file_set_uid: str,
    report: Callable[[Done], None],
    listener: Listener,
    making: Making = PLAIN,
    additions: Additions = NOTHING_MORE,
) -> Written:
    """Put every item and then the DICOMDIR into `receiver`; return what was written.

    `report` is called once for each item, when its copy stands or has failed. A failed item is
    left out of the directory and work goes on. What the directory breaks of the profile that
    `making` names is among the findings. If no item could be copied there is no DICOMDIR, and the
    medium stays unfinished.

    Raises
    ------
    MediaFull, ExportError
        If the medium cannot be written. It is visibly unfinished then.
    """
    from catalog.exporting.copying import copies

    receiver.begin()
    tree = Directory(making)
    findings: list[Finding] = []
    extras = additions.extras
    copied = 0
    total = sum(sizes_of(items))
    done_bytes = 0
    listener(Started(STAGE, total, "bytes"))
    for done, proved, noticed in copies(items, receiver, making, additions, report):
        findings += noticed
        report(done)
        if proved is None:
            continue
        tree.add(done.item, proved)
        if extras is not None:
            _put_all(extras.ready(), receiver)
        copied += 1
        done_bytes += done.size_bytes or 0
        listener(Progress(STAGE, done_bytes, total))
    listener(Finished(STAGE, done_bytes))
    tree.finish(findings)
    written = Written(tree, findings)
    if copied:
        if extras is not None:
            _put_all(extras.files(), receiver)
        if making.profile is not None:
            whole = FileSet(file_set_id, file_set_uid, tree.records())
            findings += check_profile(whole, making.profile)
        with tempfile.SpooledTemporaryFile(MOST_IN_MEMORY_BYTES) as spooled:
            stream = cast(BinaryIO, spooled)
            writing = Writing(IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME)
            fileset = FileSet(file_set_id, file_set_uid)
            size_bytes = write_records(stream, fileset, tree.walk(), writing)
            written.dicomdir_size_bytes = size_bytes
            stream.seek(0)
            receiver.finish(stream)
    return written


def _put_all(files: Iterable[tuple[str, bytes]], receiver: Receiver) -> None:
    for name, data in files:
        receiver.put_data(name, data)
