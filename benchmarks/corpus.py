"""Archives of DICOM files to measure with: made quickly, the same every time, all values legal.

    python benchmarks/corpus.py FOLDER --files 10000                    many small files
    python benchmarks/corpus.py FOLDER --files 2000 --pixels 512        half a megabyte each
    python benchmarks/corpus.py FOLDER --files 2000 --private 60000     large private elements
    python benchmarks/corpus.py FOLDER --files 1000000 --headers        a good kilobyte each

Headers begin as those of three files that pydicom ships: a CT, an MR and a structured report. What
differs in an archive from patient to patient, study to study, series to series and instance to
instance differs here too, in value and in length.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

ROOT = "1.2.826.0.1.3680043.10.543"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
"""The VRs whose length has four bytes (PS3.5 §7.1.2)."""
PRIVATE_TAGS = (0x00291010, 0x00291020)

FAMILY = [
    "Müller",
    "Nguyen",
    "O'Brien",
    "García",
    "Smith",
    "Kowalska",
    "Ångström",
    "Li",
    "Papadopoulos",
    "Ito",
]
GIVEN = ["Anna", "Bo", "Maximilian", "José", "Fatima", "Ada", "Siobhán", "Wei"]
STUDIES = ("CT Thorax", "MRT Kopf nativ", "Abdomen and pelvis with contrast", "Knee", "Follow-up")
SERIES = ("ax 5.0", "t2_tse_sag", "lung 1.25 mm", "scout", "t1 post contrast, fat saturated", "cor")
PARTS = ("CHEST", "HEAD", "ABDOMEN", "KNEE")
DEVICES = tuple((f"ST{n}{'_ROOM' * (n % 3)}", f"{n * 7919}") for n in range(1, 9))

FEW = [
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "SeriesDate",
    "ContentDate",
    "StudyTime",
    "SeriesTime",
    "ContentTime",
    "AccessionNumber",
    "Modality",
    "Manufacturer",
    "InstitutionName",
    "ReferringPhysicianName",
    "StationName",
    "StudyDescription",
    "SeriesDescription",
    "ManufacturerModelName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "BodyPartExamined",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelSpacing",
]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an archive is made of.

    Attributes
    ----------
    pixels:
        Rows and columns of each image.
    private_bytes:
        About the length of each of two private elements before Pixel Data; 0 for none.
    headers_only:
        Some forty elements and no Pixel Data: a good kilobyte a file.
    per_series:
        Images of a series, on average.
    """

    files: int
    pixels: int = 32
    private_bytes: int = 0
    headers_only: bool = False
    per_series: int = 60
    seed: int = 1

    @property
    def title(self) -> str:
        """Return what a reader of the table is told."""
        if self.headers_only:
            return f"{self.files:,} headers of 1.2 kB"
        private = f", {self.private_bytes // 1000} kB private" if self.private_bytes else ""
        return f"{self.files:,} files, {self.pixels} × {self.pixels}{private}"

    @property
    def slug(self) -> str:
        """Return the name of its folder."""
        kind = "headers" if self.headers_only else f"pixels{self.pixels}"
        return f"{kind}-private{self.private_bytes}-{self.files}"


@cache
def _place(keyword: str) -> tuple[int, str]:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return tag, dictionary_VR(tag)


