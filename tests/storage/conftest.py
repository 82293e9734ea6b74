"""A server that speaks S3 for the tests of storage behind URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from catalog.cli.main import main
from tests.storage.server import Server, running

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "a-secret-that-nobody-may-see",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Server]:
    """One server for all tests of this process."""
    with running() as server:
        yield server


@pytest.fixture
def s3(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server with an empty bucket, and what is needed to find it in the environment."""
    s3_server.begin()
    for name, value in _CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return s3_server


class Said(NamedTuple):
    """What a command line said, and its exit code."""

    code: int
    out: str
    err: str


Dcat = Callable[..., Said]


@pytest.fixture
def dcat(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Dcat:
    """A function that runs a command line in this process, with a catalogue of its own."""
    monkeypatch.setenv("DCAT_DB", str(tmp_path / "dcat.db"))

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Said(code, captured.out, captured.err)

    return run
