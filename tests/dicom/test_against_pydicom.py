"""The walker and the decoder are held to pydicom, on real files and on made ones."""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import data_manager
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.multival import MultiValue

from catalog.dicom.claims import WANTED, claims
from catalog.dicom.elements import WIDTH, swap
from catalog.dicom.header import Header, read_header
from catalog.dicom.values import character_sets, decode
from catalog.errors import HeaderError
from tests.dicom.part10 import BIG, DEFLATED, EXPLICIT, IMPLICIT, part10

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SPECIFIC_CHARACTER_SET = 0x00080005


def roots() -> Iterator[Any]:
    yield pytest.param(Path(data_manager.DATA_ROOT), 130, id="pydicom")
    spec = importlib.util.find_spec("data_store")
    more = Path(str(spec.origin)).parent / "data" if spec else None
    absent = pytest.mark.skipif(more is None, reason="pydicom-data is not installed")
    yield pytest.param(more, 60, id="pydicom-data", marks=absent)
    absent = pytest.mark.skipif(
        not SHARED.is_dir(), reason="the collection of real files is not here"
    )
    yield pytest.param(SHARED, 200, id="collection", marks=absent)


def by_pydicom(source: Path | bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            data = io.BytesIO(source) if isinstance(source, bytes) else source
            return pydicom.dcmread(data, stop_before_pixels=True, force=True)
        finally:
            logging.disable(logging.NOTSET)


def raw_bytes(ds: Dataset, tag: int, vr: str) -> bytes | None:
    """pydicom's value bytes, numbers little endian; `None` where it keeps no bytes."""
    found = ds.get_item(tag)
    if not isinstance(found, RawDataElement):
        return b"" if found.is_empty else None
    value = found.value or b""
    return value if found.is_little_endian else swap(value, WIDTH.get(vr, 1))


def text_of(ds: Dataset, tag: int) -> str:
    """pydicom's text of a value, each of several without padding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = ds[tag].value
    values = value if isinstance(value, MultiValue | list) else [value]
    return "\\".join("" if v is None else str(v) for v in values)


def stripped(text: str) -> str:
    return "\\".join(value.strip(" \0") for value in text.split("\\"))


def assert_same(header: Header, ds: Dataset, place: str) -> int:
    """Compare every wanted element; return how many."""
    assert set(header.elements) == {tag for tag in WANTED if tag in ds}, place
    encodings = character_sets(header.elements)
    for tag, element in header.elements.items():
        where = f"{place} {tag:08X}"
        expected = raw_bytes(ds, tag, element.vr)
        if expected is None:
            assert tag == SPECIFIC_CHARACTER_SET, where  # pydicom converts it while reading
        else:
            assert element.data == expected, where
        assert stripped(decode(element, encodings).text) == stripped(text_of(ds, tag)), where
    return len(header.elements)


@pytest.mark.parametrize(("root", "at_least"), list(roots()))
def test_real_files(root: Path, at_least: int) -> None:
    ways: Counter[str] = Counter()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        try:
            with path.open("rb") as stream:
                header = read_header(stream, path.stat().st_size, WANTED)
        except HeaderError as error:
            ways[type(error).__name__] += 1
            # What is refused holds nothing that pydicom would find.
            ds = by_pydicom(path) if path.suffix == ".dcm" else Dataset()
            assert not WANTED & set(ds.keys()), path
            continue
        ways["read"] += 1
        ways[header.transfer_syntax_uid or "no transfer syntax"] += 1
        ways.update(finding.code for finding in header.findings)
        ds = by_pydicom(path)
        if header.is_dicomdir:
            ways["dicomdir"] += 1
            continue
        ways["elements"] += assert_same(header, ds, str(path))
        result = claims(header.elements, header.meta)
        ways["claims" if result.claims else "no claims"] += 1
    print(*(f"{count:6} {way}" for way, count in ways.most_common()), sep="\n")  # shown by -rP
    assert ways["read"] >= at_least, ways
    assert ways["claims"] >= at_least * 0.9, ways


CHARSET_FILES = sorted((Path(data_manager.DATA_ROOT) / "charset_files").glob("*.dcm"))


@pytest.mark.parametrize("path", CHARSET_FILES, ids=lambda path: path.stem)
def test_every_text_of_the_charset_files_decodes_as_in_pydicom(path: Path) -> None:
    ds = by_pydicom(path)
    wanted = frozenset(int(e.tag) for e in ds if e.VR != "SQ")
    with path.open("rb") as stream:
        header = read_header(stream, path.stat().st_size, wanted)
    encodings = character_sets(header.elements)
    assert set(header.elements) == set(wanted)
    for tag, element in header.elements.items():
        decoded = decode(element, encodings)
        assert decoded.problem is None, f"{tag:08X}"
        if element.vr not in ("OB", "OW", "UN"):
            assert stripped(decoded.text) == stripped(text_of(ds, tag)), f"{tag:08X}"


# --- made data sets ------------------------------------------------------------------------

CHARACTER_SETS = {
    "ISO_IR 6": "ascii",
    "ISO_IR 100": "latin-1",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO_IR 13": "shift_jis",
}
TEXTS = {0x00100020: "LO", 0x00080080: "LO", 0x00200010: "SH", 0x00080081: "ST", 0x00100010: "PN"}
PLAIN = {0x00080060: "CS", 0x0020000D: "UI", 0x00080020: "DA", 0x00080030: "TM", 0x00080070: "LO"}
SEQUENCES = (0x00081115, 0x00081140, 0x00400275)


def texts(codec: str) -> st.SearchStrategy[str]:
    alphabet = st.characters(codec=codec, exclude_categories=("Cc", "Cs"), exclude_characters="=¥‾")
    return st.text(alphabet, max_size=20)


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 0) -> Dataset:
    ds = Dataset()
    charset = draw(st.sampled_from(sorted(CHARACTER_SETS)))
    if depth == 0:
        ds.SpecificCharacterSet = charset
    codec = CHARACTER_SETS[charset] if depth == 0 else "ascii"
    for tag, vr in draw(
        st.fixed_dictionaries({}, optional={t: st.just(v) for t, v in TEXTS.items()})
    ).items():
        ds.add_new(tag, vr, draw(texts(codec)))
    printable = st.text("ABCDEFGHIJ0123456789._ ", max_size=16)
    for tag, vr in draw(
        st.fixed_dictionaries({}, optional={t: st.just(v) for t, v in PLAIN.items()})
    ).items():
        ds.add_new(tag, vr, draw(printable))
    if draw(st.booleans()):
        ds.Rows = draw(st.integers(0, 65535))
    if draw(st.booleans()):
        ds.add_new(0x00091001, "UN", draw(st.binary(max_size=40)))
        ds.add_new(0x00091002, "OB", bytes(draw(st.sampled_from((0, 2, 16_000, 16_384, 20_000)))))
    if depth < 3:
        for tag in draw(st.lists(st.sampled_from(SEQUENCES), unique=True, max_size=2)):
            items = draw(st.lists(data_sets(depth + 1), max_size=2))
            for item in items:
                item.is_undefined_length_sequence_item = draw(st.booleans())
            ds.add_new(tag, "SQ", items)
            ds[tag].is_undefined_length = draw(st.booleans())
    return ds


@pytest.mark.parametrize(
    ("syntax", "implicit", "little"),
    [
        pytest.param(EXPLICIT, False, True, id="explicit-little"),
        pytest.param(IMPLICIT, True, True, id="implicit-little"),
        pytest.param(BIG, False, False, id="explicit-big"),
        pytest.param(DEFLATED, False, True, id="deflated"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on making odd values
@settings(deadline=None, max_examples=60)
@given(ds=data_sets())
def test_made_data_sets(syntax: str, implicit: bool, little: bool, ds: Dataset) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream = DicomBytesIO()
        stream.is_implicit_VR, stream.is_little_endian = implicit, little
        write_dataset(stream, ds)
    data = part10(stream.getvalue(), syntax)
    header = read_header(io.BytesIO(data), len(data), WANTED)
    assert header.findings == ()
    assert_same(header, by_pydicom(data), syntax)


@given(
    st.binary(max_size=60).map(lambda b: b"\x1b$B" + b),
    st.sampled_from(["", "\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 149"]),
)
def test_any_bytes_decode_as_in_pydicom(data: bytes, charset: str) -> None:
    from pydicom.charset import convert_encodings
    from pydicom.charset import decode_bytes as expected
    from pydicom.valuerep import TEXT_VR_DELIMS

    from catalog.dicom.values import decode_bytes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encodings = convert_encodings(charset.split("\\"))
        text = expected(data, encodings, TEXT_VR_DELIMS)
    assert decode_bytes(data, tuple(encodings)).text == text
