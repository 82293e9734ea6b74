"""Several processes that write to one catalogue on PostgreSQL, those that die, and connections that are lost."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from catalog.database import health, models, places, postgresql, runs
from catalog.database.catalogue import Catalogue, Patience, open_catalogue
from catalog.database.location import Location, located
from catalog.database.postgresql import PostgresqlCatalogue
from catalog.database.runs import Outcome
from catalog.errors import CatalogueBusy, CatalogueError, ConnectionLost
from catalog.indexing import Settings, index, one_run
from tests import builders, postgres, tables
from tests.database.stating import reading, stated, store

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="needs a PostgreSQL server")

CHECKOUT = Path(__file__).parents[2]
NewPlace = Callable[[], Location]


@pytest.fixture
def new_place() -> Iterator[NewPlace]:
    """A function that gives the URL of a new, empty catalogue on PostgreSQL at each call."""
    urls: list[str] = []

    def make() -> Location:
        urls.append(postgres.take_catalogue())
        return located(urls[-1])

    yield make
    for url in urls:
        postgres.give_back(url)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three folders whose files share patients, studies, series and instances, and disagree on them."""
    folder = tmp_path_factory.mktemp("archives")
    chance = random.Random(3)
    for i in range(240):
        study, series = chance.randrange(4), chance.randrange(3)
        builders.write(
            folder / "abc"[i % 3] / f"{i % 7}" / f"{i:03}.dcm",
            PatientID=f"P{study % 2}",
            PatientName=chance.choice(["Doe^Jane", "Doe^John", "DOE^JANE", ""]),
            StudyInstanceUID=f"1.2.{study}",
            StudyDescription=chance.choice(["Thorax", "thorax", "", "Head"]),
            SeriesInstanceUID=f"1.2.{study}.{series}",
            Modality=chance.choice(["CT", "CT", "MR"]),
            SOPInstanceUID=f"1.2.{study}.{series}.{chance.randrange(60)}",
        )
    (folder / "a" / "notes.txt").write_text("no DICOM", encoding="ascii")
    return [folder / name for name in "abc"]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a run store its files in many transactions."""
    monkeypatch.setattr(one_run, "BATCH_FILES", 20)
    monkeypatch.setattr(one_run, "BATCH_S", 0.0)


@contextmanager
def opened(place: Location) -> Iterator[PostgresqlCatalogue]:
    with open_catalogue(place) as catalogue:
        assert isinstance(catalogue, PostgresqlCatalogue)
        catalogue.patience = Patience(60)
        yield catalogue


def dcat(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "catalog", *map(str, arguments)],
        cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def url(place: Location) -> str:
    return getattr(place, "url", "")


def rows_of_one(place: Location, archives: list[Path]) -> Any:
    with opened(place) as catalogue:
        index(catalogue, archives, Settings())
        assert health.problems(catalogue) == []
    return tables.dump(place)


SLOWLY = """
import sys, time
from pathlib import Path
from catalog.database.catalogue import Patience, open_catalogue
from catalog.database.location import located
from catalog.indexing import Settings, index, one_run
one_run.BATCH_FILES, one_run.BATCH_S = 10, 0.0
flush = one_run.OneRun._flush
def slow(self):
    flush(self)
    print("stored", flush=True)
    time.sleep(0.5)
one_run.OneRun._flush = slow
with open_catalogue(located(sys.argv[1])) as catalogue:
    catalogue.patience = Patience(60)
    index(catalogue, [Path(sys.argv[2])], Settings())
