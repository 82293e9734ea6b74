"""Fixtures that all rooms share."""

from __future__ import annotations

import math
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.location import Location, located
from catalog.database.make import make
from tests import behind, postgres

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


BOTH = Path(__file__).parent / "database"
"""Tests in this folder, and those marked `both`, are run on both databases."""


AT_A_TIME = 6
"""How many new catalogues a test on PostgreSQL may have at once: they are used again, as making one takes a tenth of a second."""

EXAMPLES = 8
"""How many examples Hypothesis tries where everything is written to PostgreSQL; SQLite has more."""

SHARE_IN_CI = 0.6
"""How much of what a test asks of Hypothesis is tried in CI, which has its time; the rest at a desk."""


def pytest_configure(config: pytest.Config) -> None:
    """Begin the session of the PostgreSQL server here, so that all workers share it and it ends with this process."""
    if postgres.is_available():
        postgres.session()


def runs_on_both(test: pytest.Item) -> bool:
    """Return whether a test is for both databases, and so needs none put behind it."""
    return BOTH in test.path.parents or test.get_closest_marker("both") is not None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" not in metafunc.fixturenames:
        return
    test = metafunc.definition
    if test.get_closest_marker("sqlite"):
        backends = ["sqlite"]
    elif runs_on_both(test) and postgres.is_available() and not behind.is_on():
        backends = ["sqlite", "postgresql"]
    else:
        backends = [os.environ.get(behind.BACKEND, "sqlite")]
    metafunc.parametrize("backend", backends, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if behind.is_on():
        skip = pytest.mark.skip(reason="about the SQLite file itself")
        for item in items:
            if item.get_closest_marker("sqlite"):
                item.add_marker(skip)


@pytest.fixture(scope="session", autouse=behind.is_on())
def everything_on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put PostgreSQL behind every test."""
    folder = tmp_path_factory.mktemp("behind")
    os.environ[behind.MADE] = str(folder / "made")
    behind.put_behind()
    behind.in_every_python(folder)
    yield
    behind.remove_made()


@pytest.fixture(autouse=behind.is_on())
def databases_that_go_with_the_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove the databases that a test made in its own folder; those of wider fixtures stay."""
    folder = request.getfixturevalue("tmp_path") if behind.is_on() else Path()
    yield
    behind.remove_made(folder)


@pytest.fixture(scope="session")
def backend() -> str:
    """The database under test, `sqlite` or `postgresql` (`pytest_generate_tests`)."""
    return os.environ.get(behind.BACKEND, "sqlite")


@pytest.fixture(autouse=True)
def few_examples(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let Hypothesis try fewer examples on PostgreSQL, and in CI."""
    own = request.getfixturevalue("backend") if "backend" in request.fixturenames else "sqlite"
    test: Any = getattr(request.node, "obj", None)
    test = getattr(test, "__func__", test)
    given = getattr(test, "_hypothesis_internal_use_settings", None)
    of_all = given or settings.default
    examples = of_all.max_examples
    if given is not None and os.environ.get("CI"):
        examples = math.ceil(examples * SHARE_IN_CI)
    if own != "sqlite":
        examples = min(examples, EXAMPLES)
    if examples == of_all.max_examples or not hasattr(test, "hypothesis"):
        yield
        return
    few = settings(of_all, max_examples=examples)
    test._hypothesis_internal_use_settings = few
    yield
    test._hypothesis_internal_use_settings = given


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue's file, made once; copy it."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    make(path)
    behind.take_for_empty(path)
    return path


@pytest.fixture(scope="session")
def empty_catalogue(backend: str, empty_file: Path) -> Location:
    """An empty catalogue to copy (`tests.database.stating.copied`): a file where tests name paths."""
    if backend == "postgresql" and not behind.is_on():
        return located(postgres.url_of(postgres.template()))
    return empty_file


@pytest.fixture
def new_catalogue(
    request: pytest.FixtureRequest,
    backend: str,
    empty_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[], Catalogue]]:
    """A function that gives a new, empty, open catalogue at each call.

    On PostgreSQL the last `AT_A_TIME` stay.
    """
    opened: list[Catalogue] = []
    urls: list[str] = []

    def on_sqlite() -> Catalogue:
        path = tmp_path_factory.mktemp("catalogue") / "catalogue.db"
        shutil.copy(empty_file, path)
        return open_catalogue(path)

    def on_postgresql() -> Catalogue:
        if behind.is_on() and not runs_on_both(request.node):
            path = tmp_path_factory.mktemp("catalogue") / "catalogue.db"
            return open_catalogue(path, create=True)
        urls.append(postgres.take_catalogue())
        return open_catalogue(located(urls[-1]))

    def one() -> Catalogue:
        if len(urls) == AT_A_TIME:  # those of earlier examples
            opened.pop(0).close()
            postgres.give_back(urls.pop(0))
        opened.append(on_sqlite() if backend == "sqlite" else on_postgresql())
        return opened[-1]

    yield one
    for catalogue in opened:
        catalogue.close()
        if behind.is_on() and catalogue.path is not None:
            behind.remove_made(catalogue.path.parent)
    for url in urls:
        postgres.give_back(url)


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
