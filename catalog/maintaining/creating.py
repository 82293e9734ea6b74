"""A DICOMDIR for files that stay in place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import FileIdError, FileSetError, PathError
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.paths import absolute_text, on_disk
from catalog.files.walk import Kind, walk
from catalog.files.whole import content
from catalog.fileset.file_id import FileId, file_id, is_file_set_id
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.tree import FileSet, Record
from catalog.findings import Finding, Severity
from catalog.maintaining.examiner import Examiner
from catalog.maintaining.examining import Candidate, LeftOut, named
from catalog.maintaining.growing import Tree, chosen_above
from catalog.maintaining.settling import same_bytes, settled
from catalog.maintaining.storing import BACKUP, DICOMDIR, JOURNAL, encoded, previous, put
from catalog.shapes import field, frozen, mutable

if TYPE_CHECKING:
    from catalog.fileset.making import Making
    from catalog.maintaining.descriptor import Descriptor
    from catalog.maintaining.renaming import Rename
    from catalog.maintaining.replacing import InStep

STAGE = "Reading"
BATCH_FILES = 200


@mutable
class Creation:
    """What a new DICOMDIR would hold; the plan of `create`.

    Attributes
    ----------
    items:
        Each file with the File ID that it has, or will have when it is renamed; in the order of
        the directory.
    renames:
        What has to be renamed first; empty unless asked for.
    illegal:
        DICOM files whose names are no File IDs (PS3.10 §8.2, §8.5), if renaming was not asked for.
    left_out:
        DICOM files that can have no record, and entries that could not be examined.
    others:
        How many files are not DICOM; they stay and are not referenced (PS3.10 §8.1).
    existing:
        The DICOMDIR that is there already.
    making:
        How the records are made; see `Examiner`.
    """

    folder: Path
    items: list[tuple[Candidate, FileId]] = field(default_factory=list)
    renames: list[Rename] = field(default_factory=list)
    illegal: list[LeftOut] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    others: int = 0
    existing: Path | None = None
    findings: list[Finding] = field(default_factory=list)
    making: Making | None = None

    @property
    def places(self) -> list[str]:
        """Where the files lie that get a record, before any is renamed."""
        return [candidate.place for candidate, _ in self.items]

    @property
    def misfits(self) -> list[LeftOut]:
        """What does not fit the profile, of `left_out`: a file once for each reason."""
        return [each for each in self.left_out if each.code == "profile"]


@frozen
class Created:
    """What was written: the directory, its size, the records, where the old directory and manifest are kept."""

    fileset: FileSet
    size_bytes: int
    backup: Path | None
    manifest_backup: Path | None = None


def plan_creation(
    folder: Path,
    *,
    renaming: bool = False,
    making: Making | None = None,
    listener: Listener = ignore,
) -> Creation:
    """Return what a DICOMDIR for `folder` would hold; every header below it is read, nothing written.

    An instance does not fit the profile of `making` by its SOP Class, its Transfer Syntax, a value
    that the profile asks of it, or a key or icon that the profile wants in a record and that
    cannot be made of it.

    Raises
    ------
    PathError
        If `folder` is no folder, or cannot be listed.
    """
    if not folder.is_dir():
        raise PathError(f"{folder} is not a folder.")
    try:
        top = [entry.name for entry in folder.iterdir() if entry.is_file()]
    except OSError as exc:
        raise PathError(f"{folder} cannot be listed: {exc.strerror}.") from exc
    existing = dicomdir_names(top)
    plan = Creation(folder, existing=folder / existing[0] if existing else None, making=making)
    root = absolute_text(folder)
    candidates: list[Candidate] = []
    taken: set[str] = set()
    examiner = Examiner(making)
    listener(Started(STAGE, None, "files"))
    for number, entry in enumerate(walk(str(folder))):
        taken.add(entry.path.casefold())
        if entry.kind is not Kind.FILE:
            plan.left_out.append(
                LeftOut(entry.path, "not-examined", f"it cannot be examined: {entry.reason}")
            )
        elif entry.path == JOURNAL or entry.path in existing[:1] or BACKUP.fullmatch(entry.path):
            pass
        else:
            found = examiner.examine_file(
                on_disk(root, entry.path),
                entry.size_bytes,
                f"{root.rstrip('/')}/{entry.path}",
                entry.path,
            )
            if found is None:
                plan.others += 1
            elif isinstance(found, LeftOut):
                plan.left_out.append(found)
            else:
                candidates.append(found)
        if number % BATCH_FILES == 0:
            listener(Progress(STAGE, number, None))
    listener(Finished(STAGE, len(taken)))
    kept, left_out = settled(candidates, same_bytes)
    if making is not None and making.profile is not None:
        from catalog.maintaining.finishing import fitting

        kept, misfits = fitting(kept, making)
        left_out += misfits
    plan.left_out = sorted([*plan.left_out, *left_out])
    _name(plan, _ordered(kept), taken, renaming)
    return plan


def _ordered(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates in the order of the directory.

    Patients by ID, studies by date, series and instances by number; UIDs where those are equal.
    """
    said: dict[tuple[int, int], tuple[str, str, tuple[bool, int, str]]] = {}

    def above(candidate: Candidate) -> tuple[str, str, tuple[bool, int, str]]:
        """Return date and time of the study and number of the series; looked up once a record."""
        if not candidate.above:
            return "", "", _number(None)
        study, series = candidate.above[1].record, candidate.above[2].record
        found = said.get((id(study), id(series)))
        if found is None:
            assert study is not None
            assert series is not None
            date, time = (study.plain(tag) or "" for tag in (0x00080020, 0x00080030))
            found = date, time, _number(series.plain(0x00200011))
            said[id(study), id(series)] = found
        return found

    def key(candidate: Candidate) -> tuple[object, ...]:
        date, time, number = above(candidate)
        return (
            not candidate.above,
            candidate.directory_patient_id,
            date,
            time,
            candidate.study_instance_uid,
            number,
            candidate.series_instance_uid,
            _number(candidate.record.plain(0x00200013)),
            candidate.sop_instance_uid,
        )

    return sorted(candidates, key=key)


