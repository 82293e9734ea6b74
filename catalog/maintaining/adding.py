"""Files added to a File-set: a File-set Updater that changes DICOMDIR alone (PS3.10 §8.3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from catalog.errors import FileIdError, FileSetError, SourceChanged
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.copy import copy
from catalog.files.digest import digest
from catalog.files.paths import absolute_text, from_text, on_disk, to_text
from catalog.files.walk import Kind, walk
from catalog.files.writing import sync, write_error
from catalog.fileset.file_id import FileId, file_id
from catalog.fileset.naming import Identity, hash_text, names
from catalog.maintaining.examiner import Examiner
from catalog.maintaining.examining import Candidate, LeftOut, named
from catalog.maintaining.growing import Node, chosen_above
from catalog.maintaining.manifesting import foreign_notes, manifest_of
from catalog.maintaining.opening import (
    Opened,
    Updated,
    is_replaced,
    open_for_change,
    replace_directory,
)
from catalog.maintaining.renaming import remove_empty
from catalog.maintaining.settling import same_bytes, settled
from catalog.maintaining.storing import BACKUP, encoded
from catalog.shapes import field, frozen, mutable, replace

if TYPE_CHECKING:
    from catalog.fileset.making import Making
    from catalog.findings import Finding

STAGE = "Reading"
_MAX_SALT = 100


@frozen
class Item:
    """A file to add, its File ID, and whether it is on the medium under that name already."""

    candidate: Candidate
    file_id: FileId
    in_place: bool


@mutable
class Addition:
    """What adding files would do; the plan of `add`.

    Attributes
    ----------
    already:
        Files that the directory names already, or whose equal it does, with the File ID there.
    left_out:
        Files that cannot be added, and why.
    others:
        How many files of named folders are not DICOM.
    making:
        How the new records are made; see `Examiner`.
    """

    opened: Opened
    items: list[Item] = field(default_factory=list)
    already: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    others: int = 0
    making: Making | None = None


def plan_addition(
    path: Path,
    sources: Sequence[Path],
    file_set_uid: str,
    *,
    repair: bool = False,
    making: Making | None = None,
    demanding: bool = False,
    opened: Opened | None = None,
    listener: Listener = ignore,
) -> Addition:
    """Return what adding `sources`, files or folders, to the File-set at `path` would do; nothing is written.

    Parameters
    ----------
    demanding:
        Leave out files in whose records a key or icon would be missing that the profile of
        `making` wants there; else there is a finding.
    opened:
        The File-set at `path` as another change would leave it (`Removal.after`); without it, as it is.

    Raises
    ------
    PathError, DicomdirError, FileSetError
        As `open_for_change`; also if a source does not exist.
    """
    if opened is None:
        opened = open_for_change(path, repair=repair, file_set_uid=file_set_uid)
    plan = Addition(opened, making=making)
    fresh: list[Candidate] = []
    root = absolute_text(opened.folder).rstrip("/") + "/"
    named_files = opened.nodes_by_file()
    listener(Started(STAGE, None, "files"))
    for number, (found, explicit) in enumerate(_examined_all(sources, plan)):
        if found is None:
            plan.others += not explicit
        elif isinstance(found, LeftOut):
            plan.left_out.append(found)
        else:
            _sort(plan, found, root, named_files, fresh)
        if number % 200 == 0:
            listener(Progress(STAGE, number, None))
    listener(Finished(STAGE, len(fresh)))
    kept, left_out = settled(fresh, same_bytes, opened.tree.owners())
    plan.left_out += left_out
    if demanding and making is not None and making.profile is not None:
        from catalog.maintaining.finishing import fitting

        kept, misfits = fitting(kept, making)
        plan.left_out += misfits
    chosen = []
    for candidate in kept:
        if conflict := opened.tree.conflict(candidate):
            plan.left_out.append(LeftOut(candidate.place, *conflict))
        else:
            chosen.append(candidate)
    _name(plan, chosen, root)
    plan.left_out.sort()
    return plan


def _examined_all(
    sources: Sequence[Path], plan: Addition
) -> Iterator[tuple[Candidate | LeftOut | None, bool]]:
    """Yield what each file is, and whether it was named itself."""
    seen: set[str] = set()
    examiner = Examiner(plan.making)
    medium = plan.opened.shown.medium
    own = {absolute_text(medium.dicomdir)}
    own |= {absolute_text(medium.folder / path) for path in medium.files if BACKUP.fullmatch(path)}
    for source in sources:
        base = absolute_text(source)
        for entry in walk(str(source)):
            full = f"{base.rstrip('/')}/{entry.path}" if entry.path else base
            if full in seen:
                continue
            seen.add(full)
            place = (
                to_text(str(source))
                if not entry.path
                else f"{to_text(str(source)).rstrip('/')}/{entry.path}"
            )
            if entry.kind is not Kind.FILE:
                yield LeftOut(place, "not-examined", f"it cannot be examined: {entry.reason}"), True
                continue
            if full in own:
                continue
            found = examiner.examine_file(on_disk(base, entry.path), entry.size_bytes, full, place)
            if found is None and not entry.path:
                found = LeftOut(place, "not-dicom", "it is not DICOM")
            yield found, not entry.path


def _sort(
    plan: Addition,
    found: Candidate,
    root: str,
    named_files: dict[str, list[Node]],
    fresh: list[Candidate],
) -> None:
    """Put `found` among those that are there already, those left out, or the fresh ones."""
    opened = plan.opened
    inside = found.source[len(root) :] if found.source.startswith(root) else None
    there = opened.tree.find("INSTANCE", found.sop_instance_uid)
    if inside in named_files and not any(node in named_files[inside] for node in there):
        reason = "a record names this file and another SOP Instance UID; remove that record first"
        plan.left_out.append(LeftOut(found.place, "file-id-taken", reason))
    elif not there:
        fresh.append(found)
    else:
        path = opened.files.get(id(there[0]))
        record = there[0].record
        components = record.file_components if record else None
        shown = path or "/".join(components or ())
        if path is None:
            reason = f"the directory names it as {shown}, which is not on the medium; remove that record first"
            plan.left_out.append(LeftOut(found.place, "listed-but-missing", reason))
        elif _equal(found, on_disk(root.rstrip("/") or "/", path)):
            plan.already.append((found.place, path))
        else:
            reason = (
                f"the File-set has another file with its SOP Instance UID, {path} (PS3.3 F.2.1)"
            )
            plan.left_out.append(LeftOut(found.place, "instance-differs", reason))


def _equal(candidate: Candidate, path: str) -> bool:
    source = from_text(candidate.source)
    try:
        if os.path.samefile(source, path):  # noqa: PTH121
            return True
        return os.path.getsize(path) == candidate.size_bytes and digest(source) == digest(path)  # noqa: PTH202
    except OSError:
        return False


def _name(plan: Addition, chosen: Sequence[Candidate], root: str) -> None:
    """Give File IDs: their own to files on the medium, hashed ones to the others."""
    files = plan.opened.shown.medium.files
    folded = {path.casefold(): path for path in files}
    outside = []
    for candidate in chosen:
        if not candidate.source.startswith(root):
            outside.append(candidate)
            continue
        place = candidate.source[len(root) :]
        try:
            plan.items.append(Item(candidate, file_id(place.split("/")), True))
        except FileIdError as error:
            reason = f"it is on the medium under a name that is no File ID: {str(error).rstrip('.')}; rename it, or move it off the medium and add it from there"
            plan.left_out.append(LeftOut(candidate.place, "illegal-file-id", reason))
    given = names(candidate.identity for candidate in outside)
    for candidate in outside:
        name = given[candidate.identity]
        salt = 0
        while (taken := folded.get(name.path.casefold())) is not None:
            if _equal(candidate, on_disk(root.rstrip("/") or "/", taken)) and taken == name.path:
                break  # an addition that was interrupted, or a file that was kept
            salt += 1
            if salt > _MAX_SALT:
                raise FileSetError(f"No free File ID is left for {candidate.place}.")
            name = names([candidate.identity], _salted(len(candidate.identity), salt))[
                candidate.identity
            ]
        folded[name.path.casefold()] = name.path
        plan.items.append(Item(candidate, name, taken is not None))


def _salted(arity: int, more: int) -> Callable[[Identity, int], str]:
    def hashed(prefix: Identity, salt: int) -> str:
        return hash_text(prefix, 7, salt + (more if len(prefix) == arity else 0))

    return hashed


def add(plan: Addition, listener: Listener = ignore, *, proving: bool = True) -> Updated:
    """Copy the plan's files into the File-set, each proved, then replace the DICOMDIR at once.

    Files that are on the medium stay where they are. The old DICOMDIR is kept beside the new one.
    If the work cannot go on, the copies that were made are removed and the DICOMDIR is the old one.
    A manifest of dcat is brought in step with it, and kept beside the new one in the same way.

    Parameters
    ----------
    proving:
        Hold what is not touched against the manifest, where that is not too much to read.

    Raises
    ------
    MediaFull, ExportError, FileSetError
        If the medium cannot be written, or the new directory cannot.
    """
    opened, result = plan.opened, Updated()
    medium = opened.shown.medium
    manifest = manifest_of(medium, opened.shown.data)
    copied: list[Path] = []
    digests: dict[str, str] = {}
    examiner = Examiner(plan.making)
    try:
        done = []
        total = sum(item.candidate.size_bytes for item in plan.items if not item.in_place)
        listener(Started("Copying", total, "bytes"))
        for item in plan.items:
            try:
                proved = (
                    _in_place(opened, item, examiner)
                    if item.in_place
                    else _copied(opened, item, copied, digests, examiner)
                )
                done.append((item, proved))
            except SourceChanged as exc:
                result.failed.append(LeftOut(item.candidate.place, "failed", str(exc)))
        listener(Finished("Copying", total))
        if not done:
            return result
        for path in copied:
            sync(path)
        result.findings += _grown(plan, done)
        result.added += [(i.candidate.place, i.file_id, i.in_place) for i, _ in done]
        if manifest is not None:
            for _, name, in_place in result.added:
                if in_place and not manifest.is_listed(name.path):
                    digests[name.path] = digest(str(opened.folder.joinpath(*name.components)))
        replace_directory(opened, result, manifest, (), digests)
    except BaseException:
        for path in () if is_replaced(opened) else copied:
            with suppress(OSError):  # the first error is the one to tell
                path.unlink()
                remove_empty(opened.folder, str(path))
        raise
    result.findings += foreign_notes(medium)
    if manifest is not None and proving:
        result.findings += manifest.wrong(digests, listener)
    return result


def foreseen(plan: Addition) -> list[Finding]:
    """Return what `add` would notice in the records that it would make; nothing is written.

    The plan is used up by it.

    Raises
    ------
    FileSetError
        If the new directory could not be written.
    """
    findings = _grown(plan, [(item, item.candidate) for item in plan.items])
    encoded(replace(plan.opened.fileset, records=plan.opened.tree.records()), strict=False)
    return findings


def _grown(plan: Addition, done: Sequence[tuple[Item, Candidate]]) -> list[Finding]:
    """Hang the records of what was added into the tree; return what was noticed."""
    tree, making = plan.opened.tree, plan.making
    profile = None if making is None else making.profile
    findings: list[Finding] = []
    best = chosen_above([candidate for _, candidate in done])
    if making is not None and profile is not None:
        from catalog.maintaining.completing import completed

        best = completed(best, [candidate for _, candidate in done], making)
    for item, candidate in done:
        findings += tree.add(candidate, named(candidate.record, item.file_id), best)
        findings += candidate.findings
    if profile is not None:
        from catalog.fileset.profiles import check_profile
        from catalog.fileset.tree import FileSet

        findings += check_profile(FileSet("", "", tree.records()), profile)
    return findings


def _in_place(opened: Opened, item: Item, examiner: Examiner) -> Candidate:
    """Return what the file on the medium is now."""
    path = opened.folder.joinpath(*item.file_id.components)
    try:
        with path.open("rb") as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
            return _proved(examiner, stream, size_bytes, item.candidate)
    except OSError as exc:
        raise SourceChanged(f"it cannot be read: {exc.strerror}") from exc


def _copied(
    opened: Opened, item: Item, copied: list[Path], digests: dict[str, str], examiner: Examiner
) -> Candidate:
    """Copy the file and return what the copy is; `digests` gets that of the copy."""
    target = opened.folder.joinpath(*item.file_id.components)
    proved: list[Candidate] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target):
            raise SourceChanged(f"{item.file_id.path} appeared on the medium in the meantime")
    except OSError as exc:
        raise write_error(exc, target) from exc
    made = copy(
        from_text(item.candidate.source),
        target,
        lambda stream, size: proved.append(_proved(examiner, stream, size, item.candidate)),
    )
    copied.append(target)
    digests[item.file_id.path] = made.digest
    return proved[0]


def _proved(examiner: Examiner, stream: BinaryIO, size_bytes: int, planned: Candidate) -> Candidate:
    """Return what the bytes in `stream` are; raise SourceChanged unless they are what was planned."""
    found = examiner.examine(stream, size_bytes, planned.source, planned.place)
    if not isinstance(found, Candidate) or (
        found.sop_instance_uid, found.study_instance_uid, found.series_instance_uid
    ) != (planned.sop_instance_uid, planned.study_instance_uid, planned.series_instance_uid):  # fmt: skip
        raise SourceChanged("it is another instance than a moment ago")
    # What the plan adopted from the study, such as a Patient ID, stays.
    return replace(
        planned,
        record=found.record,
        above=planned.above if planned.patient_id != found.patient_id else found.above,
        findings=(*planned.findings, *(f for f in found.findings if f not in planned.findings)),
    )
