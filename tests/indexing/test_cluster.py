"""What goes wrong with clusters: each a sentence, and nothing lost or marked missing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.database import health
from catalog.database.catalogue import Catalogue
from catalog.errors import ExecutorError, SelectionError
from catalog.events import Event, Noticed, Progress
from catalog.files.paths import absolute_text
from catalog.indexing import Settings, Stop, connecting, index, on_worker
from catalog.indexing.cluster import Cluster
from catalog.indexing.reading import How
from tests import builders, tables
from tests.archives import zip_bytes
from tests.indexing import clusters, readers
from tests.indexing.processes import dcat, interrupt, rows, soon
from tests.indexing.test_executors import dump
from tests.indexing.test_index import copies, last_run

NewCatalogue = Callable[[], Catalogue]
SmallChunks = Callable[[int], None]

pytest.importorskip("distributed", reason="needs the extra `cluster`")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def pids(dask: Any) -> list[int]:
    """Return the processes of the workers that are there."""
    import distributed

    with distributed.Client(dask, set_as_default=False) as client:
        return sorted(client.run(os.getpid, on_error="ignore").values())


def test_a_worker_that_is_killed_costs_only_what_it_had_begun(
    new_catalogue: NewCatalogue,
    tmp_path: Path,
    dask: Any,
    cluster: Cluster,
    small_chunks: SmallChunks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_chunks(10)
    copies(tmp_path / "a", 1500)
    (tmp_path / "a" / "many.zip").write_bytes(
        zip_bytes([(str(i), builders.dicom_bytes(SOPInstanceUID=f"1.7.{i}")) for i in range(9)])
    )
    single, catalogue = new_catalogue(), new_catalogue()
    index(single, [tmp_path / "a"], Settings())
    monkeypatch.setattr("catalog.indexing.cluster.read_all", readers.slow)
    dask.wait_for_workers(3, timeout=60)
    before = pids(dask)
    assert len(before) == 3

    def kill(event: Event) -> None:
        if isinstance(event, Progress) and event.done >= 300 and before:
            os.kill(before.pop(), signal.SIGKILL)
            del before[:]

    killed = before[-1]
    counts = index(catalogue, [tmp_path / "a"], Settings(), listener=kill, executor=cluster)
    assert not before
    assert counts.by_status == {"ok": 1509, "archive": 1}
    assert last_run(catalogue)[0] == "done"
    assert dump(catalogue) == dump(single)
    dask.wait_for_workers(3, timeout=60)
    assert killed not in pids(dask)


def test_workers_that_die_whatever_they_read_are_an_error(
    catalogue: Catalogue,
    tmp_path: Path,
    cluster: Cluster,
    small_chunks: SmallChunks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a container ends with the first of its processes that takes too much memory."""
    small_chunks(4)
    copies(tmp_path / "a", 20)
    deaths: list[int] = []

    def kill(self: Any, sent: Any) -> Any:
        deaths.append(sent.deaths)
        return real(self, sent)

    real = cluster_module()._Errand._after_deaths
    monkeypatch.setattr(cluster_module()._Errand, "_after_deaths", kill)
    monkeypatch.setattr(cluster_module(), "_answer", lambda *_: killed_worker())
    with pytest.raises(ExecutorError, match="die one after the other, whatever they read"):
        index(catalogue, [tmp_path / "a"], Settings(), executor=cluster)
    assert set(deaths) == {0, 1, 2}
    monkeypatch.undo()
    assert health.problems(catalogue) == []


def cluster_module() -> Any:
    """Return the module, which fixtures have the name of."""
    return sys.modules["catalog.indexing.cluster"]


def killed_worker() -> BaseException:
    from distributed.scheduler import KilledWorker

    error: BaseException = KilledWorker("task", None, 3)
    return error


# -- what workers see ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("not-on-workers", "No such file or directory"),
        ("other-on-workers", "has another size or time there"),
    ],
)
def test_workers_without_the_storage_are_refused_at_the_start(
    dask: Any, tmp_path: Path, name: str, reason: str
) -> None:
    builders.write(tmp_path / name / "a" / "1.dcm")
    with pytest.raises(ExecutorError) as caught:
        Cluster(dask.scheduler_address, places=[absolute_text(tmp_path / name)])
    said = str(caught.value)
    assert said.startswith("The worker tcp://127.0.0.1:")
    assert f"{name}" in said
    assert reason in said
    assert "No file was marked missing." in said


