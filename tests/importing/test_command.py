"""`dcat import` as people type it: what it says, where, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import archive, write
from tests.cli.conftest import Dcat, dcat  # noqa: F401 - a fixture
from tests.journeys.steps import files_below


@pytest.fixture
def medium(dcat: Dcat, tmp_path: Path) -> Path:  # noqa: F811
    archive(tmp_path / "source", 1, 1, 1, 2)
    db = tmp_path / "source.db"
    assert dcat("index", tmp_path / "source", "--db", db).code == 0
    assert dcat("export", tmp_path / "medium", "--db", db).code == 0
    return tmp_path / "medium"


@pytest.fixture
def taken(dcat: Dcat, medium: Path, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:  # noqa: F811
    return lambda *options: dcat("import", medium, "--db", tmp_path / "c.db", *options)


def test_differences_are_data(taken: Dcat, medium: Path) -> None:
    code, out, err = taken("--check", "header")
    assert (code, out) == (0, "")
    assert "Records and headers say the same." in err
    data = (medium / "DICOMDIR").read_bytes()
    assert data.count(b"Doe^") == 1
    (medium / "DICOMDIR").write_bytes(data.replace(b"Doe^", b"Roe^"))
    code, out, err = taken("--check", "header", "-o", "json")
    (difference,) = json.loads(out)
    assert (difference["Record"], difference["Keyword"], difference["Files"]) == ("PATIENT", "PatientName", 2)  # fmt: skip
    assert difference["InRecord"].startswith("Roe^")
    assert difference["InFile"].startswith("Doe^")
    assert code == 0
    assert "differ in 1 value" in err


def test_a_dry_run_prints_where_copies_would_go(taken: Dcat, tmp_path: Path) -> None:
    code, out, err = taken("--copy-to", tmp_path / "new", "--name", "{PatientID}/{SOPInstanceUID}", "--dry-run", "-o", "tsv")  # fmt: skip
    lines = [line.split("\t") for line in out.splitlines()]
    assert lines[0] == ["Source", "Target", "Outcome"]
    assert sorted(line[1:] for line in lines[1:]) == [["P1/1.2.3.1.1.1.1", "planned"], ["P1/1.2.3.1.1.1.2", "planned"]]  # fmt: skip
    assert code == 0
    assert "2 instances would be copied; 0 are there already." in err
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "c.db").exists()


def test_copies_are_counted(taken: Dcat, tmp_path: Path) -> None:
    assert "2 instances copied; 0 were there already." in taken("--copy-to", tmp_path / "new")[2]
    again = taken("--copy-to", tmp_path / "new")
    assert "0 instances copied; 2 were there already." in again[2]
    assert again[:2] == (0, "")


def test_the_configuration_names_copies(
    taken: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text('[import]\nname = "{Modality}/{SOPInstanceUID}"\n')
    monkeypatch.setenv("DCAT_CONFIG", str(tmp_path / "config.toml"))
    assert taken("--copy-to", tmp_path / "new")[0] == 0
    assert {name.split("/")[0] for name in files_below(tmp_path / "new")} == {"MR"}


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--name", "{PatientID}"), 2, "--copy-to"),
        (("--check", "exists", "--copy-to", "x"), 2, "--check exists"),
        (("--named-only",), 2, "--named-only"),
        (("--reason", "x"), 2, "--patient"),
        (("--patient", "nonsense"), 2, "FOREIGN[^ISSUER]=LOCAL[^ISSUER]"),
        (("--check", "nonsense"), 2, "nonsense"),
        (("--copy-to", "x", "--name", "{PatientId}"), 1, "Did you mean {PatientID}?"),
        (("--copy-to", "x", "--name", "/etc/{PatientID}"), 1, "below the archive folder"),
    ],
)
def test_what_does_not_go_together(
    options: tuple[str, ...], code: int, says: str, taken: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    said = taken(*options)
    assert (said[0], said[1]) == (code, "")
    assert says in " ".join(said[2].split())
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "c.db").exists()


def test_a_medium_without_dicomdir(dcat: Dcat, tmp_path: Path) -> None:  # noqa: F811
    write(tmp_path / "medium/a")
    db = ("--db", tmp_path / "c.db")
    code, _, err = dcat("import", tmp_path / "medium", *db)
    assert code == 1
    assert "--copy-to" in err
    code, _, err = dcat("import", tmp_path / "medium", "--copy-to", tmp_path / "new", *db)
    assert code == 0
    assert "1 instance was found" in err
    assert "has no DICOMDIR that can be read" in err


def test_what_is_wrong_is_exit_code_3(taken: Dcat, medium: Path, tmp_path: Path) -> None:
    (first, *_) = sorted(name for name in files_below(medium) if name.startswith("DICOM/"))
    data = bytearray((medium / first).read_bytes())
    data[-1] ^= 1
    (medium / first).write_bytes(data)
    assert taken("--check", "header")[0] == 0
    code, _, err = taken("--check", "digest", "--copy-to", tmp_path / "new")
    assert code == 3
    assert "digest-differs" in err


def test_a_link_is_said(taken: Dcat) -> None:
    code, _, err = taken("--patient", "P1=L1", "--reason", "letter")
    assert code == 0
    assert "1 patient is linked" in err


def test_copies_go_to_no_url(taken: Dcat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = taken("--copy-to", "s3://archive/new")
    assert code == 2
    assert "Nothing is written behind a URL" in err
    assert not (tmp_path / "s3:").exists()
