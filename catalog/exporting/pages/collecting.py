"""The pages of a medium, made while its instances are copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import BinaryIO

from catalog.dicom import sop_classes
from catalog.dicom.rendering import picture
from catalog.dicom.structured_report import read_report
from catalog.entities import Claims
from catalog.errors import HeaderError
from catalog.exporting.item import Item
from catalog.exporting.pages import front, patients
from catalog.exporting.pages.contents import (
    INDEX,
    README,
    STYLE,
    Document,
    Facility,
    Loose,
    SeriesPart,
    Shown,
    planned,
)
from catalog.exporting.pages.documents import extracted
from catalog.exporting.pages.frame import Setting, Step, href
from catalog.exporting.pages.markup import Markup, link
from catalog.exporting.pages.png import png
from catalog.exporting.pages.reports import report_page, report_title
from catalog.exporting.pages.wording import moment, stated
from catalog.exporting.proof import Proved

PICTURE_SIZE = 256
"""Pixels of the longer side of a picture."""

_REPORTS = frozenset({"SR DOCUMENT", "KEY OBJECT DOC"})
_ENCAPSULATED = "ENCAP DOC"
_IMAGE = "IMAGE"


class Pages:
    """Makes INDEX.HTM, README.TXT and the pages in IHE_PDI of a medium (IHE RAD TF-2 §4.47).

    Give it each copied instance by `take`, and put what `ready` gives onto the medium after each;
    at the end put on what `files` gives. Nothing here asks a clock: the same instances and the
    same date give the same bytes. Memory holds a summary of each series, and at most one picture
    or document.

    Parameters
    ----------
    items:
        All instances that are to be copied, in their order.
    created:
        The date that the medium bears, such as `2024-01-31`.
    """

    def __init__(
        self, items: Sequence[Item], facility: Facility, created: str, file_set_id: str = ""
    ) -> None:
        self._items = items
        self._setting = Setting(facility, created)
        self._file_set_id = file_set_id
        self._contents = planned(items)
        self._series_of: dict[str, SeriesPart] | None = None
        self._ready: list[tuple[str, bytes]] = []

    def take(self, item: Item, proved: Proved, stream: BinaryIO, size_bytes: int) -> None:
        """Take note of an instance, from the bytes of its copy.

        `stream` is read from anywhere and left anywhere.
        """
        part = self._contents.part_of(item)
        instance = proved.claims.instance
        label = sop_classes.name(instance.sop_class_uid or "").removesuffix(" Storage")
        kind = item.candidate.claims.directory_record_type or ""
        if part is None:
            self._contents.loose.append(Loose(label or "Unknown", item.file_id.path))
            return
        part.copied += 1
        part.size_bytes += size_bytes
        part.dicom_folder = item.file_id.path.rpartition("/")[0]
        if kind == _IMAGE:
            part.images += 1
            part.frames += max(instance.number_of_frames or 1, 1)
            if item.file_id.path in self._contents.key_file_ids:
                self._show(part, proved.claims, stream)
        elif kind in _REPORTS:
            self._report(item, part, proved.claims, label, stream, size_bytes)
        elif kind == _ENCAPSULATED:
            self._document(part, proved.claims, stream, size_bytes)
        else:
            part.others[label or "Unknown"] = part.others.get(label or "Unknown", 0) + 1

    def ready(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each file that is finished since the last call."""
        ready, self._ready = self._ready, []
        yield from ready

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of all other files, when all instances are copied."""
        yield from self.ready()
        yield from patients.pages(self._setting, self._contents)
        style = files("catalog.exporting.pages").joinpath("pages.css").read_bytes()
        yield STYLE, style
        yield README, front.readme(self._setting)
        yield INDEX, front.index_page(self._setting, self._contents, self._file_set_id)

    def _show(self, part: SeriesPart, claims: Claims, stream: BinaryIO) -> None:
        number = stated(claims.instance, "instance_number", "InstanceNumber")
        caption = f"Image {number}" if number else "Image"
        made = picture(stream, PICTURE_SIZE)
        if isinstance(made, str):
            part.shown.append(Shown(caption, None, problem=made))
            return
        if made.number_of_frames > 1:
            caption += f", frame {made.frame_number} of {made.number_of_frames}"
        name = part.next_name("IM", "PNG")
        part.shown.append(Shown(caption, name, made.width, made.height))
        self._ready.append((f"{part.folder}/{name}", png(made)))

    def _report(
        self,
        item: Item,
        part: SeriesPart,
        claims: Claims,
        label: str,
        stream: BinaryIO,
        size_bytes: int,
    ) -> None:
        try:
            report = read_report(stream, size_bytes)
        except HeaderError as exc:
            problem = f"its content cannot be read ({exc})"
            part.documents.append(Document(label, "", _moment(claims), None, problem))
            return
        name = part.next_name("SR", "HTM")
        when = moment(report.content_date, report.content_time)
        part.documents.append(Document(label, report_title(report), when, name))

        def find(sop_instance_uid: str) -> Markup | None:
            target = self._part_with(sop_instance_uid)
            if target is None:
                return None
            return link(
                href(part.folder, f"{target.folder}/{INDEX}"), patients.series_title(target)
            )

        page = report_page(self._setting, part, self._above(item, part), report, find)
        self._ready.append((f"{part.folder}/{name}", page))

    def _document(
        self, part: SeriesPart, claims: Claims, stream: BinaryIO, size_bytes: int
    ) -> None:
        made = extracted(stream, size_bytes)
        name = None
        if made.data is not None:
            name = part.next_name("DO", made.extension)
            self._ready.append((f"{part.folder}/{name}", made.data))
        part.documents.append(Document(made.kind, made.title, _moment(claims), name, made.problem))

    def _above(self, item: Item, part: SeriesPart) -> list[Step]:
        patient, study = self._contents.owners_of(item)
        return patients.steps(
            patients.patient_step(patient), patients.study_step(study), patients.series_step(part)
        )

    def _part_with(self, sop_instance_uid: str) -> SeriesPart | None:
        """Return the series of an instance of the medium; the index is made for the first report."""
        if self._series_of is None:
            self._series_of = {}
            for item in self._items:
                part = self._contents.part_of(item)
                if part is not None:
                    uid = item.candidate.claims.instance.sop_instance_uid or ""
                    self._series_of[uid] = part
        return self._series_of.get(sop_instance_uid)


def _moment(claims: Claims) -> str:
    return moment(
        stated(claims.instance, "content_date", "ContentDate"),
        stated(claims.instance, "content_time", "ContentTime"),
    )
