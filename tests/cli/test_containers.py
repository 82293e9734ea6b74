"""Media in ZIP files and ISO images, from the command line: written, read back, imported, refused."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from catalog.files import stretch
from catalog.files.medium import medium_at
from catalog.fileset.medium import dicomdir_names
from tests.archives import zip_bytes
from tests.builders import archive, write
from tests.cli.conftest import Dcat
from tests.discs import simple
from tests.exporting.receiving import below
from tests.journeys.judging import dciodvfy_errors, need
from tests.journeys.steps import rows

pytest.importorskip("pycdlib")

KINDS = ["zip", "iso"]
MANIFEST = {"zip": "MANIFEST.SHA256", "iso": "MANIFEST.SHA"}


def extracted(path: Path, to: Path) -> Path:
    subprocess.run((need("7z"), "x", "-y", f"-o{to}", path), check=True, capture_output=True, timeout=60)  # fmt: skip
    return to


@pytest.mark.judges
@pytest.mark.parametrize("kind", KINDS)
def test_a_container_holds_what_the_folder_would(
    kind: str, dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    file = tmp_path / f"DICOM.{kind.upper()}"
    said = dcat("export", f"--{kind}", "--file-set-id", "DISC1", file, "--db", db)
    assert said.code == 0, said.err
    assert "24 instances" in said.err
    assert said.err.rstrip().endswith(f"are in {file}.")
    assert dcat("export", tmp_path / "folder", "--file-set-id", "DISC1", "--db", db).code == 0
    found, plain = below(extracted(file, tmp_path / "x")), below(tmp_path / "folder")
    # Each has a File-set UID of its own, so DICOMDIR and manifest differ.
    assert instances(found) == instances(plain)
    assert set(found) - set(instances(found)) == {"DICOMDIR", MANIFEST[kind]}
    assert dciodvfy_errors(tmp_path / "x") == dciodvfy_errors(tmp_path / "folder")
    dumped = subprocess.run((need("dcmdump"), tmp_path / "x" / "DICOMDIR"), capture_output=True, text=True, check=True, timeout=60).stdout  # fmt: skip
    assert "[DISC1]" in dumped


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_verified_shown_checked_and_imported(
    kind: str, dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    file = tmp_path / f"a.{kind}"
    assert dcat("export", f"--{kind}", file, "--db", db).code == 0
    verified = dcat("verify", "--media", file)
    assert verified.code == 0, verified.err
    assert "24 of 24 files that they name are there and are what they say" in verified.err
    assert dcat("dicomdir", "check", file).code == 0
    shown = dcat("dicomdir", "show", file)
    assert shown.code == 0, shown.err
    assert "P1" in shown.out
    other = tmp_path / "other.db"
    imported = dcat("import", file, "--db", other)
    assert imported.code == 0, imported.err
    assert "24 of 24 files that it names are there" in imported.err
    paths = {row["path"] for row in rows(other, "SELECT path FROM file")}
    assert f"a.{kind}!/DICOMDIR" in paths
    assert sum(path.startswith(f"a.{kind}!/DICOM/") for path in paths) == 24 == len(paths) - 1
    again = dcat("export", tmp_path / "again", "--db", other)
    assert again.code == 0, again.err
    assert set(instances(below(tmp_path / "again"))) == names_in(file)


def instances(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name.startswith("DICOM/")}


def names_in(file: Path) -> set[str]:
    """Return the names of the instances in a container."""
    medium = medium_at(file, dicomdir_names)
    medium.close()
    return {name for name in medium.files if name.startswith("DICOM/")}


@pytest.mark.parametrize("kind", KINDS)
def test_importing_again_or_indexing_changes_no_number_of_files(
    kind: str, dcat: Dcat, db: Path, tmp_path: Path
) -> None:
    file, other = tmp_path / "media" / f"a.{kind}", tmp_path / "other.db"
    assert dcat("export", f"--{kind}", file, "--db", db).code == 0
    for _ in range(2):
        assert dcat("import", file, "--db", other).code == 0
        found = rows(other, "SELECT status FROM file ORDER BY status")
        assert [row["status"] for row in found] == ["dicomdir", *["referenced"] * 24]
    assert dcat("index", file.parent, "--db", other, "-j", "1").code == 0
    found = rows(other, "SELECT path, status FROM file ORDER BY path")
    assert {row["status"] for row in found} == {"ok", "dicomdir", "archive", "not-dicom"}
    assert len(found) == 27


def test_the_ledger_has_the_container(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    assert dcat("export", "--zip", file, "--reason", "test", "--db", db).code == 0
    (entry,) = rows(db, "SELECT destination, fileset_ref FROM export")
    assert entry["destination"] == str(file)
    (fileset,) = rows(db, "SELECT dicomdir_digest AS digest FROM fileset")
    with zipfile.ZipFile(file) as opened:
        assert fileset["digest"] == hashlib.sha256(opened.read("DICOMDIR")).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_is_not_as_indexed_fails_alone(kind: str, dcat: Dcat, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 3)
    db = tmp_path / "c.db"
    assert dcat("index", tmp_path / "archive", "--db", db, "-j", "1").code == 0
    write(files[1], SOPInstanceUID="1.2.3.77")
    said = dcat("export", "--as-found", f"--{kind}", tmp_path / f"a.{kind}", "--db", db)
    assert said.code == 3
    assert "holds another instance" in said.err
    assert len(names_in(tmp_path / f"a.{kind}")) == 2
    assert "2 of 2 files" in dcat("verify", "--media", tmp_path / f"a.{kind}").err


@pytest.mark.parametrize("kind", KINDS)
def test_all_sources_gone(kind: str, dcat: Dcat, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 2)
    db = tmp_path / "c.db"
    assert dcat("index", tmp_path / "archive", "--db", db, "-j", "1").code == 0
    for path in files:
        path.unlink()
    said = dcat("export", "--as-found", f"--{kind}", tmp_path / f"a.{kind}", "--db", db)
    assert said.code == 3
    assert "No file could be copied" in said.err
    assert not (tmp_path / f"a.{kind}").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_profiles_pages_and_members_of_archives(kind: str, dcat: Dcat, tmp_path: Path) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 2)
    content = [(path.name, path.read_bytes()) for path in files]
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "s.zip").write_bytes(zip_bytes(content))
    db = tmp_path / "c.db"
    assert dcat("index", tmp_path / "f", "--db", db, "-j", "1").code == 0
    said = dcat(
        "export", f"--{kind}", "--profile", "STD-GEN-CD", tmp_path / f"a.{kind}", "--db", db
    )
    assert said.code == 0, said.err
    checked = dcat("dicomdir", "check", tmp_path / f"a.{kind}", "--profile", "STD-GEN-CD")
    assert checked.code == 0, checked.err


def test_a_profile_whose_medium_an_image_cannot_be(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    said = dcat("export", "--iso", "--profile", "STD-GEN-BD", tmp_path / "a.iso", "--db", db)
    assert "UDF 2.5 or 2.6" in said.err


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("--zip", "a"), 2, "ends in .zip, such as a.zip"),
        (("--iso", "a.zip"), 2, "ends in .iso"),
        (("--zip", "--iso", "a.zip"), 2, "exclude each other"),
        (("a.iso",), 2, "add --iso"),
        (("A.ZIP",), 2, "add --zip"),
        (("--zip", "mine.zip"), 1, "exists"),
        (("--iso", "folder.iso"), 1, "is a folder"),
        (("--zip", "mine.zip/a.zip"), 1, "not a folder"),
    ],
)
def test_destinations(
    arguments: tuple[str, ...], code: int, why: str, dcat: Dcat, db: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("mine.zip").write_bytes(b"mine")
    Path("folder.iso").mkdir()
    said = dcat("export", *arguments, "--db", db)
    assert said.code == code, said.err
    assert why in said.err
    assert below(tmp_path).keys() - {"c.db", "c.db-lock", "c.db-wal", "c.db-shm"} == {"mine.zip"}
    assert Path("mine.zip").read_bytes() == b"mine"


def test_a_container_is_never_changed(dcat: Dcat, db: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    assert dcat("export", "--zip", file, "--db", db).code == 0
    before = file.read_bytes()
    new = write(tmp_path / "new" / "a.dcm", SOPInstanceUID="1.2.3.9.9")
    for arguments in (("add", file, new), ("remove", file, "PATIENT")):
        said = dcat("dicomdir", *arguments)
        assert said.code != 0
        assert "only reads" in said.err, said.err
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "command", [("verify", "--media"), ("import",), ("dicomdir", "show"), ("dicomdir", "check")]
)
def test_containers_without_a_medium(command: tuple[str, ...], dcat: Dcat, tmp_path: Path) -> None:
    (tmp_path / "a.iso").write_bytes(simple([(b"A.;1", b"x")]).bytes())
    (tmp_path / "cut.iso").write_bytes(simple([(b"A.;1", b"x")]).bytes()[: 16 * 2048 + 100])
    (tmp_path / "bad.iso").write_bytes(simple([(b"DICOMDIR.;1", b"not DICOM")]).bytes())
    for name, why in (("a.iso", "has no DICOMDIR"), ("cut.iso", "no Primary Volume Descriptor"), ("bad.iso", "bad.iso!/DICOMDIR cannot be read as a DICOMDIR")):  # fmt: skip
        more = ("--db", tmp_path / "new.db") if command == ("import",) else ()
        said = dcat(*command, tmp_path / name, *more)
        assert said.code == 1
        assert why in said.err, said.err
        assert "Traceback" not in said.err


# -- interrupted -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_an_interrupted_export_is_visibly_unfinished(
    number: int, kind: str, dcat: Dcat, tmp_path: Path
) -> None:
    files = archive(tmp_path / "archive", 1, 1, 1, 5)
    db = tmp_path / "c.db"
    assert dcat("index", tmp_path / "archive", "--db", db, "-j", "1").code == 0
    files[-1].unlink()
    os.mkfifo(files[-1])
    here = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-m", "catalog", "export", "--as-found", f"--{kind}", f"a.{kind}", "--db", "c.db"],
        cwd=tmp_path, env=dict(os.environ) | {"PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not (tmp_path / f"a.{kind}.part").exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert not (tmp_path / f"a.{kind}").exists()
    assert not zipfile.is_zipfile(tmp_path / f"a.{kind}.part")
    again = dcat("export", "--as-found", f"--{kind}", tmp_path / f"a.{kind}", "--db", db)
    assert again.code == 1
    assert f"a.{kind}.part is there" in again.err


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills(kind: str, dcat: Dcat, tmp_path: Path) -> None:
    """A limit on the size of files stands for a disk that fills while the work goes on."""
    big = {"Rows": 1500, "Columns": 1500, "PixelData": bytes(4_500_000)}
    write(tmp_path / "archive/a.dcm", SOPInstanceUID="1.2.3.1", **big)
    assert dcat("index", tmp_path / "archive", "--db", tmp_path / "c.db", "-j", "1").code == 0
    limit = 2_000_000
    done = subprocess.run(
        [sys.executable, "-m", "catalog", "export", f"--{kind}", f"a.{kind}", "--db", "c.db"],
        cwd=tmp_path, env=dict(os.environ) | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "No space is left" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / f"a.{kind}").exists()
    assert (tmp_path / f"a.{kind}.part").exists()


def test_a_stretch_is_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(range(100)))
    with (tmp_path / "f").open("rb", buffering=0) as file:
        part = stretch.Stretch(file, 10, 20)
        assert part.read() == bytes(range(10, 30))
        assert part.read(1) == b""
        part.seek(-5, os.SEEK_END)
        assert part.read(100) == bytes(range(25, 30))
        part.seek(3)
        part.seek(2, os.SEEK_CUR)
        buffer = bytearray(4)
        assert part.readinto(memoryview(buffer)) == 4
        assert (bytes(buffer), part.tell()) == (bytes(range(15, 19)), 9)
        part.seek(1000)
        assert part.read(5) == b""
