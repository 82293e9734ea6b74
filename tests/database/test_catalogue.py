"""Opening a catalogue, its transactions, its lock, backups and upgrades."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from catalog.database import catalogue as opening
from catalog.database import health, make, migrate, models, runs, sqlite
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.errors import (
    CatalogueBusy,
    CatalogueError,
    CatalogueMissing,
    DcatError,
    NotACatalogue,
    SchemaTooNew,
    SchemaTooOld,
)
from tests import tables
from tests.database.stating import reading, stated, store

ROOT = Path(__file__).parents[2]


def set_revision(path: Path, revision: str | None) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM alembic_version")
        if revision is not None:
            raw.execute("INSERT INTO alembic_version VALUES (?)", (revision,))


@pytest.fixture
def path(empty_file: Path, tmp_path: Path) -> Path:
    """An empty catalogue's file."""
    return Path(shutil.copy(empty_file, tmp_path / "catalogue.db"))


@pytest.mark.parametrize("name", ["none.db", "no-folder/none.db"])
def test_reading_never_makes_a_catalogue(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogueMissing) as caught:
        open_catalogue(tmp_path / name)
    assert "dcat index" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sqlite
def test_made_on_request_with_its_folder(tmp_path: Path) -> None:
    with open_catalogue(tmp_path / "new folder" / "a #1?.db", create=True) as made:
        assert health.problems(made) == []
        assert set(health.counts(made).values()) == {0}
    names = {p.name for p in (tmp_path / "new folder").iterdir()}
    assert names <= {f"a #1?.db{end}" for end in ("", "-wal", "-shm", "-lock")}


@pytest.mark.sqlite
def test_two_that_make_the_catalogue_at_once_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = make._make_schema

    def slowly(path: Path) -> None:
        schema(path)
        time.sleep(0.2)

    monkeypatch.setattr(make, "_make_schema", slowly)
    place = tmp_path / "new.db"

    def begin(number: int) -> None:
        with open_catalogue(place, create=True) as mine, mine.write() as connection:
            connection.execute(insert(models.root).values(path=f"/{number}"))

    with ThreadPoolExecutor(4) as pool:
        for begun in [pool.submit(begin, number) for number in range(4)]:
            begun.result()
    with open_catalogue(place) as catalogue, catalogue.read() as connection:
        paths = connection.execute(select(models.root.c.path)).scalars().all()
    assert sorted(paths) == ["/0", "/1", "/2", "/3"]
    assert {each.name for each in tmp_path.iterdir()} == {"new.db", "new.db-lock"}


@pytest.mark.sqlite
def test_a_catalogue_by_two_names_has_one_lock(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "c.db"
    link.symlink_to(path)
    with open_catalogue(path) as one, open_catalogue(link) as other:
        assert other.name == str(link)
        assert other.own_paths == one.own_paths  # or it would index its own journal
        with one.writer_lock():
            assert other.is_being_written()
            with pytest.raises(CatalogueBusy), other.writer_lock():
                pass
        with other.writer_lock(), pytest.raises(CatalogueBusy), one.writer_lock():
            pass
    assert os.listdir(link.parent) == ["c.db"]


@pytest.mark.sqlite
def test_the_journal_of_a_catalogue_that_is_gone_does_not_get_into_a_new_one(
    path: Path, tmp_path: Path
) -> None:
    """SQLite would put what it says into any file of that name."""
    journal = path.with_name(f"{path.name}-wal")
    with open_catalogue(path) as catalogue:
        with catalogue.write() as connection:
            connection.execute(insert(models.root).values(path="/old"))
        kept = journal.read_bytes()
    path.unlink()
    journal.write_bytes(kept)
    with pytest.raises(CatalogueError, match=r"-wal is there, the journal of a catalogue"):
        open_catalogue(path, create=True)
    assert journal.read_bytes() == kept
    assert not path.exists()
    journal.write_bytes(b"")
    with open_catalogue(path, create=True) as catalogue:
        assert health.problems(catalogue) == []


@pytest.mark.sqlite
def test_a_link_to_a_file_that_is_not_there_stays_a_link(tmp_path: Path) -> None:
    """As to a volume that is not mounted."""
    link = tmp_path / "c.db"
    link.symlink_to(tmp_path / "volume" / "real.db")
    open_catalogue(link, create=True).close()
    assert link.is_symlink()
    assert (tmp_path / "volume" / "real.db").exists()


@pytest.mark.sqlite
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_the_journal_is_as_asked(tmp_path: Path, journal: str) -> None:
    open_catalogue(tmp_path / "a.db", create=True, journal=journal).close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == (journal,)


@pytest.mark.sqlite
@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("kind", ["text", "empty", "foreign", "folder", "half", "no revision"])
def test_what_is_no_catalogue_is_left_alone(
    path: Path, tmp_path: Path, kind: str, create: bool
) -> None:
    other = tmp_path / "other"
    if kind == "text":
        other.write_text("not a database, but long enough to be looked at" * 50, encoding="ascii")
    elif kind == "empty":
        other.touch()
    elif kind == "folder":
        other.mkdir()
    elif kind == "foreign":
        with closing(sqlite3.connect(other)) as raw:
            raw.execute("CREATE TABLE file (id)")
            raw.execute("CREATE TABLE alembic_version (version_num)")
    elif kind == "half":
        other.write_bytes(path.read_bytes()[:5000])
    else:
        shutil.copy(path, other)
        set_revision(other, None)
    before = None if kind == "folder" else other.read_bytes()
    with pytest.raises(CatalogueError) as caught:
        open_catalogue(other, create=create)
    if kind != "half":
        assert isinstance(caught.value, NotACatalogue)
    assert str(other) in str(caught.value)
    assert before is None or other.read_bytes() == before


@pytest.mark.sqlite
def test_a_place_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CatalogueError):
        open_catalogue(tmp_path / "file" / "a.db", create=True)


