"""Steps that the tests of storage share."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from sqlalchemy import select

from catalog.database import models as m
from catalog.database.catalogue import Catalogue
from catalog.events import Event, Noticed
from catalog.files.urls import where
from catalog.indexing import Counts, Settings, index
from tests import builders
from tests.storage.server import BUCKET

ROOT = f"s3://{BUCKET}/a"


def objects(folder: str = "a", count: int = 6, series: int = 2) -> dict[str, bytes]:
    """Return a small archive: keys and bytes of instances."""
    return {
        f"{folder}/s{i % series}/i{i:03d}.dcm": builders.dicom_bytes(
            SOPInstanceUID=f"1.2.3.9.{i}",
            SeriesInstanceUID=f"1.2.3.8.{i % series}",
            InstanceNumber=str(i),
        )
        for i in range(count)
    }


def large(megabytes: int, **values: Any) -> bytes:
    """Return an instance with so many MiB of Pixel Data."""
    return builders.dicom_bytes(
        Rows=1024, Columns=512 * megabytes, PixelData=bytes(megabytes << 20), **values
    )


def indexed(catalogue: Catalogue, *urls: str, **settings: Any) -> Counts:
    """Index and hold the counts to the rules that they obey."""
    counts = index(catalogue, [where(url) for url in urls or (ROOT,)], Settings(**settings))
    done = counts.done
    assert counts.files == sum(done[kind] for kind in ("new", "changed", "unchanged", "returned"))
    return counts


class Ear:
    """Hears the findings of a run."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Noticed):
            self.codes.append(event.finding.code)


def files(catalogue: Catalogue, *columns: str) -> dict[str, tuple[Any, ...]]:
    """Return columns of the rows of files, by whole path."""
    chosen = [m.file.c[name] for name in columns or ("status",)]
    with catalogue.read() as connection:
        rows = connection.execute(
            select(m.root.c.path, m.file.c.path, *chosen).join_from(m.file, m.root)
        ).all()
    return {f"{row[0]}/{row[1]}": tuple(row[2:]) for row in rows}


def statuses(catalogue: Catalogue) -> dict[str, str]:
    """Return the status of each file by path."""
    return {path: row[0] for path, row in files(catalogue, "status").items()}


def findings(catalogue: Catalogue) -> dict[str, list[str]]:
    """Return the codes of findings by path of the file."""
    found: dict[str, list[str]] = {}
    with catalogue.read() as connection:
        rows = connection.execute(
            select(m.file.c.path, m.finding.c.code).join_from(m.finding, m.file)
        ).all()
    for path, code in rows:
        found.setdefault(path, []).append(code)
    return found


def zipped(members: dict[str, bytes]) -> bytes:
    """Return a ZIP file."""
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    """Return a tar file."""
    import tarfile

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def on_disk(folder: Path, keys: dict[str, bytes]) -> Path:
    """Write keys as files below a folder."""
    for key, data in keys.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