"""


@contextmanager
def slow_indexer(place: Location, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process that indexes, once it has stored something."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOWLY, url(place), str(folder)],
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "stored\n"
        try:
            yield process
        finally:
            process.kill()


# -- several processes -----------------------------------------------------------------------------


def test_four_indexers_of_which_one_is_killed(new_place: NewPlace, archives: list[Path]) -> None:
    """Two of different folders, two of the same; the rows are those of one run."""
    place = new_place()
    with slow_indexer(place, archives[0]) as doomed:
        others = [
            dcat("index", "--db", url(place), folder) for folder in (*archives[1:], archives[1])
        ]
        doomed.send_signal(signal.SIGKILL)
        for process in others:
            out, said = process.communicate(timeout=120)
            assert (process.returncode, out) == (0, ""), said
    with opened(place) as catalogue:
        assert [run.outcome for run in runs.listed(catalogue)].count(Outcome.KILLED) == 1
        assert health.problems(catalogue) == []
    again = dcat("index", "--db", url(place), archives[0])
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    with opened(place) as catalogue:
        assert health.problems(catalogue) == []
        outcomes = [run.outcome for run in runs.listed(catalogue)]
        assert sorted(outcomes) == [*["done"] * 4, "killed"]
    assert tables.dump(place) == rows_of_one(new_place(), archives)


def test_a_run_is_seen_from_everywhere_and_its_end_too(
    new_place: NewPlace, archives: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = new_place()
    with opened(place) as catalogue, slow_indexer(place, archives[0]) as process:
        monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")  # this is another machine
        (run,) = runs.listed(catalogue)
        assert (run.outcome, run.pid, run.finished_at) == (Outcome.RUNNING, process.pid, None)
        catalogue.mark_dead_runs()
        assert runs.listed(catalogue)[0].outcome is Outcome.RUNNING
        process.kill()
        process.wait()
        end = time.monotonic() + 10
        while catalogue.at_work() and time.monotonic() < end:
            time.sleep(0.02)
        assert runs.listed(catalogue)[0].outcome is Outcome.KILLED
        catalogue.mark_dead_runs()
        with catalogue.read() as connection:
            assert connection.execute(select(models.run.c.outcome)).scalars().all() == ["killed"]
        assert not catalogue.is_being_written()


def test_who_indexes_the_same_folder_or_one_above_or_below_is_waited_for(
    new_place: NewPlace, archives: list[Path]
) -> None:
    place = new_place()
    with opened(place) as catalogue, slow_indexer(place, archives[0]) as process:
        catalogue.patience = Patience(0)
        for folder in (archives[0], archives[0] / "1", archives[0].parent):
            with pytest.raises(CatalogueBusy, match=f"dcat index, process {process.pid} on "):
                index(catalogue, [folder], Settings())
        told: list[str] = []
        catalogue.patience = Patience(60, told.append)
        index(catalogue, [archives[1]], Settings())
        assert told == []
        index(catalogue, [archives[0]], Settings())
        assert [f"process {process.pid}" in each for each in told] == [True]


# -- places ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("/a", "/a", True),
        ("/a", "/a/", True),
        ("/a", "/a/b", True),
        ("/a/b/c/d", "/a/b", True),
        ("/", "/a", True),
        ("/a", "/b", False),
        ("/a/b", "/a/c", False),
        ("/a", "/ab", False),
        ("s3://x/a", "s3://x/a/b", True),
        ("s3://x/a", "s3://y/a", False),
        ("s3://x/a", "/a", False),
    ],
)
def test_which_places_keep_each_other_waiting(one: str, other: str, clash: bool) -> None:
    first, second = places.locks_for([one]), places.locks_for([other])
    for here, there in ((first, second), (second, first)):
        meet = any(
            key == other_key and not (shared and other_shared)
            for key, shared in here
            for other_key, other_shared in there
        )
        assert meet == clash
    assert any((key, True) in first for key, _ in places.ALL) or one == "/"


def test_a_process_does_not_wait_for_itself(new_place: NewPlace) -> None:
    with opened(new_place()) as catalogue:
        catalogue.patience = Patience(0)
        with catalogue.writer_lock(["/a", "/a/b", "/c"]), catalogue.writer_lock():
            assert catalogue.is_being_written()
        assert not catalogue.is_being_written()


def test_places_are_free_as_soon_as_they_are_given_back(new_place: NewPlace) -> None:
    """Or the next command in a script would find the one before it at work."""
    with opened(new_place()) as catalogue, catalogue.read() as busy:
        pids = (
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
            "WHERE l.locktype = 'advisory' AND d.datname = current_database()"
        )
        for _ in range(40):
            with catalogue.writer_lock(["/a"]):
                assert busy.exec_driver_sql(pids).scalar_one() > 0
            assert busy.exec_driver_sql(pids).scalar_one() == 0


# -- memory ----------------------------------------------------------------------------------------


def test_what_another_writer_changed_is_not_remembered(new_place: NewPlace) -> None:
    """Each stores a file of one study in turn, in the same long runs."""
    from catalog.database import roots
    from catalog.database.upsert import RowWriter

    place, alone = new_place(), new_place()
    readings = [
        reading(f"{i:02}", stated(sop_instance_uid=f"1.{i}", study_description="ABC"[i % 3], patient_name="xy"[i % 2]))
        for i in range(12)
    ]  # fmt: skip
    with opened(place) as first, opened(place) as second:
        with runs.recorded(first, "index", "") as one, runs.recorded(second, "index", "") as two:
            writers = [(first, RowWriter(one.ref)), (second, RowWriter(two.ref))]
            for i, each in enumerate(readings):
                catalogue, writer = writers[i % 2]
                with catalogue.write() as connection:
                    root = roots.place_for(connection, "/archive").root_ref
                    writer.store(connection, root, [each])
        assert health.problems(first) == []
    with opened(alone) as catalogue:
        store(catalogue, readings)
    assert tables.dump(place) == tables.dump(alone)


# -- lost connections ------------------------------------------------------------------------------


class Cutter:
    """Ends the connection on which the statement of a certain number is about to run."""

    def __init__(self, catalogue: PostgresqlCatalogue, at: int) -> None:
        self.at, self.seen = at, 0
        for engine in (catalogue.engine, catalogue._reading):
            event.listen(engine, "before_cursor_execute", self)

    def __call__(self, connection: Any, *what: Any) -> None:
        self.seen += 1
        if self.seen == self.at:
            pid = connection.connection.driver_connection.info.backend_pid
            postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")


@pytest.fixture
def expected(new_place: NewPlace, archives: list[Path]) -> Any:
    return rows_of_one(new_place(), archives[:1])


@pytest.mark.usefixtures("small_batches")
def test_a_connection_lost_at_any_statement(
    new_place: NewPlace, archives: list[Path], expected: Any
) -> None:
    place = new_place()
    with opened(place) as catalogue:
        whole = Cutter(catalogue, 0)
        index(catalogue, archives[:1], Settings())
    assert tables.dump(place) == expected
    points = random.Random(4).sample(range(1, whole.seen + 1), 14)
    for at in sorted({1, *points, whole.seen}):
        place = new_place()
        lost: list[str] = []
        with opened(place) as catalogue:
            catalogue.patience = Patience(30, lost=lost.append)
            cutter = Cutter(catalogue, at)
            counts = index(catalogue, archives[:1], Settings())
            assert cutter.seen >= at
            assert counts.files == 81
            assert health.problems(catalogue) == []
            assert runs.listed(catalogue)[0].outcome is Outcome.DONE
            assert not catalogue.is_being_written()
        assert tables.dump(place) == expected, at
        postgres.give_back(url(place))


@pytest.mark.usefixtures("small_batches")
def test_an_answer_lost_after_the_commit_stores_nothing_twice(
    new_place: NewPlace, archives: list[Path], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    commit = psycopg.Connection.commit
    seen = 0

    def lost(self: Any) -> None:
        nonlocal seen
        commit(self)
        if not self.read_only and not self.autocommit:
            seen += 1
            if seen % 3 == 0:
                postgres.execute(f"SELECT pg_terminate_backend({self.info.backend_pid}, 5000)")
                self.execute("SELECT 1")

    place = new_place()
    with opened(place) as catalogue:
        catalogue.patience = Patience(30)
        monkeypatch.setattr(psycopg.Connection, "commit", lost)
        index(catalogue, archives[:1], Settings())
        monkeypatch.undo()
        assert seen > 6
        assert health.problems(catalogue) == []
    assert tables.dump(place) == expected


def test_a_run_whose_beginning_was_stored_and_not_answered_is_one_run(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    commit = psycopg.Connection.commit
    seen = 0

    def lost(self: Any) -> None:
        nonlocal seen
        commit(self)
        if not self.read_only and not self.autocommit:
            seen += 1
            if seen == 1:
                postgres.execute(f"SELECT pg_terminate_backend({self.info.backend_pid}, 5000)")
                self.execute("SELECT 1")

    with opened(new_place()) as catalogue:
        catalogue.patience = Patience(30)
        monkeypatch.setattr(psycopg.Connection, "commit", lost)
        with runs.recorded(catalogue, "verify", "") as run:
            assert seen > 1
            assert catalogue.at_work() == {run.ref}
        monkeypatch.undo()
        assert [(each.ref, each.outcome) for each in runs.listed(catalogue)] == [(run.ref, Outcome.DONE)]  # fmt: skip


@pytest.mark.usefixtures("small_batches")
def test_files_that_another_stored_while_the_connection_was_lost(
    new_place: NewPlace, archives: list[Path], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who loses the connection loses the place too, and another may have indexed it meanwhile."""
    place = new_place()
    flush = one_run.OneRun._flush
    lost: list[int] = []

    def late(self: one_run.OneRun) -> None:
        if self._batch and self.catalogue is catalogue and not lost:
            session: Any = catalogue._session
            lost.append(self.run_ref)
            pid = session.connection.driver_connection.info.backend_pid
            postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
            index(other, archives[:1], Settings())
        flush(self)

    with opened(place) as catalogue, opened(place) as other:
        monkeypatch.setattr(one_run.OneRun, "_flush", late)
        counts = index(catalogue, archives[:1], Settings())
        assert lost == [1]
        assert counts.files == 81
        assert health.problems(catalogue) == []
        assert {run.outcome for run in runs.listed(catalogue)} == {Outcome.DONE}
    assert tables.dump(place) == expected


