"""dcat dicomdir create, add and remove: the commands that write a DICOMDIR."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from catalog.cli import declared
from catalog.cli.dicomdir_options import Charset, IconSize, Medium, Private
from catalog.cli.dicomdir_saying import (
    SHOWN,
    say_backup,
    say_findings,
    say_left_out,
    say_repairs,
)
from catalog.cli.new_uid import new_uid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catalog.fileset.making import Making
    from catalog.maintaining.examining import Candidate, LeftOut

TextIn = Annotated[
    Charset,
    declared.Option(
        "--charset",
        help="Text of the records: as each file has it, or all in UTF-8. What cannot be converted is left out.",
    ),
]
ProfileName = Annotated[
    str | None,
    declared.Option(
        "--profile",
        metavar="NAME",
        help="Follow this Application Profile, such as STD-GEN-CD: write its keys and icons; list what does not fit before anything is written.",
    ),
]
Icons = Annotated[
    IconSize | None,
    declared.Option("--icons", help="Put icons of so many rows and columns into IMAGE records."),
]
PrivateClasses = Annotated[
    Private,
    declared.Option(
        "--private",
        help="Instances of private SOP Classes: leave them out, or refer to them by PRIVATE records.",
    ),
]
DryRun = Annotated[
    bool, declared.Option("--dry-run", help="Say what would be done; write nothing.")
]
Repair = Annotated[
    bool,
    declared.Option(
        "--repair", help="Change a damaged DICOMDIR all the same, and say what is repaired."
    ),
]


def create_(
    folder: Annotated[
        Path, declared.Argument(metavar="FOLDER", help="The folder whose files get a DICOMDIR.")
    ],
    file_set_id: Annotated[
        str | None,
        declared.Option(
            "--file-set-id", metavar="ID", help="File-set ID: up to 16 of A-Z, 0-9 and _."
        ),
    ] = None,
    descriptor: Annotated[
        str | None,
        declared.Option(
            "--descriptor",
            metavar="FILE",
            help="The File-set's descriptor file: a text in FOLDER that says what it is for.",
        ),
    ] = None,
    descriptor_charset: Annotated[
        str | None,
        declared.Option(
            "--descriptor-charset",
            metavar="TERM",
            help="Its character set, such as 'ISO_IR 100'; ASCII without.",
        ),
    ] = None,
    profile: ProfileName = None,
    charset: TextIn = Charset.SOURCE,
    icons: Icons = None,
    private: PrivateClasses = Private.REFUSE,
    rename: Annotated[
        bool,
        declared.Option(
            "--rename",
            help="Rename files whose names are no File IDs; the mapping is written first and printed.",
        ),
    ] = False,
    undo_rename: Annotated[
        bool,
        declared.Option(
            "--undo-rename",
            help="Give renamed files their old names back; the DICOMDIR is kept as a backup. A manifest that dcat wrote is brought in step.",
        ),
    ] = False,
    replace: Annotated[
        bool,
        declared.Option(
            "--replace",
            help="Replace a DICOMDIR that is there; the old one is kept beside it. A manifest that dcat wrote is brought in step.",
        ),
    ] = False,
    partial: Annotated[
        bool,
        declared.Option(
            "--partial",
            help="Write it although some DICOM files can have no record (against PS3.3 F.2.1); exit code 3.",
        ),
    ] = False,
    dry_run: DryRun = False,
) -> int:
    """Make a DICOMDIR for the files of a folder, which stay in place.

    Every header is read. Unless --partial is given nothing is written when a DICOM file could not
    be referenced: a directory must name them all (PS3.3 F.2.1). The DICOMDIR is written last and at once.
    """
    from catalog.cli import progress
    from catalog.cli.saying import counted, path_text, plain, say, size_text
    from catalog.errors import SelectionError
    from catalog.fileset.file_id import is_file_set_id
    from catalog.fileset.tree import walk
    from catalog.maintaining import create, plan_creation
    from catalog.maintaining.creating import refused

    if file_set_id is not None and not is_file_set_id(file_set_id):
        raise SelectionError(
            f"{file_set_id!r} is no File-set ID: up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1).",
            file_set_id,
        )
    if undo_rename:
        others = (rename, replace, partial, dry_run, file_set_id, descriptor, profile, icons)
        if any(others) or charset is not Charset.SOURCE or private is not Private.REFUSE:
            raise SelectionError("--undo-rename goes with no other option.")
        from catalog.maintaining import undo_renames

        undone = undo_renames(folder)
        for old, new in undone.renames:
            print(f"{plain(old)}\t{plain(new)}")  # noqa: T201
        say_findings(undone.findings)
        say(f"{counted(len(undone.renames), 'file')} renamed back.")
        if undone.backup is not None:
            say(f"The DICOMDIR, which named them otherwise, is kept as {path_text(undone.backup)}.")
        if undone.manifest_backup is not None:
            say(
                f"The manifest is in step, without a DICOMDIR. The old one is kept as {path_text(undone.manifest_backup)}."
            )
        return 0
    if descriptor_charset is not None and descriptor is None:
        raise SelectionError("--descriptor-charset goes with --descriptor.")
    described = None
    if descriptor is not None:
        from catalog.maintaining.descriptor import descriptor as described_by

        described = described_by(folder, descriptor, descriptor_charset)
    making = _making(profile, charset, icons, private)  # before every header is read
    with progress.shown() as listener:
        plan = plan_creation(folder, renaming=rename, making=making, listener=listener)
    misfits = plan.misfits
    say_left_out([*plan.illegal, *plan.left_out])
    for old, new in plan.renames:
        print(f"{plain(old)}\t{plain(new)}")  # noqa: T201
    amount = (
        f"{counted(len(plan.items), 'file')}, {size_text(sum(c.size_bytes for c, _ in plan.items))}"
    )
    if misfits and not partial:
        _refuse_misfits(misfits, len(plan.items), making)
    if dry_run:
        _say_lacking_icons(candidate for candidate, _ in plan.items)
        refusal = refused(plan, replace=replace, partial=partial)
        say(refusal or f"{amount}, would be named by a DICOMDIR. Nothing was written.")
        return 1 if refusal else 3 if plan.left_out else 0
    with progress.shown() as listener:
        done = create(
            plan,
            new_uid(),
            file_set_id,
            replace=replace,
            partial=partial,
            descriptor=described,
            listener=listener,
        )
    say_findings(plan.findings)
    if plan.renames:
        say(
            f"{counted(len(plan.renames), 'file')} renamed; the mapping is in {path_text(folder / 'dcat-renames.ndjson')}, and --undo-rename takes it back."
        )
    records = sum(1 for _ in walk(done.fileset.records))
    say(
        f"{path_text(folder / 'DICOMDIR')} has {counted(records, 'record')} for {amount}."
        + (f" {counted(plan.others, 'other file')} not DICOM." if plan.others else "")
    )
    say_backup(done)
    return 3 if plan.left_out else 0


def add_(
    path: Medium,
    files: Annotated[
        list[Path], declared.Argument(metavar="FILES...", help="DICOM files, or folders of them.")
    ],
    profile: ProfileName = None,
    charset: TextIn = Charset.SOURCE,
    icons: Icons = None,
    private: PrivateClasses = Private.REFUSE,
    partial: Annotated[
        bool,
        declared.Option(
            "--partial",
            help="With --profile: leave out what does not fit and add the rest; exit code 3.",
        ),
    ] = False,
    repair: Repair = False,
    dry_run: DryRun = False,
) -> int:
    """Copy files into a File-set and name them in its DICOMDIR; files on the medium stay in place.

    What was in the DICOMDIR stays as it is, in its order. The old DICOMDIR is kept beside the new.
    A manifest that dcat wrote (MANIFEST.SHA256) is brought in step, and kept in the same way.
    """
    from catalog.cli import progress
    from catalog.cli.saying import counted, plain, say
    from catalog.errors import SelectionError
    from catalog.maintaining import add, plan_addition

    if partial and profile is None:
        raise SelectionError(
            "--partial goes with --profile; without one, what can have no record is left out anyway."
        )
    making = _making(profile, charset, icons, private)
    with progress.shown() as listener:
        plan = plan_addition(
            path,
            files,
            new_uid(),
            repair=repair,
            making=making,
            demanding=True,
            listener=listener,
        )
    for place, name in plan.already[:SHOWN]:
        say(f"  already there: {plain(place)} is {plain(name)}")
    if len(plan.already) > SHOWN:
        say(f"  already there: {len(plan.already) - SHOWN:,} more")
    say_left_out(plan.left_out)
    misfits = [each for each in plan.left_out if each.code == "profile"]
    if misfits and not partial:
        _refuse_misfits(misfits, len(plan.items), making)
    if not plan.items:
        say("Nothing is to be added; nothing was written.")
        return 3 if plan.left_out else 0
    if dry_run:
        say_repairs(plan.opened.repairs)
        for item in plan.items:
            print(f"{plain(item.candidate.place)}\t{item.file_id.path}")  # noqa: T201
        _say_lacking_icons(item.candidate for item in plan.items)
        say(f"{counted(len(plan.items), 'file')} would be added. Nothing was written.")
        return 3 if plan.left_out else 0
    with progress.shown() as listener:
        done = add(plan, listener)
    for place, file_id, _ in done.added:
        print(f"{plain(place)}\t{file_id.path}")  # noqa: T201
    say_findings(done.findings)
    say_left_out(done.failed)
    say_repairs(plan.opened.repairs if done.added else [])
    in_place = sum(was for _, _, was in done.added)
    say(
        f"{counted(len(done.added), 'file')} added"
        + (f", {in_place:,} of them where they were" if in_place else "")
        + "."
    )
    say_backup(done)
    return 3 if plan.left_out or done.failed else 0


def remove_(
    path: Medium,
    selectors: Annotated[
        list[str],
        declared.Argument(
            metavar="SELECTOR...", help="Study, Series or SOP Instance UIDs, or File IDs."
        ),
    ],
    delete_files: Annotated[
        bool, declared.Option("--delete-files", help="Delete the files, too.")
    ] = False,
    move_files: Annotated[
        Path | None,
        declared.Option(
            "--move-files", metavar="FOLDER", help="Move the files out of the medium, below FOLDER."
        ),
    ] = None,
    keep_files: Annotated[
        bool,
        declared.Option(
            "--keep-files",
            help="Leave the files, which breaks PS3.3 F.2.1 until they are taken away; exit code 3.",
        ),
    ] = False,
    repair: Repair = False,
    dry_run: DryRun = False,
) -> int:
    """Take records out of a DICOMDIR, with what is below them and parents that become empty.

    A DICOMDIR must name every DICOM file of its File-set (PS3.3 F.2.1), so say what becomes of the
    files: --delete-files, --move-files or --keep-files. The DICOMDIR is changed first, and with it
    a manifest that dcat wrote (MANIFEST.SHA256).
    """
    from catalog.cli import progress
    from catalog.cli.saying import counted, plain, say
    from catalog.errors import SelectionError
    from catalog.maintaining import Fate, plan_removal, remove

    if delete_files + keep_files + (move_files is not None) > 1:
        raise SelectionError("Name one of --delete-files, --move-files and --keep-files.")
    plan = plan_removal(path, selectors, new_uid(), repair=repair)
    if plan.missing:
        say(f"{counted(plan.missing, 'file')} of these records are not on the medium.")
    if dry_run:
        say_repairs(plan.opened.repairs)
        for file in plan.files:
            print(plain(file))  # noqa: T201
        say(
            f"{counted(len(plan.records), 'record')} and {counted(len(plan.files), 'file')} would go. Nothing was written."
        )
        return 0
    chosen = delete_files or keep_files or move_files is not None
    if plan.files and not chosen:
        raise SelectionError(
            f"Say what becomes of {counted(len(plan.files), 'file')}: --delete-files, --move-files FOLDER, or --keep-files, which leaves DICOM files that no record names (against PS3.3 F.2.1). Nothing was changed."
        )
    fate = (
        Fate.DELETE
        if delete_files
        else Fate.KEEP
        if keep_files or move_files is None
        else Fate.MOVE
    )
    with progress.shown() as listener:
        done = remove(plan, fate, move_files, listener)
    for file in plan.files:
        print(plain(file))  # noqa: T201
    say_findings(done.findings)
    say_left_out(done.failed)
    say_repairs(plan.opened.repairs)
    word = {Fate.DELETE: "deleted", Fate.MOVE: "moved", Fate.KEEP: "left where they are"}[fate]
    number = len(plan.files) if fate is Fate.KEEP else len(done.files)
    say(f"{counted(len(done.removed), 'record')} removed, {counted(number, 'file')} {word}.")
    say_backup(done)
    return 3 if done.failed or (fate is Fate.KEEP and plan.files) else 0


def _making(
    profile: str | None, charset: Charset, icons: IconSize | None, private: Private
) -> Making | None:
    """Return how records are to be made, `None` if nothing was said of it."""
    if (profile, charset, icons, private) == (None, Charset.SOURCE, None, Private.REFUSE):
        return None
    from catalog.fileset.making import making
    from catalog.fileset.profiles import profile_named

    return making(
        None if profile is None else profile_named(profile),
        None if charset is Charset.SOURCE else charset.value,
        None if icons is None else int(icons),
        private is Private.RECORD,
    )


def _refuse_misfits(misfits: Sequence[LeftOut], fitting: int, making: Making | None) -> None:
    """Raise what says that so many files do not fit the profile."""
    from catalog.cli.saying import counted
    from catalog.errors import FileSetError

    number = len({each.place for each in misfits})
    name = making.profile.name if making is not None and making.profile is not None else ""
    raise FileSetError(
        f"{number:,} of {counted(number + fitting, 'file')} {'does' if number == 1 else 'do'} not fit {name}. Take them away, or leave them out of the DICOMDIR with --partial. Nothing was written."
    )


def _say_lacking_icons(candidates: Iterable[Candidate]) -> None:
    """Say which records would have no icon though icons were asked for."""
    say_findings([f for each in candidates for f in each.findings if f.code == "icon-missing"])
