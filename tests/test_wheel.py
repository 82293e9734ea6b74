"""The wheel, installed into an empty environment, works from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests import builders

pytestmark = pytest.mark.wheel
PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(folder),
            str(PROJECT),
        ],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_wheel_has_migrations_and_audits_and_nothing_foreign(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "catalog/database/migrations/env.py" in names
    assert "catalog/database/migrations/versions/0001_first_schema.py" in names
    assert "catalog/database/migrations/views/0001.sql" in names
    assert "catalog/database/migrations/versions/0002_configured_attributes.py" in names
    assert "catalog/database/migrations/versions/0003_words_and_totals.py" in names
    assert "catalog/database/migrations/views/0003.sql" in names
    assert "catalog/database/migrations/versions/0004_exports_that_go_on.py" in names
    assert "catalog/database/migrations/views/0004.sql" in names
    assert "catalog/audits/volumes.sql" in names
    assert {"catalog/reporting/page.html.jinja", "catalog/reporting/page.css"} <= names
    assert "catalog/exporting/pages/pages.css" in names
    assert "catalog/py.typed" in names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.startswith("dicom_dcat-")} == {"catalog"}


def test_installed_wheel_does_the_main_job_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [scripts / "python", "-m", "pip", "install", "-q", str(wheel)],
        check=True,
        capture_output=True,
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    builders.archive(tmp_path / "archive", patients=1, studies=1)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV_", "DCAT"))}

    def dcat(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [scripts / "dcat", *arguments],
            cwd=elsewhere,
            env=clean,
            capture_output=True,
            text=True,
            check=True,
        )

    dcat("index", str(tmp_path / "archive"), "--db", "here.db")
    found = dcat("find", "instances", "-o", "ndjson", "--db", "here.db")
    assert found.stdout.count("\n") == 6
    dcat("export", "media", "--db", "here.db")
    assert (elsewhere / "media" / "DICOMDIR").is_file()
    assert "as its DICOMDIR and its manifest say" in dcat("verify", "--media", "media").stderr
    assert "volumes" in dcat("audit").stdout
    assert "# The schema" in dcat("db", "schema").stdout
