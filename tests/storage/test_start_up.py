"""What only a URL needs is not loaded without one (decision 17)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import builders

_SAY = """
import sys
from catalog.cli.main import main
for line in ({lines}):
    main(line)
print(sorted({{name.partition('.')[0] for name in sys.modules}} & {{'fsspec', 's3fs', 'botocore', 'aiobotocore', 'aiohttp'}}))
"""


def test_folders_load_nothing_of_it(tmp_path: Path) -> None:
    builders.archive(tmp_path / "archive", patients=1, studies=1, series=1, instances=2)
    lines = [
        ["index", str(tmp_path / "archive"), "-j", "1", "--digest"],
        ["verify", "--digest"],
        ["export", str(tmp_path / "out")],
        ["find", "files", "-o", "paths"],
    ]
    code = _SAY.format(lines=", ".join(map(repr, lines)))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"DCAT_DB": str(tmp_path / "dcat.db"), "HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
    assert (tmp_path / "out" / "DICOMDIR").exists()
