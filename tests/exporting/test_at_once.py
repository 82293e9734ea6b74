"""Several exports to one place at a time: one goes on, and its medium is whole."""

from __future__ import annotations

import io
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from catalog.database.catalogue import Catalogue
from catalog.errors import ExportError
from catalog.exporting import resuming
from catalog.exporting.folder import FolderReceiver
from catalog.exporting.resuming import resume
from catalog.files.writing import UNFINISHED
from catalog.verifying import verify_medium
from tests.builders import archive
from tests.exporting.test_resuming import contents, interrupted
from tests.journeys.steps import indexed


def receiver(place: Path, uid: str) -> FolderReceiver:
    found = FolderReceiver(place, uid)
    found.prepare(0)
    return found


@pytest.mark.parametrize("is_there", [False, True])
def test_the_second_that_begins_writes_nothing(is_there: bool, tmp_path: Path) -> None:
    place = tmp_path / "medium"
    if is_there:
        place.mkdir()
    one, other = receiver(place, "1.1"), receiver(place, "1.2")
    one.begin()
    mark = (place / UNFINISHED).read_bytes()
    with pytest.raises(ExportError, match="has begun"):
        other.begin()
    assert contents(place).keys() == {UNFINISHED}
    assert (place / UNFINISHED).read_bytes() == mark
    one.finish(io.BytesIO(b"D"))
    assert contents(place).keys() == {"DICOMDIR"}


def test_one_that_begins_when_another_is_done_leaves_it_alone(tmp_path: Path) -> None:
    place = tmp_path / "medium"
    one, other = receiver(place, "1.1"), receiver(place, "1.2")
    one.begin()
    one.put_data("README.TXT", b"hello")
    one.finish(io.BytesIO(b"D"))
    before = contents(place)
    with pytest.raises(ExportError, match="has begun"):
        other.begin()
    assert contents(place) == before


def test_of_many_threads_one_begins(tmp_path: Path) -> None:
    place = tmp_path / "medium"
    ready = Barrier(8)
    begun: list[str] = []
    refused: list[str] = []

    def start(uid: str) -> None:
        one = receiver(place, uid)
        ready.wait()
        try:
            one.begin()
        except ExportError:
            refused.append(uid)
        else:
            begun.append(uid)

    threads = [Thread(target=start, args=(f"1.{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(begun), len(refused)) == (1, 7)
    assert contents(place).keys() == {UNFINISHED}
    assert f"File-set UID: {begun[0]}\r\n" in (place / UNFINISHED).read_bytes().decode("ascii")


def test_it_may_begin_twice_itself(tmp_path: Path) -> None:
    """Volumes are marked before the first is filled."""
    FolderReceiver(tmp_path / "medium", "1.1").begin()
    FolderReceiver(tmp_path / "medium", "1.1").begin()
    assert contents(tmp_path / "medium").keys() == {UNFINISHED}


def test_of_two_that_resume_one_goes_on(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "archive", 1, 1, 1, 4)
    indexed(catalogue, tmp_path / "archive")
    place = tmp_path / "medium"
    interrupted(catalogue, place, 2)
    real = resuming._missing_bytes
    inner: list[Any] = []

    def meanwhile(stored: Any) -> int:
        if not inner:
            inner.append(None)
            inner[0] = resume(catalogue, place)
        return real(stored)

    monkeypatch.setattr(resuming, "_missing_bytes", meanwhile)
    with pytest.raises(ExportError, match="just begun to resume"):
        resume(catalogue, place)
    assert inner[0].is_complete
    assert verify_medium(place).findings == []
