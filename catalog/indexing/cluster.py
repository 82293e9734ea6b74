"""Workers of a Dask cluster read the files, on machines that see the same storage.

Chunks come back as they are done, in any order: one worker with a large archive holds up nobody.
A worker that dies costs what it had begun, which the scheduler gives to others. A chunk that ends
one worker after the other is read apart, file by file, so that the file is known by name.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from catalog.entities import Reading
from catalog.errors import DcatError, ExecutorError
from catalog.events import Listener, Noticed, ignore
from catalog.findings import Finding, Severity
from catalog.indexing import on_worker
from catalog.indexing.apart import Call, killed
from catalog.indexing.connecting import (
    TELL_S,
    WAIT_S,
    Connection,
    Tell,
    await_workers,
    check_address,
)
from catalog.indexing.executing import Chunk, InProcess, looked_ahead
from catalog.indexing.passing import unpacked
from catalog.indexing.pool import AHEAD_S, LEAST_CHUNKS, MOST_CHUNKS
from catalog.indexing.reading import How, read_all
from catalog.indexing.sight import Sight, blind_to, samples
from catalog.indexing.stopping import Stop

if TYPE_CHECKING:
    from distributed import Future

LOOK_S = 0.5
"""How often a wait looks whether it is still worth while."""

COUNT_S = 2.0
"""How often the workers are counted."""

LOOKED_S = 30.0
"""How long workers may take to look at the storage at the start. What those see that are too busy
for it shows with their first chunk."""

GRACE_S = 5.0
"""How long what is under way is waited for after a wish to stop, while nothing comes back."""

MOST_KILLED = 8
"""So many files in a row, each of which ended worker after worker, are not the files' fault."""


