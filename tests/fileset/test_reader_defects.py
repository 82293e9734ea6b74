"""Each defect seen on real media, made by hand, with what the reader must say and save."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise

import pytest

from catalog.errors import DicomdirError
from catalog.fileset.reader import Directory, read
from catalog.fileset.tree import Record, count, walk

from .by_hand import (
    ABSENT,
    TWO_PATIENTS,
    Layout,
    R,
    dicomdir,
    element,
    flatten,
    image,
    laid_out,
    patient,
    series,
    study,
    two_patients,
)


def shape(records: tuple[Record, ...]) -> str:
    """Return the tree as text; only for trees that tests make."""
    return " ".join(
        record.type + (f"({shape(record.children)})" if record.children else "")
        for record in records
    )


def codes(directory: Directory) -> set[str]:
    return {finding.code for finding in directory.findings}


def file_ids(directory: Directory) -> list[str]:
    return [
        "/".join(record.file_components)
        for _, record in walk(directory.fileset.records)
        if record.file_components
    ]


def make(change: Callable[[list[R], Layout], object] = lambda roots, layout: None) -> bytes:
    roots, layout = two_patients(), Layout()
    change(roots, layout)
    return dicomdir(roots, layout)


def set_(target: object, **values: object) -> None:
    for name, value in values.items():
        setattr(target, name, value)


def test_faultless() -> None:
    data, offsets = laid_out(roots := two_patients())
    directory = read(data)
    assert directory.findings == ()
    assert shape(directory.fileset.records) == TWO_PATIENTS
    assert directory.fileset.file_set_id == "MEDIA"
    assert directory.fileset.file_set_uid == "1.2.3.4"
    assert [entry.offset_bytes for entry in directory.entries] == [
        offsets[record] for record in flatten(roots)
    ]
    assert file_ids(directory) == [f"DICOM/IM{n}" for n in (1, 2, 3, 4, 5)]


P1, P2 = 0, 1


def lose_subtree(roots: list[R], layout: Layout) -> None:
    roots[0].lower = 0


def no_offsets(value: object) -> Callable[[list[R], Layout], None]:
    def change(roots: list[R], layout: Layout) -> None:
        layout.first = layout.last = value
        for record in flatten(roots):
            record.next = record.lower = value

    return change


def reverse(roots: list[R], layout: Layout) -> None:
    layout.physical = flatten(roots)[::-1]


SAME_TREE = [
    pytest.param(lambda r, y: set_(y, first=100_000), {"dangling-offset", "rebuilt"}, id="first-dangling"),
    pytest.param(lambda r, y: set_(y, first=0), {"rebuilt"}, id="first-zero"),
    pytest.param(lambda r, y: set_(y, last=7), {"last-root-offset"}, id="last-wrong"),
    pytest.param(lambda r, y: set_(y, last=r[0]), {"last-root-offset"}, id="last-another-record"),
    pytest.param(lambda r, y: set_(r[0], next=90_001), {"dangling-offset", "orphan"}, id="next-dangling"),
    pytest.param(lambda r, y: set_(r[0], next=0xFFFFFFF0), {"dangling-offset", "orphan"}, id="next-beyond-2-31"),
    pytest.param(lose_subtree, {"orphan"}, id="orphan-subtree"),
    pytest.param(no_offsets(0), {"rebuilt"}, id="all-offsets-zero"),
    pytest.param(no_offsets(ABSENT), {"rebuilt", "link-missing", "attribute-missing"}, id="all-offsets-absent"),
    pytest.param(lambda r, y: set_(y, shift=8), {"offset-shift"}, id="shift+8"),
    pytest.param(lambda r, y: set_(y, shift=-132), {"offset-shift"}, id="shift-132"),
    pytest.param(lambda r, y: set_(y, shift=1000), {"offset-shift"}, id="shift+1000"),
    pytest.param(lambda r, y: set_(r[1], in_use=0), {"inactive-record"}, id="inactive"),
    pytest.param(lambda r, y: set_(r[1], in_use=7), set(), id="in-use-other-value"),
    pytest.param(lambda r, y: set_(y, flag=0xFFFF), {"consistency-flag"}, id="inconsistent"),
    pytest.param(lambda r, y: set_(y, flag=ABSENT), {"attribute-missing"}, id="no-consistency-flag"),
    pytest.param(lambda r, y: set_(y, preamble=False), {"no-preamble"}, id="no-preamble"),
    pytest.param(
        lambda r, y: set_(y, preamble=False, meta=False),
        {"no-preamble", "no-file-meta", "file-set-uid"},
        id="bare-data-set",
    ),
    pytest.param(lambda r, y: set_(y, trailing=bytes(512)), {"trailing-bytes"}, id="trailing-zeros"),
    pytest.param(
        lambda r, y: set_(y, trailing=bytes(512), undefined_sequence=True), {"trailing-bytes"},
        id="trailing-zeros-undefined",
    ),
    pytest.param(lambda r, y: set_(y, trailing=b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0\0\0\0\0"), set(), id="trailing-padding"),
    pytest.param(reverse, set(), id="children-before-parents"),
    pytest.param(lambda r, y: set_(y, explicit=False), {"transfer-syntax"}, id="implicit"),
    pytest.param(lambda r, y: set_(y, order=">"), {"transfer-syntax"}, id="big-endian"),
    pytest.param(
        lambda r, y: set_(y, explicit=False, syntax=b"1.2.840.10008.1.2.1"),
        {"transfer-syntax", "transfer-syntax-mismatch"},
        id="implicit-declared-explicit",
    ),
    pytest.param(lambda r, y: set_(y, undefined_items=True), set(), id="undefined-items"),
    pytest.param(lambda r, y: set_(y, undefined_sequence=True), set(), id="undefined-sequence"),
    pytest.param(
        lambda r, y: set_(y, undefined_items=True, undefined_sequence=True, explicit=False, order="<"),
        {"transfer-syntax"},
        id="undefined-implicit",
    ),
    pytest.param(lambda r, y: set_(y, group_lengths=True), set(), id="group-lengths"),
    pytest.param(lambda r, y: set_(y, sop_class=b"1.2.840.10008.5.1.4.1.1.2"), {"media-storage-class"}, id="class"),
    pytest.param(lambda r, y: set_(y, file_set_id=b"my disc"), {"file-set-id"}, id="file-set-id"),
    pytest.param(lambda r, y: set_(y, file_set_id=None), {"attribute-missing"}, id="no-file-set-id"),
    pytest.param(lambda r, y: set_(y, sequence_length=10), {"sequence-length"}, id="sequence-too-short"),
    pytest.param(lambda r, y: set_(y, sequence_length=9_999_999), {"truncated"}, id="sequence-too-long"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), SAME_TREE)
def test_tree_survives(change: Callable[[list[R], Layout], None], expected: set[str]) -> None:
    directory = read(make(change))
    assert expected <= codes(directory)
    assert expected or not directory.findings
    assert shape(directory.fileset.records) == TWO_PATIENTS


@pytest.mark.parametrize("off", [-6, -2, 2, 8])
def test_first_record_offset_a_little_off(off: int) -> None:
    _, offsets = laid_out(roots := two_patients())
    layout = Layout(first=offsets[roots[0]] + off)
    directory = read(dicomdir(two_patients(), layout))
    assert codes(directory) == {"inexact-offset"}
    assert shape(directory.fileset.records) == TWO_PATIENTS


def test_shift_that_starts_at_an_edited_record() -> None:
    data, offsets = laid_out(roots := two_patients())
    at = offsets[roots[0]]
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    name = data.index(b"Doe ", at)
    edited = (
        data[: at + 4]
        + (length + 20).to_bytes(4, "little")
        + data[at + 8 : name - 2]
        + (24).to_bytes(2, "little")
        + b"Doe^" + b"A" * 20
        + data[name + 4 :]
    )  # fmt: skip
    directory = read(edited)
    assert "inexact-offset" in codes(directory)
    assert shape(directory.fileset.records) == TWO_PATIENTS


CYCLES = [
    pytest.param(lambda r: set_(r[0], next=r[0]), "offset-cycle", id="next-to-itself"),
    pytest.param(lambda r: set_(r[1], next=r[0]), "offset-cycle", id="next-to-first"),
    pytest.param(lambda r: set_(r[0].children[0].children[0].children[0], lower=r[0]), "offset-cycle", id="lower-to-ancestor"),
    pytest.param(lambda r: set_(r[0].children[0].children[0], lower=r[0].children[0].children[0]), "offset-cycle", id="lower-to-itself"),
    pytest.param(
        lambda r: set_(r[0].children[0].children[1], lower=r[0].children[0].children[0].children[0]),
        "shared-record", id="two-parents",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), CYCLES)
def test_cycles_and_shared_records_end(change: Callable[[list[R]], None], expected: str) -> None:
    roots = two_patients()
    change(roots)
    directory = read(dicomdir(roots))
    assert expected in codes(directory)
    assert sorted(file_ids(directory)) == [f"DICOM/IM{n}" for n in (1, 2, 3, 4, 5)]
    assert count(directory.fileset.records) == len(flatten(roots))


def test_orphan_cycle_is_kept() -> None:
    lost = [image(8), image(9)]
    lost[0].next, lost[1].next = lost[1], lost[0]
    roots = two_patients()
    directory = read(dicomdir(roots, Layout(physical=flatten(roots) + lost)))
    assert {"orphan", "offset-cycle"} <= codes(directory)
    assert shape(directory.fileset.records).endswith("PATIENT(STUDY(SERIES(IMAGE IMAGE IMAGE)))")
    assert [entry.recovered for entry in directory.entries].count(True) == 2


@pytest.mark.parametrize("keep", [1, 40, 100, 200, 300])
def test_truncated_keeps_complete_items(keep: int) -> None:
    data, offsets = laid_out(two_patients())
    whole = sorted(offsets.values())
    for end in (offset + keep for offset in whole[1:]):
        if end >= len(data):
            continue
        directory = read(data[:end])
        assert "truncated" in codes(directory)
        complete = [offset for offset, after in pairwise(whole) if after <= end]
        found = {entry.offset_bytes for entry in directory.entries}
        assert set(complete) <= found


FILE_IDS = [
    (b"dicom\\im1", "file-id-illegal"),
    (b"DICOM/IM1", "file-id-unsafe"),
    (b"\\DICOM\\IM1", "file-id-unsafe"),
    (b"C:\\DICOM\\IM1", "file-id-unsafe"),
    (b"..\\..\\ETC\\PASSWD", "file-id-unsafe"),
    (b"DICOM\\..\\IM1", "file-id-unsafe"),
    (b"DICOM\\\\IM1", "file-id-unsafe"),
    (b"DICOM\\IM1.DCM", "file-id-illegal"),
    (b"DICOM\\IMAGE0001", "file-id-illegal"),
    (b"A\\B\\C\\D\\E\\F\\G\\H\\I", "file-id-illegal"),
    (b"DICOM\\BILD\xc4", "file-id-illegal"),
    (b"DICOM\\IM\x07", "file-id-unsafe"),
]


@pytest.mark.parametrize(("value", "expected"), FILE_IDS, ids=str)
def test_file_ids(value: bytes, expected: str) -> None:
    roots = [patient(b"P", study(b"1.1", series(b"1.1.1", image(1, value))))]
    assert codes(read(dicomdir(roots))) == {expected}


def first_image(roots: list[R]) -> R:
    return roots[0].children[0].children[0].children[0]


KEYS = [
    pytest.param(lambda r: first_image(r).with_(0x00041500, "CS", b""), {"key-empty"}, id="file-id-empty"),
    pytest.param(lambda r: first_image(r).without(0x00041500), {"key-missing"}, id="file-id-missing"),
    pytest.param(lambda r: first_image(r).without(0x00041511), {"key-missing"}, id="sop-uid-missing"),
    pytest.param(lambda r: first_image(r).without(0x00041512), {"key-missing"}, id="transfer-syntax-missing"),
    pytest.param(lambda r: first_image(r).without(0x00200013), {"key-missing"}, id="instance-number-missing"),
    pytest.param(lambda r: r[0].without(0x00100020), {"key-missing"}, id="patient-id-missing"),
    pytest.param(lambda r: r[0].with_(0x00100020, "LO", b"  "), {"key-empty"}, id="patient-id-blank"),
    pytest.param(lambda r: r[0].without(0x00100010), {"key-missing"}, id="patient-name-missing"),
    pytest.param(lambda r: r[0].children[0].without(0x00080020), {"key-missing"}, id="study-date-missing"),
    pytest.param(lambda r: r[0].children[0].without(0x0020000D), {"key-missing"}, id="study-uid-missing"),
    pytest.param(lambda r: r[0].children[0].children[0].without(0x00200011), {"key-missing"}, id="series-number-missing"),
    pytest.param(lambda r: first_image(r).with_(0x00041500, "CS", b"DICOM\\IM2"), {"duplicate-file-id"}, id="file-twice"),
    pytest.param(lambda r: first_image(r).with_(0x00041511, "UI", b"1.2.3.4.5.2"), {"duplicate-sop-instance"}, id="sop-twice"),
    pytest.param(lambda r: r[1].with_(0x00100020, "LO", b"P1"), {"duplicate-patient-id"}, id="patient-twice"),
    pytest.param(lambda r: r[1].children[0].with_(0x0020000D, "UI", b"1.1"), {"duplicate-study"}, id="study-twice"),
    pytest.param(lambda r: r[1].children[0].children[0].with_(0x0020000E, "UI", b"1.1.1"), {"duplicate-series"}, id="series-twice"),
    pytest.param(lambda r: set_(r[0], type="Patient"), {"record-type-case"}, id="mixed-case"),
    pytest.param(lambda r: set_(r[0].children[0], type="VISITOR"), {"record-type-unknown"}, id="unknown-type"),
    pytest.param(lambda r: set_(first_image(r), type=""), {"record-type-missing"}, id="no-type"),
    pytest.param(lambda r: set_(first_image(r), type="STORED PRINT"), {"record-type-retired"}, id="retired"),
    pytest.param(lambda r: set_(first_image(r), type="PRIVATE"), {"key-missing"}, id="private-without-uid"),
    pytest.param(lambda r: r.append(image(9)), {"wrong-parent"}, id="leaf-at-root"),
    pytest.param(lambda r: set_(r[0], children=[series(b"9.1", image(9))]), {"wrong-parent"}, id="missing-level"),
    pytest.param(lambda r: r[0].with_(0x00041500, "CS", b"DICOM\\P"), {"unexpected-reference"}, id="patient-file"),
    pytest.param(lambda r: r[0].with_(0x00100010, "PN", b"M\xfcller"), {"character-set-missing"}, id="no-character-set"),
    pytest.param(lambda r: r[0].with_(0x00020010, "UI", b"1.2"), {"forbidden-group"}, id="group-2-in-item"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), KEYS)
def test_records_that_break_their_type(
    change: Callable[[list[R]], object], expected: set[str]
) -> None:
    roots = two_patients()
    change(roots)
    directory = read(dicomdir(roots))
    assert codes(directory) == expected
    assert count(directory.fileset.records) == len(flatten(roots))
    assert {finding.offset_bytes for finding in directory.findings} <= set(
        laid_out(roots)[1].values()
    )


def test_character_set_of_the_patient_serves_below() -> None:
    roots = two_patients()
    roots[0].with_(0x00080005, "CS", b"ISO_IR 100").with_(0x00100010, "PN", b"M\xfcller")
    roots[0].children[0].with_(0x00081030, "LO", b"Sch\xe4del")
    directory = read(dicomdir(roots))
    assert codes(directory) == {"character-set-inherited"}
    below = directory.fileset.records[0].children[0]
    assert below.character_set == ("ISO_IR 100",)
    assert below.children[0].character_set is None


def test_character_sets_differ_by_record_and_may_begin_empty() -> None:
    roots = two_patients()
    roots[0].with_(0x00080005, "CS", b"\\ISO 2022 IR 87").with_(
        0x00100010, "PN", b"Y=\x1b$B;3\x1b(B"
    )
    roots[1].with_(0x00080005, "CS", b"ISO_IR 192").with_(0x00100010, "PN", "Люкceмбypг".encode())
    directory = read(dicomdir(roots))
    assert directory.findings == ()
    assert directory.fileset.records[0].character_set == ("", "ISO 2022 IR 87")
    assert directory.fileset.records[1].character_set == ("ISO_IR 192",)


def test_private_elements_and_icons_survive() -> None:
    roots = two_patients()
    icon = struct.pack("<HHI", 0xFFFE, 0xE000, 10) + struct.pack(
        "<HH2sHH", 0x28, 0x10, b"US", 2, 64
    )
    first_image(roots).with_(0x00880200, "SQ", icon).with_(0x00091010, "UN", b"\1\2\3\4")
    directory = read(dicomdir(roots))
    assert directory.findings == ()
    found = directory.fileset.records[0].children[0].children[0].children[0]
    assert found.value(0x00091010) == b"\1\2\3\4"
    icon_sequence = found.element(0x00880200)
    assert icon_sequence is not None
    assert icon_sequence.items[0][0].data == b"\x40\0"


def mrdr(count_: int = 1) -> R:
    return R(
        "MRDR",
        [
            (0x00041500, "CS", b"SHARED\\IM1"),
            (0x00041510, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
            (0x00041511, "UI", b"1.2.3.4.5.99"),
            (0x00041512, "UI", b"1.2.840.10008.1.2.1"),
            (0x00041600, "UL", struct.pack("<I", count_)),
        ],
    )


@pytest.mark.parametrize("linked", [False, True], ids=["apart", "in-root-chain"])
def test_multi_referenced_file(linked: bool) -> None:
    roots, shared = two_patients(), mrdr()
    leaf = first_image(roots).without(0x00041500, 0x00041510, 0x00041511, 0x00041512)
    leaf.mrdr = shared
    if linked:
        roots.append(shared)
        directory = read(dicomdir(roots))
    else:
        directory = read(dicomdir(roots, Layout(physical=[*flatten(roots), shared])))
    assert codes(directory) == {"mrdr"}
    assert file_ids(directory)[0] == "SHARED/IM1"
    assert shape(directory.fileset.records) == TWO_PATIENTS
    assert len(directory.entries) == count(directory.fileset.records)


def test_unreferenced_and_dangling_mrdr() -> None:
    roots = two_patients()
    first_image(roots).mrdr = 50_000
    directory = read(dicomdir(roots, Layout(physical=[*flatten(roots), mrdr(0)])))
    assert {"dangling-mrdr", "orphan"} <= codes(directory)
    assert shape(directory.fileset.records) == TWO_PATIENTS + " MRDR"
    assert_no_offsets(directory)


def assert_no_offsets(directory: Directory) -> None:
    """No record keeps an offset: it would mean another record, or none, once it is written again."""
    for _, record in walk(directory.fileset.records):
        assert not {0x00041400, 0x00041420, 0x00041504} & {key.tag for key in record.keys}


@pytest.mark.parametrize("linked", [False, True], ids=["apart", "in-root-chain"])
@pytest.mark.parametrize("to_itself", [False, True], ids=["to-another", "to-itself"])
def test_an_mrdr_refers_to_no_mrdr(to_itself: bool, linked: bool) -> None:
    roots, one, other = two_patients(), mrdr(), mrdr()
    one.mrdr = one if to_itself else other
    layout = Layout()
    if linked:
        roots += [one, other]
    else:
        layout.physical = [*flatten(roots), one, other]
    directory = read(dicomdir(roots, layout))
    assert "dangling-mrdr" in codes(directory)
    assert shape(directory.fileset.records) == TWO_PATIENTS + " MRDR MRDR"  # neither is lost
    assert len(directory.entries) == count(directory.fileset.records)
    assert_no_offsets(directory)


def test_descending_below_a_private_record() -> None:
    roots = two_patients()
    private = R(
        "PRIVATE", [(0x00041432, "UI", b"1.2.9")], [R("PRIVATE", [(0x00041432, "UI", b"1.2.8")])]
    )
    first_image(roots).children.append(private)
    directory = read(dicomdir(roots))
    assert directory.findings == ()


def test_deep_chain_is_flattened() -> None:
    top = R("PRIVATE", [(0x00041432, "UI", b"1.2")])
    at = top
    for _ in range(500):
        at.children.append(R("PRIVATE", [(0x00041432, "UI", b"1.2")]))
        at = at.children[0]
    directory = read(dicomdir([top]))
    assert codes(directory) == {"too-deep"}
    assert count(directory.fileset.records) == 501
    assert max(depth for depth, _ in walk(directory.fileset.records)) == 31


@pytest.mark.parametrize("no_sequence", [False, True], ids=["empty", "absent"])
def test_directory_without_records(no_sequence: bool) -> None:
    directory = read(dicomdir([], Layout(no_sequence=no_sequence)))
    assert codes(directory) == ({"no-directory"} if no_sequence else set())
    assert directory.fileset.records == ()


def test_damage_in_the_middle_loses_one_record() -> None:
    data, offsets = laid_out(roots := two_patients())
    at = offsets[first_image(roots)]
    broken = data[: at + 60] + b"\xff" * 20 + data[at + 80 :]
    directory = read(broken)
    assert "damaged" in codes(directory)
    assert shape(directory.fileset.records) == TWO_PATIENTS


@pytest.mark.parametrize("change", [-4, 4, 40, 5000], ids=lambda v: f"{v:+d}")
def test_wrong_item_length(change: int) -> None:
    data, offsets = laid_out(roots := two_patients())
    at = offsets[first_image(roots)]
    length = int.from_bytes(data[at + 4 : at + 8], "little") + change
    directory = read(data[: at + 4] + length.to_bytes(4, "little") + data[at + 8 :])
    assert "item-length" in codes(directory)
    assert shape(directory.fileset.records) == TWO_PATIENTS
    assert file_ids(directory) == [f"DICOM/IM{n}" for n in (1, 2, 3, 4, 5)]


def an_image() -> bytes:
    class_uid = b"1.2.840.10008.5.1.4.1.1.2"
    layout = Layout(sop_class=class_uid, first=ABSENT, last=ABSENT, flag=ABSENT, file_set_id=None)
    layout.no_sequence = True
    return dicomdir([], layout) + element(0x00080016, "UI", class_uid)


def deflated() -> bytes:
    data = dicomdir([], Layout(syntax=b"1.2.840.10008.1.2.1.99"))
    return data[: data.index(b"\4\0\x30\x11")] + b"KLJ-deflated-stream"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0" * 4096, id="zeros"),
        pytest.param(b"GIF89a" + b"x" * 500, id="another-format"),
        pytest.param(bytes(128) + b"DICM", id="prefix-only"),
        pytest.param(an_image(), id="an-image"),
        pytest.param(deflated(), id="deflated"),
    ],
)  # fmt: skip
def test_nothing_can_be_made_of_it(data: bytes) -> None:
    with pytest.raises(DicomdirError) as caught:
        read(data)
    assert str(caught.value).endswith(").")


def test_memoryview_and_bytearray_are_read() -> None:
    data = make()
    assert read(memoryview(data)) == read(bytearray(data)) == read(data)


def test_a_hundred_thousand_siblings() -> None:
    chain = b"".join(
        struct.pack(
            "<HHI HH2sHI HH2sHH HH2sHI HH2sH6s",
            0xFFFE, 0xE000, 48,
            4, 0x1400, b"UL", 4, 400 + 56 * (n + 1) if n < 99_999 else 0,
            4, 0x1410, b"US", 2, 0xFFFF,
            4, 0x1420, b"UL", 4, 0,
            4, 0x1430, b"CS", 6, b"IMAGE ",
        )
        for n in range(100_000)
    )  # fmt: skip
    start = dicomdir([], Layout(first=400, last=400 + 56 * 99_999, sequence_length=len(chain)))
    start = start.ljust(400, b"\0")
    padding = 400 - len(dicomdir([]))
    # An element of the right size brings the first record to byte 400.
    filler = b"\4\0\x11\x12" + b"LO" + (padding - 8).to_bytes(2, "little") + b" " * (padding - 8)
    head = dicomdir(
        [], Layout(first=400, last=400 + 56 * 99_999, sequence_length=len(chain), extra_head=filler)
    )
    directory = read(head + chain)
    assert len(directory.fileset.records) == 100_000
    assert not codes(directory) - {"wrong-parent", "key-missing", "unexpected-element"}