@pytest.mark.sqlite
def test_newer_and_older_revisions(path: Path) -> None:
    set_revision(path, "9999")
    with pytest.raises(SchemaTooNew, match="9999"):
        open_catalogue(path)
    with pytest.raises(SchemaTooNew):
        migrate.upgrade(path)
    set_revision(path, "0001")
    with pytest.raises(SchemaTooOld, match="dcat db upgrade"):
        open_catalogue(path)


# -- transactions ----------------------------------------------------------------------------------


def test_a_failed_block_stores_nothing(catalogue: Catalogue) -> None:
    with pytest.raises(ZeroDivisionError), catalogue.write() as connection:  # noqa: PT012
        connection.execute(insert(models.root).values(path="/a"))
        raise ZeroDivisionError
    with catalogue.write() as connection:
        connection.execute(insert(models.root).values(path="/b"))
    with catalogue.read() as connection:
        assert connection.execute(select(models.root.c.path)).scalars().all() == ["/b"]


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM root", "INSERT INTO root (path) VALUES ('/x')", "DROP TABLE root", "CREATE TEMP TABLE t (x)", "PRAGMA query_only = OFF", "ATTACH 'x.db' AS x", "VACUUM"],
)  # fmt: skip
def test_a_reading_connection_cannot_write(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sql: str
) -> None:
    monkeypatch.chdir(tmp_path)
    store(catalogue, [reading("1", stated())])
    before = tables.dump(catalogue)
    with pytest.raises(DcatError), catalogue.read() as connection:
        connection.execute(text(sql))
    assert tables.dump(catalogue) == before
    assert not Path("x.db").exists()


def test_a_reader_sees_one_state(catalogue: Catalogue) -> None:
    with catalogue.read() as connection:
        assert connection.execute(select(models.root.c.path)).all() == []
        with catalogue.write() as other:
            other.execute(insert(models.root).values(path="/a"))
        assert connection.execute(select(models.root.c.path)).all() == []


def test_references_are_held(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError), catalogue.write() as connection:
        connection.execute(
            insert(models.study).values(patient_ref=77, provenance="header", is_disputed=False)
        )


@pytest.mark.sqlite
def test_a_locked_database_is_busy(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 50)
    with closing(sqlite3.connect(catalogue.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogueBusy), catalogue.write():
            pass


@pytest.fixture
def small_medium(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("only root can mount a small file system")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder],
        check=False,
        capture_output=True,
    ).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.sqlite
def test_a_full_disk_is_said_to_be_and_loses_nothing(small_medium: Path, empty_file: Path) -> None:
    path = Path(shutil.copy(empty_file, small_medium / "a.db"))
    with open_catalogue(path) as full:
        store(full, [reading("1", stated())])
        before = tables.dump(path)
        with (
            pytest.raises(CatalogueError, match="No space is left for the catalogue"),
            full.write() as connection,
        ):
            connection.execute(
                insert(models.root), [{"path": f"/{i}" + "x" * 5000} for i in range(400)]
            )
        assert tables.dump(path) == before
        assert health.problems(full) == []


# -- one writer ------------------------------------------------------------------------------------


def test_the_lock_has_one_holder_and_is_given_back(catalogue: Catalogue) -> None:
    with open_catalogue(catalogue.location) as other:
        with catalogue.writer_lock():
            with pytest.raises(CatalogueBusy, match="just started"), other.writer_lock():
                pass
            with (
                runs.recorded(catalogue, "index", ""),
                pytest.raises(CatalogueBusy, match=f"dcat index, process {os.getpid()} on "),
                other.writer_lock(),
            ):
                pass
        with other.writer_lock():
            pass
        with pytest.raises(ZeroDivisionError), other.writer_lock():
            raise ZeroDivisionError
        with catalogue.writer_lock():
            pass