class Cluster:
    """The workers of a Dask scheduler.

    Parameters
    ----------
    address:
        The scheduler's, or `local` for a new cluster on this machine, which ends with this.
    jobs:
        Workers of a new cluster.
    places:
        Folders, in text form, that all workers must see.
    tell:
        Hears what is waited for.

    Raises
    ------
    SelectionError
        If the address is none.
    ExecutorError
        If the scheduler cannot be reached, has no workers, or some that are of no use: of another
        program, or without the storage.
    """

    def __init__(
        self,
        address: str,
        jobs: int = 1,
        places: Sequence[str] = (),
        tell: Tell = lambda sentence: None,
    ) -> None:
        check_address(address)
        self._address, self._jobs, self._places, self._tell = address, jobs, tuple(places), tell
        self._connection: Connection | None = None
        self.connection()

    def connection(self) -> Connection:
        """Return the connection, made anew if it was lost since the last reading."""
        if self._connection is not None and not self._connection.is_open():
            self.close()
        if self._connection is None:
            self._connection = Connection(self._address, self._jobs)
            try:
                workers = await_workers(self._connection, self._tell)
                _look(self._connection, list(workers), samples(self._places))
            except BaseException:
                self.close()
                raise
        return self._connection

    def read(
        self, chunks: Iterator[Chunk], how: How, stop: Stop, listener: Listener = ignore
    ) -> Iterator[tuple[str, list[Reading]]]:
        """Yield (root, readings) for each chunk, in the order in which they are done."""
        chunks, are_few = looked_ahead(chunks)
        if are_few:
            yield from InProcess().read(chunks, how, stop, listener)
            return
        errand = _Errand(self.connection(), how, stop, listener)
        try:
            yield from errand.run(chunks)
        finally:
            errand.cancel()

    def close(self) -> None:
        """Let go of the scheduler; a cluster that was started for this ends."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Sent:
    """A chunk that is under way, and how often it has ended worker after worker."""

    def __init__(self, chunk: Chunk, deaths: int = 0) -> None:
        self.chunk, self.deaths = chunk, deaths

    @property
    def is_alone(self) -> bool:
        """It is an archive, which may hold as much as a thousand other chunks, or one file."""
        return len(self.chunk[1]) == 1


class _Errand:
    """The chunks of one run."""

    def __init__(self, connection: Connection, how: How, stop: Stop, listener: Listener) -> None:
        self._connection = connection
        self._how, self._stop, self._listener = how, stop, listener
        self._stamp = on_worker.stamp()
        self._sight = Sight()
        self._under_way: dict[Future, _Sent] = {}
        self._done: SimpleQueue[Future] = SimpleQueue()
        self._alone = self._read = self._killed = 0
        self._threads, self._counted_s = connection.threads(), time.monotonic()
        self._started_s = time.monotonic()

    def run(self, chunks: Iterator[Chunk]) -> Iterator[tuple[str, list[Reading]]]:
        """Yield what becomes of each chunk."""
        while True:
            wanted, least = self._wanted()
            while len(self._under_way) < wanted and self._alone < least:
                chunk = next(chunks, None)
                if chunk is None:
                    break
                self._submit(_Sent(chunk))
            if not self._under_way:
                return
            future = self._next_done()
            if future.status in ("pending", "lost"):
                # The worker that had the result died before it gave it: others read that again.
                future.add_done_callback(self._done.put)
                continue
            sent = self._under_way.pop(future)
            self._alone -= sent.is_alone
            readings = self._readings(future, sent)
            if readings is not None:
                self._read += not sent.is_alone
                yield sent.chunk[0], readings

    def cancel(self) -> None:
        """Have nothing read any more that has not begun."""
        if self._under_way and self._connection.is_open():
            futures = list(self._under_way)
            try:
                self._connection.client.cancel(futures, asynchronous=False)
            except Exception:  # noqa: BLE001 - the scheduler has gone, and so has the work
                pass
        self._under_way.clear()

    def _wanted(self) -> tuple[int, int]:
        """Return how many chunks are to be under way, and how many of them may be archives."""
        now_s = time.monotonic()
        if now_s - self._counted_s > COUNT_S:
            self._threads, self._counted_s = self._connection.threads(), now_s
        least = max(self._threads, 1) * LEAST_CHUNKS
        a_second = self._read / max(now_s - self._started_s, AHEAD_S)
        return max(least, min(int(a_second * AHEAD_S), MOST_CHUNKS)), least

    def _submit(self, sent: _Sent) -> None:
        given = pickle.dumps((read_all, sent.chunk, self._how))
        call = Call(on_worker.read, self._stamp, given, sent.deaths > 0)
        try:
            # Unpickling makes the call. So the scheduler, which unpickles tasks too, need not have
            # dcat, and Dask sees no text that it could take for the key of a task.
            future = self._connection.client.submit(
                pickle.loads, pickle.dumps(call), pure=False, key=_key()
            )
        except Exception as exc:
            raise self._connection.lost() from exc
        self._under_way[future] = sent
        self._alone += sent.is_alone
        future.add_done_callback(self._done.put)

    def _next_done(self) -> Future:
        """Return the next chunk that is done, however it ended.

        Raises
        ------
        ExecutorError
            If the scheduler is gone, or all workers are for too long.
        KeyboardInterrupt
            If stopping is wanted, and nothing comes back.
        """
        since_s = time.monotonic()
        wanted_s = deserted_s = None
        is_told = False
        while True:
            try:
                return self._done.get(timeout=LOOK_S)
            except Empty:
                now_s = time.monotonic()
            if self._stop.wanted:
                wanted_s = wanted_s or now_s
                if now_s - wanted_s >= GRACE_S:
                    self._stop.check()
            if now_s - since_s < TELL_S:
                continue
            if not self._connection.is_open():
                raise self._connection.lost()
            if self._connection.workers():
                deserted_s, is_told = None, False
                continue
            deserted_s = deserted_s or now_s
            if now_s - deserted_s >= WAIT_S:
                raise self._connection.deserted()
            if not is_told:
                is_told = True
                message = f"{self._connection.name} has no workers any more; waiting for one, at most {WAIT_S:.0f} s."
                self._listener(Noticed(Finding("cluster-deserted", Severity.WARNING, message)))

    def _readings(self, future: Future, sent: _Sent) -> list[Reading] | None:
        """Return the readings of a chunk that is done; `None` if it is under way again."""
        from distributed.scheduler import KilledWorker

        answer = _answer(future, self._connection)
        if isinstance(answer, KilledWorker):
            return self._after_deaths(sent)
        if isinstance(answer, BaseException):
            raise _failed(answer) from answer
        worker, stamp, data = answer
        if stamp != self._stamp:
            raise other_program(worker, stamp, self._stamp)
        if not isinstance(data, bytes):
            raise _told(worker, data)
        self._killed = 0
        readings = unpacked(data)
        return self._sight.held(worker, sent.chunk, readings, self._how, self._listener)

    def _after_deaths(self, sent: _Sent) -> list[Reading] | None:
        """Deal with a chunk that ended worker after worker, as many as the scheduler tried.

        It is read apart first, where a file ends a child of the worker. If workers die of that
        too, as where a container ends with the first process that takes too much memory, its
        files are read one by one.
        """
        root, paths = sent.chunk
        if sent.deaths == 0:
            self._submit(_Sent(sent.chunk, 1))
            return None
        if len(paths) > 1:
            for path in paths:
                self._submit(_Sent((root, (path,)), sent.deaths + 1))
            return None
        self._killed += 1
        if self._killed >= MOST_KILLED:
            raise ExecutorError(
                f"The workers of {self._connection.name} die one after the other, whatever they read; their own messages say why. "
                "What was read before is stored; the same command goes on from there."
            )
        return [killed(paths[0])]


def _answer(future: Future, connection: Connection) -> Any:
    """Return what a future has: an `on_worker.Answer`, or the exception that it ended with.

    Raises
    ------
    ExecutorError
        If it has neither, as the scheduler is gone.
    """
    try:
        if future.status == "finished":
            try:
                return future.result(timeout=WAIT_S)
            except Exception:
                # It may have gone with the worker that had it, and the task failed when it was done again.
                if future.status != "error":
                    raise
        if future.status == "error":
            return future.exception(timeout=WAIT_S)
    except Exception as exc:
        raise connection.lost() from exc
    raise connection.lost()


def _look(
    connection: Connection, workers: Sequence[str], asked: Sequence[on_worker.Sample]
) -> None:
    """Have all workers look at the storage, and compare their programs with this one.

    Raises
    ------
    ExecutorError
        If one is of no use.
    """
    given = pickle.dumps(Call(on_worker.look, tuple(asked)))
    own = on_worker.stamp()
    futures: dict[Future, str] = {}
    done: SimpleQueue[Future] = SimpleQueue()
    try:
        for worker in workers:
            future = connection.client.submit(
                pickle.loads, given, workers=[worker], pure=False, key=_key()
            )
            futures[future] = worker
            future.add_done_callback(done.put)
    except Exception as exc:
        raise connection.lost() from exc
    end_s = time.monotonic() + LOOKED_S
    left = len(futures)
    while left and (left_s := end_s - time.monotonic()) > 0:
        try:
            future = done.get(timeout=min(left_s, LOOK_S))
        except Empty:
            if not connection.is_open():
                raise connection.lost() from None
            continue
        left -= 1
        worker = futures[future]
        answer = _answer(future, connection)
        if isinstance(answer, BaseException):
            raise _failed(answer, worker) from answer
        stamp, unseen = answer
        if stamp != own:
            raise other_program(worker, stamp, own)
        if unseen:
            raise blind_to(worker, unseen)


def other_program(worker: str, theirs: on_worker.Stamp, own: on_worker.Stamp) -> ExecutorError:
    """Return the error that says that a worker is of another program than this one."""
    differences = ", ".join(
        f"{name} {theirs.get(name, 'unknown')} where this machine has {value}"
        for name, value in own.items()
        if theirs.get(name) != value
    )
    return ExecutorError(
        f"The worker {worker} has {differences}. Rows must not depend on who reads a file: install the same there, or stop that worker."
    )


def _failed(exc: BaseException, worker: str = "") -> ExecutorError:
    """Return the error that says why a worker could not do what it was sent."""
    who = f"The worker {worker}" if worker else "A worker"
    if isinstance(exc, ImportError | AttributeError):
        name = str(getattr(exc, "name", None) or "")
        if name.partition(".")[0] == "catalog" or isinstance(exc, AttributeError):
            what = "no dcat" if name == "catalog" else f"another dcat ({exc})"
        else:
            what = f"no package {name}" if name else f"not all of dcat ({exc})"
        return ExecutorError(
            f"{who} has {what}. Install the dcat of this machine there, in the environment that the workers are started in."
        )
    if isinstance(exc, ExecutorError):
        return ExecutorError(f"{who} cannot read: {exc}")
    return ExecutorError(
        f"{who} failed ({type(exc).__name__}: {exc}); the messages of the workers may say more."
    )


def _told(worker: str, failure: on_worker.Failure) -> DcatError:
    """Return the error that a worker of this program told of."""
    said, pickled = failure
    if not pickled:
        return ExecutorError(
            f"The worker {worker} failed ({said}); the messages of the workers may say more."
        )
    exc = pickle.loads(pickled)
    if isinstance(exc, DcatError) and not isinstance(exc, ExecutorError):
        return exc  # what reading anywhere would raise
    return _failed(exc, worker)


def _key() -> str:
    """Return a name for a task that no other has, and that says on the scheduler's pages whose it is."""
    import uuid

    return f"dcat-{uuid.uuid4().hex}"