def _number(text: str | None) -> tuple[bool, int, str]:
    value = text or ""
    digits = value.lstrip("+-")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= 12
    return (
        not is_number,
        int(value) if is_number and value[:2] not in ("+-", "-+", "--", "++") else 0,
        value,
    )


def _name(plan: Creation, kept: Iterable[Candidate], taken: set[str], renaming: bool) -> None:
    """Give each candidate its File ID, or a new one where its name is illegal."""
    nameless: list[Candidate] = []
    own: dict[str, FileId] = {}
    kept = list(kept)
    for candidate in kept:
        try:
            own[candidate.place] = file_id(candidate.place.split("/"))
        except FileIdError as error:
            nameless.append(candidate)
            if not renaming:
                plan.illegal.append(
                    LeftOut(candidate.place, "illegal-file-id", str(error).rstrip("."))
                )
    if renaming:
        from catalog.fileset.naming import names
        from catalog.maintaining.renaming import Rename

        fresh = names(candidate.identity for candidate in nameless)
        for candidate in nameless:
            new = fresh[candidate.identity]
            if new.path.casefold() in taken:
                reason = f"its new name {new.path} is taken by another file"
                plan.left_out.append(LeftOut(candidate.place, "name-taken", reason))
                continue
            own[candidate.place] = new
            plan.renames.append(Rename(candidate.place, new.path))
    plan.items = [(c, own[c.place]) for c in kept if c.place in own]


def create(
    plan: Creation,
    file_set_uid: str,
    file_set_id: str | None = None,
    *,
    replace: bool = False,
    partial: bool = False,
    descriptor: Descriptor | None = None,
    listener: Listener = ignore,
) -> Created:
    """Rename what the plan says, then write the DICOMDIR, last and at once.

    The old DICOMDIR, where it may be replaced, is kept beside it; the File-set stays the same one,
    so its UID and, unless others are given, its ID and descriptor file go on (PS3.10 §8.1). A
    manifest of dcat that lists the old DICOMDIR is brought in step, and kept in the same way.

    Raises
    ------
    FileSetError
        If there is a DICOMDIR and `replace` is not set; if a DICOM file could have no record and
        `partial` is not set (PS3.3 F.2.1); if names are illegal; if there is nothing to reference.
    ExportError, MediaFull
        If something cannot be renamed or written.
    """
    refusal = refused(plan, replace=replace, partial=partial)
    if refusal is not None:
        raise FileSetError(refusal)
    before = content(plan.existing) if plan.existing else None
    old = previous(before) if before is not None else FileSet("", "")
    if file_set_id is None:
        file_set_id = old.file_set_id if is_file_set_id(old.file_set_id) else ""
    described = _described(plan.folder, old) if descriptor is None else descriptor
    fileset = FileSet(
        file_set_id,
        old.file_set_uid or file_set_uid,
        _records(plan),
        described.file_id if described else (),
        described.character_set if described else None,
    )
    data = encoded(fileset, strict=True)
    in_step = _in_step(plan, before, old, data)
    if plan.renames:
        from catalog.maintaining.renaming import rename

        rename(plan.folder, plan.renames)
    manifest_backup = None
    if in_step is None:
        backup = _put(plan, data, before)
    else:
        backup, manifest_backup, findings = in_step.put(lambda: _put(plan, data, before))
        plan.findings += findings
        plan.findings += in_step.wrong(listener)
    return Created(fileset, len(data), backup, manifest_backup)


