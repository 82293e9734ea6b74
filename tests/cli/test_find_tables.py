"""What `dcat find` looks like on a terminal of 80 columns."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.database.many import fill

CHECKOUT = Path(__file__).parents[2]

GOLDEN = {
    "--group-by modality,month,ManufacturerModelName,Laterality --sort -modality --limit 3": """\
Moda…  Month    Manufactu…  Later…  Pati…  Studi…  Series  Insta…  Files    Size
─────  ───────  ──────────  ──────  ─────  ──────  ──────  ──────  ─────  ──────
US     2011-02  Scanner 3…  (none)      1       1       1       4      4  4.0 kB
US     2013-04  Scanner 3…  (none)      1       1       1       4      4  4.0 kB
US     2014-05  Scanner 3…  (none)      1       1       1       4      4  4.0 kB
""",
    "series --columns PatientID,StudyDate,SeriesInstanceUID,size,InstitutionName,Manufacturer --limit 2": """\
PatientID  Date        SeriesInstanceUID    Size  InstitutionName   Manufacturer
─────────  ──────────  ─────────────────  ──────  ────────────────  ────────────
P000001    2011-02-02  …680043.8.498.1.3  4.0 kB  General Hospital  ACME
P000001    2011-02-02  …680043.8.498.1.1  4.0 kB  General Hospital  ACME
""",
    "patients": """\
PatientID  Name         BirthDate   Sex  Studies  Instances     Size
─────────  ───────────  ──────────  ───  ───────  ─────────  ───────
P000001    Doe^Number1  1911-01-31  M          2         24  24.0 kB
P000002    Doe^Number2  1912-01-31  O          2         24  24.0 kB
""",
}


def on_a_terminal(*arguments: str) -> str:
    """Return what the command writes to a terminal of 80 columns, without colours."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "LINES": "24", "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "catalog", "find", *arguments],
        stdout=theirs, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment, cwd=CHECKOUT,
    ) as running:  # fmt: skip
        os.close(theirs)
        read = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            read += part
        assert running.wait(60) == 0
    os.close(ours)
    return read.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("arguments", GOLDEN)
def test_tables(arguments: str, empty_catalogue: Path, tmp_path: Path) -> None:
    db = tmp_path / "c.db"
    shutil.copy(empty_catalogue, db)
    fill(db, 2, 2, 3, 4)
    shown = on_a_terminal(*arguments.split(), "--db", str(db))
    assert shown == GOLDEN[arguments]
    assert all(len(line) <= 80 for line in shown.splitlines())
