"""A catalogue that was copied to another database is the same catalogue, or none at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings

from catalog.cli.main import main
from catalog.database import filling_sqlite, health, migrate, models, moved_rows, moving
from catalog.database.catalogue import open_catalogue, revision_of
from catalog.database.location import Location, located
from catalog.database.make import make
from catalog.errors import (
    CatalogueBusy,
    CatalogueError,
    CatalogueMissing,
    ConnectionLost,
    SchemaTooOld,
)
from catalog.events import Event, Finished, Progress, Started
from tests import postgres, tables
from tests.builders import archive
from tests.database import any_rows

pytestmark = pytest.mark.sqlite
ROOT = Path(__file__).parents[2]
BATCH = 7


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moved_rows, "BATCH_ROWS", BATCH)


@pytest.fixture(scope="module")
def urls() -> Iterator[Callable[[], str]]:
    """A function that gives the URL of a new, empty database."""
    if not postgres.is_available():
        pytest.skip("no PostgreSQL server can be started")
    made: list[str] = []

    def new() -> str:
        made.append(postgres.new_database())
        return made[-1]

    yield new
    for url in made:
        postgres.drop_database(url)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of an archive, which nobody changes."""
    folder = tmp_path_factory.mktemp("indexed")
    archive(folder / "archive")
    assert main(["index", str(folder / "archive"), "--db", str(folder / "c.db"), "-j", "1"]) == 0
    return folder / "c.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path, urls: Callable[[], str]) -> Location:
    """Where there is nothing yet."""
    if request.param == "sqlite":
        (tmp_path / "to").mkdir()
        return tmp_path / "to" / "t.db"
    return located(urls())


def is_nothing_at(place: Location) -> bool:
    """Return whether a place is as it was before anything was done there."""
    if isinstance(place, Path):
        return list(place.parent.iterdir()) == []
    query = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    return postgres.execute(query, place.url) == [(0,)]


# -- what arrives ------------------------------------------------------------------------------


@given(any_rows.catalogues())
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
def test_whatever_a_catalogue_holds_is_the_same_after_the_way_there_and_back(
    urls: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
    empty_catalogue: Path,
    rows: any_rows.Rows,
) -> None:
    folder = tmp_path_factory.mktemp("moving")
    first, last = folder / "first.db", folder / "last.db"
    shutil.copy(empty_catalogue, first)
    any_rows.put(first, rows)
    way = [first, located(urls()), located(urls()), last]
    proofs = [moving.copy(a, b) for a, b in pairwise(way)]
    assert all(proof.is_same for step in proofs for proof in step)
    assert proofs[0] == proofs[1] == proofs[2]
    assert any_rows.stored(last) == any_rows.stored(first)
    assert tables.dump(way[1]) == tables.dump(first) == tables.dump(last)


def test_the_digest_is_that_of_one_json_array_of_all_rows(indexed: Path, target: Location) -> None:
    proofs = {proof.table: proof for proof in moving.copy(indexed, target)}
    assert set(proofs) == set(models.metadata.tables)
    with closing(sqlite3.connect(indexed)) as db:
        for name, proof in proofs.items():
            table = models.metadata.tables[name]
            names = [column.name for column in table.c]
            listed = ", ".join(f'"{name}"' for name in names)
            order = ", ".join(column.name for column in table.primary_key)
            rows = db.execute(f"SELECT {listed} FROM {name} ORDER BY {order}").fetchall()
            text = json.dumps([names, *rows], ensure_ascii=False, separators=(",", ":"))
            wanted = (len(rows), sha256(text.encode()).hexdigest())
            assert (proof.rows_from, proof.sha256_from) == wanted
            assert (proof.rows_to, proof.sha256_to) == wanted