def _put(plan: Creation, data: bytes, before: bytes | None) -> Path | None:
    """Put the DICOMDIR in its place; return where the old one is kept."""
    target = plan.folder / DICOMDIR
    if plan.existing is None or plan.existing.name == DICOMDIR:
        return put(target, data, before)
    # `dicomdir` or `DICOMDIR;1`: kept under that name, then replaced by the right one
    assert before is not None
    backup = put(plan.existing, data, before)
    plan.existing.rename(target)
    return backup


def _in_step(plan: Creation, before: bytes | None, old: FileSet, data: bytes) -> InStep | None:
    """Return what brings the manifest in step with the new DICOMDIR; `None`, with findings, if it stays as it is."""
    from catalog.fileset.manifest import manifests_among, other_digests_among

    top = [entry.name for entry in plan.folder.iterdir() if entry.is_file()]
    if not manifests_among(top)[0] and not other_digests_among(top):
        return None
    from catalog.maintaining.replacing import in_step

    renamed = {each.old: each.new for each in plan.renames}
    found, findings = in_step(plan.folder, before, old, data, plan.places, renamed)
    plan.findings += findings
    return found


def _described(folder: Path, old: FileSet) -> Descriptor | None:
    """Return the descriptor file of the old DICOMDIR, `None` if it has none that is there."""
    if not old.descriptor_file_id:
        return None
    from catalog.maintaining.descriptor import descriptor

    try:
        return descriptor(folder, "/".join(old.descriptor_file_id), old.descriptor_character_set)
    except FileSetError:
        return None


def refused(plan: Creation, *, replace: bool, partial: bool) -> str | None:
    """Return why `create` would refuse the plan, as a sentence; `None` if it would not."""
    if plan.existing is not None and not replace:
        return f"{plan.existing} exists. --replace makes a new one and keeps the old beside it; `dcat dicomdir add` changes it. Nothing was written."
    if plan.illegal:
        count = len(plan.illegal)
        what = (
            "1 DICOM file has a name that is"
            if count == 1
            else f"{count:,} DICOM files have names that are"
        )
        return f"{what} no File ID (PS3.10 §8.2). --rename gives legal names. Nothing was written."
    if plan.left_out and not partial:
        count = len(plan.left_out)
        what = "1 file" if count == 1 else f"{count:,} files"
        return f"{what} can have no record, and a DICOMDIR must name every DICOM file (PS3.3 F.2.1). Take them away, or write it without them with --partial. Nothing was written."
    if not plan.items:
        return f"{plan.folder} holds no DICOM file that a DICOMDIR could name. Nothing was written."
    return None


def _records(plan: Creation) -> tuple[Record, ...]:
    tree = Tree()
    best = chosen_above([candidate for candidate, _ in plan.items])
    for (kind, _), (built, differing) in best.items():
        if differing:
            message = (
                f"{differing:,} file(s) below this {kind} record state other keys than it holds."
            )
            place = built.findings[0].place if built.findings else ""
            plan.findings.append(
                Finding("files-disagree", Severity.WARNING, message, place, "PS3.3 F.5")
            )
    if plan.making is not None and plan.making.profile is not None:
        from catalog.maintaining.completing import completed

        best = completed(best, [candidate for candidate, _ in plan.items], plan.making)
    for candidate, name in plan.items:
        plan.findings += tree.add(candidate, named(candidate.record, name), best)
        plan.findings += candidate.findings
    return tree.records()
