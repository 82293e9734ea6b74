"""Adding and removing: DICOMDIR alone changes, what was there survives, and nothing is lost on the way."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.dicom.elements import encode
from catalog.errors import FileSetError, MediaFull, PathError, SourceChanged
from catalog.fileset.reader import read
from catalog.fileset.tree import Record, flat, walk
from catalog.maintaining import (
    Fate,
    add,
    compare,
    plan_addition,
    plan_removal,
    remove,
    storing,
)
from catalog.maintaining import adding as adding_module
from catalog.verifying import check_medium
from tests import builders
from tests.fileset.by_hand import R
from tests.media.defects import DEFECTS, Defect, icon_items
from tests.media.medium import Medium, values_of

UID = "2.25.1"
BY_NAME = {defect.name: defect for defect in DEFECTS}


def snapshot(folder: Path) -> dict[str, str]:
    """Return the digest of every file below `folder`."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def said(record: Record) -> tuple[str, bytes]:
    """Return a record's type and keys, values padded to even length."""
    return record.type, b"".join(map(encode, record.keys))


def rows(folder: Path) -> list[tuple[int, Record]]:
    records = read((folder / "DICOMDIR").read_bytes()).fileset.records
    return [(depth, flat(record)) for depth, record in walk(records)]


def new_file(folder: Path, **values: object) -> Path:
    """Write an instance of patient P2's series that is not on the medium."""
    return builders.write(
        folder / "new.dcm",
        **values_of(5) | {"SOPInstanceUID": "1.2.3.4.5.6", "InstanceNumber": "6"} | values,
    )


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """A medium with an icon, private elements, a vendor's tree and a record of an unknown type."""
    m = Medium(tmp_path / "medium")
    m.image(1).with_(0x00880200, "SQ", icon_items()).with_(0x00090010, "LO", b"ACME").with_(
        0x00091001, "UN", b"\1\2\3\4"
    )
    m.image(2).type = "HOLOGRAM"
    m.roots.insert(
        0,
        R(
            "PRIVATE",
            [(0x00041432, "UI", b"1.2.9")],
            [R("PRIVATE", [(0x00041432, "UI", b"1.2.8")])],
        ),
    )
    return m.write()


def test_add_changes_nothing_but_the_dicomdir_and_the_new_file(
    medium: Path, tmp_path: Path
) -> None:
    before, old = snapshot(medium), rows(medium)
    source = new_file(tmp_path)
    result = add(plan_addition(medium, [source], UID))
    ((_, file_id, in_place),) = result.added
    assert not in_place
    assert (medium / file_id.path).read_bytes() == source.read_bytes()
    after = snapshot(medium)
    assert after.pop(file_id.path) == hashlib.sha256(source.read_bytes()).hexdigest()
    assert after.pop("DICOMDIR.1.bak") == before["DICOMDIR"]
    assert {k: v for k, v in after.items() if k != "DICOMDIR"} == {
        k: v for k, v in before.items() if k != "DICOMDIR"
    }
    new = rows(medium)
    assert [row for row in new if row in old] == old  # every record, every byte, in the old order
    assert [record.type for depth, record in new if (depth, record) not in old] == ["IMAGE"]
    assert new[-1][1].plain(0x00041511) == "1.2.3.4.5.6"
    assert read((medium / "DICOMDIR").read_bytes()).fileset.file_set_uid == "1.2.3.4"


def test_file_id_is_that_of_an_export(medium: Path, tmp_path: Path) -> None:
    from catalog.fileset.naming import names

    result = add(plan_addition(medium, [new_file(tmp_path)], UID))
    identity = ('["P2", ""]', "2.1", "2.1.1", "1.2.3.4.5.6")
    assert result.added[0][1] == names([identity])[identity]


