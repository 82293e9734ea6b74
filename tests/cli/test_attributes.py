"""Attributes that the configuration adds, at the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file that is in use."""
    path = tmp_path / "dcat.toml"
    monkeypatch.setenv("DCAT_CONFIG", str(path))
    path.write_text("")
    return path


def ask_for(path: Path, *names: str) -> None:
    path.write_text(f"[index]\nattributes = {json.dumps(names)}\n")


@pytest.fixture
def world(indexed_once: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A folder of 24 files and a catalogue that was indexed without further attributes."""
    shutil.copytree(indexed_once / "archive", tmp_path / "archive")
    return tmp_path / "archive", tmp_path / "c.db"


@pytest.mark.sqlite  # a path of JSON is SQLite's, and JSON has no DISTINCT on PostgreSQL
def test_from_the_list_to_the_answer(
    dcat: Dcat, configured: Path, world: tuple[Path, Path]
) -> None:
    folder, db = world
    assert dcat("index", folder, "--db", db, "-j", "1").code == 0
    unknown = dcat("find", "-k", "BitsStored=16", "--db", db)
    assert unknown.code == 2
    assert "add it to `attributes` under [index] in the configuration file" in unknown.err
    ask_for(configured, "BitsStored", "HighBit@series")
    said = dcat("index", folder, "--db", db, "-j", "1")
    assert said.code == 0
    assert "24 files were read before the configuration asked for BitsStored, HighBit" in said.err
    assert "--reread-attributes" in said.err
    told = dcat("db", "info", "--db", db)
    assert "BitsStored@instance: 24 files were read without it" in told.out
    counts = dcat("index", folder, "--db", db, "-j", "1", "--json")
    assert json.loads(counts.out)["lacking"] == 24
    assert "24 files were read before" in counts.err
    assert dcat("find", "-k", "BitsStored=16", "--db", db).code == 2  # no file was read with it
    again = dcat("index", folder, "--db", db, "-j", "1", "--reread-attributes")
    assert "24 were opened" in again.err
    assert "were read before" not in again.err
    assert "BitsStored@instance: every file was read with it" in dcat("db", "info", "--db", db).out
    found = dcat("find", "instances", "-k", "BitsStored=16", "-k", "HighBit=15", "--db", db)
    assert found.code == 0
    assert "BitsStored" in found.out
    assert "24 instances" in found.err
    assert "fits" in dcat("find", "-k", "HighBit=14", "--db", db).err
    rows = json.loads(dcat("find", "series", "-o", "json", "--db", db).out)
    assert {row["HighBit"] for row in rows} == {15}
    assert all("BitsStored" not in row for row in rows)
    sql = dcat("sql", "SELECT DISTINCT InstanceAttributes ->> '$.BitsStored' AS bits, SeriesAttributes FROM v_instance", "-o", "csv", "--db", db)  # fmt: skip
    assert sql.out.splitlines() == ["bits,SeriesAttributes", '16,"{""HighBit"": 15}"']
    where = dcat("find", "instances", "--where", "InstanceAttributes ->> '$.BitsStored' = 16", "-o", "csv", "--db", db)  # fmt: skip
    assert len(where.out.splitlines()) == 25
    # The catalogue says what it keeps: whoever reads it needs no list.
    configured.write_text("")
    assert "24 instances" in dcat("find", "instances", "-k", "bitsstored=16", "--db", db).err
    assert dcat("verify", "-k", "HighBit=15", "--db", db).code == 0
    assert dcat("export", "-k", "HighBit=15", "--dry-run", db.parent / "out", "--db", db).code == 0
    assert "no longer in the configuration" in dcat("db", "info", "--db", db).out
    assert dcat("db", "check", "--db", db).code == 0


def test_a_keyword_that_nobody_keeps_in_a_catalogue_that_is_not_there(
    dcat: Dcat, tmp_path: Path
) -> None:
    said = dcat("find", "-k", "Nonsense=1", "--db", tmp_path / "none.db")
    assert said.code == 2
    assert "Nonsense" in said.err
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["PatientAgee"], "Did you mean PatientAge?"),
        (["PatientName"], "PatientName is always kept"),
        (["PixelData"], "no attribute to catalogue"),
        (["PatientAge", "PatientAge@series"], "two levels"),
    ],
)
def test_a_list_that_cannot_be_kept(
    dcat: Dcat, configured: Path, tmp_path: Path, names: list[str], said: str
) -> None:
    ask_for(configured, *names)
    for arguments in (("index", tmp_path), ("db", "info")):
        answer = dcat(*arguments, "--db", tmp_path / "new.db")
        assert answer.code == 1
        assert said in answer.err
        assert f"{configured}, index.attributes" in answer.err
    assert not (tmp_path / "new.db").exists()
