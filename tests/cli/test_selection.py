"""dcat selection: saved selections, and `@NAME` wherever a selection may stand."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Dcat
from tests.journeys.steps import rows


def found(dcat: Dcat, db: Path, *arguments: str) -> list[str]:
    """Return the SOP Instance UIDs that `dcat find instances` gives."""
    said = dcat("find", "instances", *arguments, "--columns", "SOPInstanceUID", "-o", "tsv", "--db", db)  # fmt: skip
    assert said.code == 0, said.err
    return said.out.splitlines()[1:]


def test_saved_used_shown_and_forgotten(dcat: Dcat, db: Path) -> None:
    said = dcat("selection", "save", "first-ct", "--modality", "CT", "--patient", "P1", "--db", db)
    assert said == (0, "", "@first-ct is saved; 6 instances fit now.\n")
    assert found(dcat, db, "@first-ct") == found(dcat, db, "--modality", "CT", "--patient", "P1")
    listed = json.loads(dcat("selection", "list", "-o", "json", "--db", db).out)
    assert [(each["Name"], each["Selection"]) for each in listed] == [("first-ct", "--patient P1 --modality CT")]  # fmt: skip
    shown = dcat("selection", "show", "@first-ct", "--db", db)
    assert shown.out == "@first-ct  --patient P1 --modality CT\n"
    assert "6 instances fit now" in shown.err
    assert dcat("selection", "remove", "first-ct", "--db", db).code == 0
    assert dcat("selection", "list", "--db", db).out == ""
    assert dcat("find", "@first-ct", "--db", db).code == 2


def test_beside_options_and_each_other(dcat: Dcat, db: Path) -> None:
    assert dcat("selection", "save", "ct", "--modality", "CT", "--db", db).code == 0
    assert dcat("selection", "save", "p", "--patient", "P1", "--patient", "P2", "--db", db).code == 0  # fmt: skip
    both = found(dcat, db, "--modality", "CT", "--patient", "P2")
    assert found(dcat, db, "@ct", "@p", "--patient", "P2") == both
    assert found(dcat, db, "--patient", "P2", "@ct") == both
    assert found(dcat, db, "@ct", "--modality", "MR") == []  # both, not either
    assert dcat("find", "@ct", "--count", "--db", db).out == "4\n"  # the studies
    assert dcat("find", "patients", "@ct", "@p", "--count", "--db", db).out == "2\n"


def test_one_is_part_of_another(dcat: Dcat, db: Path) -> None:
    assert dcat("selection", "save", "ct", "--modality", "CT", "--db", db).code == 0
    said = dcat("selection", "save", "late-ct", "@ct", "--date", "20240102-", "--db", db)
    assert said.err == "@late-ct is saved; 6 instances fit now.\n"
    assert found(dcat, db, "@late-ct") == found(dcat, db, "--modality", "CT", "--date", "20240102-")
    shown = dcat("selection", "show", "late-ct", "--db", db).out.splitlines()
    assert shown == ["@late-ct  @ct --date 20240102-", "@ct  --modality CT"]
    refused = dcat("selection", "remove", "ct", "--db", db)
    assert (refused.code, refused.out) == (2, "")
    assert "part of @late-ct" in refused.err
    # It follows what it refers to.
    assert dcat("selection", "save", "ct", "--modality", "MR", "--replace", "--db", db).code == 0
    assert found(dcat, db, "@late-ct") == found(dcat, db, "--modality", "MR", "--date", "20240102-")


def test_none_is_part_of_itself(dcat: Dcat, db: Path) -> None:
    assert dcat("selection", "save", "a", "--modality", "CT", "--db", db).code == 0
    assert dcat("selection", "save", "b", "@a", "--db", db).code == 0
    assert dcat("selection", "save", "c", "@b", "--db", db).code == 0
    said = dcat("selection", "save", "a", "@c", "--replace", "--db", db)
    assert (said.code, said.out) == (2, "")
    assert "@a would be part of itself: @a → @c → @b → @a." in said.err
    assert "--modality CT" in dcat("selection", "show", "a", "--db", db).out
    assert dcat("selection", "save", "self", "@self", "--db", db).code == 2


def test_a_cycle_that_others_made_ends(dcat: Dcat, db: Path) -> None:
    assert dcat("selection", "save", "a", "--modality", "CT", "--db", db).code == 0
    assert dcat("selection", "save", "b", "@a", "--db", db).code == 0
    with closing(sqlite3.connect(db)) as raw:
        raw.execute("UPDATE saved_selection SET definition = '{\"saved\": [\"b\"]}' WHERE name = 'a'")  # fmt: skip
        raw.commit()
    said = dcat("find", "@a", "--db", db)
    assert (said.code, said.out) == (2, "")
    assert "would be part of itself" in said.err


def test_what_a_later_dcat_saved_is_refused(dcat: Dcat, db: Path) -> None:
    assert dcat("selection", "save", "a", "--modality", "CT", "--db", db).code == 0
    with closing(sqlite3.connect(db)) as raw:
        raw.execute('UPDATE saved_selection SET definition = \'{"telepathy": ["b"]}\'')
        raw.commit()
    said = dcat("find", "@a", "--db", db)
    assert (said.code, said.out) == (2, "")
    assert "@a was saved by another version of dcat" in said.err


def test_what_is_typed_is_understood_anew(dcat: Dcat, db: Path) -> None:
    """What is stored are the options: nothing of what fitted when it was saved."""
    arguments = ("--where", "SeriesNumber = 1 AND PatientID <> 'it''s'", "-k", "PatientName=doe*", "--exact")  # fmt: skip
    said = dcat("selection", "save", "x", *arguments, "--db", db)
    assert said.code == 0, said.err
    (row,) = rows(db, "SELECT definition FROM saved_selection")
    assert json.loads(row["definition"]) == {"key": ["PatientName=doe*"], "exact": True, "where": [arguments[1]]}  # fmt: skip
    assert found(dcat, db, "@x") == found(dcat, db, *arguments)


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a/b", "../x", ".hidden", "-x", "a b", "a\nb", "[red]a", "\x1b[31m", "a;b", "'", "ü", "@@a", "a@b", "x" * 65, "%", "*"])  # fmt: skip
def test_names_that_cannot_be(name: str, dcat: Dcat, db: Path) -> None:
    said = dcat("selection", "save", "--modality", "CT", "--db", db, "--", name)
    assert (said.code, said.out) == (2, "")
    assert "cannot be the name of a selection" in said.err
    assert "\x1b" not in said.err
    assert rows(db, "SELECT * FROM saved_selection") == []


@pytest.mark.parametrize("name", ["a", "A.b-c_1", "2024", "x" * 64, "@at"])
def test_names_that_can_be(name: str, dcat: Dcat, db: Path) -> None:
    assert dcat("selection", "save", name, "--modality", "CT", "--db", db).code == 0
    assert len(found(dcat, db, f"@{name.removeprefix('@')}")) == 12


def test_a_name_that_is_taken(dcat: Dcat, db: Path) -> None:
    assert dcat("selection", "save", "a", "--modality", "CT", "--db", db).code == 0
    said = dcat("selection", "save", "a", "--modality", "MR", "--db", db)
    assert (said.code, said.out) == (2, "")
    assert "--replace" in said.err
    assert dcat("selection", "show", "a", "--db", db).out == "@a  --modality CT\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["@"], "@ is followed by the name"),
        (["@ct-thoraks"], "Did you mean @ct-thorax?"),
        (["@CT-THORAX"], "Did you mean @ct-thorax?"),
        (["@nothing-like-it"], "There is no selection @nothing-like-it. `dcat selection list`"),
        (["@../../etc/passwd"], "cannot be the name"),
        (["studies", "ct-thorax"], "A saved selection is written @NAME"),
        (["studies", "@"], "@ is followed by the name"),
    ],
)
def test_names_that_are_not_known(words: list[str], said: str, dcat: Dcat, db: Path) -> None:
    assert dcat("selection", "save", "ct-thorax", "--modality", "CT", "--db", db).code == 0
    answer = dcat("find", *words, "--db", db)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert dcat("selection", "show", "nothing", "--db", db).code == 2
    assert dcat("selection", "remove", "nothing", "--db", db).code == 2


def test_none_is_saved(dcat: Dcat, db: Path) -> None:
    assert "none is saved" in dcat("find", "@x", "--db", db).err
    assert dcat("selection", "list", "--db", db).err.startswith("No selection is saved.")


# -- what cannot be saved --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [[], ["--date", "20240201-20240101"], ["-k", "Nonsense=1"], ["--where", "no SQL at"], ["@other"], ["--patient", " "], ["--from", "/nonexistent/list"], ["--sql", "SELECT 1 AS x"]],
    ids=" ".join,
)  # fmt: skip
def test_what_cannot_be_understood_is_not_saved(arguments: list[str], dcat: Dcat, db: Path) -> None:
    said = dcat("selection", "save", "x", *arguments, "--db", db)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert rows(db, "SELECT * FROM saved_selection") == []


def test_a_missing_catalogue_is_not_made(dcat: Dcat, tmp_path: Path) -> None:
    for arguments in (["save", "x", "--modality", "CT"], ["list"], ["show", "x"], ["remove", "x"]):
        said = dcat("selection", *arguments, "--db", tmp_path / "none.db")
        assert (said.code, said.out) == (1, "")
        assert "none.db" in said.err
    assert dcat("find", "@x", "--db", tmp_path / "none.db").code == 1
    assert list(tmp_path.iterdir()) == []


# -- lists -----------------------------------------------------------------------------------------


def test_of_a_list_the_lines_are_saved(
    dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = found(dcat, db)[:2]
    (tmp_path / "list").write_text("\n".join([*uids, "", "1.2.99"]))
    said = dcat("selection", "save", "mine", "--from", tmp_path / "list", "--db", db)
    assert said == (0, "", "@mine is saved; 2 instances fit now.\n")
    (tmp_path / "list").unlink()
    assert found(dcat, db, "@mine") == uids
    assert dcat("selection", "show", "mine", "--db", db).out == "@mine  --from '(3 lines)'\n"

    class Stdin:
        buffer = io.BytesIO(f"{uids[0]}\n".encode())

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert dcat("selection", "save", "one", "--from", "-", "--db", db).code == 0
    assert found(dcat, db, "@mine", "@one") == uids[:1]


def test_a_list_that_is_too_long(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("1.2.3\n" * 100_001)
    said = dcat("selection", "save", "long", "--from", tmp_path / "list", "--db", db)
    assert said.code == 2
    assert "100,001 lines" in said.err
    assert rows(db, "SELECT * FROM saved_selection") == []


# -- other commands --------------------------------------------------------------------------------


def test_export_and_its_ledger(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    assert dcat("selection", "save", "ct", "--modality", "CT", "--db", db).code == 0
    assert dcat("selection", "save", "p1-ct", "@ct", "--patient", "P1", "--db", db).code == 0
    said = dcat("export", "@p1-ct", tmp_path / "medium", "--db", db)
    assert said.code == 0, said.err
    assert "6 instances" in said.err
    (row,) = rows(db, "SELECT selection FROM export")
    assert row["selection"].startswith("export @p1-ct ")
    assert row["selection"].endswith("[@p1-ct is @ct --patient P1] [@ct is --modality CT]")


def test_export_to_a_name(dcat: Dcat, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert dcat("selection", "save", "ct", "--modality", "CT", "--db", db).code == 0
    before = set(tmp_path.iterdir())
    for arguments in (["@ct"], ["medium", "@ct"], ["ct", "medium"], ["@nobody", "medium"]):
        said = dcat("export", *arguments, "--db", db)
        assert (said.code, said.out) == (2, ""), arguments
    assert set(tmp_path.iterdir()) == before
    assert dcat("export", "@ct", tmp_path / "@medium", "--db", db).code == 0
    assert (tmp_path / "@medium" / "DICOMDIR").exists()


def test_verify(dcat: Dcat, db: Path, indexed_once: Path) -> None:
    assert dcat("selection", "save", "ct", "--modality", "CT", "--db", db).code == 0
    said = dcat("verify", "@ct", "--patient", "P1", "--db", db)
    assert (said.code, said.err) == (0, "6 files: 6 as catalogued.\n")
    assert dcat("verify", "@nobody", "--db", db).code == 2
    mixed = dcat("verify", "@ct", indexed_once / "archive", "--db", db)
    assert (mixed.code, mixed.out) == (2, "")
