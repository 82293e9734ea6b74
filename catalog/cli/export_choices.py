"""What the options of `dcat export` come to, and which of them do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from catalog.database.catalogue import Catalogue
    from catalog.exporting import Plan
    from catalog.exporting.pages import Facility

PDI_PROFILE = "STD-GEN-CD"
"""The Application Profile of a medium with web pages, unless another is named (IHE RAD TF-2 §4.47)."""

_LARGE_FILE_BYTES = 128 << 10
"""Files of that size on average are worth copying several at a time."""

_JOBS_FROM_URLS = 8
"""How many files are copied at a time from storage behind a URL, which answers many as soon as one."""


def container_of(
    destination: Path, *, as_zip: bool, as_iso: bool
) -> Literal["folder", "zip", "iso"]:
    """Return what DEST becomes.

    Raises
    ------
    SelectionError
        If its name says another thing than the options.
    """
    from catalog.errors import SelectionError

    suffix = destination.suffix.lower()
    if as_zip and as_iso:
        raise SelectionError("--zip and --iso exclude each other: DEST is one file.", "--iso")
    for wanted, option, ending in ((as_zip, "--zip", ".zip"), (as_iso, "--iso", ".iso")):
        if wanted and suffix != ending:
            raise SelectionError(
                f"With {option} DEST is a file whose name ends in {ending}, such as {destination.stem or 'DICOM'}{ending}.",
                str(destination),
            )
    lacking = {".zip": "--zip", ".iso": "--iso"}.get(suffix)
    if lacking and not (as_zip or as_iso or destination.is_dir()):
        raise SelectionError(
            f"{destination} ends in {suffix}: add {lacking} to make such a file, or name a folder.",
            str(destination),
        )
    return "zip" if as_zip else "iso" if as_iso else "folder"


def check_file_set_id(text: str) -> None:
    """Refuse what is no File-set ID, by SelectionError."""
    from catalog.errors import SelectionError
    from catalog.fileset.file_id import is_file_set_id

    if not is_file_set_id(text):
        raise SelectionError(
            f"{text!r} is no File-set ID: up to 16 of A-Z, 0-9 and _ (PS3.10 §8.1).", text
        )


def check_as_ordered(goes_on: str, others: Mapping[str, object]) -> None:
    """Refuse options that an export which `goes_on` (--resume or --update) would not follow.

    Parameters
    ----------
    others:
        What these were given, by name; nothing if not.

    Raises
    ------
    SelectionError
        If any was.
    """
    from catalog.errors import SelectionError

    given = [name for name, value in others.items() if value]
    if given:
        raise SelectionError(
            f"{goes_on} goes on with the export as it was ordered; leave out {', '.join(given)}.",
            given[0],
        )


def check_destination(destination: Path) -> None:
    """Refuse a DEST to which no medium can be written.

    Raises
    ------
    ExportError, SelectionError
        If it is a URL, or the name of a saved selection.
    """
    from catalog.errors import ExportError, SelectionError
    from catalog.files.urls import is_url_by_path

    if is_url_by_path(destination):
        url = str(destination).replace(":/", "://", 1)
        raise ExportError(
            f"{url} is a URL; a File-set is written to a folder or file of this machine. Copy it from there with the storage's own program."
        )
    if str(destination).startswith("@"):
        raise SelectionError(
            f"DEST comes last, and {destination} is a saved selection. A folder of that name is written with its whole path.",
            str(destination),
        )


def say_what_holds(catalogue: Catalogue, destination: Path) -> None:
    """Say where copies at `destination` would be in the way: among indexed files, or on another medium."""
    from catalog.cli.saying import path_text, plain, say
    from catalog.database.roots import place_of
    from catalog.files.paths import absolute_text
    from catalog.fileset.medium import dicomdir_names

    with catalogue.read() as connection:
        place = place_of(connection, absolute_text(destination))
    if place is not None:
        say(
            f"{path_text(destination)} lies in {plain(place.root_path)}, which is indexed: the next `dcat index` there takes in what is written, too."
        )
    for above in destination.absolute().parents:
        try:
            held = dicomdir_names([entry.name for entry in above.iterdir()])
        except OSError:  # it is not there yet, or may not be listed
            continue
        if held:
            say(
                f"{path_text(destination)} lies on the medium {path_text(above)}, whose {held[0]} and manifest name nothing of what is written."
            )


def profile_of(name: str | None, *, pdi: bool) -> str | None:
    """Return the Application Profile's own name, `None` if none is to be followed.

    Raises
    ------
    SelectionError
        If there is no such profile.
    """
    from catalog.errors import FileSetError, SelectionError
    from catalog.fileset.profiles import profile_named

    if name is None:
        return PDI_PROFILE if pdi else None
    try:
        return profile_named(name).name
    except FileSetError as exc:
        raise SelectionError(str(exc), name) from exc


def capacity_of(media: str | None) -> int | None:
    """Return what a volume holds, `None` if everything goes onto one medium of whatever size.

    Raises
    ------
    SelectionError
        If there is no such medium.
    """
    from catalog.errors import ExportError, SelectionError
    from catalog.exporting.volumes import capacity

    if media is None or media.strip().lower() == "usb":  # the free space is looked at in any case
        return None
    try:
        return capacity(media)
    except ExportError as exc:
        raise SelectionError(str(exc), media) from exc


def suitable_jobs(plan: Plan) -> int:
    """Return how many files to copy at a time: several where digests, the disk or a network take the time."""
    import os

    from catalog.exporting.kept_items import roots_of
    from catalog.files.urls import is_url

    if any(map(is_url, roots_of(plan.items))):
        return _JOBS_FROM_URLS
    if plan.size_bytes < _LARGE_FILE_BYTES * len(plan.items):
        return 1
    return min(4, os.cpu_count() or 1)


def facility() -> Facility:
    """Return who hands the medium out, as configured."""
    from catalog import config
    from catalog.cli.saying import say
    from catalog.exporting.pages import Facility

    settled = config.load()
    if not settled.institution:
        say(
            "The pages name no institution; write `institution` and `contact` under [media] into the configuration."
        )
    institution = " ".join(settled.institution.split())
    return Facility(institution, settled.contact, settled.privacy_notice)


def today() -> str:
    """Return the date in this time zone, which the pages bear."""
    from datetime import datetime

    return datetime.now().astimezone().date().isoformat()
