"""One builder for each defect; `DEFECTS` has them all with the codes that `check_medium` must give.

`codes` are exact: no other finding may be given.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests import builders
from tests.fileset.by_hand import ABSENT, R, element, flatten, image, series

from .medium import Medium, values_of


class Defect(NamedTuple):
    """A builder, the codes it must lead to, and whether an error is among them."""

    name: str
    build: Callable[[Medium], object]
    codes: frozenset[str]
    is_error: bool

    def write(self, folder: Path) -> Path:
        """Write the medium below `folder`; return its folder."""
        medium = Medium(folder / "medium")
        self.build(medium)
        return medium.write()


DEFECTS: list[Defect] = []


def defect(
    *codes: str, error: bool = True
) -> Callable[[Callable[[Medium], object]], Callable[[Medium], object]]:
    """Register a builder with its codes."""

    def register(build: Callable[[Medium], object]) -> Callable[[Medium], object]:
        DEFECTS.append(Defect(build.__name__, build, frozenset(codes), error))
        return build

    return register


# Nothing wrong, though it looks so.


@defect(error=False)
def faultless(m: Medium) -> None: ...


@defect(error=False)
def records_in_reverse_physical_order(m: Medium) -> None:
    m.layout.physical = flatten(m.roots)[::-1]


@defect(error=False)
def records_in_mixed_physical_order(m: Medium) -> None:
    records = flatten(m.roots)
    m.layout.physical = [*records[1::2], *records[::2]]


@defect(error=False)
def undefined_lengths(m: Medium) -> None:
    m.layout.undefined_items = m.layout.undefined_sequence = True


@defect(error=False)
def mixed_in_use_flag(m: Medium) -> None:
    m.patient.in_use = 7  # read as FFFFH


@defect(error=False)
def group_lengths(m: Medium) -> None:
    m.layout.group_lengths = True


@defect(error=False)
def a_file_that_is_not_dicom(m: Medium) -> None:
    m.folder.mkdir(parents=True)
    (m.folder / "README.TXT").write_text("hello")


@defect(error=False)
def iso_2022_with_an_empty_first_value(m: Medium) -> None:
    name = "Y=山田"
    m.roots[1].with_(0x00080005, "CS", b"\\ISO 2022 IR 87").with_(
        0x00100010, "PN", b"Y=\x1b$B;3ED\x1b(B"
    )
    m.values[5] |= {"PatientName": name, "SpecificCharacterSet": ["", "ISO 2022 IR 87"]}


@defect(error=False)
def another_character_set_than_the_files(m: Medium) -> None:
    m.roots[1].with_(0x00080005, "CS", b"ISO_IR 100").with_(0x00100010, "PN", b"M\xfcller")
    m.values[5] |= {"PatientName": "Müller", "SpecificCharacterSet": "ISO_IR 192"}


# Offsets.


@defect("inexact-offset")
def first_offset_off_by_two(m: Medium) -> None:
    from tests.fileset.by_hand import laid_out

    m.layout.first = laid_out(m.roots)[1][m.patient] - 2


@defect("last-root-offset", error=False)
def last_root_offset_wrong(m: Medium) -> None:
    m.layout.last = m.patient


@defect("dangling-offset", "orphan")
def dangling_next(m: Medium) -> None:
    m.patient.next = 90_001


@defect("dangling-offset", "orphan")
def dangling_lower(m: Medium) -> None:
    m.series.lower = 90_001


@defect("dangling-offset", "orphan")
def offset_beyond_two_gigabytes(m: Medium) -> None:
    m.patient.next = 0xFFFFFFF0


@defect("offset-cycle", "orphan")
def next_to_itself(m: Medium) -> None:
    m.image(1).next = m.image(1)


@defect("offset-cycle")
def lower_to_an_ancestor(m: Medium) -> None:
    m.image(1).lower = m.patient


@defect("shared-record")
def a_child_of_two(m: Medium) -> None:
    m.study.children[1].children[0].lower = m.image(1)


@defect("orphan")
def orphan_subtree(m: Medium) -> None:
    m.patient.lower = 0


@defect("rebuilt", "last-root-offset")
def all_offsets_zero(m: Medium) -> None:
    m.layout.first = m.layout.last = 0
    for record in m.all():
        record.next = record.lower = 0


@defect("rebuilt", "link-missing", "attribute-missing")
def all_offsets_absent(m: Medium) -> None:
    m.layout.first = m.layout.last = ABSENT
    for record in m.all():
        record.next = record.lower = ABSENT


@defect("offset-shift")
def offsets_eight_too_large(m: Medium) -> None:
    m.layout.shift = 8


@defect("offset-shift")
def offsets_counted_without_preamble(m: Medium) -> None:
    m.layout.shift = -132


@defect("inexact-offset", "offset-shift", "sequence-length")
def a_name_lengthened_without_new_offsets(m: Medium) -> None:
    def edit(data: bytes, offsets: dict[R, int]) -> bytes:
        at = offsets[m.patient]
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        name = data.index(b"Doe ", at)
        longer = b"Doe^" + b"A" * 20
        return (
            data[: at + 4] + (length + 20).to_bytes(4, "little") + data[at + 8 : name - 2]
            + len(longer).to_bytes(2, "little") + longer + data[name + 4 :]
        )  # fmt: skip

    m.edit = edit
    for number in (1, 2, 3, 4):
        m.values[number]["PatientName"] = "Doe^" + "A" * 20


# Flags and links of old.


@defect("inactive-record", error=False)
def inactive_record(m: Medium) -> None:
    m.image(2).in_use = 0


@defect("consistency-flag", error=False)
def consistency_flag_set(m: Medium) -> None:
    m.layout.flag = 0xFFFF


@defect("mrdr", error=False)
def multi_referenced_file(m: Medium) -> None:
    tags = (0x00041500, 0x00041510, 0x00041511, 0x00041512)
    shared = R("MRDR", [key for key in m.image(1).keys if key[0] in tags])
    shared.with_(0x00041600, "UL", struct.pack("<I", 1))
    m.image(1).without(*tags).mrdr = shared
    m.layout.physical = [*flatten(m.roots), shared]


@defect("dangling-mrdr", "dangling-offset", "key-missing", "file-unnamed")
def dangling_mrdr(m: Medium) -> None:
    m.image(1).without(0x00041500, 0x00041510, 0x00041511, 0x00041512).mrdr = 50_000


@defect("dangling-mrdr")
def an_mrdr_offset_of_zero(m: Medium) -> None:
    m.image(1).mrdr = 0


@defect("dangling-mrdr")
def an_mrdr_offset_that_leads_to_no_mrdr(m: Medium) -> None:
    m.image(1).mrdr = m.image(2)


# The file as such.


@defect("truncated", "dangling-offset", "nothing-below", "file-unnamed")
def truncated(m: Medium) -> None:
    m.edit = lambda data, offsets: data[: offsets[m.image(5)] + 6]


@defect("no-preamble")
def no_preamble(m: Medium) -> None:
    m.layout.preamble = False


@defect("no-preamble", "no-file-meta", "file-set-uid")
def a_bare_data_set(m: Medium) -> None:
    m.layout.preamble = m.layout.meta = False


@defect("trailing-bytes", error=False)
def trailing_zeros(m: Medium) -> None:
    m.layout.trailing = bytes(512)


@defect("transfer-syntax")
def implicit_vr(m: Medium) -> None:
    m.layout.explicit = False


@defect("transfer-syntax")
def big_endian(m: Medium) -> None:
    m.layout.order = ">"


@defect("media-storage-class")
def another_media_storage_class(m: Medium) -> None:
    m.layout.sop_class = b"1.2.840.10008.5.1.4.1.1.2"


@defect("file-set-id", error=False)
def file_set_id_in_lower_case(m: Medium) -> None:
    m.layout.file_set_id = b"my disc"


@defect("attribute-missing")
def no_consistency_flag(m: Medium) -> None:
    m.layout.flag = ABSENT


@defect("meta-length")
def wrong_meta_length(m: Medium) -> None:
    m.edit = lambda data, offsets: data[:140] + struct.pack("<I", 7) + data[144:]


@defect("sequence-length")
def sequence_too_short(m: Medium) -> None:
    m.layout.sequence_length = 10


@defect("truncated")
def absurd_sequence_length(m: Medium) -> None:
    m.layout.sequence_length = 0xFFFFFFF0


@defect("item-length")
def absurd_item_length(m: Medium) -> None:
    m.edit = lambda data, offsets: (
        data[: offsets[m.image(1)] + 4] + b"\xf0\xff\xff\x7f" + data[offsets[m.image(1)] + 8 :]
    )


@defect("too-deep")
def absurd_depth(m: Medium) -> None:
    at = m.image(1)
    for _ in range(100):
        at.children.append(R("PRIVATE", [(0x00041432, "UI", b"1.2.9")]))
        at = at.children[0]


@defect("dicomdir-name", error=False)
def dicomdir_in_lower_case(m: Medium) -> None:
    m.dicomdir = "dicomdir"


@defect("dicomdir-name", error=False)
def dicomdir_with_a_version(m: Medium) -> None:
    m.dicomdir = "DICOMDIR;1"


@defect("several-dicomdirs", "file-unnamed")
def two_dicomdirs(m: Medium) -> None:
    m.folder.mkdir(parents=True)
    other = Medium(m.folder, dicomdir="DICOMDIR;1", names={})
    other.write()


@defect("file-unnamed")
def a_directory_of_a_vendor_beside_it(m: Medium) -> None:
    private = Medium(m.folder / "VENDOR", names={})
    private.layout.first = private.layout.last = 0
    private.write()


@defect("directory-backup", error=False)
def an_earlier_directory_kept(m: Medium) -> None:
    Medium(m.folder, dicomdir="DICOMDIR.1.bak", names={}).write()


# File IDs and files.


def file_id(value: bytes, name: str | None, *codes: str, error: bool = True) -> None:
    """Register a medium whose first record has `value` as File ID and whose first file is `name`."""

    def build(m: Medium) -> None:
        m.image(1).with_(0x00041500, "CS", value)
        m.names[1] = name

    text = value.decode("latin-1").replace("\\", "+").replace("/", "|")
    DEFECTS.append(Defect(f"file_id_{text}_for_{name}", build, frozenset(codes), error))


file_id(b"dicom\\im1", "DICOM/IM1", "file-id-illegal", "file-id-case", error=False)
file_id(b"DICOM\\IM1", "dicom/im1", "file-id-case", error=False)
file_id(b"DICOM\\IM1", "DICOM/IM1.dcm", "file-id-suffix", error=False)
file_id(b"DICOM\\IM1", "DICOM/IM1.", "file-id-suffix", error=False)
file_id(b"DICOM\\IM1", "DICOM/IM1;1", "file-id-suffix", error=False)
file_id(b"DICOM\\IM1.DCM", "DICOM/IM1.DCM", "file-id-illegal", error=False)
file_id(b"DICOM\\IM1.DCM", "DICOM/IM1", "file-id-illegal", "file-id-suffix", error=False)
file_id(b"DICOM\\IM1;1", "DICOM/IM1", "file-id-illegal", "file-id-suffix", error=False)
file_id(b"DICOM\\IM1.", "DICOM/IM1", "file-id-illegal", "file-id-suffix", error=False)
file_id(b"DICOM/IM1", "DICOM/IM1", "file-id-unsafe", "file-unnamed")
file_id(b"\\DICOM\\IM1", "DICOM/IM1", "file-id-unsafe", "file-unnamed")
file_id(b"C:\\DICOM\\IM1", "DICOM/IM1", "file-id-unsafe", "file-unnamed")
file_id(b"..\\DICOM\\IM1", "DICOM/IM1", "file-id-unsafe", "file-unnamed")
file_id(b".\\IM1", "IM1", "file-id-unsafe", "file-unnamed")
file_id(b"DICOM\\IMAGE0001", "DICOM/IMAGE0001", "file-id-illegal", error=False)
file_id(b"A\\B\\C\\D\\E\\F\\G\\H\\I", "A/B/C/D/E/F/G/H/I", "file-id-illegal", error=False)
file_id(b"", "DICOM/IM1", "key-empty", "file-unnamed")
file_id(b"DICOM\\IM1", None, "file-missing")
file_id(b"DICOM", "DICOM/IM1", "file-missing", "file-unnamed")
file_id(
    b"DICOM\\IM2",
    "DICOM/IM1",
    "duplicate-file-id",
    "file-shared",
    "reference-wrong",
    "key-differs",
    "file-unnamed",
)
file_id(
    b"DICOM\\im2",
    "DICOM/IM1",
    "file-id-illegal",
    "file-id-case",
    "file-shared",
    "reference-wrong",
    "key-differs",
    "file-unnamed",
)
file_id(
    b"DICOMDIR", "DICOM/IM1", "reference-wrong", "file-is-directory", "key-differs", "file-unnamed"
)


@defect("link-out", error=False)
def a_link_out_of_the_medium(m: Medium) -> None:
    outside = m.folder.parent / "outside"
    builders.write(outside, **values_of(1))
    m.names[1] = None
    (m.folder / "DICOM").mkdir(parents=True)
    (m.folder / "DICOM" / "IM1").symlink_to(outside)


@defect("link-out", error=False)
def a_link_out_of_the_medium_that_no_record_names(m: Medium) -> None:
    outside = m.folder.parent / "outside"
    builders.write(outside, **values_of(1) | {"SOPInstanceUID": "1.2.3.9"})
    (m.folder / "DICOM").mkdir(parents=True)
    (m.folder / "DICOM" / "EXTRA").symlink_to(outside)


@defect("file-unnamed")
def a_file_that_no_record_names(m: Medium) -> None:
    builders.write(m.folder / "DICOM" / "EXTRA", **values_of(1) | {"SOPInstanceUID": "1.2.3.9"})


@defect("file-unreadable")
def a_file_that_is_no_dicom(m: Medium) -> None:
    m.names[1] = None
    (m.folder / "DICOM").mkdir(parents=True)
    (m.folder / "DICOM" / "IM1").write_text("this is a text and not an image")


@defect("file-truncated")
def a_file_cut_short(m: Medium) -> None:
    m.names[1] = None
    (m.folder / "DICOM").mkdir(parents=True)
    (m.folder / "DICOM" / "IM1").write_bytes(builders.dicom_bytes(**values_of(1))[:-4])


@defect("file-not-part-10")
def a_file_without_preamble(m: Medium) -> None:
    m.names[1] = None
    (m.folder / "DICOM").mkdir(parents=True)
    (m.folder / "DICOM" / "IM1").write_bytes(builders.dicom_bytes(**values_of(1))[132:])


# Records: types and levels.


@defect("record-type-case")
def record_type_in_mixed_case(m: Medium) -> None:
    m.patient.type = "Patient"


@defect("record-type-unknown", error=False)
def record_type_unknown(m: Medium) -> None:
    m.image(1).type = "HOLOGRAM"


@defect("record-type-missing")
def record_type_absent(m: Medium) -> None:
    m.image(1).type = ""


@defect("record-type-retired", "record-type-wrong")
def record_type_retired(m: Medium) -> None:
    m.image(1).type = "STORED PRINT"


@defect("record-type-wrong", "key-missing")
def record_type_of_another_sop_class(m: Medium) -> None:
    m.image(1).type = "WAVEFORM"


@defect("wrong-parent")
def an_image_at_the_root(m: Medium) -> None:
    m.roots.append(image(9, b"DICOM\\IM9"))
    builders.write(
        m.folder / "DICOM" / "IM9",
        **values_of(1) | {"SOPInstanceUID": "1.2.3.4.5.9", "InstanceNumber": "9"},
    )


@defect("wrong-parent")
def no_study_level(m: Medium) -> None:
    m.roots[1].children = [series(b"2.1.1", image(5))]
    m.roots[1].children[0].children[0].keys = image(5).keys


@defect("nothing-below", error=False)
def a_series_without_instances(m: Medium) -> None:
    m.study.children.append(series(b"1.1.9"))


@defect("no-record-type", error=False)
def a_private_sop_class(m: Medium) -> None:
    m.image(1).with_(0x00041510, "UI", b"1.2.999.1")
    m.values[1]["SOPClassUID"] = "1.2.999.1"


@defect("key-missing")
def private_record_without_its_uid(m: Medium) -> None:
    m.image(1).children.append(R("PRIVATE"))


@defect(error=False)
def a_tree_of_a_vendor(m: Medium) -> None:
    leaf = R(
        "PRIVATE",
        [(0x00041432, "UI", b"1.2.8"), (0x00090010, "LO", b"ACME"), (0x00091001, "UN", b"\1\2")],
    )
    m.roots.append(
        R(
            "PRIVATE",
            [(0x00041432, "UI", b"1.2.9")],
            [leaf, R("PRIVATE", [(0x00041432, "UI", b"1.2.8")])],
        )
    )


# Keys.


def key(name: str, change: Callable[[Medium], object], *codes: str, error: bool = True) -> None:
    """Register a medium with changed keys."""
    DEFECTS.append(Defect(name, change, frozenset(codes), error))


key("no_patient_id", lambda m: m.patient.without(0x00100020), "key-missing")
key(
    "blank_patient_id",
    lambda m: m.patient.with_(0x00100020, "LO", b"  "),
    "key-empty",
    "key-differs",
)
key("no_patient_name", lambda m: m.patient.without(0x00100010), "key-missing", error=False)
key("no_study_date", lambda m: m.study.without(0x00080020), "key-missing")
key("no_study_uid", lambda m: m.study.without(0x0020000D), "key-missing")
key("no_series_number", lambda m: m.series.without(0x00200011), "key-missing")
key("no_instance_number", lambda m: m.image(1).without(0x00200013), "key-missing")
key("no_file_id", lambda m: m.image(1).without(0x00041500), "key-missing", "file-unnamed")
key(
    "no_sop_class_in_file",
    lambda m: m.image(1).without(0x00041510),
    "key-missing",
    "reference-wrong",
)
key(
    "no_sop_instance_in_file",
    lambda m: m.image(1).without(0x00041511),
    "key-missing",
    "reference-wrong",
)
key(
    "no_transfer_syntax_in_file",
    lambda m: m.image(1).without(0x00041512),
    "key-missing",
    "reference-wrong",
)
key(
    "wrong_sop_instance",
    lambda m: m.image(1).with_(0x00041511, "UI", b"1.2.3.4.5.77"),
    "reference-wrong",
)
key(
    "wrong_transfer_syntax",
    lambda m: m.image(1).with_(0x00041512, "UI", b"1.2.840.10008.1.2"),
    "reference-wrong",
)
key(
    "sop_instance_twice",
    lambda m: m.image(1).with_(0x00041511, "UI", b"1.2.3.4.5.2"),
    "duplicate-sop-instance",
    "reference-wrong",
)
key(
    "patient_id_twice",
    lambda m: m.roots[1].with_(0x00100020, "LO", b"P1"),
    "duplicate-patient-id",
    "key-differs",
)
key(
    "study_under_two_patients",
    lambda m: m.roots[1].children[0].with_(0x0020000D, "UI", b"1.1"),
    "duplicate-study",
    "key-differs",
)
key(
    "series_twice",
    lambda m: m.study.children[1].with_(0x0020000E, "UI", b"1.1.1"),
    "duplicate-series",
    "key-differs",
)
key(
    "another_name_than_the_files",
    lambda m: m.patient.with_(0x00100010, "PN", b"Roe"),
    "key-differs",
    error=False,
)
key(
    "another_description_than_the_files",
    lambda m: m.study.with_(0x00081030, "LO", b"Skull"),
    "key-differs",
    error=False,
)
key(
    "another_instance_number_than_the_file",
    lambda m: m.image(1).with_(0x00200013, "IS", b"77"),
    "key-differs",
    error=False,
)
key(
    "a_patient_with_a_file",
    lambda m: m.patient.with_(0x00041500, "CS", b"DICOM\\P"),
    "unexpected-reference",
    "file-missing",
)
key(
    "date_of_no_calendar",
    lambda m: m.study.with_(0x00080020, "DA", b"20201301"),
    "key-illegal",
    "key-differs",
    error=False,
)
key("key_of_another_vr", lambda m: m.study.with_(0x00200010, "LO", b"1 "), "key-vr")
key(
    "group_2_in_an_item",
    lambda m: m.patient.with_(0x00020010, "UI", b"1.2"),
    "forbidden-group",
    error=False,
)
key("no_character_set", lambda m: _named(m, b"M\xfcller", None), "character-set-missing")
key("unknown_character_set", lambda m: _named(m, b"Doe", b"KLINGON"), "character-set-unknown")
key(
    "undecodable_text",
    lambda m: _named(m, b"M\xfcller", b"ISO_IR 192"),
    "undecodable-text",
    "key-differs",
)


def _named(m: Medium, name: bytes, character_set: bytes | None) -> None:
    m.roots[1].with_(0x00100010, "PN", name)
    if character_set:
        m.roots[1].with_(0x00080005, "CS", character_set)
    if name != b"Doe":
        m.values[5] |= {"PatientName": "Müller", "SpecificCharacterSet": "ISO_IR 100"}


@defect("character-set-inherited", error=False)
def character_set_on_the_patient_only(m: Medium) -> None:
    m.patient.with_(0x00080005, "CS", b"ISO_IR 100")
    m.study.with_(0x00081030, "LO", b"Sch\xe4del")
    for number in (1, 2, 3, 4):
        m.values[number] |= {"StudyDescription": "Schädel", "SpecificCharacterSet": "ISO_IR 100"}


@defect("odd-length")
def odd_length(m: Medium) -> None:
    def edit(data: bytes, offsets: dict[R, int]) -> bytes:
        out = bytearray(data[:-1])  # the last value of the file: an Instance Number, padded
        out[-3:-1] = b"\1\0"
        for at in (offsets[m.image(5)] + 4, offsets[m.patient] - 4):
            length = int.from_bytes(out[at : at + 4], "little") - 1
            out[at : at + 4] = length.to_bytes(4, "little")
        return bytes(out)

    m.edit = edit


def icon_items(**changes: Any) -> bytes:
    """Return the items of an Icon Image Sequence of 2 by 2 pixels; `changes` by the name of a value."""
    values = {
        "samples": 1,
        "rows": 2,
        "columns": 2,
        "allocated": 8,
        "stored": 8,
        "high": 7,
        "representation": 0,
    } | changes
    tags = {
        "samples": 2,
        "rows": 0x10,
        "columns": 0x11,
        "allocated": 0x100,
        "stored": 0x101,
        "high": 0x102,
        "representation": 0x103,
    }
    parts = [
        (0x00280000 | tags[name], "US", struct.pack("<H", number))
        for name, number in values.items()
    ]
    parts += [(0x00280004, "CS", b"MONOCHROME2 "), (0x7FE00010, "OW", b"\1\2\3\4")]
    body = b"".join(element(tag, vr, value) for tag, vr, value in sorted(parts))
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body


key("an_icon", lambda m: m.image(1).with_(0x00880200, "SQ", icon_items()), error=False)
key(
    "an_icon_of_three_samples",
    lambda m: m.image(1).with_(0x00880200, "SQ", icon_items(samples=3)),
    "icon",
)
key(
    "an_icon_without_its_pixels",
    lambda m: m.image(1).with_(0x00880200, "SQ", icon_items(rows=9)),
    "icon",
)
key(
    "an_icon_of_twelve_bits",
    lambda m: m.image(1).with_(0x00880200, "SQ", icon_items(allocated=16, stored=12, high=11)),
    "icon",
)


@defect("key-absent")
def no_related_general_sop_class(m: Medium) -> None:
    m.values[1]["RelatedGeneralSOPClassUID"] = "1.2.840.10008.5.1.4.1.1.2"
