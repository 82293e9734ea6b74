"""Walking a folder: every entry once, in one order that a database can reproduce."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from catalog.errors import PathError
from catalog.files.entries import RUN_ENTRIES, Entry, Files, Kind
from catalog.files.paths import from_text, to_text

__all__ = ["RUN_ENTRIES", "Entry", "Files", "Kind", "walk", "walk_runs", "walk_runs_at"]

_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


def walk(root: str, below: str = "", *, follow_links: bool = False) -> Iterator[Entry]:
    """Yield the entries of `walk_runs` one by one."""
    return chain.from_iterable(walk_runs(root, below, follow_links=follow_links))


def walk_runs(
    root: str, below: str = "", *, follow_links: bool = False
) -> Iterator[Sequence[Entry]]:
    """Yield every file below `root`, sorted by path in code point order.

    The order is that of the whole relative paths as text (`a.b` before `a/b`), which is also the
    order of `ORDER BY path` in the catalogue, so that both can be merged in one pass. They come in
    runs: `Files`, or a list of one other entry.

    Parameters
    ----------
    root:
        The folder, as a file system path.
    below:
        Only what lies at or below this path, in text form; empty for all.
    follow_links:
        Follow links to folders too; a link to a folder that encloses it is not followed. Links to
        files are always followed, as many archives are made of them.

    Raises
    ------
    PathError
        If `root` (or `below` in it) does not exist or is a folder that cannot be listed.
    """
    start = os.path.join(root, from_text(below)) if below else root  # noqa: PTH118
    try:
        status = os.stat(start)  # noqa: PTH116
    except OSError as exc:
        raise PathError(f"{to_text(start)} cannot be read: {exc.strerror}.") from exc
    if not stat.S_ISDIR(status.st_mode):
        yield [_examined(below, status)]
        return
    try:
        os.scandir(start).close()
    except OSError as exc:
        raise PathError(f"{to_text(start)} cannot be listed: {exc.strerror}.") from exc
    prefix = below.rstrip("/") + "/" if below else ""
    yield from _walk_folder(start, prefix, follow_links, _identities(start))


def walk_runs_at(root: str, below: str, *, follow_links: bool = False) -> Iterator[Sequence[Entry]]:
    """Yield what `walk_runs(root)` yields at or below `below`: nothing, if it finds nothing there.

    Unlike `walk_runs(root, below)` it takes a path that does not exist as one without entries, and
    does not step over a link on the way that `walk_runs(root)` would not follow. Of a folder on the way
    that cannot be examined it yields that it is unlisted. It raises nothing.
    """
    prefix, folder = "", root
    ancestors = _identities(root) if follow_links else ()
    *folders, name = below.split("/")
    for component in folders:
        entry = _At(folder, component)
        if (reason := entry.why_unknown()) is not None:
            yield [Entry(f"{prefix}{component}/", Kind.UNLISTED, reason=reason)]
            return
        looked = _looked_at(entry, follow_links, ancestors)
        if looked.identity is None:
            return
        prefix, folder = prefix + looked.name, entry.path
        ancestors = (*ancestors, looked.identity)
    if not below:
        yield from _walk_folder(root, "", follow_links, ancestors)
        return
    entry = _At(folder, name)
    if os.path.lexists(entry.path) or entry.why_unknown() is not None:
        looked = _looked_at(entry, follow_links, ancestors)
        yield from _walk_folder(folder, prefix, follow_links, ancestors, [looked])


class _At:
    """One entry of a folder that has not been listed, like `os.DirEntry`."""

    __slots__ = ("name", "path")

    def __init__(self, folder: str, name: str) -> None:
        self.name = from_text(name)
        self.path = os.path.join(folder, self.name)  # noqa: PTH118

    def is_symlink(self) -> bool:
        return os.path.islink(self.path)  # noqa: PTH114

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        try:
            return stat.S_ISDIR(os.stat(self.path, follow_symlinks=follow_symlinks).st_mode)  # noqa: PTH116
        except FileNotFoundError:
            return False

    def stat(self) -> os.stat_result:
        return os.stat(self.path)  # noqa: PTH116

    def why_unknown(self) -> str | None:
        """Return why not even its absence is known; `None` if it is there or is not."""
        try:
            os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            return _why(exc)
        return None


def _identities(folder: str) -> tuple[Identity, ...]:
    """Return device and inode of `folder` and of all folders that enclose it."""
    found = []
    path = os.path.realpath(folder)
    while True:
        try:
            status = os.stat(path)  # noqa: PTH116
            found.append((status.st_dev, status.st_ino))
        except OSError:
            pass  # a folder above that may not be examined cannot be reached by a link either
        above = os.path.dirname(path)  # noqa: PTH120
        if above == path:
            return tuple(found)
        path = above


Identity = tuple[int, int]
"""Device and inode of a folder."""


def _walk_folder(
    folder: str,
    prefix: str,
    follow_links: bool,
    ancestors: tuple[Identity, ...],
    entries: list[_Looked] | None = None,
) -> Iterator[Sequence[Entry]]:
    """Yield what lies in a folder in runs: plain files that follow each other, or one other entry."""
    # The folders on the way are on a list, not on the call stack: PATH_MAX allows two thousand.
    open_ = [_in_folder(_Folder(folder, prefix, ancestors), follow_links, entries)]
    while open_:
        for found in open_[-1]:
            if isinstance(found, _Folder):
                open_.append(_in_folder(found, follow_links))
                break
            yield found
        else:
            open_.pop()


class _Folder(NamedTuple):
    """A folder to list; `prefix` is what the paths of its entries begin with."""

    path: str
    prefix: str
    ancestors: tuple[Identity, ...]


def _in_folder(
    folder: _Folder, follow_links: bool, entries: list[_Looked] | None = None
) -> Iterator[Sequence[Entry] | _Folder]:
    """Yield what lies in a folder in runs, and each folder in it where its entries are due."""
    prefix, ancestors = folder.prefix, folder.ancestors
    try:
        names, looked_at = (
            _listed(folder.path, follow_links, ancestors)
            if entries is None
            else ([looked.name for looked in entries], {looked.name: looked for looked in entries})
        )
    except OSError as exc:
        yield [Entry(prefix, Kind.UNLISTED, reason=f"the folder cannot be listed: {exc.strerror}")]
        return
    names.sort()
    for plain, looked in _stretches(names, looked_at):
        while plain:
            files = _plain_files(folder.path, prefix, plain)
            if files:
                yield Files(files)
            plain = plain[len(files) :]
            if plain:  # one that is no plain file any more: a closer look tells what it is
                name = plain.pop(0)
                yield from _one(folder, _Looked(name, _At(folder.path, name)))
        if looked is not None:
            yield from _one(folder, looked)


def _one(folder: _Folder, looked: _Looked) -> Iterator[Sequence[Entry] | _Folder]:
    """Yield what is to be said of one entry, which may be a folder to list."""
    path = folder.prefix + looked.name
    if looked.identity is not None:
        yield _Folder(looked.entry.path, path, (*folder.ancestors, looked.identity))
    elif looked.encloses:
        yield [Entry(path, Kind.NOT_FOLLOWED, reason="a link to a folder that encloses it")]
    else:
        yield from ([entry] for entry in _file(path, looked.entry))


def _stretches(
    names: list[str], looked_at: dict[str, _Looked]
) -> Iterator[tuple[list[str], _Looked | None]]:
    """Yield names of plain files that follow each other, as many as make a run, and what comes then."""
    start = 0
    for at in [i for i, name in enumerate(names) if name in looked_at] if looked_at else ():
        yield from ((some, None) for some in _runs(names, start, at))
        yield [], looked_at[names[at]]
        start = at + 1
    yield from ((some, None) for some in _runs(names, start, len(names)))


def _runs(names: list[str], start: int, end: int) -> Iterator[list[str]]:
    for first in range(start, end, RUN_ENTRIES):
        yield names[first : min(first + RUN_ENTRIES, end)]


def _plain_files(folder: str, prefix: str, names: list[str]) -> list[tuple[str, int, int]]:
    """Return path, size and time of plain files in a folder, up to the first that is none any more."""
    found: list[tuple[str, int, int]] = []
    stat_of, is_regular = os.stat, stat.S_ISREG  # what this loop does it may do a million times
    fd = None
    try:
        # The system need not find its way to the folder anew for each of them.
        fd = os.open(folder, _FOLDER_FLAGS) if stat_of in os.supports_dir_fd else None
        start = "" if fd is not None else os.path.join(folder, "")  # noqa: PTH118
        for name in names:
            status = stat_of(start + name, dir_fd=fd)
            if not is_regular(status.st_mode):
                break
            found.append((prefix + name, status.st_size, status.st_mtime_ns))
    except OSError:
        pass  # the caller looks again, which tells what is wrong
    finally:
        if fd is not None:
            os.close(fd)
    return found


_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


def _listed(
    folder: str, follow_links: bool, ancestors: tuple[Identity, ...]
) -> tuple[list[str], dict[str, _Looked]]:
    """Return the names in a folder in text form, and what is known of those that are no plain files.

    Of a plain file the name is all that is kept: there may be a million in one folder.
    """
    names: list[str] = []
    looked_at: dict[str, _Looked] = {}
    with os.scandir(folder) as listing:
        for entry in listing:
            name = entry.name
            if name.isascii() and "\\" not in name:
                try:
                    if entry.is_file(follow_symlinks=False):
                        names.append(name)
                        continue
                except OSError:
                    pass  # the file system does not say it in its listing, so it is asked below
            looked = _looked_at(entry, follow_links, ancestors)
            names.append(looked.name)
            looked_at[looked.name] = looked
    return names, looked_at


class _Looked(NamedTuple):
    """A folder's entry; `name` is in text form and ends in `/` if it is a folder to descend into."""

    name: str
    entry: os.DirEntry[str] | _At
    identity: Identity | None = None
    encloses: bool = False