def test_one_bit_of_a_float_and_one_letter_of_a_text_change_the_digest() -> None:
    table = models.metadata.tables["discrepancy"]

    def digest(*rows: Any) -> str:
        found = moved_rows.Digest(table)
        found.add(rows)
        return found.hexdigest()

    found = {digest((1, "A", *values)) for values in [("", None), (None, ""), ("1", None), (1, None), (1.0, None), (1.0000000000000002, None), ("\\N", None), ("null", None), ('",null', None)]}  # fmt: skip
    assert len(found) == 9
    halves = moved_rows.Digest(table)
    halves.add([(1, "A", "", None)])
    halves.add([(2, "A", "", None)])
    assert halves.hexdigest() == digest((1, "A", "", None), (2, "A", "", None))


def test_an_empty_catalogue_becomes_an_empty_catalogue(
    empty_catalogue: Path, target: Location
) -> None:
    assert {proof.rows_to for proof in moving.copy(empty_catalogue, target)} == {0}
    with open_catalogue(target) as catalogue:
        assert set(health.counts(catalogue).values()) == {0}


def test_the_source_stays_as_it_is_to_the_byte(indexed: Path, target: Location) -> None:
    before = indexed.read_bytes(), sorted(path.name for path in indexed.parent.iterdir())
    moving.copy(indexed, target)
    assert before == (indexed.read_bytes(), sorted(path.name for path in indexed.parent.iterdir()))