def test_add_and_remove_give_the_old_directory_back(medium: Path, tmp_path: Path) -> None:
    before = rows(medium)
    files = snapshot(medium)
    source = new_file(tmp_path, PatientID="P9", StudyInstanceUID="9.1", SeriesInstanceUID="9.1.1")
    add(plan_addition(medium, [source], UID))
    assert len(rows(medium)) == len(before) + 4
    done = remove(plan_removal(medium, ["9.1"], UID), Fate.DELETE)
    assert [record.type for record in done.removed] == ["PATIENT", "STUDY", "SERIES", "IMAGE"]
    assert rows(medium) == before
    now = snapshot(medium)
    assert {k: v for k, v in now.items() if "DICOMDIR" not in k} == {
        k: v for k, v in files.items() if "DICOMDIR" not in k
    }
    assert sorted(k for k in now if k.endswith(".bak")) == ["DICOMDIR.1.bak", "DICOMDIR.2.bak"]
    assert compare(medium, medium / "DICOMDIR.1.bak").changes == []


def test_adding_what_is_there_is_a_no_op(medium: Path, tmp_path: Path) -> None:
    copy = shutil.copy(medium / "DICOM/IM1", tmp_path / "copy")
    before = snapshot(medium)
    plan = plan_addition(medium, [Path(copy), medium / "DICOM"], UID)
    assert plan.items == []
    assert [path for _, path in plan.already] == [
        "DICOM/IM1",
        *(f"DICOM/IM{n}" for n in (1, 2, 3, 4, 5)),
    ]
    assert add(plan).backup is None
    assert snapshot(medium) == before


def test_a_file_on_the_medium_is_named_where_it_is(medium: Path) -> None:
    builders.write(medium / "DICOM" / "EXTRA", **values_of(5) | {"SOPInstanceUID": "1.2.3.9"})
    before = snapshot(medium)
    done = add(plan_addition(medium, [medium], UID))
    assert [(name.path, in_place) for _, name, in_place in done.added] == [("DICOM/EXTRA", True)]
    assert snapshot(medium).keys() == before.keys() | {"DICOMDIR.1.bak"}
    assert "file-unnamed" not in {f.code for f in check_medium(medium).findings}


