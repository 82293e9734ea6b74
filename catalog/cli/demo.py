"""dcat demo: the whole path on real files, every command shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from catalog.cli import declared


def demo(
    folder: Annotated[
        Path | None,
        declared.Argument(
            metavar="[FOLDER]",
            help="A new or empty folder for the catalogues and the File-set.",
            show_default="a new temporary folder",
        ),
    ] = None,
) -> int:
    """Show the whole path on the real files that pydicom ships.

    Index, find, audit, export, verify, import into a second catalogue, and compare the two. Each
    command is shown as you would type it, so that you can repeat it on an archive of your own.
    """
    import tempfile

    from catalog.cli.saying import say
    from catalog.errors import DestinationNotEmpty, PathError

    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="dcat-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise DestinationNotEmpty(str(folder))
    except OSError as exc:
        raise PathError(f"{folder} cannot be used: {exc.strerror}.") from exc
    source = _samples()
    first, second, media = folder / "catalogue.db", folder / "second.db", folder / "media"
    steps: tuple[tuple[str, list[str], tuple[int, ...]], ...] = (
        ("Index the files that pydicom ships. Some are broken on purpose, hence exit code 3.", ["index", str(source), "--db", str(first)], (0, 3)),
        ("What is there?", ["find", "studies", "--modality", "CT", "--modality", "MR", "--db", str(first)], (0,)),
        ("Ask in SQL.", ["sql", "SELECT Modality, count(*) AS Instances FROM v_instance GROUP BY Modality ORDER BY 2 DESC LIMIT 5", "--db", str(first)], (0,)),
        ("Which files could not be read, and why?", ["audit", "unreadable-files", "--db", str(first)], (0, 4)),
        ("Write everything that can be exported as a File-set. Left out is what would be ambiguous.", ["export", str(media), "--file-set-id", "DEMO", "--db", str(first)], (0, 3)),
        ("Prove the medium from its own DICOMDIR.", ["verify", "--media", str(media)], (0, 4)),
        ("Import its DICOMDIR into an empty catalogue.", ["import", str(media), "--db", str(second)], (0,)),
    )  # fmt: skip
    for sentence, arguments, allowed in steps:
        code = _run(sentence, arguments)
        if code not in allowed:
            say(f"That ended with exit code {code}, which a demonstration should not.")
            return 1
    same = _compare(first, second)
    say()
    say(f"Everything is in {folder}; remove that folder when you have seen enough.")
    return 0 if same else 1


def _samples() -> Path:
    from catalog.dicom.samples import folder
    from catalog.errors import PathError

    found = folder()
    if found is None:
        raise PathError(
            "The installed pydicom ships no sample files; index a folder of your own with `dcat index FOLDER`."
        )
    return found


def _run(sentence: str, arguments: list[str]) -> int:
    import shlex
    import sys

    from catalog.cli.main import main
    from catalog.cli.saying import say

    say()
    say(f"# {sentence}")
    say(f"$ dcat {shlex.join(arguments)}")
    sys.stderr.flush()
    code = main(arguments)
    sys.stdout.flush()
    return code


_SIDES = (
    ("patients", "SELECT DISTINCT StudyInstanceUID, PatientID, PatientName FROM v_instance"),
    (
        "studies",
        "SELECT DISTINCT StudyInstanceUID, StudyDate, StudyDescription, AccessionNumber FROM v_instance",
    ),
    (
        "series",
        "SELECT DISTINCT SeriesInstanceUID, StudyInstanceUID, Modality, SeriesNumber FROM v_instance",
    ),
    (
        "instances",
        "SELECT SOPInstanceUID, SeriesInstanceUID, SOPClassUID, TransferSyntaxUID, InstanceNumber FROM v_instance",
    ),
)
_EXPORTED = (
    " WHERE SOPInstanceUID IN (SELECT sop_instance_uid FROM export_item WHERE outcome = 'copied')"
)


def _compare(first: Path, second: Path) -> bool:
    """Say whether both catalogues have the same patients, studies, series and instances.

    Where a file has no value and a directory must have one, any value will do.
    """
    from catalog.cli.saying import say

    say()
    say(
        "# Compare: what was exported from the first catalogue, and what the second read from the DICOMDIR."
    )
    all_same = True
    for name, query in _SIDES:
        ours, theirs = _rows(first, query + _EXPORTED), _rows(second, query)
        same = ours.keys() == theirs.keys() and all(
            a in ("", b) for uid, row in ours.items() for a, b in zip(row, theirs[uid], strict=True)
        )
        all_same &= same
        shown = len({row[:1] for row in ours.values()}) if name == "patients" else len(ours)
        say(f"  {name:9}  {shown:4}: {'the same' if same else 'DIFFERENT'}")
    return all_same


def _rows(path: Path, statement: str) -> dict[object, tuple[object, ...]]:
    from catalog.database.catalogue import open_catalogue
    from catalog.database.sql import query

    with open_catalogue(path) as catalogue, query(catalogue, statement) as (_, rows):
        return {row[0]: tuple("" if cell is None else cell for cell in row[1:]) for row in rows}