def test_a_catalogue_in_a_folder_where_nobody_can_write_is_copied(
    indexed: Path, target: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "disc"
    folder.mkdir()
    shutil.copy(indexed, folder / "c.db")
    # Who runs as root can write everywhere, so the answer is given here.
    monkeypatch.setattr(moving.os, "access", lambda place, mode: Path(place) != folder)
    assert all(proof.is_same for proof in moving.copy(folder / "c.db", target))
    assert [path.name for path in folder.iterdir()] == ["c.db"]


# -- what can be done with it ----------------------------------------------------------------------


def test_a_copy_is_sound_is_searched_by_words_and_goes_on(
    indexed: Path, target: Location, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive(tmp_path / "more", patients=3)
    shutil.copy(indexed, tmp_path / "was.db")
    moving.copy(indexed, target)
    place = target.url if not isinstance(target, Path) else target
    for at in (place, tmp_path / "was.db"):
        assert main(["index", str(tmp_path / "more"), "--db", str(at), "-j", "1"]) == 0
    assert tables.dump(target, without=_OF_RUNS) == tables.dump(
        tmp_path / "was.db", without=_OF_RUNS
    )
    capsys.readouterr()
    found = []
    for at in (place, tmp_path / "was.db"):
        assert main(["find", "studies", "--text", "patient*", "--db", str(at), "-o", "csv"]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    with open_catalogue(target) as catalogue:
        assert health.problems(catalogue) == []


_OF_RUNS = ("mtime_ns",)


def test_a_copied_file_has_the_tables_indexes_triggers_and_views_of_a_new_one(
    indexed: Path, tmp_path: Path
) -> None:
    make(tmp_path / "new.db")
    moving.copy(indexed, tmp_path / "copied.db")

    def schema(path: Path) -> Any:
        with closing(sqlite3.connect(path)) as db:
            parts = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
            return sorted(parts, key=repr), db.execute("PRAGMA journal_mode").fetchall()

    assert schema(tmp_path / "copied.db") == schema(tmp_path / "new.db")
    assert revision_of(tmp_path / "copied.db") == revision_of(indexed)


def test_a_copied_database_has_the_constraints_indexes_and_counters_of_a_new_one(
    indexed: Path, urls: Callable[[], str]
) -> None:
    new, copied = urls(), urls()
    open_catalogue(located(new), create=True).close()
    moving.copy(indexed, located(copied))

    def schema(url: str) -> Any:
        return [
            postgres.execute(query, url)
            for query in (
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
                "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
                "SELECT relname, relkind, obj_description(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
                "SELECT attrelid::regclass::text, attnum, attname, atttypid::regtype::text, attcollation, attnotnull, col_description(attrelid, attnum) FROM pg_attribute WHERE attnum > 0 AND attrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace) ORDER BY 1, 2",
                "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
            )
        ]

    assert schema(copied) == schema(new)
    counters = "SELECT (SELECT last_value FROM file_id_seq), max(id) FROM file"
    ((counter, last),) = postgres.execute(counters, copied)
    assert counter == last > 0


# -- what is refused ---------------------------------------------------------------------------------


def _file(place: Path) -> None:
    place.write_text("mine")


def _empty_file(place: Path) -> None:
    place.touch()


def _folder(place: Path) -> None:
    place.mkdir()


def _broken_link(place: Path) -> None:
    place.symlink_to("nowhere")


def _catalogue(place: Path) -> None:
    make(place)


def _journal_of_another(place: Path) -> None:
    place.with_name(place.name + "-wal").write_bytes(b"rows")


@pytest.mark.parametrize(
    "what", [_file, _empty_file, _folder, _broken_link, _catalogue, _journal_of_another]
)
def test_nothing_is_written_over(
    indexed: Path, tmp_path: Path, what: Callable[[Path], None]
) -> None:
    what(tmp_path / "t.db")

    def there() -> Any:
        return [
            (p.name, p.is_symlink() or p.is_dir() or p.read_bytes())
            for p in sorted(tmp_path.iterdir())
        ]

    before = there()
    with pytest.raises(CatalogueError, match=r"is there.*(Name|move)"):
        moving.copy(indexed, tmp_path / "t.db")
    assert there() == before


def test_a_database_that_holds_something_is_refused(indexed: Path, urls: Callable[[], str]) -> None:
    taken, foreign = urls(), urls()
    moving.copy(indexed, located(taken))
    before = tables.dump(located(taken))
    with pytest.raises(CatalogueError, match=r"holds a catalogue already.*createdb"):
        moving.copy(indexed, located(taken))
    with pytest.raises(CatalogueError, match="holds a catalogue already"):
        moving.copy(located(taken), located(taken))
    assert tables.dump(located(taken)) == before
    postgres.execute("CREATE TABLE bills (id int)", foreign)
    with pytest.raises(CatalogueError, match=r"holds a table bills of another program.*createdb"):
        moving.copy(indexed, located(foreign))
    assert postgres.execute(_NAMES, foreign) == [("bills",)]


_NAMES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"


def test_a_database_that_is_not_there_is_asked_for(indexed: Path, urls: Callable[[], str]) -> None:
    gone = urls()
    postgres.drop_database(gone)
    with pytest.raises(CatalogueError, match=r"There is no database .*createdb"):
        moving.copy(indexed, located(gone))
    with pytest.raises(CatalogueError, match="There is no database"):
        moving.copy(located(gone), located(gone))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["{missing}", "{target}"], 1, "There is no catalogue at {missing}, so there is nothing to copy."),
        (["{text}", "{target}"], 1, "is not a dcat catalogue"),
        (["mysql://host/x", "{target}"], 1, "mysql:// is no database that this version of dcat can use"),
        (["{source}", "mysql://host/x"], 1, "mysql:// is no database that this version of dcat can use"),
        (["{source}", "postgresql://me:secret@host"], 1, "The postgresql:// URL names no database"),
        (["{source}", "postgresql://me:secret@127.0.0.1:1/x"], 1, "127.0.0.1:1/x"),
        (["{source}", "{source}"], 1, "is there already, and nothing is written over"),
        (["{source}", "{text}/t.db"], 1, "cannot be made"),
        (["{source}"], 2, "Missing argument 'TO'"),
        ([], 2, "Missing argument 'FROM'"),
    ],
)  # fmt: skip
def test_what_cannot_be_copied_is_told(
    indexed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    text = tmp_path / "text"
    text.write_text("This is no database.\n" * 100)
    places = {"missing": tmp_path / "missing.db", "text": text, "target": tmp_path / "t.db"}
    before = indexed.read_bytes()
    given = [word.format(source=indexed, **places) for word in words]
    assert main(["db", "copy", *given]) == code
    error = capsys.readouterr().err
    assert said.format(**places) in " ".join(error.split())
    assert "secret" not in error
    assert "Traceback" not in error
    assert indexed.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [text]


def test_an_older_catalogue_is_upgraded_first(tmp_path: Path, target: Location) -> None:
    with migrate._migrating(tmp_path / "old.db", create=True) as connection:
        command.upgrade(migrate.config(connection), "0004")
    with pytest.raises(SchemaTooOld, match="dcat db upgrade"):
        moving.copy(tmp_path / "old.db", target)
    assert is_nothing_at(target)


def test_a_catalogue_that_is_being_written_is_waited_for_and_not_written_meanwhile(
    indexed: Path, target: Location
) -> None:
    other = open_catalogue(indexed)
    with other, other.writer_lock():
        with pytest.raises(CatalogueBusy):
            moving.copy(indexed, target)
        assert is_nothing_at(target)
    held = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            held.append(other.is_being_written())

    moving.copy(indexed, target, listen)
    assert held
    assert all(held)
    assert not other.is_being_written()


def test_two_copies_to_the_same_file_do_not_meet(indexed: Path, tmp_path: Path) -> None:
    target = tmp_path / "t.db"
    busy = []

    def listen(event: Event) -> None:
        if isinstance(event, Started):
            with pytest.raises(CatalogueBusy, match="a copy to it is being made") as told:
                moving.copy(copied, target)
            busy.append(told)

    copied = tmp_path / "second.db"
    shutil.copy(indexed, copied)
    assert all(proof.is_same for proof in moving.copy(indexed, target, listen))
    assert len(busy) == 2


def test_what_others_write_meanwhile_is_not_torn(
    indexed: Path, tmp_path: Path, target: Location
) -> None:
    """A ledger is written without the writer's lock."""
    source = tmp_path / "s.db"
    shutil.copy(indexed, source)
    before = tables.dump(source)

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.done < 2 * BATCH:
            with closing(sqlite3.connect(source)) as db:
                db.execute(
                    "INSERT INTO finding (run_ref, code, severity, place, message) VALUES (1, 'x', 'note', '', '')"
                )
                db.commit()  # fmt: skip

    moving.copy(source, target, listen)
    assert tables.dump(source) != before
    assert tables.dump(target) == before


# -- what one side cannot hold ---------------------------------------------------------------------


def _with(source: Path, folder: Path, *statements: str) -> Path:
    path = folder / "changed.db"
    shutil.copy(source, path)
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE patient SET patient_name = 'A' || char(0) || 'B' WHERE id = 1", "patient_name of row id 1 of table patient: it has the character U\\+0000"),
        ("UPDATE run SET pid = 3000000000 WHERE id = 1", "pid of row id 1 of table run: .*out of range"),
        ("UPDATE run SET counts = '{torn' WHERE id = 1", "counts of row id 1 of table run: invalid input syntax for type json"),
        ("UPDATE instance SET is_disputed = 7 WHERE id = 3", "row id 3 of table instance"),
        ("UPDATE file SET size_bytes = 'many' WHERE id = 9", "size_bytes of row id 9 of table file: invalid input syntax"),
        ("UPDATE file SET size_bytes = 1.5 WHERE id = 9", "size_bytes of row id 9 of table file: invalid input syntax"),
        ("UPDATE study SET study_id = x'00ff' WHERE id = 2", "row id 2 of table study holds bytes where text belongs"),
        ("DELETE FROM study WHERE id = 1", "A row of table series points at a row of table study that is not there.*dcat db check"),
    ],
)  # fmt: skip
def test_what_postgresql_cannot_hold_is_named(
    indexed: Path, tmp_path: Path, urls: Callable[[], str], change: str, said: str
) -> None:
    source, target = _with(indexed, tmp_path, change), located(urls())
    with pytest.raises(CatalogueError, match=said) as told:
        moving.copy(source, target)
    assert (
        "damaged" in str(told.value)
        or "Nothing was copied" in str(told.value)
        or "nothing was copied" in str(told.value)
    )
    assert is_nothing_at(target)


