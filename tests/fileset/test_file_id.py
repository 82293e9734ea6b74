"""File IDs: what is legal, and how a medium is searched for one without leaving its root."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import FileIdError
from catalog.fileset.file_id import (
    FileId,
    Listing,
    candidates,
    components_of,
    file_id,
    file_id_from_value,
    resolve,
)

component = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", min_size=1, max_size=8)


@given(st.lists(component, min_size=1, max_size=8))
def test_legal_ones_round_trip(components: list[str]) -> None:
    made = file_id(components)
    assert made.path == "/".join(components)
    assert file_id_from_value(made.value) == made
    assert file_id_from_value(made.value + b" ") == made
    assert len({made, FileId(tuple(components))}) == 1


@pytest.mark.parametrize(
    "components",
    [[], ["A"] * 9, [""], ["A", ""], ["ABCDEFGHI"], ["a"], ["A.B"], ["A B"], ["A-B"], ["Ä"], ["A\n"], ["٣"]],
    ids=repr,
)  # fmt: skip
def test_illegal_ones_are_refused(components: list[str]) -> None:
    with pytest.raises(FileIdError):
        file_id(components)


def test_ordered_root_first() -> None:
    assert sorted([file_id(["B"]), file_id(["A", "B"]), file_id(["A"])]) == [
        FileId(("A",)),
        FileId(("A", "B")),
        FileId(("B",)),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", ()),
        (b"   ", ()),
        (b"A\\B ", ("A", "B")),
        (b"A \\ B\0", ("A", "B")),
        (b"\\A", ("", "A")),
        (b"A\xe4", ("A<E4>",)),
    ],
)
def test_components_of_any_value(value: bytes, expected: tuple[str, ...]) -> None:
    assert components_of(value) == expected


MEDIUM = ["DICOMDIR", "DICOM/IM1", "dicom/im2", "DICOM/IM3.dcm", "DICOM/IM4;1", "DICOM/IM5.", "DICOM/IM6.;1",
          "Dicom/Im7.DCM", "DICOM/A.B"]  # fmt: skip


@pytest.mark.parametrize(
    ("components", "path", "codes"),
    [
        (("DICOM", "IM1"), "DICOM/IM1", []),
        (("dicom", "im1"), "DICOM/IM1", ["file-id-case"]),
        (("DICOM", "IM2"), "dicom/im2", ["file-id-case"]),
        (("DICOM", "IM3"), "DICOM/IM3.dcm", ["file-id-suffix"]),
        (("DICOM", "IM4"), "DICOM/IM4;1", ["file-id-suffix"]),
        (("DICOM", "IM5"), "DICOM/IM5.", ["file-id-suffix"]),
        (("DICOM", "IM6"), "DICOM/IM6.;1", ["file-id-suffix"]),
        (("DICOM", "IM7"), "Dicom/Im7.DCM", ["file-id-suffix"]),
        (("DICOM", "IM1;1"), "DICOM/IM1", ["file-id-suffix"]),
        (("DICOM", "IM1."), "DICOM/IM1", ["file-id-suffix"]),
        (("DICOM", "IM1.dcm"), "DICOM/IM1", ["file-id-suffix"]),
        (("DICOM", "IM9"), None, ["file-missing"]),
        (("DICOM",), None, ["file-missing"]),
    ],
)
def test_resolution(components: tuple[str, ...], path: str | None, codes: list[str]) -> None:
    found = resolve(components, Listing(MEDIUM))
    assert found.path == path
    assert [finding.code for finding in found.findings] == codes


@pytest.mark.parametrize(
    "components",
    [(), ("",), ("..", "ETC"), ("A", "..", "B"), (".",), ("", "DICOM"), ("C:", "X"), ("c:x",), ("A", "B:C"),
     ("A/B",), ("A\\B",), ("A", ""), ("A\0",), ("...",), (".. ",)],
    ids=repr,
)  # fmt: skip
def test_nothing_leads_out_of_the_root(components: tuple[str, ...]) -> None:
    everything = ["/".join(components), "ETC", "B", "DICOM", "X", "A/B", "A"]
    found = resolve(components, everything, offset_bytes=7)
    assert found.path is None
    assert [(f.code, f.offset_bytes) for f in found.findings] == [("file-id-unsafe", 7)]
    assert candidates(components, everything) == ()


@given(st.lists(st.text("AbC./\\;1:", max_size=4), max_size=4))
def test_a_resolution_is_always_of_the_listing(components: list[str]) -> None:
    listing = Listing(["A", "A/b", "C/A.C", "b;1", "../A"])
    found = resolve(tuple(components), listing)
    assert found.path is None or (found.path in listing and not found.path.startswith(".."))


def test_ambiguity_is_told_and_settled_by_order() -> None:
    found = resolve(("X",), ["x.dcm", "X.B"])
    assert found.path == "X.B"
    assert [finding.code for finding in found.findings] == ["file-id-suffix", "file-id-ambiguous"]
