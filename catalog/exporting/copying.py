"""Copies of the items of a plan, each proved, one after the other or several at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, NamedTuple

from catalog.errors import SourceChanged
from catalog.exporting.item import Item
from catalog.exporting.making import Making
from catalog.exporting.proof import Proof, Proved, Reading
from catalog.exporting.receiver import ANY_TIME, Check, Receiver, Turn
from catalog.exporting.transcoding import Transcoder
from catalog.exporting.turns import Turns
from catalog.exporting.write import Additions, Done, Extras
from catalog.files.opening import Opener, Source
from catalog.findings import Finding

AHEAD = 8
"""So many files a thread are under way or wait for those before them in the plan."""


class Copy(NamedTuple):
    """What became of an item, what its copy says, `None` if it failed, and what was noticed."""

    done: Done
    proved: Proved | None
    findings: list[Finding]


def copies(
    items: Sequence[Item],
    receiver: Receiver,
    making: Making,
    additions: Additions,
    report: Callable[[Done], None],
) -> Iterator[Copy]:
    """Put `items` into `receiver`; yield what became of each, in the order of the plan.

    If the work cannot go on, `report` is told of those that were done meanwhile.

    Raises
    ------
    MediaFull, ExportError
        If the medium cannot be written.
    """
    if additions.jobs <= 1 or additions.extras is not None:
        with Opener() as opener:
            worker = _Worker(receiver, making, additions, opener)
            for item in items:
                yield worker.copy(item)
        return
    yield from _side_by_side(items, receiver, making, additions, report)


def _side_by_side(
    items: Sequence[Item],
    receiver: Receiver,
    making: Making,
    additions: Additions,
    report: Callable[[Done], None],
) -> Iterator[Copy]:
    """As `copies`, by several threads: digests and the operating system's work need no lock."""
    own = threading.local()
    openers: list[Opener] = []
    turns = Turns()

    def copy(number: int, item: Item) -> Copy:
        try:
            worker = getattr(own, "worker", None)
            if worker is None:
                openers.append(Opener())
                worker = own.worker = _Worker(receiver, making, additions, openers[-1])
            made: Copy = worker.copy(item, turns.turn(number))
        finally:
            turns.done(number)
        return made

    waiting: deque[Future[Copy]] = deque()
    pool = ThreadPoolExecutor(additions.jobs, thread_name_prefix="copy")
    try:
        for number, item in enumerate(items):
            waiting.append(pool.submit(copy, number, item))
            if len(waiting) >= additions.jobs * AHEAD:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        # Items are reported in their order, so up to the first that was not done.
        for future in waiting:
            if future.cancelled() or future.exception() is not None:
                break
            report(future.result().done)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for opener in openers:
            opener.close()


def _first(waiting: deque[Future[Copy]]) -> Copy:
    """Return what became of the first item, and take it away; it stays if it cannot be told."""
    made = waiting[0].result()
    waiting.popleft()
    return made


class _Worker:
    """Copies one file after the other; what those of a series have in common is read once."""

    def __init__(
        self, receiver: Receiver, making: Making, additions: Additions, opener: Opener
    ) -> None:
        self._receiver, self._making = receiver, making
        self._extras, self._transfer_syntax = additions.extras, additions.transfer_syntax
        self._opener = opener
        self._reading = Reading(making, whole=additions.extras is not None)

    def copy(self, item: Item, turn: Turn = ANY_TIME) -> Copy:
        findings: list[Finding] = []
        proof = Proof(item, findings, self._making, self._reading)
        source = Source(item.source.root, item.source.path)
        opening = self._opener.open(source, item.source.mtime_ns)
        if self._transfer_syntax is not None:
            opened = Transcoder(self._transfer_syntax, findings).opening(item, opening)
        else:
            opened = opening
        try:
            check = _checking(proof, self._extras)
            result = self._receiver.put(item.file_id, opened, check, turn)
        except SourceChanged as exc:
            return Copy(Done(item, None, None, str(exc)), None, findings)
        assert proof.proved is not None
        return Copy(Done(item, result.size_bytes, result.digest, None), proof.proved, findings)


def _checking(proof: Proof, extras: Extras | None) -> Check:
    """Return the check of a copy; what makes more files of it reads it after that."""
    if extras is None:
        return proof.check

    def check(stream: BinaryIO, size_bytes: int) -> None:
        proof.check(stream, size_bytes)
        assert proof.proved is not None
        extras.take(proof.item, proof.proved, stream, size_bytes)

    return check
