"""What scripts rely on: exit codes, data on standard output, messages on standard error."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.builders import write
from tests.cli.conftest import Dcat
from tests.journeys.steps import DICOMDIR_TESTS, files_below, rows

COMMANDS = ("index", "find", "selection", "export", "import", "verify", "audit", "report", "sql", "demo", "db",
            "db info", "db check", "db backup", "db upgrade", "db schema", "db datasette-metadata")  # fmt: skip
CHECKOUT = Path(__file__).parents[2]


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    given = {
        "capture_output": True,
        "text": True,
        "check": False,
        "timeout": 60,
        "cwd": CHECKOUT,
    } | options
    return subprocess.run([sys.executable, "-m", "catalog", *arguments], **given)  # noqa: PLW1510 - in given


# -- help -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str, dcat: Dcat) -> None:
    said = dcat(*command.split(), "--help")
    assert said.code == 0
    assert "Usage: dcat" in said.out
    assert said.err == ""


def test_help_names_every_command(dcat: Dcat) -> None:
    out = dcat("--help").out
    assert all(f" {command.split()[0]} " in out for command in COMMANDS)


def test_version(dcat: Dcat) -> None:
    said = dcat("--version")
    assert (said.code, said.out.split()[0]) == (0, "dcat")


@pytest.mark.sqlite
def test_help_loads_no_database_and_no_dicom() -> None:
    code = (
        "import sys; from catalog.cli.main import main; main(['--help']); "
        "print(sorted({'sqlalchemy', 'alembic', 'pydicom'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT, timeout=60)  # fmt: skip
    assert done.stderr.strip() == "[]"


def test_python_m_catalog() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("dcat ")


# -- exit codes and streams -------------------------------------------------------------------


def test_no_match_is_no_error(dcat: Dcat, db: Path) -> None:
    for form in ("table", "paths", "ndjson"):
        said = dcat("find", "--patient", "nobody", "-o", form, "--db", db)
        assert (said.code, said.out) == (0, "")
        assert said.err == "Nothing in the catalogue fits.\n"
    assert json.loads(dcat("find", "--patient", "nobody", "-o", "json", "--db", db).out) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("find", "-k", "PatientNam=X"),
        ("find", "-k", "nonsense"),
        ("find", "--date", "someday"),
        ("find", "--date", "20240201-20240101"),
        ("find", "--study", "not a uid"),
        ("find", "-k", "Rows=many"),
        ("find", "--where", "no SQL at"),
        ("find", "--sql", "SELECT 1 AS x"),
        ("find", "--from", "/nonexistent/list"),
        ("find", "-0"),
        ("find", "wardrobes"),
        ("find", "--no-such-option"),
        ("find", "-o", "xml"),
        ("frobnicate",),
        ("index",),
        ("export",),
        ("export", "medium", "--file-set-id", "lower case"),
        ("verify", "--media", "x", "--patient", "1"),
        ("sql",),
        ("sql", "SELECT 1", "-p", "noequals"),
        ("audit", "no-such-audit"),
        ("audit", "disclosures"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(arguments: tuple[str, ...], dcat: Dcat, db: Path) -> None:
    said = dcat(*arguments, *(["--db", db] if arguments != ("frobnicate",) else []))
    assert (said.code, said.out) == (2, "")
    assert said.err.strip()
    assert "Traceback" not in said.err


def _one_sentence(err: str) -> None:
    assert err.startswith("dcat: ")
    assert err.rstrip().endswith((".", ")"))
    assert err.count("\n") == 1
    assert "Traceback" not in err


READING = [("find",), ("verify",), ("audit", "volumes"), ("sql", "SELECT 1"), ("db", "info"),
           ("db", "check"), ("db", "upgrade"), ("export", "medium")]  # fmt: skip


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_missing_catalogue_is_an_error_and_is_not_made(
    arguments: tuple[str, ...], dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = dcat(*arguments, "--db", "none.db")
    assert (said.code, said.out) == (1, "")
    _one_sentence(said.err)
    assert "none.db" in said.err
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize("content", [b"", b"hello, this is some text\n" * 100, b"SQLite format 3\0" + bytes(84)], ids=["empty", "text", "header only"])  # fmt: skip
def test_not_a_catalogue(content: bytes, dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(content)
    said = dcat("find", "--db", tmp_path / "x.db")
    assert (said.code, said.out) == (1, "")
    _one_sentence(said.err)
    assert (tmp_path / "x.db").read_bytes() == content


def test_a_database_of_someone_else(dcat: Dcat, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    said = dcat("find", "--db", tmp_path / "x.db")
    assert said.code == 1
    assert "not a dcat catalogue" in said.err


@pytest.mark.sqlite
def test_a_newer_schema(dcat: Dcat, db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    for arguments in (("find",), ("db", "upgrade"), ("db", "info")):
        said = dcat(*arguments, "--db", db)
        assert said.code == 1
        _one_sentence(said.err)
        assert "9999" in said.err


@pytest.mark.parametrize("command", ["index", "import"])
def test_a_missing_path_makes_no_catalogue(command: str, dcat: Dcat, tmp_path: Path) -> None:
    said = dcat(command, tmp_path / "none", "--db", tmp_path / "c.db")
    assert (said.code, said.out) == (1, "")
    _one_sentence(said.err)
    assert not (tmp_path / "c.db").exists()


def test_a_folder_without_dicomdir_makes_no_catalogue(dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    said = dcat("import", tmp_path / "folder", "--db", tmp_path / "c.db")
    assert said.code == 1
    assert "dcat index" in said.err
    assert not (tmp_path / "c.db").exists()


def test_debug_shows_the_traceback(dcat: Dcat, tmp_path: Path) -> None:
    done = run("--debug", "find", "--db", str(tmp_path / "none.db"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "There is no catalogue" in done.stderr


def test_index_with_failures_is_3(dcat: Dcat, tmp_path: Path) -> None:
    write(tmp_path / "a/good.dcm")
    (tmp_path / "a/cut.dcm").write_bytes((tmp_path / "a/good.dcm").read_bytes()[:200])
    said = dcat("index", tmp_path / "a", "--db", tmp_path / "c.db", "-j", "1", "--json")
    assert said.code == 3
    assert json.loads(said.out)["files"] == 2


def test_an_interrupt_is_130_and_says_so(
    db: Path, dcat: Dcat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("catalog.database.fetch.found", interrupt)
    said = dcat("find", "--db", db)
    assert said.code == 130
    assert "interrupted" in said.err


@pytest.mark.parametrize("form", ["csv", "ndjson", "paths", "table"])
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_has_seen_enough(form: str, reader: str, indexed_once: Path) -> None:
    script = f'"{sys.executable}" -m catalog find files -o {form} --db "{indexed_once / "c.db"}" | {reader} >/dev/null; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=CHECKOUT, timeout=60)  # fmt: skip
    assert (done.returncode in (0, 141), done.stdout) == (True, "")
    # Of the messages, the count of rows may still come; nothing else.
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr


# -- which catalogue --------------------------------------------------------------------------


def test_option_over_environment_over_configuration(
    dcat: Dcat, tmp_path: Path, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("option", "environment", "configured"):
        shutil.copy(db, tmp_path / f"{name}.db")
    config = tmp_path / "config.toml"
    config.write_text(f'database = "{tmp_path / "configured.db"}"\n')
    monkeypatch.setenv("DCAT_CONFIG", str(config))

    def used(*arguments: object) -> str:
        said = dcat("db", "info", *arguments)
        assert said.code == 0
        return next(line for line in said.out.splitlines() if line.startswith("catalogue")).split()[
            -1
        ]

    assert used() == str(tmp_path / "configured.db")
    monkeypatch.setenv("DCAT_DB", str(tmp_path / "environment.db"))
    assert used() == str(tmp_path / "environment.db")
    assert used("--db", tmp_path / "option.db") == str(tmp_path / "option.db")
    assert used("--db", f"sqlite:///{tmp_path / 'option.db'}") == str(tmp_path / "option.db")


@pytest.mark.parametrize(
    "text", ["nonsense = 1", "database = 1", "not toml", "[index]\njobs = 'x'"]
)
def test_a_configuration_that_cannot_be_used(
    text: str, dcat: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text(text)
    monkeypatch.setenv("DCAT_CONFIG", str(tmp_path / "config.toml"))
    said = dcat("find")
    assert said.code == 1
    assert "config.toml" in said.err
    _one_sentence(said.err)


# -- export, import, verify, audit from the command line ----------------------------------------


def test_dry_run_writes_nothing_and_its_json_is_complete(
    dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    before = files_below(tmp_path)
    said = dcat("export", tmp_path / "medium", "--dry-run", "-o", "json", "--db", db)
    assert said.code == 0
    plan = json.loads(said.out)
    assert plan["instances"] == len(plan["items"]) == 24
    assert plan["left_out"] == []
    assert plan["size_bytes"] == sum(Path(item["source"]).stat().st_size for item in plan["items"])
    assert not (tmp_path / "medium").exists()
    assert {name.split("-")[0] for name in files_below(tmp_path)} == {
        n.split("-")[0] for n in before
    }
    assert rows(db, "SELECT * FROM export") == []
    assert dcat("export", tmp_path / "medium", "--db", db).code == 0
    others = {"DICOMDIR", "MANIFEST.SHA256"}
    assert files_below(tmp_path / "medium") == {i["file_id"] for i in plan["items"]} | others


def test_what_is_left_out_is_3_and_listed(dcat: Dcat, tmp_path: Path) -> None:
    write(tmp_path / "a/1.dcm")
    write(tmp_path / "a/2.dcm", SOPInstanceUID="1.2.9", SOPClassUID="1.2.3.4")
    assert dcat("index", tmp_path / "a", "--db", tmp_path / "c.db", "-j", "1").code == 0
    dry = dcat("export", tmp_path / "m", "--dry-run", "-o", "json", "--db", tmp_path / "c.db")
    assert dry.code == 3
    (out,) = json.loads(dry.out)["left_out"]
    assert (out["sop_instance_uid"], out["code"]) == ("1.2.9", "no-record-type")
    said = dcat("export", tmp_path / "m", "--db", tmp_path / "c.db")
    assert said.code == 3
    assert said.out == ""
    assert "1.2.9" in said.err
    only = dcat("export", tmp_path / "n", "--instance", "1.2.9", "--db", tmp_path / "c.db")
    assert only.code == 3
    assert not (tmp_path / "n").exists()
    none = dcat("export", tmp_path / "n", "--patient", "nobody", "--db", tmp_path / "c.db")
    assert none.code == 0
    assert not (tmp_path / "n").exists()


def test_a_destination_in_use_is_1(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/x").touch()
    said = dcat("export", tmp_path / "m", "--db", db)
    assert said.code == 1
    _one_sentence(said.err)


def test_disclosures_of_a_patient(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    dcat(
        "export",
        tmp_path / "m",
        "--patient",
        "P1",
        "--reason",
        "why",
        "--recipient",
        "who",
        "--db",
        db,
    )
    said = dcat("audit", "disclosures", "-p", "patient=P1", "-o", "json", "--db", db)
    assert said.code == 0
    found = json.loads(said.out)
    assert [
        (r["Reason"], r["Recipient"], r["StudyInstanceUID"], r["Instances"]) for r in found
    ] == [
        ("why", "who", "1.2.3.1.1", 6),
        ("why", "who", "1.2.3.1.2", 6),
    ]
    assert found[0]["Destination"] == str((tmp_path / "m").resolve())
    assert (
        json.loads(dcat("audit", "disclosures", "-p", "patient=P2", "-o", "json", "--db", db).out)
        == []
    )


def test_the_ledger_keeps_the_command_line(tmp_path: Path, db: Path) -> None:
    assert run("export", str(tmp_path / "m"), "--patient", "P1", "--db", str(db)).returncode == 0
    (entry,) = rows(db, "SELECT selection FROM export")
    assert "--patient P1" in entry["selection"]


def test_verify_0_and_4(dcat: Dcat, tmp_path: Path) -> None:
    write(tmp_path / "a/1.dcm")
    dcat("index", tmp_path / "a", "--db", tmp_path / "c.db", "-j", "1")
    assert dcat("verify", "--db", tmp_path / "c.db").code == 0
    (tmp_path / "a/1.dcm").unlink()
    for extra in ((), (tmp_path / "a",), ("--patient", "P1")):
        said = dcat("verify", *extra, "-o", "json", "--db", tmp_path / "c.db")
        assert said.code == 4
        assert [row["State"] for row in json.loads(said.out)] == ["missing"]
    said = dcat("verify", tmp_path / "never", "--db", tmp_path / "c.db")
    assert said.code == 1
    _one_sentence(said.err)


def test_verify_media_0_and_4(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    dcat("export", tmp_path / "m", "--db", db)
    assert dcat("verify", "--media", tmp_path / "m").code == 0
    next((tmp_path / "m").rglob("I*")).unlink()
    said = dcat("verify", "--media", tmp_path / "m", "-o", "json")
    assert said.code == 4
    assert {row["Code"] for row in json.loads(said.out)} == {"file-missing", "manifest-missing"}


def test_import_0_and_3(dcat: Dcat, tmp_path: Path) -> None:
    shutil.copytree(DICOMDIR_TESTS, tmp_path / "m")
    said = dcat("import", tmp_path / "m", "--db", tmp_path / "c.db")
    assert (said.code, said.out) == (0, "")
    shutil.rmtree(tmp_path / "m/77654033")
    assert dcat("import", tmp_path / "m", "--db", tmp_path / "c.db").code == 3


def test_audits_that_find_something_are_4(dcat: Dcat, tmp_path: Path) -> None:
    write(tmp_path / "a/1.dcm")
    write(tmp_path / "a/2.dcm", PatientID="P2", SOPInstanceUID="1.2.9")
    dcat("index", tmp_path / "a", "--db", tmp_path / "c.db", "-j", "1")
    assert dcat("audit", "studies-under-several-patients", "--db", tmp_path / "c.db").code == 4
    assert dcat("audit", "missing-files", "--db", tmp_path / "c.db").code == 0
    assert dcat("audit", "volumes", "--db", tmp_path / "c.db").code == 0


def test_demo(tmp_path: Path) -> None:
    done = run("demo", str(tmp_path / "demo"))
    assert done.returncode == 0
    assert "DIFFERENT" not in done.stderr
    assert done.stderr.count("the same") == 4
    assert "Traceback" not in done.stderr
    again = run("demo", str(tmp_path / "demo"))
    assert again.returncode == 1
    assert "is not empty" in again.stderr


# -- db ---------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_db_check(dcat: Dcat, db: Path) -> None:
    said = dcat("db", "check", "--db", db)
    assert said.code == 0
    assert "sound" in said.err
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("UPDATE study SET patient_ref = 4711")
        connection.commit()
    assert dcat("db", "check", "--db", db).code == 4


@pytest.mark.sqlite
def test_db_backup(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    assert dcat("db", "backup", tmp_path / "copy.db", "--db", db).code == 0
    query = "SELECT sop_instance_uid FROM instance ORDER BY 1"
    assert rows(tmp_path / "copy.db", query) == rows(db, query)
    content = (tmp_path / "copy.db").read_bytes()
    again = dcat("db", "backup", tmp_path / "copy.db", "--db", db)
    assert again.code == 1
    _one_sentence(again.err)
    assert (tmp_path / "copy.db").read_bytes() == content


@pytest.mark.sqlite
def test_db_upgrade_of_a_current_catalogue(dcat: Dcat, db: Path) -> None:
    said = dcat("db", "upgrade", "--db", db)
    assert said.code == 0
    assert "up to date" in said.err


@pytest.mark.sqlite
def test_db_schema_names_every_table(dcat: Dcat, db: Path) -> None:
    said = dcat("db", "schema")
    assert said.code == 0
    for row in rows(db, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"):
        if "_words_" in row["name"]:
            continue  # where SQLite keeps a full-text index
        if row["name"] not in ("alembic_version",) and not row["name"].startswith("sqlite_"):
            assert row["name"] in said.out
    assert os.linesep in said.out
