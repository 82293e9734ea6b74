"""Fixtures that all rooms share."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from catalog.database.catalogue import Catalogue, open_catalogue

# In the background of a shell SIGINT is ignored, and so it would be by every dcat that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "ci",
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "dev", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's own catalogue and configuration out of every test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "DCAT_DB", "DCAT_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def empty_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue's file, made once; copy it."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    open_catalogue(path, create=True).close()
    return path


@pytest.fixture
def new_catalogue(
    empty_catalogue: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Catalogue]]:
    """A function that gives a new, empty, open catalogue at each call."""
    opened: list[Catalogue] = []

    def make() -> Catalogue:
        path = tmp_path_factory.mktemp("catalogue") / "catalogue.db"
        shutil.copy(empty_catalogue, path)
        opened.append(open_catalogue(path))
        return opened[-1]

    yield make
    for catalogue in opened:
        catalogue.close()


@pytest.fixture
def catalogue(new_catalogue: Callable[[], Catalogue]) -> Catalogue:
    """A new, empty, open catalogue."""
    return new_catalogue()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files of other projects; tests that use it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real files of other projects are not beside this checkout")
    return SHARED_DATA
