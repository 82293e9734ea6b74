"""dcat dicomdir: exit codes, what goes where, and what people read."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from catalog.cli.main import main
from tests import builders
from tests.maintaining.test_updating import new_file, snapshot
from tests.media.defects import DEFECTS
from tests.media.medium import Medium, values_of

BY_NAME = {defect.name: defect for defect in DEFECTS}


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    return Medium(tmp_path / "medium").write()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["dicomdir", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_show_a_tree(medium: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "show", medium)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    size = sum((medium / "DICOM" / f"IM{n}").stat().st_size for n in (1, 2))
    assert lines[0].startswith("File-set 'MEDIA'  1.2.3.4")
    assert lines[1].startswith("  PATIENT  P1  Doe: 4 instances, ")
    assert lines[3] == f"      SERIES  1  CT  1.1.1: 2 IMAGE, {size / 1000:.1f} kB"


def test_a_name_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    m = Medium(tmp_path / "m")
    m.patient.with_(0x00100010, "PN", b"[red]\x1b[31mDoe")
    for form in ("tree", "dump", "json", "ndjson", "xml"):
        _, out, _ = run(capsys, "show", m.write(), "--format", form)
        assert "\x1b" not in out
        assert "[red]" in out


def test_show_for_programs(medium: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "show", medium, "--format", "json")
    document = json.loads(out)
    assert (document["file_set_id"], len(document["records"])) == ("MEDIA", 12)
    _, out, _ = run(capsys, "show", medium, "-f", "ndjson")
    assert [json.loads(line) for line in out.splitlines()] == document["records"]
    assert document["records"][3]["file_id"] == "DICOM/IM1"
    _, out, _ = run(capsys, "show", medium, "-f", "xml")
    root = ET.fromstring(out)
    assert [len(list(root.iter(name))) for name in ("DirectoryRecord", "NativeDicomModel")] == [
        12,
        12,
    ]
    assert root[0].attrib["type"] == "PATIENT"


def test_show_a_dump(medium: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "show", medium / "DICOMDIR", "-f", "dump")
    assert "       132  (0002,0000) UL " in out
    assert "(0010,0010) PN [Doe] # 4 PatientName" in out


@pytest.mark.parametrize("form", ["tree", "json", "ndjson", "xml", "dump"])
@pytest.mark.parametrize("defect", [d for d in DEFECTS if d.is_error], ids=lambda d: d.name)
def test_show_survives(
    defect: object, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = defect.write(tmp_path)  # type: ignore[attr-defined]
    code, out, _ = run(capsys, "show", folder, "-f", form)
    assert code == 0
    assert out
    if form == "json":
        json.loads(out)
    if form == "xml":
        ET.fromstring(out)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("faultless", 0),
        ("last_root_offset_wrong", 0),
        ("no_patient_id", 4),
        ("a_file_that_no_record_names", 4),
    ],
)
def test_check(name: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, out, err = run(capsys, "check", BY_NAME[name].write(tmp_path))
    assert found == code
    assert all(each in out for each in BY_NAME[name].codes)
    assert "error" in err


def test_check_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = BY_NAME["no_patient_id"].write(tmp_path)
    _, out, _ = run(capsys, "check", folder, "-o", "json")
    (row,) = json.loads(out)
    assert (row["Severity"], row["Code"], row["Clause"]) == ("error", "key-missing", "PS3.3 F.5.1")
    assert row["OffsetBytes"] > 300
    _, out, _ = run(capsys, "check", folder, "-o", "csv")
    assert next(csv.DictReader(io.StringIO(out)))["Code"] == "key-missing"
    _, out, _ = run(capsys, "check", folder, "-o", "ndjson")
    assert json.loads(out)["Code"] == "key-missing"


def test_verify_media_keeps_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--media", str(BY_NAME["last_root_offset_wrong"].write(tmp_path))]) == 4
    capsys.readouterr()


def test_create(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        builders.write(tmp_path / f"i{number}.dcm", **values_of(number))
    before = snapshot(tmp_path)
    code, out, err = run(capsys, "create", tmp_path)
    assert code == 1
    assert "illegal-file-id: i1.dcm" in err
    assert "--rename" in err
    code, out, _ = run(capsys, "create", tmp_path, "--rename", "--dry-run")
    assert code == 0
    assert snapshot(tmp_path) == before
    mapping = out
    code, out, _ = run(capsys, "create", tmp_path, "--rename", "--file-set-id", "DISC")
    assert (code, out) == (0, mapping)
    assert out.startswith("i1.dcm\tDICOM/P")
    assert run(capsys, "check", tmp_path)[0] == 0
    code, _, err = run(capsys, "create", tmp_path)
    assert code == 1
    assert "--replace" in err
    assert run(capsys, "create", tmp_path, "--replace")[0] == 0
    code, out, err = run(capsys, "create", tmp_path, "--undo-rename")
    assert code == 0
    assert out.count("\t") == 2
    after = {k: v for k, v in snapshot(tmp_path).items() if not k.endswith(".bak")}
    assert after == before


def test_create_part_of_it(medium: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builders.write(
        medium / "ODD", SOPClassUID="1.2.840.10008.5.1.4.1.1.200.1", SOPInstanceUID="1.2.9"
    )
    code, _, err = run(capsys, "create", medium, "--replace")
    assert code == 1
    assert "no-record-type: ODD" in err
    assert "F.2.1" in err
    assert run(capsys, "create", medium, "--replace", "--partial")[0] == 3


def test_add_remove_diff(medium: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = new_file(tmp_path)
    before = snapshot(medium)
    code, out, _ = run(capsys, "add", medium, source, "--dry-run")
    assert code == 0
    assert snapshot(medium) == before
    mapping = out
    code, out, err = run(capsys, "add", medium, source)
    assert (code, out) == (0, mapping)
    assert "1 file added" in err
    code, out, err = run(capsys, "add", medium, source)
    assert code == 0
    assert "already there" in err
    code, out, _ = run(capsys, "diff", medium / "DICOMDIR.1.bak", medium)
    assert code == 4
    assert "only-b" in out
    code, out, _ = run(capsys, "diff", medium / "DICOMDIR.1.bak", medium, "-o", "json")
    assert [row["Change"] for row in json.loads(out)] == ["only-b"]
    code, _, err = run(capsys, "remove", medium, "1.2.3.4.5.6")
    assert code == 2
    assert "--keep-files" in err
    code, out, _ = run(capsys, "remove", medium, "1.2.3.4.5.6", "--dry-run")
    assert (code, out) == (0, mapping.split("\t")[1])
    assert run(capsys, "remove", medium, "1.2.3.4.5.6", "--delete-files")[0] == 0
    assert run(capsys, "diff", medium / "DICOMDIR.1.bak", medium)[0] == 0
    assert run(capsys, "remove", medium, "2.1", "--keep-files")[0] == 3


def test_conflicts_and_damage(
    medium: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "add", medium, new_file(tmp_path, PatientID="P9"))
    assert code == 3
    assert "study-twice: " in err
    damaged = BY_NAME["orphan_subtree"].write(tmp_path / "damaged")
    code, _, err = run(capsys, "add", damaged, new_file(tmp_path))
    assert code == 1
    assert "--repair" in err
    code, _, err = run(capsys, "add", damaged, new_file(tmp_path), "--repair")
    assert code == 0
    assert "orphan" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "nowhere"], 1, "nowhere"),
        (["check", "nowhere"], 1, "nowhere"),
        (["create", "nowhere"], 1, "not a folder"),
        (["add", "nowhere", "x"], 1, "nowhere"),
        (["remove", "nowhere", "1.2"], 1, "nowhere"),
        (["diff", "nowhere", "nowhere"], 1, "nowhere"),
        (["create", ".", "--file-set-id", "my disc"], 2, "File-set ID"),
        (["create", ".", "--undo-rename", "--replace"], 2, "--undo-rename"),
        (["remove", ".", "1.2", "--keep-files", "--delete-files"], 2, "one of"),
        (["show", ".", "--format", "yaml"], 2, "yaml"),
        (["add", "."], 2, "FILES"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(
    arguments: list[str], code: int, message: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert message in err


GARBAGE = {
    "empty": b"",
    "text": b"this is no DICOM at all, but a note that somebody has left here",
    "zeros": bytes(4096),
    "a file's header alone": bytes(128) + b"DICM",
    "an image": builders.dicom_bytes(),
}
READS = [
    ["show", "{}"],
    *(["show", "{}", "--format", form] for form in ("json", "ndjson", "xml")),
    ["check", "{}"],
    ["check", "{}/DICOMDIR", "--profile", "STD-GEN-CD"],
    ["diff", "{}", "{}"],
    ["add", "{}", "{}/IM1"],
    ["add", "{}", "{}/IM1", "--repair", "--dry-run"],
    ["remove", "{}", "1.2.3", "--keep-files"],
]


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_named_with_what_to_do(
    content: bytes, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "disc"
    builders.write(folder / "IM1")
    (folder / "DICOMDIR").write_bytes(content)
    before = snapshot(folder)
    code, out, err = run(capsys, *(each.format(folder) for each in arguments))
    assert (code, out) == (1, "")
    assert err.startswith(f"dcat: {folder / 'DICOMDIR'} cannot be read as a DICOMDIR: ")
    assert "`dcat dicomdir create FOLDER`" in err  # what to do
    assert snapshot(folder) == before


@pytest.mark.parametrize("content", list(GARBAGE.values())[:3], ids=list(GARBAGE)[:3])
def test_garbage_has_no_dump(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "DICOMDIR").write_bytes(content)
    code, out, err = run(capsys, "show", tmp_path, "-f", "dump")
    assert (code, out) == (1, "")
    assert f"{tmp_path / 'DICOMDIR'} cannot be read as a DICOMDIR: " in err


def test_a_diff_names_the_one_that_is_garbage(
    medium: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").write_bytes(GARBAGE["text"])
    code, _, err = run(capsys, "diff", medium, tmp_path / "other")
    assert code == 1
    assert f"{tmp_path / 'other'} cannot be read" in err


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_gives_way_to_a_new_directory(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builders.write(tmp_path / "IM1")
    (tmp_path / "DICOMDIR").write_bytes(content)
    code, _, err = run(capsys, "create", tmp_path)
    assert code == 1
    assert f"{tmp_path / 'DICOMDIR'} exists. --replace" in err
    code, _, err = run(capsys, "create", tmp_path, "--replace")
    assert code == 0, err
    assert (tmp_path / "DICOMDIR.1.bak").read_bytes() == content
    assert run(capsys, "show", tmp_path)[0] == 0


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_import_and_verify_say_the_same(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "DICOMDIR").write_bytes(content)
    for arguments in (
        ["verify", "--media", tmp_path],
        ["import", tmp_path, "--db", tmp_path / "c.db"],
    ):
        code = main([str(each) for each in arguments])
        assert code == 1
        err = capsys.readouterr().err
        assert f"{tmp_path / 'DICOMDIR'} cannot be read as a DICOMDIR: " in err
    assert not (tmp_path / "c.db").exists()
