"""Records taken from a File-set, and what becomes of their files (PS3.10 §8.3)."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from catalog.errors import FileSetError, PathError
from catalog.events import Finished, Listener, Started, ignore
from catalog.files.paths import absolute_text, from_text, on_disk, to_text
from catalog.files.writing import atomic
from catalog.fileset.tree import Record
from catalog.maintaining.examining import LeftOut
from catalog.maintaining.growing import Node, Tree
from catalog.maintaining.manifesting import foreign_notes, manifest_of
from catalog.maintaining.opening import Opened, Updated, open_for_change, replace_directory
from catalog.maintaining.renaming import remove_empty
from catalog.shapes import mutable, replace


class Fate(Enum):
    """What becomes of the files whose records are removed."""

    DELETE = "delete"
    MOVE = "move"
    KEEP = "keep"


@mutable
class Removal:
    """What removing records would do; the plan of `remove`.

    Attributes
    ----------
    records:
        Those that go, in the order of the directory, with the parents that they leave empty.
    files:
        Files on the medium that no record names then, sorted.
    missing:
        How many files of these records are not on the medium.
    """

    opened: Opened
    nodes: list[Node]
    records: list[Record]
    files: list[str]
    missing: int

    def after(self) -> Opened:
        """Return the File-set as the removal would leave it, its files deleted; nothing is written.

        The plan is used up by it.
        """
        opened = self.opened
        tree = Tree(opened.tree.records())  # the former still finds what was taken out of it
        nodes = zip(opened.tree.nodes(), tree.nodes(), strict=True)
        named = {id(new): opened.files[id(old)] for old, new in nodes if id(old) in opened.files}
        for path in self.files:
            del opened.shown.medium.files[path]
        return replace(opened, tree=tree, files=named)


def plan_removal(
    path: Path, selectors: Sequence[str], file_set_uid: str, *, repair: bool = False
) -> Removal:
    """Return what removing the records that `selectors` name would do; nothing is written.

    A selector is a Study, Series or SOP Instance UID, or a File ID with `/` or backslashes.

    Raises
    ------
    FileSetError
        If a selector names no record, or as `open_for_change`.
    PathError, DicomdirError
        As `open_for_change`.
    """
    opened = open_for_change(path, repair=repair, file_set_uid=file_set_uid)
    nodes: list[Node] = []
    by_file_id: dict[str, list[Node]] = {}
    for node in opened.tree.nodes():
        components = node.record.file_components if node.record else None
        if components:
            by_file_id.setdefault("/".join(components), []).append(node)
    by_path = opened.nodes_by_file()
    for selector in selectors:
        name = selector.replace("\\", "/").strip("/")
        found = [
            n for kind in ("STUDY", "SERIES", "INSTANCE") for n in opened.tree.find(kind, selector)
        ]
        found = found or by_file_id.get(name) or by_path.get(name) or []
        if not found:
            raise FileSetError(
                f"No record of {opened.shown.place} has the UID or File ID {to_text(selector)}. Nothing was changed."
            )
        nodes += [node for node in found if node not in nodes]
    before = list(opened.tree.nodes())
    records = opened.tree.take(nodes)
    left = {id(node) for node in opened.tree.nodes()}
    still_named = {opened.files[i] for i in left if i in opened.files}
    gone = [node for node in before if id(node) not in left]
    files = {opened.files[id(node)] for node in gone if id(node) in opened.files} - still_named
    missing = sum(
        1
        for node in gone
        if node.record and node.record.file_components and id(node) not in opened.files
    )
    return Removal(opened, gone, records, sorted(files), missing)


def remove(
    plan: Removal,
    fate: Fate,
    destination: Path | None = None,
    listener: Listener = ignore,
    *,
    proving: bool = True,
) -> Updated:
    """Replace the DICOMDIR by one without the plan's records, then see to their files.

    In that order, so that an interruption leaves files that no record names, never a record
    without its file. With `Fate.MOVE` files go below `destination` under the paths that they had.
    A manifest of dcat goes with the DICOMDIR; `proving` is as `add` has it.

    Raises
    ------
    PathError
        If a file to move has its name taken at the destination, or that lies on the medium.
    ExportError, FileSetError
        If the new directory cannot be written.
    """
    opened = plan.opened
    if fate is Fate.MOVE:
        assert destination is not None
        _check_destination(opened, plan.files, destination)
    result = Updated(removed=plan.records)
    medium = opened.shown.medium
    manifest = manifest_of(medium, opened.shown.data)
    gone = [] if fate is Fate.KEEP else plan.files
    replace_directory(opened, result, manifest, gone)
    result.findings += foreign_notes(medium)
    if fate is not Fate.KEEP:
        _take_away(plan, fate, destination, result, listener)
        if manifest is not None and result.failed:
            with atomic(manifest.path) as stream:
                stream.write(manifest.restored([each.place for each in result.failed]))
    if manifest is not None and proving:
        result.findings += manifest.wrong(gone, listener)
    return result


def _take_away(
    plan: Removal, fate: Fate, destination: Path | None, result: Updated, listener: Listener
) -> None:
    """Delete or move the plan's files; what cannot be is in `result.failed`."""
    opened = plan.opened
    root = absolute_text(opened.folder)
    listener(Started("Removing", len(plan.files), "files"))
    for path in plan.files:
        full = on_disk(root, path)
        try:
            if fate is Fate.DELETE:
                os.unlink(full)  # noqa: PTH108
            else:
                assert destination is not None
                _moved(full, destination / from_text(path))
            remove_empty(opened.folder, full)
            result.files.append(path)
        except OSError as exc:
            result.failed.append(
                LeftOut(path, "failed", f"it cannot be {fate.value}d: {exc.strerror}")
            )
    listener(Finished("Removing", len(plan.files)))


def _check_destination(opened: Opened, files: Sequence[str], destination: Path) -> None:
    root = os.path.realpath(opened.folder)
    if os.path.commonpath((root, os.path.realpath(destination))) == root:
        raise PathError(
            f"{to_text(str(destination))} lies on the medium itself. Nothing was changed."
        )
    for path in files:
        if os.path.lexists(destination / from_text(path)):
            taken = f"{to_text(str(destination)).rstrip('/')}/{path}"
            raise PathError(f"{taken} exists already. Nothing was changed.")


def _moved(source: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    shutil.move(source, target)
