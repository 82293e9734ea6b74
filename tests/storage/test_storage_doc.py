"""The worked example of docs/storage.md, as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests import builders
from tests.storage.conftest import Dcat
from tests.storage.server import BUCKET, Server

DOC = Path(__file__).parents[2] / "docs" / "storage.md"


def test_every_command_of_the_example_works(s3: Server, dcat: Dcat, tmp_path: Path) -> None:
    for number in range(4):
        s3.put(
            f"2024/{number}.dcm",
            builders.dicom_bytes(SOPInstanceUID=f"1.2.3.1.1.{number}", InstanceNumber=str(number)),
        )
    example = DOC.read_text(encoding="utf-8").partition("## What a URL is")[0]
    blocks = re.findall(r"```sh\n(.*?)```", example, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("dcat ")]
    assert len(lines) >= 10
    for line in lines:
        here = line.replace("hospital-archive", BUCKET).replace("/tmp/disc", str(tmp_path / "disc"))
        said = dcat(*shlex.split(here, comments=True)[1:])
        assert said.code in ((0, 4) if "audit" in line else (0,)), (line, said)
    assert (tmp_path / "disc" / "DICOMDIR").is_file()
