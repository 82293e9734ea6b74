"""A cluster of Dask workers: reaching its scheduler, or starting one on this machine.

Nothing of Dask is imported before it is asked for. Whatever goes wrong there becomes one sentence;
Dask's own messages, which are many, are for `--debug`.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from catalog.errors import ExecutorError, SelectionError

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
"""The address that stands for a cluster on this machine, for as long as it is needed."""

CONNECT_S = 10.0
WAIT_S = 60.0
"""How long to wait for a worker where there is none."""

TELL_S = 2.0
"""After how long a person wants to know what is waited for."""

ANSWER_S = 30.0
"""How long a scheduler that lives may take to answer."""

Tell = Callable[[str], None]

_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.%]+\]|[^\s/:@\[\]]+):([0-9]{1,5})/?")
_LEAVE_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
_GOES_ON = "What was read before is stored; the same command goes on from there."


def check_address(address: str) -> None:
    """Raise `SelectionError` if `address` is neither `local` nor that of a scheduler."""
    found = _ADDRESS.fullmatch(address)
    if address != LOCAL and (found is None or not 0 < int(found[3]) < 65536):
        raise SelectionError(
            f"--cluster is `local` or the address of a Dask scheduler, such as tcp://host:8786 or tls://host:8786, and not {address!r}.",
            address,
        )


class Connection:
    """A client of a scheduler, and the cluster itself if it was started for this.

    Raises
    ------
    ExecutorError
        If the packages are not installed, the scheduler cannot be reached, or workers not started.
    """

    def __init__(self, address: str, jobs: int) -> None:
        try:
            import distributed  # noqa: F401 - to know that it is there
        except ImportError as exc:
            raise ExecutorError(
                "--cluster needs the package distributed, which is not installed. "
                "Install it with `pip install 'dicom-dcat[cluster]'`."
            ) from exc
        _quiet()
        self._cluster: Any = None
        self.name = "the cluster on this machine" if address == LOCAL else address
        if address.startswith("tls://"):
            _check_certificates(address)
        try:
            with warnings.catch_warnings():
                # dcat compares versions itself, and those of other packages do not matter to it.
                warnings.simplefilter("ignore")
                if address == LOCAL:
                    with _undisturbed():
                        self._cluster = _started(jobs)
                self.client: Client = _client(self._cluster or address)
        except ExecutorError:
            raise
        except KeyboardInterrupt:
            self.close()
            raise
        except Exception as exc:
            # Whatever stands against a connection, from DNS to certificates, comes out here in
            # types of Dask, tornado, ssl and asyncio.
            self.close()
            if address == LOCAL:
                raise ExecutorError(
                    f"A cluster cannot be started on this machine: {_reason(exc)}."
                ) from exc
            raise ExecutorError(_unreachable(address, exc)) from exc

    def threads(self) -> int:
        """Return how many chunks the workers that are there can read at a time; 0 without workers.

        Raises
        ------
        ExecutorError
            If the scheduler does not answer.
        """
        return sum(self.workers().values())

    def workers(self) -> dict[str, int]:
        """Return the threads of each worker, by address."""
        try:
            found = self.client.nthreads(callback_timeout=ANSWER_S)
        except Exception as exc:
            raise self.lost() from exc
        return dict(found)

    def is_open(self) -> bool:
        """Return whether the scheduler is there, as far as is known."""
        return bool(self.client.status == "running")

    def lost(self) -> ExecutorError:
        """Return the error that says that the scheduler is gone."""
        return ExecutorError(
            f"The connection to {self._what} is lost: the scheduler was stopped, or cannot be reached any more. {_GOES_ON}"
        )

    def deserted(self) -> ExecutorError:
        """Return the error that says that nobody works there."""
        start = "" if self._cluster else f" Start some, with `dask worker {self.name}`."
        return ExecutorError(
            f"{self._what[:1].upper()}{self._what[1:]} has had no workers for {WAIT_S:.0f} s.{start} {_GOES_ON}"
        )

    @property
    def _what(self) -> str:
        return self.name if self._cluster else f"the scheduler {self.name}"

    def close(self) -> None:
        """Let go of the scheduler, and end the cluster if it was started here."""
        for each in (getattr(self, "client", None), self._cluster):
            if each is not None:
                try:
                    each.close(timeout=5)
                except (
                    Exception
                ):  # only the farewell fails: all rows are stored, or an error is on its way
                    logging.getLogger(__name__).debug("closing %s", self.name, exc_info=True)


def await_workers(connection: Connection, tell: Tell) -> dict[str, int]:
    """Return the workers' threads by address, after waiting for the first worker if there is none.

    Raises
    ------
    ExecutorError
        If none comes, or the scheduler goes.
    """
    start_s, is_told = time.monotonic(), False
    while not (workers := connection.workers()):
        waited_s = time.monotonic() - start_s
        if waited_s >= WAIT_S:
            raise connection.deserted()
        if waited_s >= TELL_S and not is_told:
            tell(f"{connection.name} has no workers yet; waiting for one, at most {WAIT_S:.0f} s.")
            is_told = True
        time.sleep(0.2)
    return workers


def _started(jobs: int) -> Any:
    """Return a new cluster of `jobs` processes that nobody else can use.

    A scheduler runs what it is sent. Without certificates whoever has a login on this machine
    could have it run programs as this user. Its pages, which need none, are left out.
    """
    import dask
    from distributed import LocalCluster, Security

    try:
        security = Security.temporary()
    except ImportError as exc:
        raise ExecutorError(
            "--cluster local needs the package cryptography, which is not installed. "
            "Install it with `pip install 'dicom-dcat[cluster]'`."
        ) from exc
    silent = logging.getLogger().getEffectiveLevel() > logging.DEBUG
    with dask.config.set(
        {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    ):
        return LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            security=security,
            silence_logs=logging.CRITICAL if silent else logging.WARNING,
            preload=[_LEAVE_CTRL_C],
        )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let the block end before Ctrl-C is heeded, which processes that start in it never hear of.

    A cluster that is half started cannot be ended in order.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # to start it would unblock the signal
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # threads and processes inherit it
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if heard:
        raise KeyboardInterrupt


def _client(place: Any) -> Client:
    """Return a client of the scheduler at `place`, a cluster or an address."""
    import distributed

    class Closed(distributed.Client):  # type: ignore[misc]
        def __del__(self) -> None:
            """Do nothing: one that never began would be waited for, and be complained of."""

    return Closed(place, timeout=CONNECT_S, set_as_default=False)


def _check_certificates(address: str) -> None:
    from distributed import Security

    where = (
        "Name ca-file and the client's cert and key in Dask's configuration, under distributed.comm.tls, "
        "or in DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT "
        "and DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY."
    )
    try:
        found = Security().get_connection_args("client")
    except Exception as exc:
        raise ExecutorError(
            f"The certificates for {address} cannot be used: {_reason(exc)}. {where}"
        ) from exc
    if found.get("ssl_context") is None:
        raise ExecutorError(f"There are no certificates for {address}. {where}")


def _quiet() -> None:
    """Keep Dask's own messages from the terminal, but for `--debug`."""
    if logging.getLogger().getEffectiveLevel() > logging.DEBUG:
        for name in ("distributed", "distributed.client", "tornado.application", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _reason(exc: BaseException) -> str:
    """Return what stood against it: the innermost cause that says something, which the outer ones wrap."""
    said, inner = "", exc
    while True:
        said = str(getattr(inner, "strerror", None) or inner) or said
        following = inner.__cause__ or inner.__context__
        if following is None:
            return (said or type(exc).__name__).rstrip(".")
        inner = following


def _unreachable(address: str, exc: Exception) -> str:
    return (
        f"The scheduler {address} cannot be reached: {_reason(exc)}. Is it running there, and is its port open to this machine? "
        "A scheduler that has certificates is reached by tls://, one that has none by tcp://."
    )
