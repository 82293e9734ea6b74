"""The web pages of a medium: well-formed, linked, escaped, and the same every time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from catalog.database.catalogue import Catalogue
from catalog.exporting.pages import Facility
from catalog.exporting.pages.contents import _spread
from catalog.exporting.pages.frame import href
from catalog.exporting.pages.markup import escaped, tag
from catalog.exporting.pages.wording import date, date_time, person, size, time
from tests.builders import archive, write
from tests.journeys.steps import PYDICOM_FILES, exported, files_below, indexed

XHTML = "{http://www.w3.org/1999/xhtml}"
HOSTILE = "<script>alert(1)</script>]]>&\"'"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
CDA = "1.2.840.10008.5.1.4.1.1.104.2"
SR = "1.2.840.10008.5.1.4.1.1.88.33"
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
FACILITY = Facility("Hospital <A>", "Street 1\nTown", "Keep it safe.")
numpy = pytest.mark.skipif(find_spec("numpy") is None, reason="numpy is not installed")

ALLOWED = {
    "html", "head", "meta", "title", "link", "body", "div", "h1", "h2", "p", "ul", "li", "dl", "dt",
    "dd", "a", "span", "img", "table", "caption", "tr", "th", "td", "br",
}  # fmt: skip
"""Elements of XHTML Basic 1.1 that the pages use."""


def medium(catalogue: Catalogue, tmp_path: Path, facility: Facility = FACILITY) -> Path:
    """Export all that is catalogued, with pages."""
    place = tmp_path / "medium"
    exported(catalogue, place, facility=facility, created="2024-01-31", file_set_id="DISC1")
    return place


def pages(place: Path) -> dict[str, ET.Element]:
    """Return all pages of a medium, parsed as XML."""
    return {
        path.relative_to(place).as_posix(): ET.fromstring(path.read_bytes())
        for path in sorted(place.rglob("*.HTM"))
    }


def walked(place: Path) -> set[str]:
    """Check every page and follow every link from INDEX.HTM; return all that can be reached."""
    reached, waiting = {"INDEX.HTM"}, ["INDEX.HTM"]
    while waiting:
        name = waiting.pop()
        if not name.endswith(".HTM"):
            continue
        root = ET.fromstring((place / name).read_bytes())
        for element in root.iter():
            assert element.tag.removeprefix(XHTML) in ALLOWED
            assert not any(key.startswith("on") for key in element.attrib)
            for key in ("href", "src"):
                if key not in element.attrib:
                    continue
                link = element.attrib[key]
                assert re.fullmatch(r"(\.\./)*[A-Z0-9_/.]+", link), link
                target = (place / name).parent.joinpath(link).resolve()
                # `exists` alone would do on a file system that knows no case.
                assert target.name in {path.name for path in target.parent.iterdir()}, link
                found = target.relative_to(place.resolve()).as_posix()
                if found not in reached:
                    reached.add(found)
                    waiting.append(found)
    return reached


def text_of(page: ET.Element) -> str:
    return " ".join("".join(page.itertext()).split())


def test_all_is_linked_and_named_for_iso_9660(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "in", 2, 2, 2, 3)
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    reached = walked(place)
    ours = {name for name in files_below(place) if not name.startswith("DICOM")}
    assert ours - {"MANIFEST.SHA"} == reached
    for name in files_below(place):
        assert all(
            re.fullmatch(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?", part) for part in name.split("/")
        ), name
        assert len(name.split("/")) <= 8
    assert {name for name in ours if "/" not in name} == {"INDEX.HTM", "README.TXT", "MANIFEST.SHA"}
    assert sum(name.startswith("IHE_PDI/") and name.endswith("INDEX.HTM") for name in ours) == 14
    # DICOM files do not lie in the root.
    assert all("/" in name for name in files_below(place) - ours - {"DICOMDIR"})


def test_the_first_page(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "in", 1, 2, 1, 2)
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    text = text_of(pages(place)["INDEX.HTM"])
    for said in (
        "Hospital <A>", "Street 1", "Keep it safe.", "Doe, Number1", "P1", "1970-01-31", "female",
        "2024-01-01 to 2024-01-02", "4 images", "DISC1", "4 files",
    ):  # fmt: skip
        assert said in text, said


def test_the_readme(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "in", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "in")
    data = (medium(catalogue, tmp_path) / "README.TXT").read_bytes()
    assert data.isascii()
    assert data.count(b"\n") == data.count(b"\r\n") > 20
    for said in (b"Hospital <A>", b"Street 1", b"Town", b"INDEX.HTM", b"dcat ", b"viewer"):
        assert said in data
    assert b"Doe" not in data  # nothing of any patient


def test_a_readme_beyond_ascii_says_so(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "in", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "in")
    data = (medium(catalogue, tmp_path, Facility("Universitätsklinik")) / "README.TXT").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert "Universitätsklinik" in data.decode("utf-8")


def test_hostile_values_are_only_text(catalogue: Catalogue, tmp_path: Path) -> None:
    write(
        tmp_path / "in/a.dcm",
        SpecificCharacterSet="ISO_IR 192",
        PatientName=f"{HOSTILE}^\u202eevil",
        PatientID=HOSTILE[:64],
        StudyDescription=HOSTILE,
        SeriesDescription=HOSTILE,
        ProtocolName=HOSTILE,
        InstitutionName=HOSTILE,
        StudyID="\x01\x1b[",
    )
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    walked(place)
    for name, page in pages(place).items():
        assert not list(page.iter(f"{XHTML}script")), name
        raw = (place / name).read_bytes()
        assert b"<script" not in raw
        assert b"]]>" not in raw
        assert not re.search(rb"[\0-\x08\x0b\x0c\x0e-\x1f]", raw)
        assert "\u202e" not in raw.decode("utf-8")
    assert "<script>alert(1)</script>" in text_of(pages(place)["INDEX.HTM"])


@given(st.text())
def test_any_text_can_stand_in_a_page(text: str) -> None:
    made = tag("p", text, title=text)
    parsed = ET.fromstring(made.encode("utf-8"))
    shown = escaped(text)
    assert ET.fromstring(f"<p>{shown}</p>".encode()).text == parsed.text
    plain = "".join(c for c in text if c.isalnum())
    assert plain == "".join(c for c in parsed.text or "" if c.isalnum())


def test_the_same_input_gives_the_same_bytes(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "in", 2, 1, 1, 3)
    indexed(catalogue, tmp_path / "in")
    first, second = medium(catalogue, tmp_path / "1"), medium(catalogue, tmp_path / "2")
    names = files_below(first)
    assert names == files_below(second)
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@numpy
def test_pictures(catalogue: Catalogue, tmp_path: Path) -> None:
    archive(tmp_path / "in", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    (series,) = place.glob("IHE_PDI/*/*/*/INDEX.HTM")
    pictures = list(ET.fromstring(series.read_bytes()).iter(f"{XHTML}img"))
    assert [p.attrib["alt"] for p in pictures] == [f"Series 1, Image {n}" for n in (1, 2, 3)]
    assert {(p.attrib["width"], p.attrib["height"]) for p in pictures} == {("256", "256")}
    for picture in pictures:
        data = (series.parent / picture.attrib["src"]).read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert data.endswith(b"IEND\xaeB`\x82")


@pytest.mark.skipif(find_spec("PIL") is None or find_spec("numpy") is None, reason="no pillow")
@pytest.mark.parametrize("samples", [1, 3])
def test_pictures_are_what_another_reader_sees(samples: int, tmp_path: Path) -> None:
    from PIL import Image

    from catalog.dicom.rendering import Picture
    from catalog.exporting.pages.png import png

    data = bytes(range(5 * 7 * samples))
    (tmp_path / "a.png").write_bytes(png(Picture(5, 7, samples, data)))
    with Image.open(tmp_path / "a.png") as image:
        assert (image.size, image.mode) == ((5, 7), "L" if samples == 1 else "RGB")
        assert image.tobytes() == data


@numpy
def test_colours_and_the_middle_frame(catalogue: Catalogue, tmp_path: Path) -> None:
    red, green, blue = b"\xff\0\0", b"\0\xff\0", b"\0\0\xff"
    write(
        tmp_path / "in/a.dcm", SamplesPerPixel=3, PhotometricInterpretation="RGB",
        PlanarConfiguration=0, BitsAllocated=8, BitsStored=8, HighBit=7, NumberOfFrames="3",
        PixelData=red * 4 + green * 4 + blue * 4,
    )  # fmt: skip
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    (series,) = place.glob("IHE_PDI/*/*/*/INDEX.HTM")
    assert "Image 1, frame 2 of 3" in series.read_text()
    assert "1 image with 3 frames" in series.read_text()
    (picture,) = series.parent.glob("*.PNG")
    assert picture.read_bytes()[25] == 2  # colour type: RGB


def test_no_picture_is_made_up(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.dicom.rendering.is_possible", lambda: False)
    archive(tmp_path / "in", 1, 1, 1, 1)
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    assert not list(place.rglob("*.PNG"))
    (series,) = place.glob("IHE_PDI/*/*/*/INDEX.HTM")
    assert "No picture: numpy is not installed." in series.read_text()
    walked(place)


def test_pixel_data_that_cannot_be_decoded(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "in/a.dcm", PixelData=b"\1\2")
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    (series,) = place.glob("IHE_PDI/*/*/*/INDEX.HTM")
    assert "No picture: " in series.read_text()
    assert not list(place.rglob("*.PNG"))


@given(st.integers(0, 40))
def test_key_images_are_spread_evenly(count: int) -> None:
    paths = [str(i) for i in range(count)]
    chosen = [int(path) for path in _spread(paths)]
    assert len(chosen) == min(count, 6)
    assert chosen == sorted(set(chosen))
    if count > 6:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
        steps = {b - a for a, b in pairwise(chosen)}
        assert max(steps) - min(steps) <= 1


def item(value_type: str, concept: str = "", **values: Any) -> Dataset:
    ds = Dataset()
    ds.RelationshipType = values.pop("RelationshipType", "CONTAINS")
    ds.ValueType = value_type
    if concept:
        ds.ConceptNameCodeSequence = Sequence([code(concept)])
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def code(meaning: str, value: str = "1", scheme: str = "99TEST") -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, scheme, meaning
    return ds


def number(value: str, unit: str) -> Sequence:
    ds = Dataset()
    ds.NumericValue = value
    ds.MeasurementUnitsCodeSequence = Sequence([code("millimetre", unit, "UCUM")])
    return Sequence([ds])


def refers(uid: str, sop_class: str = "1.2.840.10008.5.1.4.1.1.2", **more: Any) -> Sequence:
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = sop_class, uid
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return Sequence([ds])


def report(folder: Path, *content: Dataset, **values: Any) -> Path:
    given = {
        "SOPClassUID": SR, "SOPInstanceUID": "1.2.9.50", "SeriesInstanceUID": "1.2.9.5",
        "SeriesNumber": "9", "Modality": "SR", "Rows": ..., "Columns": ..., "BitsAllocated": ...,
        "ValueType": "CONTAINER", "ConceptNameCodeSequence": Sequence([code("CT Report")]),
        "CompletionFlag": "COMPLETE", "VerificationFlag": "UNVERIFIED",
        "ContentSequence": Sequence(list(content)),
    } | values  # fmt: skip
    return write(folder / "report.dcm", **given)


def test_a_structured_report(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "image.dcm", SOPInstanceUID="1.2.3.1.1.1")
    inner = item("NUM", "Length", MeasuredValueSequence=number("12.5", "mm"))
    nested = item(
        "CONTAINER",
        "Findings",
        ContentSequence=Sequence(
            [
                item("TEXT", "Finding", TextValue=f"First line\r\n{HOSTILE}"),
                inner,
                item("CODE", "Organ", ConceptCodeSequence=Sequence([code("Liver")])),
                item("IMAGE", ReferencedSOPSequence=refers("1.2.3.1.1.1", ReferencedFrameNumber=3)),
                item("IMAGE", "Old", ReferencedSOPSequence=refers("1.2.404")),
                *(item("IMAGE", ReferencedSOPSequence=refers(f"1.2.405.{n}")) for n in range(5)),
                item("NUM", "Unknown"),
                item("DATE", "On", Date="20240131"),
                item("UIDREF", "Which", UID="1.2.77"),
                item("SCOORD", "Where", GraphicType="POLYLINE", GraphicData=[1.0, 2.0, 3.0, 4.0]),
            ]
        ),
    )
    who = item("PNAME", "Observer", RelationshipType="HAS OBS CONTEXT", PersonName="Roe^Ann^^Dr")
    report(folder, who, nested)
    indexed(catalogue, folder)
    place = medium(catalogue, tmp_path)
    walked(place)
    (path,) = place.rglob("SR*.HTM")
    page = ET.fromstring(path.read_bytes())
    text = text_of(page)
    for said in (
        "CT Report", "not verified", "context: Observer: Roe, Dr Ann", "Findings",
        "Finding: First line", "Length: 12.5 mm", "Organ: Liver", "Series 1, frame 3",
        "Old: CT Image, not on this medium (1.2.404)",
        "5 references: CT Image, not on this medium", "Unknown: no value", "On: 2024-01-31",
        "Which: 1.2.77", "Where: POLYLINE of 2 points",
    ):  # fmt: skip
        assert said in text, said
    links = {a.attrib["href"] for a in page.iter(f"{XHTML}a")}
    assert any(link.endswith("SE000001/INDEX.HTM") for link in links)
    assert not list(page.iter(f"{XHTML}script"))
    (series,) = (p for p in place.glob("IHE_PDI/*/*/*/INDEX.HTM") if p.parent == path.parent)
    assert path.name in series.read_text()


def test_key_object_selections_are_reports(catalogue: Catalogue, tmp_path: Path) -> None:
    report(
        tmp_path / "in",
        item("IMAGE", ReferencedSOPSequence=refers("1.2.404")),
        SOPClassUID=KEY_OBJECTS,
        Modality="KO",
        ConceptNameCodeSequence=Sequence([code("For Surgery")]),
    )
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    (path,) = place.rglob("SR*.HTM")
    assert "For Surgery" in path.read_text()


def test_a_report_that_is_nested_too_deeply(catalogue: Catalogue, tmp_path: Path) -> None:
    deep = item("TEXT", "x", TextValue="x")
    for _ in range(60):
        deep = item("CONTAINER", "x", ContentSequence=Sequence([deep]))
    report(tmp_path / "in", deep)
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    walked(place)
    assert not list(place.rglob("SR*.HTM"))
    (series,) = place.glob("IHE_PDI/*/*/*/INDEX.HTM")
    assert "its content cannot be read" in series.read_text()


def document(folder: Path, data: bytes, mime_type: str, **values: Any) -> Path:
    given = {
        "SOPClassUID": PDF, "SOPInstanceUID": "1.2.9.60", "Modality": "DOC", "Rows": ...,
        "Columns": ..., "BitsAllocated": ..., "PixelData": ..., "EncapsulatedDocument": data,
        "MIMETypeOfEncapsulatedDocument": mime_type, "DocumentTitle": "Discharge <letter>",
        "EncapsulatedDocumentLength": len(data),
    } | values  # fmt: skip
    return write(folder / "document.dcm", **given)


DOCUMENTS = [
    (b"%PDF-1.4 abc", "application/pdf", "PDF", b"%PDF-1.4 abc"),
    (b"%PDF-1.4 odd!", "application/pdf", "PDF", b"%PDF-1.4 odd!"),
    (b"<ClinicalDocument/>", "text/XML", "XML", b"<ClinicalDocument/>"),
    (b"<a xmlns='http://www.w3.org/1999/xhtml'/>", "text/XML", "TXT", None),
    ("<?xml-stylesheet?><a/>".encode("utf-16"), "text/XML", "TXT", None),
]


@pytest.mark.parametrize(
    ("data", "mime_type", "extension", "expected"),
    DOCUMENTS,
    ids=["pdf", "odd-pdf", "cda", "xhtml", "utf-16"],
)
@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"], ids=["plain", "deflated"]
)
def test_documents_are_files(
    data: bytes,
    mime_type: str,
    extension: str,
    expected: bytes | None,
    syntax: str,
    catalogue: Catalogue,
    tmp_path: Path,
) -> None:
    document(tmp_path / "in", data, mime_type, transfer_syntax=pydicom.uid.UID(syntax))
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    walked(place)
    (path,) = place.rglob("DO000001.*")
    assert path.suffix == f".{extension}"
    assert path.read_bytes() == (expected or data)
    assert "Discharge &lt;letter&gt;" in (path.parent / "INDEX.HTM").read_text()


@pytest.mark.parametrize(
    ("data", "mime_type", "said"),
    [
        (b"MZ program", "application/pdf", "it says that it is PDF and is not"),
        (b"<html/>", "text/html", "text/html, which needs a DICOM viewer"),
        (b"", "application/pdf", "it is empty"),
    ],
)
def test_documents_that_are_no_files(
    data: bytes, mime_type: str, said: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    document(tmp_path / "in", data, mime_type)
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    assert not list(place.rglob("DO000001.*"))
    (series,) = place.glob("IHE_PDI/*/*/*/INDEX.HTM")
    assert said in series.read_text()


def test_a_document_too_long(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.exporting.pages.documents.MAX_BYTES", 10)
    document(tmp_path / "in", b"%PDF-1.4 long", "application/pdf")
    indexed(catalogue, tmp_path / "in")
    place = medium(catalogue, tmp_path)
    (series,) = place.glob("IHE_PDI/*/*/*/INDEX.HTM")
    assert "it cannot be taken out" in series.read_text()


def test_other_objects_need_a_viewer(catalogue: Catalogue, tmp_path: Path) -> None:
    write(tmp_path / "in/a.dcm", SOPClassUID=RT_PLAN, Modality="RTPLAN", Rows=..., Columns=...)
    indexed(catalogue, tmp_path / "in")
    (series,) = medium(catalogue, tmp_path).glob("IHE_PDI/*/*/*/INDEX.HTM")
    text = series.read_text()
    assert "RT Plan" in text
    assert "need a DICOM viewer" in text


def test_what_could_not_be_copied_is_said(catalogue: Catalogue, tmp_path: Path) -> None:
    files = archive(tmp_path / "in", 1, 1, 1, 3)
    indexed(catalogue, tmp_path / "in")
    files[1].unlink()
    place = medium(catalogue, tmp_path)
    walked(place)
    (series,) = place.glob("IHE_PDI/*/*/*/INDEX.HTM")
    assert "1 of 3 files could not be copied" in series.read_text()
    assert "2 images" in series.read_text()
    overviews = [place / "INDEX.HTM", *place.glob("IHE_PDI/*/INDEX.HTM")]
    assert len(overviews) == 2
    for page in overviews:
        assert "2 images; 1 of 3 files could not be copied" in page.read_text()


def test_real_files(catalogue: Catalogue, tmp_path: Path) -> None:
    indexed(catalogue, PYDICOM_FILES)
    place = tmp_path / "medium"
    exported(catalogue, place, take_first=True, facility=FACILITY, created="2024-01-31")
    reached = walked(place)
    assert len(reached) > 60
    assert {n for n in files_below(place) if n.startswith("IHE_PDI/")} <= reached


@pytest.mark.parametrize(
    ("folder", "target", "expected"),
    [
        ("", "IHE_PDI/A/INDEX.HTM", "IHE_PDI/A/INDEX.HTM"),
        ("IHE_PDI/A", "INDEX.HTM", "../../INDEX.HTM"),
        ("IHE_PDI/A", "IHE_PDI/A/B.HTM", "B.HTM"),
        ("IHE_PDI/A/B", "IHE_PDI/A/C/D.PNG", "../C/D.PNG"),
        ("IHE_PDI/A", "IHE_PDI/PAGES.CSS", "../PAGES.CSS"),
    ],
)
def test_links_between_folders(folder: str, target: str, expected: str) -> None:
    assert href(folder, target) == expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (person("Doe^Jane^Q^Dr^MD"), "Doe, Dr Jane Q, MD"),
        (person("Doe"), "Doe"),
        (person("^^^"), ""),
        (person("Yamada^Tarou=山田^太郎"), "Yamada, Tarou (山田, 太郎)"),
        (person("=山田"), "山田"),
        (person("a^b^c^d^e^f=g=h=i"), "a, d b c, e (g, h, i)"),
        (date("20240131"), "2024-01-31"),
        (date("yesterday"), "yesterday"),
        (time("101500.123"), "10:15"),
        (time("x"), "x"),
        (date_time("20240131101500+0100"), "2024-01-31 10:15"),
        (date_time("202401"), "202401"),
        (size(999), "999 bytes"),
        (size(1_250), "1.2 kB"),
        (size(3_600_000_000), "3.6 GB"),
    ],
)
def test_wording(made: str, expected: str) -> None:
    assert made == expected
