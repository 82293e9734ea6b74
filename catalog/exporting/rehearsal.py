"""An export without its copies: what a run would notice and supply, told from the sources' headers.

It makes the same records by the same code as the export does, from the source where that reads its
copy. So it says what the export says, icons aside, unless a source changes in between.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from catalog.dicom.elements import Element
from catalog.errors import SourceChanged
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.exporting.carrying import making_of
from catalog.exporting.directory import Directory
from catalog.exporting.item import Item
from catalog.exporting.journey import parts_of
from catalog.exporting.making import Making
from catalog.exporting.order import Order
from catalog.exporting.plan import Plan
from catalog.exporting.proof import Proof, Reading
from catalog.exporting.transcoding import target_named
from catalog.files.member_stream import MemberStream
from catalog.files.opening import Opened, Opener, Source
from catalog.fileset.profiles import check_profile
from catalog.fileset.tree import FileSet
from catalog.findings import Finding

STAGE = "Reading headers"
_TOLD_EVERY = 100


class Rehearsed(NamedTuple):
    """What an export would notice, and which items could not be copied and why."""

    findings: tuple[Finding, ...]
    failed: tuple[tuple[Item, str], ...]


def rehearse(order: Order, plan: Plan, listener: Listener = ignore) -> Rehearsed:
    """Return what the export of `plan` would notice in the records that it would make.

    The header of each source is read; nothing is written.

    Raises
    ------
    FileSetError, ExportError
        If the order cannot be carried out.
    """
    findings: list[Finding] = []
    failed: list[tuple[Item, str]] = []
    target = target_named(order.transfer_syntax) if order.transfer_syntax else None
    done = 0
    listener(Started(STAGE, len(plan.items), "files"))
    with Opener() as opener:
        for part in parts_of(order, plan):
            making = replace(making_of(part.order), icon_size=None)
            reading = Reading(making, whole=False)
            directory = Directory(making)
            for item in part.items:
                proof = _Rehearsal(item, findings, making, reading, target)
                try:
                    _check(proof, opener)
                except SourceChanged as exc:
                    failed.append((item, str(exc)))
                else:
                    assert proof.proved is not None
                    directory.add(item, proof.proved)
                done += 1
                if done % _TOLD_EVERY == 0:
                    listener(Progress(STAGE, done, len(plan.items)))
            directory.finish(findings)
            if making.profile is not None and (records := directory.records()):
                fileset = FileSet(part.order.file_set_id, part.order.file_set_uid, records)
                seen_later = {"profile-icon"} | ({"profile-misfit"} if target else set())
                noticed = check_profile(fileset, making.profile)
                findings += [each for each in noticed if each.code not in seen_later]
    listener(Finished(STAGE, done))
    return Rehearsed(tuple(findings), tuple(failed))


def _check(proof: Proof, opener: Opener) -> None:
    """Read the source as its copy would be.

    Raises
    ------
    SourceChanged
        If it could not be copied.
    """
    source = proof.item.source
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(opener.open(Source(source.root, source.path)))
        except OSError as exc:
            raise SourceChanged(f"the source cannot be opened: {exc.strerror}") from exc
        try:
            proof.check(opened.stream, _size_bytes(proof.item, opened))
        except OSError as exc:
            raise SourceChanged(f"the source cannot be read: {exc.strerror}") from exc


class _Rehearsal(Proof):
    """A proof of the source in place of its copy, which `target` may bring into another Transfer Syntax."""

    def __init__(
        self,
        item: Item,
        findings: list[Finding],
        making: Making,
        reading: Reading,
        target: str | None,
    ) -> None:
        super().__init__(item, findings, making, reading)
        self._target = target

    def _fits(self, elements: dict[int, Element], syntax: str) -> None:
        # What a profile asks of pixels is asked of those that will have been decompressed.
        if self._target in (None, syntax):
            super()._fits(elements, syntax)


def _size_bytes(item: Item, opened: Opened) -> int:
    stream = opened.stream
    if isinstance(stream, MemberStream):  # it cannot be sought to its end and back
        return item.source.size_bytes or stream.size_bytes or 0
    size_bytes = stream.seek(0, 2)
    stream.seek(0)
    return size_bytes