def test_long_paths_are_moved_and_other_long_texts_are_named(
    indexed: Path, tmp_path: Path, urls: Callable[[], str]
) -> None:
    """An index of PostgreSQL holds some 2,700 bytes, after it packed them."""
    letters = "".join(chr(0x100 + number * 7919 % 0x5000) for number in range(3_000))
    source = _with(indexed, tmp_path, f"UPDATE file SET path = '{letters}' WHERE id = 2")
    target = located(urls())
    assert all(proof.is_same for proof in moving.copy(source, target))
    for change, said in (
        (f"UPDATE study SET accession_number = '{letters}' WHERE id = 1", "ix_study_accession_number"),
        (f"UPDATE root SET path = '{letters}'", "row id 1 of table root"),
    ):  # fmt: skip
        changed, other = _with(indexed, tmp_path, change), located(urls())
        with pytest.raises(CatalogueError, match=rf"{said}.*dcat index --full.*Nothing was copied"):
            moving.copy(changed, other)
        assert is_nothing_at(other)


def test_what_sqlite_cannot_hold_is_named(
    indexed: Path, tmp_path: Path, urls: Callable[[], str]
) -> None:
    source = located(urls())
    moving.copy(indexed, source)
    postgres.execute("UPDATE instance SET slice_thickness = 'NaN' WHERE id = 4", source.url)  # type: ignore[union-attr]
    with pytest.raises(CatalogueError, match="slice_thickness of row id 4 of table instance"):
        moving.copy(source, tmp_path / "t.db")
    assert list(tmp_path.iterdir()) == []