HOLD = """
import sys, time
from catalog.database import runs
from catalog.database.catalogue import open_catalogue
from catalog.database.location import located
with open_catalogue(located(sys.argv[1])) as catalogue, catalogue.writer_lock(), runs.recorded(catalogue, "import", ""):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free(catalogue: Catalogue) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, getattr(catalogue.location, "url", str(catalogue.path))],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(CatalogueBusy, match=f"dcat import, process {holder.pid} on "),
            catalogue.writer_lock(),
        ):
            pass
        holder.kill()
        holder.wait()
    with catalogue.writer_lock():
        catalogue.mark_dead_runs()
    with catalogue.read() as connection:
        assert connection.execute(select(models.run.c.outcome)).scalars().all() == ["killed"]
    assert [run.outcome.value for run in runs.listed(catalogue)] == ["killed"]


# -- backups and upgrades --------------------------------------------------------------------------


def whole(path: Path) -> list[str]:
    """Return a database as SQL."""
    with closing(sqlite3.connect(path)) as raw:
        return list(raw.iterdump())


@pytest.mark.sqlite
def test_a_backup_is_the_catalogue_and_takes_no_place_that_is_taken(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    store(catalogue, [reading("1", stated())])
    target = tmp_path / "backup.db"
    assert migrate.backup(catalogue, target) == target
    assert whole(target) == whole(catalogue.path)
    with open_catalogue(target) as copy:
        assert health.problems(copy) == []
    before = target.read_bytes()
    with pytest.raises(CatalogueError, match="exists already"):
        migrate.backup(catalogue, target)
    assert target.read_bytes() == before
    with pytest.raises(CatalogueError):
        migrate.backup(catalogue, tmp_path / "none" / "x.db")
    with pytest.raises(CatalogueError):
        migrate.backup_file(tmp_path / "none.db", tmp_path / "y.db")
    assert not (tmp_path / "y.db").exists()


def test_upgrading_what_is_up_to_date_does_nothing(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    assert not migrate.upgrade(path).is_changed
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["catalogue.db"]


GOOD = 'op.execute("CREATE TABLE extra (x)")'
BAD_SQL = 'op.execute("CREATE TABLE extra (x)"); op.execute("INSERT INTO nowhere VALUES (1)")'
BAD_REFERENCE = """op.execute("INSERT INTO file (root_ref, path, status, first_run_ref, last_run_ref) VALUES (77, 'x', 'ok', 1, 1)")"""


PRESENT, KNOWN = opening.HEAD, opening.KNOWN_REVISIONS


def next_revision(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str) -> None:
    """Make this dcat one that needs the revision after its own, whose migration does `body`."""
    following = f"{int(PRESENT) + 1:04}"
    if not folder.exists():
        shutil.copytree(ROOT / "migrations", folder)
    (folder / "versions" / f"{following}_next.py").write_text(
        f'from alembic import op\nrevision = "{following}"\ndown_revision = "{PRESENT}"\n\n\ndef upgrade():\n    {body}\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(migrate, "migrations_folder", lambda: folder)
    for module in (opening, migrate):
        monkeypatch.setattr(module, "HEAD", following)
        monkeypatch.setattr(module, "KNOWN_REVISIONS", (*KNOWN, following))


def test_an_upgrade_backs_up_first(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_revision(monkeypatch, tmp_path / "migrations", GOOD)
    before = whole(path)
    saved = migrate.upgrade(path).backup
    assert saved is not None
    assert whole(saved) == before
    with open_catalogue(path) as upgraded, upgraded.read() as connection:
        assert connection.execute(text("SELECT * FROM extra")).all() == []
    assert not migrate.upgrade(path).is_changed


@pytest.mark.parametrize("body", [BAD_SQL, BAD_REFERENCE], ids=["bad SQL", "broken reference"])
def test_a_failed_migration_leaves_the_catalogue_as_it_was(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    before = whole(path)
    next_revision(monkeypatch, tmp_path / "migrations", body)
    with pytest.raises(CatalogueError):
        migrate.upgrade(path)
    assert whole(path) == before


def test_an_upgrade_can_be_tried_again(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_revision(monkeypatch, tmp_path / "migrations", BAD_SQL)
    with pytest.raises(CatalogueError):
        migrate.upgrade(path)
    next_revision(monkeypatch, tmp_path / "migrations2", GOOD)
    assert migrate.upgrade(path).is_changed