def _looked_at(
    entry: os.DirEntry[str] | _At, follow_links: bool, ancestors: tuple[Identity, ...]
) -> _Looked:
    name = to_text(entry.name)
    try:
        if not entry.is_dir(follow_symlinks=follow_links):
            return _Looked(name, entry)
        if not follow_links:
            return _Looked(name + "/", entry, _NOWHERE)
        status = entry.stat()
    except OSError:
        return _Looked(name, entry)  # examined again as a file, which tells what is wrong
    identity = (status.st_dev, status.st_ino)
    if entry.is_symlink() and identity in ancestors:
        return _Looked(name, entry, encloses=True)
    return _Looked(name + "/", entry, identity)


_NOWHERE: Identity = (-1, -1)
"""Stands for a folder whose identity is not needed, as no link is followed."""


def _file(path: str, entry: os.DirEntry[str] | _At) -> Iterator[Entry]:
    try:
        status = entry.stat()
    except FileNotFoundError:
        if entry.is_symlink():
            yield Entry(path, Kind.UNREADABLE, reason="a link whose target does not exist")
        return  # deleted between listing and looking: it is simply not there any more
    except OSError as exc:
        yield Entry(path, Kind.UNREADABLE, reason=_why(exc))
        return
    yield _examined(path, status)


def _examined(path: str, status: os.stat_result) -> Entry:
    if stat.S_ISREG(status.st_mode):
        return Entry(path, Kind.FILE, status.st_size, status.st_mtime_ns)
    if stat.S_ISDIR(status.st_mode):
        return Entry(path, Kind.NOT_FOLLOWED, reason="a link to a folder")
    return Entry(
        path, Kind.NOT_FOLLOWED, reason=_SPECIAL.get(stat.S_IFMT(status.st_mode), "a special file")
    )


def _why(exc: OSError) -> str:
    return f"cannot be examined: {exc.strerror}"
