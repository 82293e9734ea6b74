"""Exports over several volumes, each a File-set of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalog.database.catalogue import Catalogue
from catalog.errors import DestinationNotEmpty, ExportError, MediaFull
from catalog.exporting import Order, Outcome, export, plan_export
from catalog.exporting.bounded import Bounded
from catalog.exporting.folder import FolderReceiver
from catalog.exporting.volumes import volume_label, volume_uid
from catalog.fileset.reader import read
from catalog.normal_forms import is_uid
from tests.exporting.test_failures import dcat
from tests.exporting.test_resuming import large
from tests.journeys.steps import FILE_SET_UID, everything, files_below, indexed, referencing, rows

CAPACITY = 4_000_000


def divided(catalogue: Catalogue, destination: Path, **more: object) -> Outcome:
    capacity = int(str(more.pop("capacity_bytes", CAPACITY)))
    order = Order(everything(), destination, FILE_SET_UID, capacity_bytes=capacity, **more)  # type: ignore[arg-type]
    return export(catalogue, order, plan_export(catalogue, everything(), capacity_bytes=capacity))


@pytest.fixture
def six(catalogue: Catalogue, tmp_path: Path) -> Catalogue:
    """A catalogue of six patients with one instance of 840 kB each."""
    large(tmp_path / "archive", 6)
    indexed(catalogue, tmp_path / "archive")
    return catalogue


def test_each_volume_is_a_file_set_of_its_own(six: Catalogue, tmp_path: Path) -> None:
    outcome = divided(six, tmp_path / "m")
    assert [v.place.name for v in outcome.volumes] == ["DISC1", "DISC2", "DISC3"]
    uids, instances = set(), []
    for volume in outcome.volumes:
        fileset = read((volume.place / "DICOMDIR").read_bytes()).fileset
        assert fileset.file_set_id == volume.file_set_id == volume.place.name
        uids.add(fileset.file_set_uid)
        found = referencing(volume.place / "DICOMDIR")
        assert len(found) == volume.copied == 2
        instances += [str(record.ReferencedSOPInstanceUIDInFile) for record in found]
        used = sum(-(-(volume.place / n).stat().st_size // 2048) * 2048 for n in files_below(volume.place))  # fmt: skip
        assert volume.used_bytes is not None
        assert used <= volume.used_bytes <= CAPACITY
    assert len(uids) == 3
    assert FILE_SET_UID in uids
    assert all(map(is_uid, uids))
    assert len(set(instances)) == len(instances) == 6
    found = rows(six.path, "SELECT * FROM export ORDER BY volume")
    assert [(r["volume"], r["volumes"], r["destination"]) for r in found] == [
        (n, 3, str(tmp_path / f"m/DISC{n}")) for n in (1, 2, 3)
    ]
    assert {r["base_destination"] for r in found} == {str(tmp_path / "m")}
    assert all(r["fileset_ref"] for r in found)


def test_one_volume_goes_to_the_destination_itself(six: Catalogue, tmp_path: Path) -> None:
    (volume,) = divided(six, tmp_path / "m", capacity_bytes=700_000_000).volumes
    assert volume.place == tmp_path / "m"
    assert volume.file_set_id == "DISC1"
    (entry,) = rows(six.path, "SELECT volume, volumes FROM export")
    assert entry == {"volume": None, "volumes": None}


@pytest.mark.parametrize("container", ["zip", "iso"])
def test_containers_are_numbered(container: str, six: Catalogue, tmp_path: Path) -> None:
    if container == "iso":
        pytest.importorskip("pycdlib")
    outcome = divided(six, tmp_path / f"m.{container}", container=container)
    assert [v.place.name for v in outcome.volumes] == [f"m-{n}.{container}" for n in (1, 2, 3)]
    assert all(0 < v.place.stat().st_size <= CAPACITY for v in outcome.volumes)


def test_what_is_too_large_is_left_out(six: Catalogue, tmp_path: Path) -> None:
    plan = plan_export(six, everything(), capacity_bytes=2_500_000)
    assert plan.items == ()
    assert {out.code for out in plan.left_out} == {"too-large"}
    assert all("840," in out.detail or "841," in out.detail for out in plan.left_out)


def test_a_volume_that_is_there_stops_all_before_anything_is_written(
    six: Catalogue, tmp_path: Path
) -> None:
    (tmp_path / "m/DISC2").mkdir(parents=True)
    with pytest.raises(DestinationNotEmpty):
        divided(six, tmp_path / "m")
    assert files_below(tmp_path / "m") == set()
    (tmp_path / "m-2.zip").write_text("mine")
    with pytest.raises(ExportError, match=r"m-2\.zip exists"):
        divided(six, tmp_path / "m.zip", container="zip")
    assert not (tmp_path / "m-1.zip").exists()
    assert not (tmp_path / "m-1.zip.part").exists()
    assert rows(six.path, "SELECT * FROM export") == []


def test_labels_and_uids() -> None:
    assert volume_label("", 1, 1) == "DISC1"
    assert volume_label("KEPT", 1, 1) == "KEPT"
    assert [volume_label("BASE", n, 12) for n in (1, 12)] == ["BASE1", "BASE12"]
    with pytest.raises(ExportError, match="shorter --file-set-id"):
        volume_label("A" * 16, 1, 2)
    uids = {volume_uid("1.2.3", n) for n in range(1, 100)} | {volume_uid("1.2.4", 2)}
    assert len(uids) == 100
    assert all(map(is_uid, uids))
    assert volume_uid("1.2.3", 1) == "1.2.3"
    assert volume_uid("1.2.3", 2) == volume_uid("1.2.3", 2)


def test_more_than_planned_is_noticed_before_the_dicomdir(tmp_path: Path) -> None:
    receiver = Bounded(FolderReceiver(tmp_path / "m", "1.2"), 3_000)
    receiver.begin()
    receiver.put_data("A", b"x")
    with pytest.raises(MediaFull, match="comes to more than the 3,000 bytes"):
        receiver.put_data("B", b"x")
    assert files_below(tmp_path / "m") == {"A", "UNFINISHED.TXT"}


def test_at_the_terminal(tmp_path: Path) -> None:
    large(tmp_path / "archive", 6)
    assert dcat(tmp_path, "index", "archive").returncode == 0
    dry = dcat(tmp_path, "export", "m", "--media", "4MB", "--dry-run", "-o", "json")
    told = json.loads(dry.stdout)
    assert [v["file_set_id"] for v in told["volumes"]] == ["DISC1", "DISC2", "DISC3"]
    assert [i["volume"] for i in told["items"]] == [1, 1, 2, 2, 3, 3]
    for volume in told["volumes"]:
        assert volume["waste_bytes"] == 4_000_000 - volume["used_bytes"]
    table = dcat(tmp_path, "export", "m", "--media", "4MB", "--dry-run")
    assert "  volume 3: DISC3, 2 instances, up to" in table.stderr
    assert not (tmp_path / "m").exists()
    said = dcat(tmp_path, "export", "m", "--media", "4MB", "--file-set-id", "SET")
    assert said.returncode == 0
    assert said.stderr.count(" of the medium stay free.") == 3
    assert dcat(tmp_path, "verify", "--media", "m/DISC2").returncode == 0
    assert dcat(tmp_path, "export", "n", "--media", "floppy").returncode == 2
    assert dcat(tmp_path, "export", "n", "--media", "usb").returncode == 0
    long = dcat(tmp_path, "export", "o", "--media", "4MB", "--file-set-id", "A" * 16)
    assert "shorter --file-set-id" in long.stderr
    assert not (tmp_path / "o").exists()