def test_references_that_lead_nowhere_are_not_copied(indexed: Path, tmp_path: Path) -> None:
    source = _with(indexed, tmp_path, "DELETE FROM study WHERE id = 1")
    with pytest.raises(CatalogueError, match=r"of table series points at a row of study.*db check"):
        moving.copy(source, tmp_path / "to" / "t.db")
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize("damage", ["text", "torn"])
def test_damage_is_told_of_the_source(
    indexed: Path, tmp_path: Path, target: Location, damage: str
) -> None:
    source = tmp_path / "damaged.db"
    if damage == "text":
        source = _with(indexed, tmp_path, "UPDATE patient SET patient_name = CAST(x'ff' AS TEXT)")
    else:
        with closing(sqlite3.connect(indexed)) as db:
            size = db.execute("PRAGMA page_size").fetchone()[0]
            page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'file'").fetchone()[
                0
            ]
        data = bytearray(indexed.read_bytes())
        data[(page - 1) * size : page * size] = b"\xff" * size
        source.write_bytes(data)
    with pytest.raises(CatalogueError, match=f"The catalogue {source} cannot be used"):
        moving.copy(source, target)
    assert is_nothing_at(target)


# -- breaking off ------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["copying", "checking"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_copy_that_breaks_off_leaves_nothing_and_can_be_begun_again(
    indexed: Path, target: Location, at: str, error: Any
) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == at and event.done > 3 * BATCH:
            raise error

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        moving.copy(indexed, target, listen)
    assert is_nothing_at(target)
    with pytest.raises(CatalogueMissing):
        open_catalogue(target)
    assert all(proof.is_same for proof in moving.copy(indexed, target))


@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
def test_a_connection_that_is_lost_ends_the_copy(
    indexed: Path, urls: Callable[[], str], side: int
) -> None:
    places = [located(urls()), located(urls())]
    moving.copy(indexed, places[0])

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.done > 3 * BATCH:
            postgres.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
                places[side].url,  # type: ignore[union-attr]
            )

    with pytest.raises(ConnectionLost, match=str(places[side]).rpartition("/")[2]):
        moving.copy(*places, listen)
    assert is_nothing_at(places[1])
    assert all(proof.is_same for proof in moving.copy(*places))


