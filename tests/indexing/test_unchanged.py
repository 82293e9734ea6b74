"""What tells that files are as they were, in bulk, comes to what looking at each of them would."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.database.catalogue import Catalogue, open_catalogue
from catalog.database.stored_files import KnownFile, KnownRow
from catalog.errors import CatalogueError
from catalog.files.walk import Entry, Files, Kind, walk_runs
from catalog.indexing import Settings, index
from catalog.indexing.known_rows import KnownRows

NewCatalogue = Callable[[], Catalogue]

DESCRIBED = st.dictionaries(
    st.text("ab", min_size=1, max_size=3),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    max_size=8,
).map(lambda found: [(path, *found[path]) for path in sorted(found)])


def rows_of(described: list[tuple[str, int, int]]) -> list[KnownRow]:
    return [
        (number, path, size, time, "ok" if size else "not-dicom", None, None, None)
        for number, (path, size, time) in enumerate(described)
    ]


@given(DESCRIBED)
def test_a_run_is_the_list_of_its_entries(described: list[tuple[str, int, int]]) -> None:
    run = Files(described)
    entries = [Entry(path, Kind.FILE, size, time) for path, size, time in described]
    assert list(run) == entries
    assert len(run) == len(entries)
    assert list(run[1:3]) == entries[1:3]
    assert [run[at] for at in range(len(run))] == entries


@given(DESCRIBED, DESCRIBED, st.integers(1, 3), st.booleans())
def test_files_are_the_same_if_each_of_them_is(
    known: list[tuple[str, int, int]],
    met: list[tuple[str, int, int]],
    page: int,
    as_list: bool,
) -> None:
    rows = rows_of(known)
    run = Files(met)
    if not met:
        return
    cursor = KnownRows(iter([rows[at : at + page] for at in range(0, len(rows), page)]))
    statuses = cursor.same(list(run) if as_list else run)
    if statuses:  # never unless it is so
        assert known[: len(met)] == met
        assert statuses == [row[4] for row in rows[: len(met)]]
        cursor.step_over(len(met))
        following = rows[len(met) :]
        assert cursor.row == (KnownFile(*following[0]) if following else None)
    elif page >= len(met):  # and always if the rows are at hand
        assert known[: len(met)] != met


def test_each_change_is_met_in_folders_larger_than_a_run(
    new_catalogue: NewCatalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(2100):
        (folder / f"{number:04d}").write_bytes(b"x")
    (folder / "0500 between").mkdir()
    (folder / "0500 between" / "other").write_bytes(b"x")
    assert [len(run) for run in walk_runs(str(folder))] == [501, 1, 1000, 599]
    catalogue = new_catalogue()
    index(catalogue, [folder], Settings())
    assert index(catalogue, [folder], Settings()).done["unchanged"] == 2101
    for name in ("0000", "0500", "0501", "0999", "1500", "1501", "2099"):
        os.utime(folder / name, ns=(0, 0))
    (folder / "2098").unlink()
    (folder / "1000").write_bytes(b"xy")
    (folder / "0500 between" / "other").unlink()
    done = index(catalogue, [folder], Settings()).done
    assert (done["changed"], done["missing"], done["unchanged"]) == (8, 2, 2091)


def test_a_plain_file_that_is_none_any_more_is_looked_at_closely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        (tmp_path / name).write_bytes(b"x")
    list_folder = os.scandir

    def listed_before_a_change(folder: str) -> object:
        listing = list_folder(folder)
        (tmp_path / "b").unlink()
        (tmp_path / "c").unlink()
        (tmp_path / "c").symlink_to("nowhere")
        return listing

    runs = walk_runs(str(tmp_path))
    calls = iter([list_folder, listed_before_a_change])

    def listed(folder: str) -> object:
        return next(calls)(folder)

    monkeypatch.setattr(os, "scandir", listed)
    met = [(entry.path, entry.kind) for run in runs for entry in run]
    assert ("a", Kind.FILE) in met
    assert ("d", Kind.FILE) in met
    assert "b" not in [path for path, _ in met]
    assert [kind for path, kind in met if path == "c"] in ([Kind.UNREADABLE], [Kind.NOT_FOLLOWED])


@pytest.mark.parametrize("lacks", ["dir_fd", "descriptors"])
def test_the_walk_is_the_same_without_descriptors_of_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    for name in ("a", "b", "ö", "back\\slash"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "c").write_bytes(b"xy")
    before = [entry for run in walk_runs(str(tmp_path)) for entry in run]
    if lacks == "dir_fd":
        monkeypatch.setattr(os, "supports_dir_fd", set())
    else:

        def refused(*_: object, **__: object) -> int:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(os, "open", refused)
    assert [entry for run in walk_runs(str(tmp_path)) for entry in run] == before
    assert len(before) == 5


@pytest.mark.sqlite
def test_rows_that_cannot_be_read_are_said_in_a_sentence(
    new_catalogue: NewCatalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:04d}{'n' * 90}").touch()
    catalogue = new_catalogue()
    index(catalogue, [folder], Settings())
    path = catalogue.path
    assert path is not None
    catalogue.close()
    content = bytearray(path.read_bytes())
    last = f"0299{'n' * 90}".encode()
    pages = [
        start
        for start in range(0, len(content), 4096)
        if content[start] == 0x0D and last in content[start : start + 4096]  # leaves of tables
    ]
    for start in pages:
        content[start : start + 4096] = b"\xff" * 4096
    assert pages
    path.write_bytes(content)
    with open_catalogue(path) as damaged, pytest.raises(CatalogueError, match="cannot be used"):
        index(damaged, [folder], Settings())