@pytest.mark.parametrize("name", ["not-on-workers", "denied-to-workers", "other-on-workers"])
@pytest.mark.parametrize("settings", [{}, {"full": True}], ids=["new", "full"])
def test_storage_that_goes_away_from_workers_is_an_error_and_changes_no_row(
    catalogue: Catalogue,
    tmp_path: Path,
    cluster: Cluster,
    small_chunks: SmallChunks,
    name: str,
    settings: dict[str, Any],
) -> None:
    folder = tmp_path / "a"
    copies(folder / name, 120)
    if settings:
        index(catalogue, [folder], Settings())
    before = tables.dump(catalogue.path)
    small_chunks(5)
    with pytest.raises(ExecutorError, match="does not see what this machine sees"):
        index(catalogue, [folder], Settings(**settings), executor=cluster)
    after = tables.dump(catalogue.path)
    assert all(row["status"] == "ok" for row in after["file"])
    assert settings == {} or after == before
    assert last_run(catalogue)[0] == "failed"


@pytest.mark.parametrize("name", ["not-on-workers", "denied-to-workers", "other-on-workers"])
def test_single_files_that_workers_do_not_see_are_read_here(
    new_catalogue: NewCatalogue,
    tmp_path: Path,
    cluster: Cluster,
    small_chunks: SmallChunks,
    name: str,
) -> None:
    """As one that was just written, which network file systems show to others later."""
    small_chunks(6)
    folder = tmp_path / "a"
    copies(folder, 30)
    for i in (3, 8, 21):
        (folder / f"{i:05}.dcm").rename(folder / f"{i:05}-{name}.dcm")
    (folder / f"{name}.zip").write_bytes(zip_bytes([("1", b"x"), ("2", b"y")]))
    (folder / "denied-to-all.dcm").symlink_to("nowhere")
    single, catalogue = new_catalogue(), new_catalogue()
    index(single, [folder], Settings())
    events: list[Event] = []
    index(catalogue, [folder], Settings(), listener=events.append, executor=cluster)
    if name != "other-on-workers":  # one look at each chunk is for storage that is another one
        assert dump(catalogue) == dump(single)
        codes = {event.finding.code for event in events if isinstance(event, Noticed)}
        assert codes == {"worker-blind"}


