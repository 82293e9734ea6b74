"""A dry run tells what the run itself then reports."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.errors import ExportError
from catalog.exporting import Order, Outcome, export, plan_export
from catalog.exporting.iso_image import MAX_FOLDERS, MAX_IMAGE_BYTES, check_bounds
from catalog.exporting.rehearsal import rehearse
from catalog.fileset.supplied import Supplied
from catalog.findings import Finding
from tests.builders import archive, dicom_bytes, write
from tests.exporting.test_failures import dcat
from tests.journeys.steps import FILE_SET_UID, PYDICOM_FILES, everything, indexed

SR = "1.2.840.10008.5.1.4.1.1.88.11"


def both(catalogue: Catalogue, destination: Path, **changes: Any) -> tuple[list[Finding], Outcome]:
    """Return what a rehearsal of an export of everything notices, and how the export then ends."""
    choices = {name: changes[name] for name in ("profile", "private", "transfer_syntax", "capacity_bytes") if name in changes}  # fmt: skip
    order = Order(everything(), destination, FILE_SET_UID, **changes)
    plan = plan_export(catalogue, everything(), container=order.container, **choices)
    rehearsed = rehearse(order, plan)
    assert not destination.exists()
    outcome = export(catalogue, order, plan)
    # Pixel Data are not decoded before they have to be; which can be depends on what is installed.
    failed = [each for each in outcome.failed if "cannot be decoded" not in each[1]]
    assert list(rehearsed.failed) == failed
    return list(rehearsed.findings), outcome


def of_records(findings: Any) -> Counter[Finding]:
    return Counter(f for f in findings if f.code not in ("transcoded", "file-system"))


LACKING = st.sets(st.sampled_from(["PatientID", "StudyDate", "StudyTime", "StudyID", "Modality", "SeriesNumber", "InstanceNumber"]))  # fmt: skip
EMPTY_OR_ABSENT = st.sampled_from(["", ...])


@settings(max_examples=25)
@given(files=st.lists(st.tuples(LACKING, EMPTY_OR_ABSENT, st.integers(0, 1), st.booleans()), min_size=1, max_size=5))  # fmt: skip
def test_what_is_supplied_is_told_before(files: list[Any], empty_catalogue: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number, (lacking, how, study, is_report) in enumerate(files):
            more: dict[str, Any] = dict.fromkeys(lacking, how)
            if is_report:
                more |= {"SOPClassUID": SR, "Rows": ..., "Columns": ..., "ContentDate": "20240101"}
            write(
                folder / f"archive/{number}",
                **{"StudyInstanceUID": f"1.2.{study}", "SeriesInstanceUID": f"1.2.{study}.{number}", "SOPInstanceUID": f"1.2.{study}.{number}.1"} | more,
            )  # fmt: skip
        with open_catalogue(Path(shutil.copy(empty_catalogue, folder / "c.db"))) as catalogue:
            indexed(catalogue, folder / "archive")
            told, outcome = both(catalogue, folder / "medium")
    assert of_records(told) == of_records(outcome.findings)
    for each in told:
        if isinstance(each, Supplied):
            assert each.keyword in each.message
            assert each.value in each.message
            assert each.message.endswith(f"{each.rule}.")
            assert each.place in {item.file_id.path for item in outcome.plan.items}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"profile": "STD-GEN-CD"},
        {"charset": "utf-8"},
        {"transfer_syntax": "explicit-le"},
        {"capacity_bytes": 3_500_000},
        {"container": "zip"},
        {"profile": "STD-GEN-DVD-JPEG", "transfer_syntax": "explicit-le"},
        {"private": True},
    ],
    ids=str,
)
def test_real_files_are_rehearsed_as_they_are_exported(
    changes: dict[str, Any], catalogue: Catalogue, tmp_path: Path
) -> None:
    indexed(catalogue, PYDICOM_FILES)
    place = tmp_path / ("medium.zip" if "container" in changes else "medium")
    told, outcome = both(catalogue, place, **changes)
    undecoded = any("cannot be decoded" in reason for _, reason in outcome.failed)
    if undecoded:  # of what is not copied in the end nothing is told
        assert of_records(outcome.findings) <= of_records(told)
    else:
        assert of_records(told) == of_records(outcome.findings)
    assert sum(isinstance(each, Supplied) for each in told) >= 5


def test_members_of_archives_are_rehearsed(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    with zipfile.ZipFile(tmp_path / "archive/a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("one", dicom_bytes(StudyID=...))
        made.writestr(
            "two", dicom_bytes(SOPInstanceUID="1.2.3.1.1.2", StudyID=..., InstanceNumber=...)
        )
    indexed(catalogue, tmp_path / "archive")
    told, outcome = both(catalogue, tmp_path / "medium")
    assert [f.keyword for f in told if isinstance(f, Supplied)] == ["InstanceNumber", "StudyID"]
    assert of_records(told) == of_records(outcome.findings)


def test_what_would_fail_is_told(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    files[0].unlink()
    files[1].write_bytes(dicom_bytes(SOPInstanceUID="1.2.3.99"))
    files[2].write_bytes(b"no DICOM")
    _, outcome = both(catalogue, tmp_path / "medium")  # which compares what fails, and why
    assert len(outcome.failed) == 3


def test_the_command_tells_which_which_and_why(tmp_path: Path) -> None:
    write(tmp_path / "archive/a", StudyID=..., StudyDate=..., InstanceNumber="")
    assert dcat(tmp_path, "index", "archive").returncode == 0
    said = dcat(tmp_path, "export", "--dry-run", "medium")
    assert said.returncode == 0
    assert "1 STUDY record gets the StudyID that its file lacks, made from the Study Instance UID:" in said.stderr  # fmt: skip
    assert "StudyDate that its file lacks, as there is no date:" in said.stderr
    assert f"19000101: {tmp_path}/archive/a" in said.stderr
    data = json.loads(dcat(tmp_path, "export", "--dry-run", "-o", "json", "medium").stdout)
    supplied = {each["keyword"]: each for each in data["supplied"]}
    assert supplied.keys() == {"StudyID", "StudyDate", "InstanceNumber"}
    one = supplied["InstanceNumber"]
    assert one["record_type"] == "IMAGE"
    assert one["tag"] == "00200013"
    assert one["rule"] == "made from the SOP Instance UID"
    assert one["source"] == f"{tmp_path}/archive/a"
    assert one["file_id"] == data["items"][0]["file_id"]
    assert data["failing"] == []
    run = dcat(tmp_path, "export", "medium")
    assert f"'{one['value']}'" in run.stderr
    assert "type1-supplied" in run.stderr


# -- what an ISO image cannot hold ------------------------------------------------------------


def sparse(path: Path, size_bytes: int, **values: Any) -> Path:
    """Write an instance with so many bytes altogether, most of them a hole of Pixel Data."""
    head = dicom_bytes(Rows=..., Columns=..., **values)
    pixels = size_bytes - len(head) - 12
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(head + b"\xe0\x7f\x10\0OW\0\0" + struct.pack("<I", min(pixels, 0xFFFFFFFE)))
        file.truncate(size_bytes)
    return path


@pytest.mark.parametrize(("size_bytes", "is_refused"), [(0xFFFFFFFF, False), (0x100000000, True)])
def test_a_file_longer_than_iso_9660_holds_is_refused_before(
    size_bytes: int, is_refused: bool, catalogue: Catalogue, tmp_path: Path
) -> None:
    sparse(tmp_path / "archive/long", size_bytes)
    write(tmp_path / "archive/short", SOPInstanceUID="1.2.3.1.1.2")
    indexed(catalogue, tmp_path / "archive")
    plan = plan_export(catalogue, everything(), container="iso")
    assert [out.code for out in plan.left_out] == ["too-large"] * is_refused
    assert len(plan.items) == 2 - is_refused
    for container in ("folder", "zip"):
        assert plan_export(catalogue, everything(), container=container).left_out == ()


def test_the_command_refuses_it_before_anything_is_copied(tmp_path: Path) -> None:
    sparse(tmp_path / "archive/long", 5 << 30)
    write(tmp_path / "archive/short", SOPInstanceUID="1.2.3.1.1.2")
    dcat(tmp_path, "index", "archive")
    said = dcat(tmp_path, "export", "--dry-run", "--iso", "a.iso")
    assert said.returncode == 3
    assert "at most 4,294,967,295 bytes; export it to a folder or ZIP file" in said.stderr
    assert "5,368,709,120 bytes" in said.stderr
    run = dcat(tmp_path, "export", "--iso", "a.iso")
    assert run.returncode == 3
    assert "1 instance (" in run.stderr
    assert (tmp_path / "a.iso").stat().st_size < 1 << 20


def test_folders_depth_names_and_bytes_are_bounded() -> None:
    def names(count: int) -> list[str]:
        return [f"D/{n:05d}/A" for n in range(count)]

    check_bounds(names(MAX_FOLDERS - 2), 0)
    with pytest.raises(ExportError, match=r"65,536 folders, and an ISO 9660 image holds at most 65,535"):  # fmt: skip
        check_bounds(names(MAX_FOLDERS - 1), 0)
    check_bounds(names(32_000), 0, with_pages=True)
    with pytest.raises(ExportError, match="Nothing was written"):
        check_bounds(names(33_000), 0, with_pages=True)
    check_bounds(["A/B/C/D/E/F/G"], MAX_IMAGE_BYTES)
    with pytest.raises(ExportError, match="components"):
        check_bounds(["A/B/C/D/E/F/G/H"], 0)
    with pytest.raises(ExportError, match="ISO 9660 Level 1"):
        check_bounds(["A/longer-than-that"], 0)
    with pytest.raises(ExportError, match="bytes"):
        check_bounds(["A"], MAX_IMAGE_BYTES + 1)


def test_too_many_folders_stop_the_export_and_its_dry_run(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "archive", 1, 2, 2, 1)
    indexed(catalogue, tmp_path / "archive")
    monkeypatch.setattr("catalog.exporting.iso_image.MAX_FOLDERS", 7)
    order = Order(everything(), tmp_path / "a.iso", FILE_SET_UID, container="iso")
    plan = plan_export(catalogue, everything(), container="iso")
    with pytest.raises(ExportError, match="9 folders"):
        export(catalogue, order, plan)
    assert not (tmp_path / "a.iso").exists()
    assert not (tmp_path / "a.iso.part").exists()