REFUSED = [
    ({"PatientID": "P1"}, "study-twice"),
    ({"StudyInstanceUID": "1.1"}, "study-twice"),
    ({"SeriesInstanceUID": "1.1.1"}, "series-twice"),
    ({"StudyInstanceUID": "9.9"}, "series-twice"),
    ({"SOPInstanceUID": "1.2.3.4.5.1"}, "instance-differs"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.200.1"}, "no-record-type"),
    ({"SOPClassUID": "1.2.999"}, "no-record-type"),
    ({"StudyInstanceUID": ...}, "no-identity"),
]


@pytest.mark.parametrize(("values", "code"), REFUSED, ids=str)
def test_conflicts_are_refused_by_name(
    values: dict[str, object], code: str, medium: Path, tmp_path: Path
) -> None:
    before = snapshot(medium)
    plan = plan_addition(medium, [new_file(tmp_path, **values)], UID)
    assert [out.code for out in plan.left_out] == [code]
    assert plan.left_out[0].place.endswith("new.dcm")
    assert add(plan).backup is None
    assert snapshot(medium) == before


def test_two_new_files_that_contradict_each_other(medium: Path, tmp_path: Path) -> None:
    one = new_file(
        tmp_path / "a", PatientID="P7", StudyInstanceUID="7.1", SeriesInstanceUID="7.1.1"
    )
    two = new_file(
        tmp_path / "b",
        PatientID="P8",
        StudyInstanceUID="7.1",
        SeriesInstanceUID="7.1.1",
        SOPInstanceUID="1.2.3.8",
    )
    plan = plan_addition(medium, [one, two], UID)
    assert [out.code for out in plan.left_out] == ["study-twice"] * 2


def test_a_file_without_patient_id_goes_with_its_study(medium: Path, tmp_path: Path) -> None:
    done = add(plan_addition(medium, [new_file(tmp_path, PatientID="")], UID))
    assert "patient-id-adopted" in {f.code for f in done.findings}
    assert [record.type for _, record in rows(medium)].count("PATIENT") == 2


def test_invented_patient_ids_differ_from_run_to_run(medium: Path, tmp_path: Path) -> None:
    for number in (7, 8):
        source = new_file(
            tmp_path / str(number),
            PatientID="",
            StudyInstanceUID=f"{number}.1",
            SeriesInstanceUID=f"{number}.1.1",
            SOPInstanceUID=f"1.2.3.{number}",
        )
        add(plan_addition(medium, [source], UID))
    patient_ids = [
        record.plain(0x00100020) for _, record in rows(medium) if record.type == "PATIENT"
    ]
    assert len(patient_ids) == len(set(patient_ids)) == 4
    assert all(patient_ids)


def test_another_name_than_the_record_is_said_and_the_record_stays(
    medium: Path, tmp_path: Path
) -> None:
    before = rows(medium)
    done = add(plan_addition(medium, [new_file(tmp_path, PatientName="Roe^Jane")], UID))
    assert [f.code for f in done.findings] == ["key-differs"]
    assert [row for row in rows(medium) if row in before] == before


def test_listed_but_missing(medium: Path, tmp_path: Path) -> None:
    source = tmp_path / "kept"
    (medium / "DICOM/IM5").rename(source)
    plan = plan_addition(medium, [source], UID)
    assert [out.code for out in plan.left_out] == ["listed-but-missing"]


def test_an_interrupted_addition_goes_on(medium: Path, tmp_path: Path) -> None:
    source = new_file(tmp_path)
    plan = plan_addition(medium, [source], UID)
    target = medium / plan.items[0].file_id.path
    target.parent.mkdir(parents=True)
    shutil.copy(source, target)  # the copy stands, the DICOMDIR was not written any more
    again = plan_addition(medium, [source], UID)
    assert [(item.file_id, item.in_place) for item in again.items] == [
        (plan.items[0].file_id, True)
    ]
    add(again)
    assert not [f for f in check_medium(medium).findings if f.code == "file-unnamed"]


def test_a_taken_name_is_not_overwritten(medium: Path, tmp_path: Path) -> None:
    source = new_file(tmp_path)
    first = plan_addition(medium, [source], UID).items[0].file_id
    target = medium / first.path
    target.parent.mkdir(parents=True)
    target.write_text("another file")
    done = add(plan_addition(medium, [source], UID))
    assert done.added[0][1] != first
    assert target.read_text() == "another file"


def test_a_full_medium_leaves_everything_as_it_was(
    medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(medium)
    plan = plan_addition(medium, [new_file(tmp_path)], UID)

    def full(*_: object) -> None:
        raise MediaFull("No space is left.")

    monkeypatch.setattr(adding_module, "replace_directory", full)
    with pytest.raises(MediaFull):
        add(plan)
    assert snapshot(medium) == before
    assert sorted(p.name for p in (medium / "DICOM").iterdir()) == [
        f"IM{n}" for n in (1, 2, 3, 4, 5)
    ]


def test_a_directory_that_changed_meanwhile_is_left(medium: Path, tmp_path: Path) -> None:
    plan = plan_addition(medium, [new_file(tmp_path)], UID)
    with (medium / "DICOMDIR").open("ab") as stream:
        stream.write(bytes(2))
    with pytest.raises(SourceChanged):
        add(plan)
    assert not list(medium.glob("*.bak"))


def test_a_source_that_changed_meanwhile_is_not_added(medium: Path, tmp_path: Path) -> None:
    source = new_file(tmp_path)
    plan = plan_addition(medium, [source], UID)
    new_file(tmp_path, SOPInstanceUID="1.2.3.99")
    done = add(plan)
    assert [out.code for out in done.failed] == ["failed"]
    assert done.backup is None


def test_the_old_directory_is_there_until_the_new_one_is(
    medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = (medium / "DICOMDIR").read_bytes()
    plan = plan_addition(medium, [new_file(tmp_path)], UID)
    seen = []
    original = Path.replace

    def watched(self: Path, target: Path) -> Path:
        if Path(target).name == "DICOMDIR":
            seen.append((Path(target).read_bytes(), (medium / "DICOMDIR.1.bak").read_bytes()))
        return original(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    add(plan)
    assert seen == [(old, old)]


# Removing.


@pytest.mark.parametrize(
    ("selector", "types", "files"),
    [
        ("1.2.3.4.5.5", ["PATIENT", "STUDY", "SERIES", "IMAGE"], ["DICOM/IM5"]),
        ("DICOM/IM1", ["IMAGE"], ["DICOM/IM1"]),
        ("DICOM\\IM1", ["IMAGE"], ["DICOM/IM1"]),
        ("1.1.2", ["SERIES", "IMAGE", "IMAGE"], ["DICOM/IM3", "DICOM/IM4"]),
        ("1.1", ["PATIENT", "STUDY", "SERIES", "IMAGE", "HOLOGRAM", "SERIES", "IMAGE", "IMAGE"], [f"DICOM/IM{n}" for n in (1, 2, 3, 4)]),
    ],
)  # fmt: skip
def test_remove(selector: str, types: list[str], files: list[str], medium: Path) -> None:
    before = rows(medium)
    plan = plan_removal(medium, [selector], UID)
    done = remove(plan, Fate.DELETE)
    assert [record.type for record in done.removed] == types
    assert done.files == plan.files == files
    assert not any((medium / path).exists() for path in files)
    after = rows(medium)
    assert [row for row in before if row in after] == after
    assert len(before) - len(after) == len(types)
    assert not {f.code for f in check_medium(medium).findings} & {"file-unnamed", "file-missing"}


def test_remove_everything_leaves_an_empty_directory(medium: Path) -> None:
    remove(plan_removal(medium, ["1.1", "2.1"], UID), Fate.DELETE)
    assert [record.type for _, record in rows(medium)] == ["PRIVATE", "PRIVATE"]
    assert not (medium / "DICOM").exists()


def test_files_moved_out(medium: Path, tmp_path: Path) -> None:
    data = (medium / "DICOM/IM5").read_bytes()
    remove(plan_removal(medium, ["2.1"], UID), Fate.MOVE, tmp_path / "out")
    assert (tmp_path / "out/DICOM/IM5").read_bytes() == data
    assert not (medium / "DICOM/IM5").exists()


@pytest.mark.parametrize("where", ["medium/inside", "out"])
def test_files_are_moved_over_nothing(where: str, medium: Path, tmp_path: Path) -> None:
    (tmp_path / "out/DICOM").mkdir(parents=True)
    (tmp_path / "out/DICOM/IM5").write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(PathError):
        remove(plan_removal(medium, ["2.1"], UID), Fate.MOVE, tmp_path / where)
    assert snapshot(tmp_path) == before


def test_files_kept(medium: Path) -> None:
    remove(plan_removal(medium, ["2.1"], UID), Fate.KEEP)
    assert (medium / "DICOM/IM5").exists()
    assert "file-unnamed" in {f.code for f in check_medium(medium).findings}


def test_a_file_that_another_record_names_stays(tmp_path: Path) -> None:
    m = Medium(tmp_path / "medium")
    m.image(1).with_(0x00041500, "CS", b"DICOM\\IM2")
    plan = plan_removal(m.write(), ["1.2.3.4.5.1"], UID)
    assert len(plan.records) == 1
    assert plan.files == []


def test_a_selector_that_names_nothing_changes_nothing(medium: Path) -> None:
    before = snapshot(medium)
    with pytest.raises(FileSetError, match=r"9\.9\.9"):
        plan_removal(medium, ["1.1", "9.9.9"], UID)
    assert snapshot(medium) == before


def test_a_link_is_deleted_and_not_what_it_leads_to(tmp_path: Path) -> None:
    folder = BY_NAME["a_link_out_of_the_medium"].write(tmp_path)
    remove(plan_removal(folder, ["1.2.3.4.5.1"], UID), Fate.DELETE)
    assert not (folder / "DICOM/IM1").is_symlink()
    assert (tmp_path / "outside").exists()


# Damaged directories.

_HARMLESS = {"last-root-offset", "consistency-flag", "trailing-bytes", "character-set-missing"}
_BYTES = {
    "inexact-offset", "dangling-offset", "orphan", "offset-cycle", "shared-record", "rebuilt", "link-missing",
    "attribute-missing", "offset-shift", "sequence-length", "inactive-record", "mrdr", "dangling-mrdr", "truncated",
    "no-preamble", "no-file-meta", "transfer-syntax", "media-storage-class", "file-set-id", "file-set-uid",
    "item-length", "too-deep", "record-type-case", "forbidden-group", "character-set-inherited",
}  # fmt: skip
READABLE = [d for d in DEFECTS if not d.name.startswith("dicomdir_")]


@pytest.mark.parametrize("defect", READABLE, ids=lambda d: d.name)
def test_only_with_repair_is_a_damaged_directory_changed(defect: Defect, tmp_path: Path) -> None:
    folder = defect.write(tmp_path)
    before = snapshot(folder)
    source = new_file(tmp_path)
    if defect.codes & _BYTES:
        with pytest.raises(FileSetError, match="--repair"):
            plan_addition(folder, [source], UID)
        assert snapshot(folder) == before
    plan = plan_addition(folder, [source], UID, repair=True)
    assert bool(plan.opened.repairs) == bool(
        defect.codes & (_BYTES | _HARMLESS) - {"character-set-missing"} - ({"trailing-bytes"})
    )
    old = [record for _, record in walk(plan.opened.tree.records())]
    done = add(plan)
    if plan.left_out:  # a medium whose studies or series are ambiguous
        assert (
            defect.codes
            & {
                "duplicate-patient-id",
                "duplicate-study",
                "duplicate-series",
                "key-missing",
                "key-empty",
                "wrong-parent",
                "rebuilt",
            }
            or "dangling" in defect.name
        )
        return
    assert len(done.added) == 1
    again = read((folder / "DICOMDIR").read_bytes())
    assert not {f.code for f in again.findings} & _BYTES - {"character-set-inherited"}
    left = iter(said(record) for _, record in walk(again.fileset.records))
    assert all(said(record) in left for record in old)  # all of the old, in the old order
    assert {"DICOM/IM1", "DICOM/IM2"} <= set(snapshot(folder)) or defect.name.startswith(
        ("file_id", "a_link")
    )


def test_inactive_records_are_not_brought_back(tmp_path: Path) -> None:
    folder = BY_NAME["inactive_record"].write(tmp_path)
    add(plan_addition(folder, [new_file(tmp_path)], UID, repair=True))
    assert "1.2.3.4.5.2" not in {record.plain(0x00041511) for _, record in rows(folder)}


def test_a_directory_without_the_module_is_left_alone(tmp_path: Path) -> None:
    m = Medium(tmp_path / "medium", roots=[])
    m.layout.no_sequence = True
    folder = m.write()
    before = snapshot(folder)
    for change in (
        lambda: plan_addition(folder, [new_file(tmp_path)], UID, repair=True),
        lambda: plan_removal(folder, ["1.1"], UID, repair=True),
    ):
        with pytest.raises(FileSetError, match=r"PS3\.10 §8\.3"):
            change()
    assert snapshot(folder) == before


def test_a_directory_that_would_not_read_back_is_not_written(
    medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(medium)
    plan = plan_addition(medium, [new_file(tmp_path)], UID)
    real: Callable[..., object] = storing.read
    old = (medium / "DICOMDIR").read_bytes()
    monkeypatch.setattr(storing, "read", lambda data, **how: real(old, **how))
    with pytest.raises(FileSetError, match="report"):
        add(plan)
    assert snapshot(medium) == before