def encoded(tag: int, vr: str, value: bytes) -> bytes:
    """Return an element in Explicit VR Little Endian (PS3.5 §7.1.2)."""
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB") else b" "
    form = "<HH2sxxI" if vr in LONG else "<HH2sH"
    return struct.pack(form, tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def by_tag(values: Mapping[str, str], charset: str) -> dict[int, bytes]:
    """Return encoded elements by tag, of text by keyword."""
    found = {}
    for keyword, text in values.items():
        tag, vr = _place(keyword)
        found[tag] = encoded(tag, vr, text.encode(charset))
    return found


@dataclass(frozen=True, slots=True)
class Sample:
    """A real header to begin with: its elements by tag, and what the folders are named after."""

    elements: dict[int, bytes]
    sop_class_uid: str
    modality: str
    is_image: bool


def sample(name: str, recipe: Recipe) -> Sample:
    """Return the file `name` of pydicom's as `recipe` wants it."""
    dataset = pydicom.dcmread(get_testdata_file(name))
    is_image = "PixelData" in dataset
    dataset.pop("DataSetTrailingPadding", None)
    if is_image:
        dataset.Rows = dataset.Columns = recipe.pixels
        dataset.PixelData = random.Random(1).randbytes(2 * recipe.pixels**2)
        dataset["PixelData"].VR = "OW"
    if recipe.headers_only:
        wanted = {tag_for_keyword(keyword) for keyword in FEW}
        for tag in [tag for tag in dataset.keys() if tag not in wanted]:  # noqa: SIM118
            del dataset[tag]
    elements = {}
    for element in dataset:
        stream = DicomBytesIO()
        stream.is_little_endian, stream.is_implicit_VR = True, False
        write_data_element(stream, element)
        elements[int(element.tag)] = stream.getvalue()
    return Sample(elements, str(dataset.SOPClassUID), str(dataset.Modality), is_image)


class Mould:
    """The bytes that all instances of a series share, with gaps for those that differ."""

    def __init__(self, elements: Mapping[int, bytes], gaps: Iterable[int]) -> None:
        varying = set(gaps)
        self._parts: list[bytes | int] = []
        for tag in sorted(elements.keys() | varying):
            if tag in varying:
                self._parts.append(tag)
            elif self._parts and isinstance(last := self._parts[-1], bytes):
                self._parts[-1] = last + elements[tag]
            else:
                self._parts.append(elements[tag])

    def filled(self, values: Mapping[int, bytes]) -> bytes:
        """Return a data set with `values` in the gaps."""
        return b"".join(part if isinstance(part, bytes) else values[part] for part in self._parts)


def time_text(seconds: float, digits: int) -> str:
    """Return a legal TM value with `digits` of the second's fraction (PS3.5 §6.2)."""
    units, places = round(seconds % 86400 * 10**digits), 10**digits
    minutes, rest = divmod(units // places % 86400, 60)
    text = f"{minutes // 60:02}{minutes % 60:02}{rest:02}"
    return f"{text}.{units % places:0{digits}}" if digits else text


def instances(recipe: Recipe) -> Iterator[tuple[str, bytes]]:
    """Yield the relative path and the bytes of each file, series by series."""
    names = ["CT_small.dcm", "MR_small.dcm", "reportsi.dcm"]
    ct, mr, report = (sample(name, recipe) for name in names)
    left = recipe.files
    for number in range(1, sys.maxsize):
        rng = random.Random(f"{recipe.seed} {number}")
        for found in _patient(recipe, rng, number, (ct, mr, report)):
            yield found
            left -= 1
            if not left:
                return


def _patient(
    recipe: Recipe, rng: random.Random, number: int, samples: tuple[Sample, Sample, Sample]
) -> Iterator[tuple[str, bytes]]:
    charset, codec = rng.choice([("ISO_IR 100", "latin-1"), ("ISO_IR 192", "utf-8")])
    born = date(1925, 1, 1) + timedelta(days=rng.randrange(30_000))
    patient_id = rng.choice([f"{number * 104_729}", f"H{number:07}", f"PAT-{number}"])
    values = {
        "SpecificCharacterSet": charset,
        "PatientName": f"{rng.choice(FAMILY)}^{rng.choice(GIVEN)}",
        "PatientID": patient_id,
        "PatientBirthDate": f"{born:%Y%m%d}",
        "PatientSex": rng.choice("MFO"),
    }
    for study in range(1, rng.randint(1, 4) + 1):
        day = max(born, date(2005, 1, 1)) + timedelta(days=rng.randrange(7_000))
        begin_s = rng.uniform(7 * 3600, 20 * 3600)
        description = rng.choice(STUDIES)
        study_uid = f"{ROOT}.{day:%Y%m%d}.{rng.randrange(1, 10**6)}.{number}.{study}"
        values |= {
            "StudyInstanceUID": study_uid,
            "StudyID": f"{study}",
            "StudyDate": f"{day:%Y%m%d}",
            "StudyTime": time_text(begin_s, 0),
            "AccessionNumber": f"ACC{rng.randrange(1, 10**7)}",
            "StudyDescription": description,
            "ReferringPhysicianName": f"{rng.choice(FAMILY)}^{rng.choice(GIVEN)}^^Dr",
        }
        folder = f"{patient_id}/{day} {description}"
        kind = samples[rng.random() < 0.4]
        for series in range(1, rng.randint(1, 5) + 1):
            start = values | {
                "SeriesInstanceUID": f"{study_uid}.{series}",
                "SeriesNumber": f"{series}",
                "SeriesDescription": rng.choice(SERIES),
            }
            of_kind = samples[2] if series == 5 else kind
            path = f"{folder} {study}/{series:03}_{of_kind.modality}"
            begin_s += rng.uniform(60, 600)
            for name, data in _series(recipe, rng, of_kind, start, begin_s, codec):
                yield f"{path}/{name}", data


def _series(
    recipe: Recipe, rng: random.Random, kind: Sample, values: dict[str, str],
    begin_s: float, codec: str,
) -> Iterator[tuple[str, bytes]]:  # fmt: skip
    uid, day = values["SeriesInstanceUID"], values["StudyDate"]
    count, digits = 1, rng.choice([0, 2, 3, 6])
    if kind.is_image:
        count = max(1, round(rng.gauss(recipe.per_series, recipe.per_series / 3)))
        station, serial = rng.choice(DEVICES)
        values = values | {
            "SeriesDate": day,
            "SeriesTime": time_text(begin_s, digits),
            "ContentDate": day,
            "BodyPartExamined": rng.choice(PARTS),
            "StationName": station,
            "FrameOfReferenceUID": f"{uid}.0",
        }
        if not recipe.headers_only:
            values |= {"AcquisitionDate": day, "ProtocolName": values["SeriesDescription"]}
            values |= {"DeviceSerialNumber": serial}
    else:
        values = values | {"ContentDate": day}
    constant = kind.elements | by_tag(values, codec)
    if recipe.private_bytes and kind.is_image:
        constant[0x00290010] = encoded(0x00290010, "LO", b"DCAT BENCHMARK")
        for tag in PRIVATE_TAGS:
            length = recipe.private_bytes + 2 * rng.randrange(500)
            constant[tag] = encoded(tag, "OB", bytes(length))
    mould: Mould | None = None
    z, spacing = rng.uniform(-900, 0), rng.choice([0.625, 1.25, 2.5, 5])
    x, y = rng.uniform(-250, 0), rng.uniform(-250, 0)
    for number in range(1, count + 1):
        sop_uid = f"{uid}.{rng.randrange(1, 10**6)}.{number}"
        at_s = begin_s + number * 0.73
        differing = {
            "SOPInstanceUID": sop_uid,
            "InstanceNumber": f"{number}",
            "ContentTime": time_text(at_s, digits),
        }
        if kind.is_image:
            at = f"{z + number * spacing:.7g}"
            differing |= {
                "AcquisitionNumber": f"{number // 20 + 1}",
                "ImagePositionPatient": f"{x:.6g}\\{y:.6g}\\{at}",
            }
            if not recipe.headers_only:
                differing |= {
                    "AcquisitionTime": time_text(at_s - 0.5, digits),
                    "SliceLocation": at,
                    "WindowCenter": f"{rng.randrange(20, 1200)}",
                    "WindowWidth": f"{rng.randrange(80, 3000)}",
                }
        elements = by_tag(differing, codec)
        mould = mould or Mould(constant, elements)
        yield f"IM-{number:04}.dcm", _head(kind.sop_class_uid, sop_uid) + mould.filled(elements)


def _head(sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """Return the preamble, the prefix and the File Meta Information (PS3.10 §7.1)."""
    meta = b"".join((
        encoded(0x00020001, "OB", b"\0\1"),
        encoded(0x00020002, "UI", sop_class_uid.encode()),
        encoded(0x00020003, "UI", sop_instance_uid.encode()),
        encoded(0x00020010, "UI", EXPLICIT_LITTLE.encode()),
        encoded(0x00020012, "UI", f"{ROOT}.1".encode()),
        encoded(0x00020013, "SH", b"DCAT_BENCHMARK"),
    ))  # fmt: skip
    return bytes(128) + b"DICM" + encoded(0x00020000, "UL", struct.pack("<I", len(meta))) + meta


def make(folder: Path, recipe: Recipe) -> None:
    """Put the files of `recipe` into `folder`, which must not exist."""
    last = None
    folder.mkdir(parents=True)
    for name, data in instances(recipe):
        path = folder / name
        if path.parent != last:
            last = path.parent
            last.mkdir(parents=True)
        path.write_bytes(data)


def archive(work: Path, recipe: Recipe) -> Path:
    """Return the folder of `recipe` in `work`, made unless it is there from a former call.

    Raises
    ------
    FileExistsError
        If something else than an archive made here has its name.
    """
    folder, note = work / recipe.slug, work / f"{recipe.slug}.made"
    maker = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    told = f"{recipe} by {maker} with pydicom {pydicom.__version__}\n"
    if folder.exists():
        if not note.exists():
            raise FileExistsError(f"{folder} was not made by this benchmark; move it away.")
        if note.read_text() == told:
            return folder
        shutil.rmtree(folder)
    work.mkdir(parents=True, exist_ok=True)
    note.write_text("unfinished\n")
    make(folder, recipe)
    note.write_text(told)
    return folder


def main() -> None:
    """Make one archive."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--pixels", type=int, default=32, help="rows and columns (32)")
    parser.add_argument("--private", type=int, default=0, help="bytes of two private elements (0)")
    parser.add_argument("--headers", action="store_true", help="a good kilobyte, no Pixel Data")
    parser.add_argument("--per-series", type=int, default=60, help="images of a series (60)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.files < 1 or options.per_series < 1:
        parser.error("--files and --per-series are at least 1")
    if options.folder.exists():
        parser.error(f"{options.folder} exists")
    make(
        options.folder,
        Recipe(
            options.files, options.pixels, options.private, options.headers,
            options.per_series, options.seed,
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