def test_files_that_go_while_they_are_under_way_are_as_with_one_process(
    new_catalogue: NewCatalogue,
    tmp_path: Path,
    cluster: Cluster,
    small_chunks: SmallChunks,
) -> None:
    small_chunks(4)
    copies(tmp_path / "a", 8)

    def gone(event: Event) -> None:
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        (tmp_path / "a").mkdir()

    catalogue = new_catalogue()
    chunks = iter([(absolute_text(tmp_path / "a"), (f"gone{i}.dcm",)) for i in range(40)])
    read = list(cluster.read(chunks, How(), Stop()))
    assert {reading.file.error for _, readings in read for reading in readings} == {
        "cannot be read: No such file or directory"
    }
    assert health.problems(catalogue) == []


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", readers.HOSTILE)
def test_an_exception_that_is_hard_to_send_ends_the_run_with_a_sentence(
    catalogue: Catalogue,
    tmp_path: Path,
    cluster: Cluster,
    small_chunks: SmallChunks,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Dask loses some, and the task would be waited for until Ctrl-C."""
    small_chunks(4)
    copies(tmp_path / name, 20)
    index(catalogue, [tmp_path / name], Settings())
    before = tables.dump(catalogue.path)
    monkeypatch.setattr("catalog.indexing.cluster.read_all", readers.hostile)
    with in_time(60), pytest.raises(ExecutorError) as caught:
        index(catalogue, [tmp_path / name], Settings(full=True), executor=cluster)
    said = str(caught.value)
    kind = type(readers.HOSTILE[name]()).__name__
    assert re.match(rf"The worker tcp://127\.0\.0\.1:\d+ failed \({kind}\b", said), said
    assert said.endswith("; the messages of the workers may say more.")
    assert len(said) < 1200
    assert name == "without a text" or f"{kind}: " in said
    assert tables.dump(catalogue.path) == before
    assert last_run(catalogue)[0] == "failed"
    assert health.problems(catalogue) == []
    monkeypatch.undo()
    small_chunks(4)
    assert index(catalogue, [tmp_path / name], Settings(), executor=cluster).by_status == {"ok": 20}


@contextlib.contextmanager
def in_time(most_s: float) -> Iterator[None]:
    """Fail if the block takes longer."""

    def over(number: int, frame: object) -> None:
        raise AssertionError(f"waited for longer than {most_s} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, most_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- programs --------------------------------------------------------------------------------------


def test_workers_of_another_program_are_refused(
    dask: Any,
    catalogue: Catalogue,
    tmp_path: Path,
    cluster: Cluster,
    small_chunks: SmallChunks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = on_worker.stamp()
    for name in own:
        monkeypatch.setattr(on_worker, "stamp", lambda name=name: own | {name: "9.9"})
        with pytest.raises(ExecutorError) as caught:
            Cluster(dask.scheduler_address)
        assert f"has {name} {own[name]} where this machine has 9.9" in str(caught.value)
    # One that comes in the middle.
    copies(tmp_path / "a", 20)
    small_chunks(2)
    with pytest.raises(ExecutorError, match=r"where this machine has 9\.9"):
        index(catalogue, [tmp_path / "a"], Settings(), executor=cluster)
    assert tables.dump(catalogue.path)["file"] == []


def test_what_decides_how_files_become_rows_is_compared() -> None:
    import platform
    from importlib.metadata import version

    stamp = on_worker.stamp()
    assert platform.python_version().startswith(f"{stamp['Python']}.")
    assert stamp["pydicom"] == version("pydicom")
    assert stamp["dcat"] == version("dicom-dcat")
    assert stamp["encoding of file names"] == "utf-8"


def test_a_worker_without_dcat_is_refused(dask: Any) -> None:
    with (
        clusters.worker(dask.scheduler_address, clusters.WITHOUT_DCAT) as (_, address),
        pytest.raises(ExecutorError) as caught,
    ):
        Cluster(dask.scheduler_address)
    assert str(caught.value).startswith(f"The worker {address} has no dcat. Install")
    soon(lambda: len(pids(dask)), 3)


# -- schedulers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "scheduler",
        "scheduler:8786",
        "tcp://scheduler",
        "tcp://:8786",
        "tcp://scheduler:0",
        "tcp://scheduler:99999",
        "http://scheduler:8786",
        "tcp://scheduler:8786/x",
        "tcp://user@scheduler:8786",
        "Local",
        "inproc://1/2/3",
    ],
)
def test_what_is_no_address_is_wrong_usage(address: str) -> None:
    with pytest.raises(SelectionError, match="--cluster is `local` or the address of") as caught:
        Cluster(address)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "tls://[::1]:8786", "tcp://h:1/", "local"]
)
def test_addresses(address: str) -> None:
    connecting.check_address(address)


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_S", 2)
    with pytest.raises(
        ExecutorError, match=r"tcp://127\.0\.0\.1:9 cannot be reached: .*(refused|imed out)"
    ):
        Cluster("tcp://127.0.0.1:9")
    with pytest.raises(
        ExecutorError, match=r"tcp://no\.such\.host\.invalid:8786 cannot be reached"
    ):
        Cluster("tcp://no.such.host.invalid:8786")


def test_certificates_that_lack(dask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_S", 1)
    address = dask.scheduler_address.replace("tcp://", "tls://")
    with pytest.raises(ExecutorError, match=r"no certificates for tls://.*DASK_DISTRIBUTED"):
        Cluster(address)


def test_no_worker_comes_and_all_workers_go(
    catalogue: Catalogue,
    tmp_path: Path,
    small_chunks: SmallChunks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (connecting, cluster_module()):
        monkeypatch.setattr(module, "WAIT_S", 3.0)
        monkeypatch.setattr(module, "TELL_S", 0.5)
    copies(tmp_path / "a", 300)
    small_chunks(1)
    monkeypatch.setattr("catalog.indexing.cluster.read_all", readers.slow)
    with clusters.scheduler() as (scheduler, address):
        told: list[str] = []
        with pytest.raises(
            ExecutorError, match=f"has had no workers for 3 s.*dask worker {address}"
        ):
            Cluster(address, tell=told.append)
        assert told == [f"{address} has no workers yet; waiting for one, at most 3 s."]
        with clusters.worker(address) as (worker, _):
            executor = Cluster(address)
            events: list[Event] = []

            def kill(event: Event) -> None:
                events.append(event)
                if isinstance(event, Progress) and event.done > 5:
                    worker.kill()

            with pytest.raises(ExecutorError, match="has had no workers for 3 s"):
                index(catalogue, [tmp_path / "a"], Settings(), listener=kill, executor=executor)
        kept = len(dump(catalogue)["file"])
        assert 5 < kept < 300
        assert last_run(catalogue)[0] == "failed"
        assert "cluster-deserted" in {e.finding.code for e in events if isinstance(e, Noticed)}
        with clusters.worker(address):

            def kill_all(event: Event) -> None:
                if isinstance(event, Progress) and event.done > kept + 5:
                    scheduler.kill()

            with pytest.raises(
                ExecutorError, match="the scheduler was stopped, or cannot be reached"
            ):
                index(catalogue, [tmp_path / "a"], Settings(), listener=kill_all, executor=executor)
        executor.close()
    assert kept < len(dump(catalogue)["file"]) < 300
    assert not any(row["status"] == "missing" for row in tables.dump(catalogue.path)["file"])


# -- the command -----------------------------------------------------------------------------------


def test_the_command(dask: Any, tmp_path: Path, new_catalogue: NewCatalogue) -> None:
    copies(tmp_path / "a", 600)
    (tmp_path / "a" / os.fsdecode(b"\xe4.dcm")).write_bytes(builders.dicom_bytes())
    single = new_catalogue()
    index(single, [tmp_path / "a"], Settings())
    db = tmp_path / "c.db"
    words = ["index", tmp_path / "a", "--db", db, "--cluster", dask.scheduler_address]
    with dcat(*words) as process:
        out, said = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, ""), said
    assert said.startswith("601 files in ")
    assert tables.dump(db) == tables.dump(single.path)
    with dcat(*words, "--jobs", "2") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("dcat: --jobs is for processes on this machine")
    hidden = tmp_path / "not-on-workers"
    builders.write(hidden / "1.dcm")
    with dcat("index", hidden, "--db", tmp_path / "d.db", *words[-2:]) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "does not see what this machine sees" in said
    assert "Traceback" not in said
    assert not (tmp_path / "d.db").exists()


def test_a_watch_reads_on_the_cluster(dask: Any, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles", reason="needs the extra `watch`")
    db, folder = tmp_path / "c.db", tmp_path / "a"
    copies(folder / "1", 300)
    words = ["index", folder, "--db", db, "--watch", "--cluster", dask.scheduler_address]
    with dcat(*words) as process:
        soon(lambda: rows(db, "SELECT count(*) FROM file WHERE status = 'ok'"), [(300,)])
        copies(tmp_path / "new", 300)
        (tmp_path / "new").rename(folder / "2")
        soon(lambda: rows(db, "SELECT count(*) FROM file WHERE status = 'ok'"), [(600,)])
        interrupt(process)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert rows(db, "SELECT DISTINCT outcome FROM run") == [("done",)]


def test_the_documentation_has_the_numbers() -> None:
    from catalog.indexing import executing, pool, sight

    module = cluster_module()
    assert (executing.CHUNK_FILES, executing.FEW_FILES, pool.LEAST_CHUNKS) == (128, 256, 4)
    assert (connecting.CONNECT_S, connecting.WAIT_S, module.GRACE_S) == (10, 60, 5)
    assert (module.MOST_KILLED, sight.MOST_MISSED, connecting.ANSWER_S) == (8, 16, 30)


def test_without_the_packages(tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('distributed')")
    (tmp_path / "a").mkdir()
    with dcat(
        *["index", tmp_path / "a", "--db", tmp_path / "c.db", "--cluster", "local"],
        PYTHONPATH=str(tmp_path),
    ) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("dcat: --cluster needs the package distributed")
    assert "pip install 'dicom-dcat[cluster]'" in said


def test_nothing_of_dask_is_loaded_without_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for name in ("dask", "distributed", "tornado", "cryptography", "cloudpickle"):
        (tmp_path / "site" / f"{name}.py").write_text("import os; os._exit(99)")
    copies(tmp_path / "a", 300)
    with dcat(
        *["index", tmp_path / "a", "--db", tmp_path / "c.db", "-j", "2"],
        PYTHONPATH=str(tmp_path / "site"),
    ) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said


@pytest.mark.parametrize("how", ["ctrl-c", "kill", "ctrl-c while it starts"])
def test_a_cluster_on_this_machine_ends_with_the_command(
    tmp_path: Path, new_catalogue: NewCatalogue, how: str
) -> None:
    copies(tmp_path / "a", 3000)
    db = tmp_path / "c.db"
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, time\nreal = os.open\n"
        "def slow(path, *rest, **more):\n"
        "    if str(path).endswith('.dcm'):\n        time.sleep(0.005)\n"
        "    return real(path, *rest, **more)\n"
        "os.open = slow\n"
    )
    mark = f"{tmp_path}/mark"
    words = ["index", tmp_path / "a", "--db", db, "--cluster", "local", "-j", "2"]
    with dcat(*words, PYTHONPATH=str(site), DCAT_TEST_MARK=mark) as process:
        if how == "ctrl-c while it starts":
            soon(lambda: len(marked(mark)) > 1, True)
            interrupt(process)
            _, said = process.communicate(timeout=60)
            assert (process.returncode, "Traceback" in said) == (130, False), said
            assert not db.exists()
            soon(lambda: marked(mark), [])
            return
        soon(lambda: len(rows(db, "SELECT id FROM run")), 1)
        time.sleep(1)
        assert len(marked(mark)) > 2
        if how == "kill":
            process.kill()
            process.wait()
        else:
            interrupt(process)
            _, said = process.communicate(timeout=60)
            assert process.returncode == 130
            assert "Stopped after" in said
            assert "Traceback" not in said
    soon(lambda: marked(mark), [])
    single = new_catalogue()
    index(single, [tmp_path / "a"], Settings())
    with dcat("index", tmp_path / "a", "--db", db, "-j", "2") as process:
        process.communicate(timeout=60)
    assert tables.dump(db) == tables.dump(single.path)


def marked(mark: str) -> list[str]:
    """Return the processes whose environment carries `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (folder / "environ").read_bytes():
                    found.append(folder.name)
    return found


def test_a_cluster_on_this_machine_is_for_nobody_else(tmp_path: Path) -> None:
    """It listens on the loopback interface only, and to those who have its certificates."""
    import psutil

    with contextlib.closing(Cluster("local", 1)) as executor:
        connection = executor.connection()
        own = psutil.Process()
        listening = {
            each.laddr.ip
            for process in [own, *own.children(recursive=True)]
            for each in process.net_connections()
            if each.status == "LISTEN"
        }
        assert listening == {"127.0.0.1"}
        address = connection.client.scheduler.address
        assert address.startswith("tls://")
        for other in (address, address.replace("tls://", "tcp://")):
            stranger = subprocess.run(
                [sys.executable, "-c", STRANGER, other], capture_output=True, text=True, check=False
            )
            assert stranger.stdout == "refused\n", stranger.stderr


STRANGER = """
import sys
import distributed
try:
    distributed.Client(sys.argv[1], timeout=1)
except Exception:
    print("refused")
else:
    print("let in")
"""


def test_a_cluster_with_certificates(
    tmp_path: Path, new_catalogue: NewCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    security = distributed.Security.temporary()
    given = {"ca_file": "CA_FILE", "client_cert": "CLIENT__CERT", "client_key": "CLIENT__KEY"}
    environment = {}
    for name, variable in given.items():
        path = tmp_path / f"{name}.pem"
        path.write_text(getattr(security, f"tls_{name}"))
        environment[f"DASK_DISTRIBUTED__COMM__TLS__{variable}"] = str(path)
    copies(tmp_path / "a", 400)
    single = new_catalogue()
    index(single, [tmp_path / "a"], Settings())
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        protocol="tls://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        security=security,
    ) as cluster:
        address = cluster.scheduler_address
        words = ["index", tmp_path / "a", "--db", tmp_path / "c.db", "--cluster"]
        with dcat(*words, address, **environment) as process:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert tables.dump(tmp_path / "c.db") == tables.dump(single.path)
        with dcat(*words, address) as process:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 1
        assert said.startswith("dcat: There are no certificates for tls://")
        monkeypatch.setattr(connecting, "CONNECT_S", 1)
        with pytest.raises(ExecutorError, match="that has certificates is reached by tls://"):
            Cluster(address.replace("tls://", "tcp://"))


class _Overtaken:
    """A future whose result goes with its worker while it is asked for; done again, the task fails."""

    status = "finished"
    failure = RuntimeError("those workers died while running it")

    def result(self, timeout: float) -> Any:
        self.status = "error"
        raise self.failure

    def exception(self, timeout: float) -> BaseException:
        return self.failure


def test_a_result_that_is_lost_while_it_is_asked_for_is_no_lost_scheduler() -> None:
    connection: Any = None  # not asked, as it is not lost
    future: Any = _Overtaken()
    assert cluster_module()._answer(future, connection) is _Overtaken.failure