KILLED = """
import os, signal, sys
from catalog.database import moved_rows, moving
from catalog.database.location import located
from catalog.events import Finished, Progress
moved_rows.BATCH_ROWS = 7

def listen(event):
    if isinstance(event, Progress) and (event.stage, event.done > 30) == (sys.argv[3], True):
        os.kill(os.getpid(), signal.SIGKILL)
    if isinstance(event, Finished) and sys.argv[3] == "end " + event.stage:
        os.kill(os.getpid(), signal.SIGKILL)

moving.copy(located(sys.argv[1]), located(sys.argv[2]), listen)
"""


@pytest.mark.parametrize("at", ["copying", "end copying", "checking", "end checking"])
def test_a_copy_that_was_killed_is_no_catalogue_and_can_be_begun_again(
    indexed: Path, target: Location, at: str
) -> None:
    place = str(target) if isinstance(target, Path) else target.url
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(indexed), place, at],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False, capture_output=True,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with pytest.raises(CatalogueMissing):
        open_catalogue(target)
    assert all(proof.is_same for proof in moving.copy(indexed, target))
    assert tables.dump(target) == tables.dump(indexed)
    if isinstance(target, Path):
        assert {path.name for path in target.parent.iterdir()} == {"t.db", "t.db-lock"}


# -- the proof ---------------------------------------------------------------------------------------


def test_a_copy_that_is_not_the_same_is_thrown_away(
    indexed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain: Any = filling_sqlite.SqliteFilling.put

    def put(self: Any, table: Any, rows: Any, written: str) -> None:
        if table.name == "file":
            rows = [(*row[:2], row[2].upper(), *row[3:]) for row in rows]
        plain(self, table, rows, written)

    monkeypatch.setattr(filling_sqlite.SqliteFilling, "put", put)
    target = tmp_path / "to" / "t.db"
    assert main(["db", "copy", str(indexed), str(target), "-o", "json"]) == 1
    said = capsys.readouterr()
    rows = {row["Table"]: row for row in json.loads(said.out)}
    assert [name for name, row in rows.items() if row["Same"] == "NO"] == ["file"]
    assert rows["file"]["RowsFrom"] == rows["file"]["RowsTo"] == 24
    assert rows["file"]["SHA256From"] != rows["file"]["SHA256To"]
    assert "1 table of" in said.err
    assert "thrown away" in said.err
    assert list(target.parent.iterdir()) == []


def test_the_proof_is_a_table_with_every_table_in_it(
    indexed: Path, target: Location, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(target) if isinstance(target, Path) else target.url
    assert main(["db", "copy", str(indexed), place, "-o", "csv"]) == 0
    said = capsys.readouterr()
    heading, *lines = said.out.splitlines()
    assert heading == "Table,RowsFrom,RowsTo,SHA256From,SHA256To,Same"
    assert [line.split(",")[0] for line in lines] == sorted(models.metadata.tables)
    for line in lines:
        _, rows_from, rows_to, digest_from, digest_to, same = line.split(",")
        assert (rows_from, digest_from, same) == (rows_to, digest_to, "yes")
        assert len(digest_from) == 64
    total = sum(int(line.split(",")[1]) for line in lines)
    assert f"{target} holds all of {indexed}: {total:,} rows, read back and compared." in " ".join(
        said.err.split()
    )


def test_progress_counts_every_row_twice(indexed: Path, target: Location) -> None:
    told: list[Event] = []
    proofs = moving.copy(indexed, target, told.append)
    total = sum(proof.rows_from for proof in proofs)
    for stage in ("copying", "checking"):
        of_stage = [event for event in told if event.stage == stage]  # type: ignore[union-attr]
        assert of_stage[0] == Started(stage, total, "rows")
        assert of_stage[-1] == Finished(stage, total)
        done = [event.done for event in of_stage if isinstance(event, Progress)]
        assert done == sorted(set(done))
        assert done[-1] == total
