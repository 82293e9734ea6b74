"""Catalogues in which every question has an answer, and the same on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.cli.main import main
from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import located
from catalog.dicom.samples import folder as samples
from tests import builders, postgres


def make(folder: Path) -> Path:
    """Make a catalogue below `folder` in which every question of docs/sql.md has an answer."""
    archive = folder / "archive"
    builders.archive(archive)
    # Numbers 1, 2, 3, 7; a person under two IDs; a copy; attributes of the configuration.
    builders.write(archive / "gap.dcm", PatientID="P1", PatientName="Doe^Number1", StudyInstanceUID="1.2.3.1.1",
                   StudyDate="20240101", SeriesInstanceUID="1.2.3.1.1.1", Modality="MR", SOPInstanceUID="1.2.3.1.1.1.7",
                   InstanceNumber="7", PatientAge="053Y", KVP="120")  # fmt: skip
    builders.write(archive / "twin.dcm", PatientID="P9", PatientName="Doe^Number1", StudyInstanceUID="1.2.9",
                   SeriesInstanceUID="1.2.9.1", SOPInstanceUID="1.2.9.1.1")  # fmt: skip
    (archive / "copy.dcm").write_bytes((archive / "twin.dcm").read_bytes())
    builders.write(archive / "other.dcm", StudyInstanceUID="1.2.3.1.1", PatientID="P1", PatientName="Doe^Number1", StudyDate="20240101",
                   StudyDescription="Abdomen", SeriesInstanceUID="1.2.3.1.1.1", Modality="MR", SOPInstanceUID="1.2.3.1.1.1.8",
                   InstanceNumber="8")  # fmt: skip
    builders.write(archive / "guest.dcm", PatientID="G1", IssuerOfPatientID="St Elsewhere", StudyInstanceUID="1.2.8",
                   SeriesInstanceUID="1.2.8.1", SOPInstanceUID="1.2.8.1.1")  # fmt: skip
    (folder / "config.toml").write_text('[index]\nattributes = ["PatientAge", "KVP"]\n')
    db = ("--db", str(folder / "c.db"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCAT_CONFIG", str(folder / "config.toml"))
        assert main(["index", str(samples()), "--digest", "-j", "1", *db]) == 3
        assert main(["index", str(archive), "--digest", "-j", "1", *db]) == 0
        disc = str(folder / "disc")
        assert main(["export", disc, "--file-set-id", "DISC1", "--recipient", "Dr Roe", "--reason", "second opinion", *db]) == 3  # fmt: skip
        (archive / "p2/t2/s2/i3.dcm").unlink()
        assert main(["index", str(archive), "-j", "1", *db]) == 0
    return folder / "c.db"


@contextmanager
def on_postgresql(path: Path) -> Iterator[Catalogue]:
    """Give the catalogue at `path` as it is on PostgreSQL, with the same keys."""
    from catalog.database.moving import copy

    if not postgres.is_available():
        pytest.skip("there is no PostgreSQL server")
    with postgres.database() as url:
        assert all(proof.is_same for proof in copy(path, located(url)))
        with open_catalogue(located(url)) as catalogue:
            yield catalogue
