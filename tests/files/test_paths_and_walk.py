"""Paths as text, and walking folders in the order of that text."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.errors import PathError
from catalog.files.paths import absolute_text, from_text, on_disk, to_text
from catalog.files.walk import Entry, Kind, walk

ANY_BYTES = st.binary(max_size=12)


@given(ANY_BYTES)
@example(b"\\x41")
@example(b"\\")
@example(b"\\\\xe4\xe4")
def test_the_text_of_a_path_is_reversible(raw: bytes) -> None:
    name = os.fsdecode(raw)
    text = to_text(name)
    text.encode("utf-8")
    assert from_text(text) == name
    assert os.fsencode(from_text(text)) == raw


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\\\0"), max_size=12))
def test_an_ordinary_name_is_its_own_text(name: str) -> None:
    assert to_text(name) == from_text(name) == name


@given(ANY_BYTES, ANY_BYTES)
def test_text_is_made_component_by_component(one: bytes, other: bytes) -> None:
    first, second = os.fsdecode(one), os.fsdecode(other)
    assert to_text(f"{first}/{second}") == f"{to_text(first)}/{to_text(second)}"
    assert (to_text(first) == to_text(second)) == (first == second)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a", "a"),
        (b"\xc3\xa4", "ä"),
        (b"\xe4", "\\xe4"),
        (b"a\\b", "a\\\\b"),
        (b"\\xe4", "\\\\xe4"),
        (b"a\nb", "a\nb"),
    ],
)
def test_text_forms(raw: bytes, text: str) -> None:
    assert to_text(os.fsdecode(raw)) == text


def test_absolute_text_resolves_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert absolute_text(tmp_path / "link" / "..") == str(tmp_path.resolve())
    assert absolute_text(tmp_path / "link") == str(tmp_path.resolve() / "real")
    assert on_disk("/a", "b/c") == "/a/b/c"
    assert on_disk("/a", "") == "/a"


# -- walking ---------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.sampled_from([b"a", b"a.b", b"a-b", b"a b", b"a!", b"a0", b"A", b"a\\b", "ä".encode(), "山".encode(), "😀".encode(), b"\xe4", b"\xff", "\ue000".encode(), b"\n", b".a", b"~"]),
    st.binary(min_size=1, max_size=4).filter(lambda b: b not in (b".", b"..") and not set(b) & {0, 0x2F}),
)  # fmt: skip
TREES: Any = st.recursive(st.none(), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12).filter(lambda t: t is not None)  # fmt: skip


def grown(folder: bytes, tree: dict[bytes, Any], prefix: bytes = b"") -> list[bytes]:
    """Make the tree on disk; return the paths of its files."""
    files = []
    for name, below in tree.items():
        path = folder + b"/" + name
        if below is None:
            with open(path, "wb") as stream:  # noqa: PTH123 - the name is bytes
                stream.write(name)
            files.append(prefix + name)
        else:
            os.mkdir(path)  # noqa: PTH102
            files += grown(path, below, prefix + name + b"/")
    return files


@given(TREES)
@example({b"a": {b"b": None}, b"a.b": None, b"a-b": None, b"a!": {b"x": None}, b"a0": None})
@settings(max_examples=80)
def test_the_order_is_that_of_the_whole_paths_as_text(tree: dict[bytes, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = grown(os.fsencode(folder), tree)
        entries = list(walk(folder))
        expected = sorted(to_text(os.fsdecode(path)) for path in files)
        assert [entry.path for entry in entries] == expected
        assert expected == sorted(expected, key=lambda path: path.encode("utf-8"))
        for entry in entries:
            assert entry.kind is Kind.FILE
            assert entry.size_bytes == os.stat(on_disk(folder, entry.path)).st_size  # noqa: PTH116
        for name, below in tree.items():
            text = to_text(os.fsdecode(name))
            if below is None:
                assert list(walk(folder, text)) == [e for e in entries if e.path == text]
            else:
                assert list(walk(folder, text)) == [
                    e for e in entries if e.path.startswith(text + "/")
                ]


def kinds(root: Path, **options: Any) -> dict[str, Kind]:
    """Return the kind of each entry by path; none may come twice."""
    entries = list(walk(str(root), **options))
    assert [e.path for e in entries] == sorted({e.path for e in entries})
    return {entry.path: entry.kind for entry in entries}


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder with every kind of link and of special file."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "file").write_text("x", encoding="ascii")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "far").write_text("x", encoding="ascii")
    (root / "to-file").symlink_to("sub/file")
    (root / "to-sub").symlink_to("sub")
    (root / "to-outside").symlink_to(tmp_path / "outside")
    (root / "up").symlink_to("..")
    (root / "self").symlink_to("self")
    (root / "sub" / "back").symlink_to(root)
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    return root


def test_links_to_files_are_followed_and_links_to_folders_are_not(linked: Path) -> None:
    assert kinds(linked) == {
        "broken": Kind.UNREADABLE,
        "pipe": Kind.NOT_FOLLOWED,
        "self": Kind.UNREADABLE,
        "sub/back": Kind.NOT_FOLLOWED,
        "sub/file": Kind.FILE,
        "to-file": Kind.FILE,
        "to-outside": Kind.NOT_FOLLOWED,
        "to-sub": Kind.NOT_FOLLOWED,
        "up": Kind.NOT_FOLLOWED,
    }
    reasons = {e.path: e.reason for e in walk(str(linked))}
    assert reasons["pipe"] == "a named pipe"
    assert reasons["to-sub"] == "a link to a folder"
    assert reasons["broken"] == "a link whose target does not exist"
    assert reasons["self"]


def test_links_to_folders_are_followed_on_request_but_never_in_circles(linked: Path) -> None:
    (linked / "up").unlink()
    assert kinds(linked, follow_links=True) == {
        "broken": Kind.UNREADABLE,
        "pipe": Kind.NOT_FOLLOWED,
        "self": Kind.UNREADABLE,
        "sub/back": Kind.NOT_FOLLOWED,
        "sub/file": Kind.FILE,
        "to-file": Kind.FILE,
        "to-outside/far": Kind.FILE,
        "to-sub/back": Kind.NOT_FOLLOWED,
        "to-sub/file": Kind.FILE,
    }


def test_a_link_to_a_folder_above_the_root_is_named_and_not_followed(linked: Path) -> None:
    found = {e.path: e for e in walk(str(linked), follow_links=True)}
    assert found["up"].kind is Kind.NOT_FOLLOWED
    assert found["up"].reason == "a link to a folder that encloses it"


def test_a_socket_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        (entry,) = walk(str(tmp_path))
    assert (entry.kind, entry.reason) == (Kind.NOT_FOLLOWED, "a socket")


def test_size_and_time_are_those_of_the_target(linked: Path) -> None:
    os.utime(linked / "sub" / "file", ns=(1, 1_234_567_890_123_456_789))
    found = {e.path: e for e in walk(str(linked))}
    assert found["to-file"] == Entry("to-file", Kind.FILE, 1, 1_234_567_890_123_456_789)


def test_a_file_deleted_meanwhile_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.files.walk.RUN_ENTRIES", 1)
    for name in "abc":
        (tmp_path / name).touch()
    entries = walk(str(tmp_path))
    assert next(entries).path == "a"
    (tmp_path / "b").unlink()
    assert [entry.path for entry in entries] == ["c"]


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_listed(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    try:
        (entry,) = walk(str(tmp_path))
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert (entry.path, entry.kind) == ("closed/", Kind.UNLISTED)


def test_a_folder_that_cannot_be_listed_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a.txt").touch()
    (tmp_path / "b").touch()
    real = os.scandir

    def refusing(path: str) -> Any:
        if path.endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert [(e.path, e.kind) for e in walk(str(tmp_path))] == [
        ("a.txt", Kind.FILE),
        ("a/", Kind.UNLISTED),
        ("b", Kind.FILE),
    ]
    with pytest.raises(PathError, match="cannot be listed: Permission denied"):
        list(walk(str(tmp_path / "a")))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="none cannot be read"):
        list(walk(str(tmp_path / "none")))


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Make folders within each other, and a file in the innermost, however long its path becomes."""
    monkeypatch.chdir(tmp_path)
    made = 0

    def make(count: int) -> None:
        nonlocal made
        for _ in range(count):
            os.mkdir("d")  # noqa: PTH102
            os.chdir("d")
            made += 1
        Path("x").touch()

    yield make
    Path("x").unlink()
    for _ in range(made):
        os.chdir("..")
        os.rmdir("d")  # noqa: PTH106


@pytest.mark.skipif(os.name == "nt", reason="paths are shorter there")
def test_folders_may_be_as_deep_as_a_path_can_be_long(
    tmp_path: Path, deep: Callable[[int], None]
) -> None:
    deep(1500)
    (entry,) = walk(str(tmp_path))
    assert entry.path == "d/" * 1500 + "x"


@pytest.mark.skipif(os.name == "nt", reason="paths are shorter there")
def test_a_folder_whose_path_is_too_long_is_said_to_be(
    tmp_path: Path, deep: Callable[[int], None]
) -> None:
    (tmp_path / "beside").touch()
    deep(2200)
    beside, entry = walk(str(tmp_path))
    assert (beside.path, entry.kind) == ("beside", Kind.UNLISTED)
    assert "name too long" in entry.reason
