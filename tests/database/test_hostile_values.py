"""What only hostile or broken files state: the rows are the same on both databases, and nothing is lost."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import pytest
from pydicom import config

from catalog.database import health
from catalog.database.catalogue import open_catalogue
from catalog.database.location import Location, located
from catalog.indexing import Settings, index
from tests import builders, postgres, tables

pytestmark = pytest.mark.skipif(not postgres.is_available(), reason="needs a PostgreSQL server")

CHANCE = random.Random(11)


def incompressible(length: int, first: int = 0x21, last: int = 0x1FFF) -> str:
    return "".join(chr(CHANCE.randrange(first, last)) for _ in range(length))


def uid(length: int) -> str:
    return "1." + incompressible(length, 0x30, 0x3A)


HOSTILE: dict[str, dict[str, Any]] = {
    "plain": {},
    "nul": {"PatientName": "A\0B^C\0", "PatientID": "X\0Y", "StudyDescription": "\0\0a\0"},
    "long id": {"PatientID": incompressible(3000), "IssuerOfPatientID": incompressible(3000)},
    "long names": {"PatientName": incompressible(3000), "AccessionNumber": incompressible(4000)},
    "long texts": {"StudyDescription": incompressible(9000), "SeriesDescription": "x" * 20_000},
    "long words": {"ProtocolName": incompressible(5000, 0x61, 0x7B)},
    "long uids": {"StudyInstanceUID": uid(6000), "SeriesInstanceUID": uid(6000)},
    "long instance": {"SOPInstanceUID": uid(9000)},
    "marks": {"StudyDescription": "a\tb\nc\\d'e\"f%s%%{}?:x", "StationName": "\\N", "ProtocolName": "\\."},
    "odd": {"StudyDescription": "\u2028\ufeff\U0010ffff\ue000", "PatientName": "=\u5c71^=\x1b"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(config.settings, "writing_validation_mode", config.IGNORE)
    place = tmp_path / "archive"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, values in enumerate(HOSTILE.values()):
            given = {"SOPInstanceUID": f"1.2.{i}", "SpecificCharacterSet": "ISO_IR 192"} | values
            builders.write(place / f"{i:02}.dcm", **given)
    data = (place / "00.dcm").read_bytes()
    deep = place
    for _ in range(15):  # as long as a path may be
        deep /= incompressible(230, 0x61, 0x7B)
    deep.mkdir(parents=True)
    (deep / "a.dcm").write_bytes(data)
    (deep / "b.dcm").write_bytes(data + b"\0")
    return place


def test_rows_are_the_same_on_both(folder: Path, empty_file: Path, tmp_path: Path) -> None:
    on_file: Location = tmp_path / "c.db"
    (tmp_path / "c.db").write_bytes(empty_file.read_bytes())
    with postgres.database(postgres.template()) as url:
        for place in (on_file, located(url)):
            with open_catalogue(place) as catalogue:
                for _ in range(2):  # the second time nothing is new
                    counts = index(catalogue, [folder], Settings())
                    assert counts.by_status["ok"] == len(HOSTILE) + 2
                assert counts.done["unchanged"] == len(HOSTILE) + 2
                assert health.problems(catalogue) == []
                index(catalogue, [folder], Settings(full=True))
                assert health.problems(catalogue) == []
        on_server = tables.dump(located(url))
        rows = tables.dump(on_file)
        assert on_server == rows
    said = {(row["code"], row["message"].split(" ")[0]) for row in rows["finding"]}
    assert ("invalid-value", "PatientID") in said
    assert ("invalid-value", "PatientName") in said
    assert any("X\u2400Y" in (row["patient_id"] or "") for row in rows["patient"])
    whole = [row["raw"] for row in rows["patient"] if row["raw"]]
    assert any(len(text) > 6000 for text in whole)  # what was cut stands there