LOST_AMONG_MANY = """
import sys
from sqlalchemy import text
from catalog.database.catalogue import open_catalogue
from catalog.database.location import located
from catalog.errors import ConnectionLost
with open_catalogue(located(sys.argv[1])) as catalogue:
    try:
        with catalogue.write() as connection:
            ended = text("SELECT pg_terminate_backend(pg_backend_pid()), :n")
            connection.execute(ended, [{"n": str(n)} for n in range(50)])
    except ConnectionLost:
        print("lost")
"""


def test_a_connection_lost_among_many_rows_is_told_by_dcat_alone(new_place: NewPlace) -> None:
    """The driver writes several lines about it to standard error, unless its logger has a handler."""
    ended = subprocess.run(
        [sys.executable, "-c", LOST_AMONG_MANY, url(new_place())],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == ("lost\n", "")


@pytest.mark.usefixtures("small_batches")
def test_a_folder_that_became_part_of_another_while_the_connection_was_lost(
    new_place: NewPlace, archives: list[Path], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who indexes the folder above makes it part of that; rows of the folder by itself there are none then."""
    place = new_place()
    flush = one_run.OneRun._flush
    lost: list[int] = []

    def late(self: one_run.OneRun) -> None:
        if self._batch and self.catalogue is catalogue and not lost:
            session: Any = catalogue._session
            lost.append(self.run_ref)
            pid = session.connection.driver_connection.info.backend_pid
            postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
            index(other, archives[:1], Settings())
        flush(self)

    with opened(place) as catalogue, opened(place) as other:
        monkeypatch.setattr(one_run.OneRun, "_flush", late)
        with pytest.raises(CatalogueError, match=r"became part of another.*run the command again"):
            index(catalogue, [archives[0] / "3"], Settings())
        assert lost == [1]
        assert health.problems(catalogue) == []
        index(catalogue, [archives[0] / "3"], Settings())
    assert tables.dump(place) == expected


def test_a_place_that_another_took_while_the_connection_was_lost(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = new_place()
    monkeypatch.setattr(postgresql, "RETRY_S", 1.0)
    with opened(place) as catalogue, opened(place) as other:
        catalogue.patience = Patience(0)
        with catalogue.writer_lock(["/a"]):
            with catalogue.write() as connection:
                pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
            postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
            with other.writer_lock(["/a"]), pytest.raises(CatalogueBusy), catalogue.write():
                pass
            with catalogue.write():  # it is free again
                pass


def test_a_server_that_stays_away_ends_the_run_in_one_sentence(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "RETRY_S", 0.5)
    lost: list[str] = []
    with opened(new_place()) as catalogue:
        catalogue.patience = Patience(0, lost=lost.append)

        def work(connection: Any) -> None:
            pid = connection.connection.driver_connection.info.backend_pid
            postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
            connection.exec_driver_sql("SELECT 1")

        undone: list[int] = []
        with pytest.raises(ConnectionLost, match="What was stored before is safe"):
            catalogue.store(work, undone=lambda: undone.append(1))
        assert undone
        assert len(lost) == 1
        assert catalogue.store(lambda connection: 7) == 7


def test_connections_that_ended_while_nothing_was_done_are_made_anew(new_place: NewPlace) -> None:
    place = new_place()
    name = url(place).rpartition("/")[2].partition("?")[0]
    with opened(place) as catalogue, catalogue.writer_lock(["/a"]):
        for _ in range(2):
            with catalogue.write() as connection:
                connection.execute(models.root.insert().values(path=f"/{random.random()}"))
            with catalogue.read() as connection:
                assert connection.execute(select(models.root.c.id)).all()
            postgres.execute(
                f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
            )
        assert holders(place) == 0
        with catalogue.write():
            assert holders(place) == 1


def holders(place: Location) -> int:
    query = "SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND mode = 'ExclusiveLock' AND objid <> {} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    own = places.number_of("write") & 0xFFFFFFFF
    ((number,),) = postgres.execute(query.format(own), url(place))
    return int(number)


def test_batches_of_many_threads_and_processes_come_one_after_another(new_place: NewPlace) -> None:
    place = new_place()

    def add(catalogue: Catalogue) -> None:
        for _ in range(20):
            with catalogue.write() as connection:
                count = connection.execute(select(models.root.c.id)).all()
                connection.execute(models.root.insert().values(path=f"/{len(count)}"))

    with opened(place) as one, opened(place) as two:
        threads = [threading.Thread(target=add, args=(each,)) for each in (one, two, one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with one.read() as connection:
            paths = connection.execute(select(models.root.c.path)).scalars().all()
    assert sorted(paths) == sorted(f"/{i}" for i in range(80))
    assert os.getpid()
