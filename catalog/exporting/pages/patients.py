"""The pages of patients, studies and series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from catalog.entities import Patient, Series, Study
from catalog.exporting.pages.contents import (
    INDEX,
    Contents,
    PatientPart,
    SeriesPart,
    Shown,
    StudyPart,
)
from catalog.exporting.pages.frame import Setting, Step, card, href, page
from catalog.exporting.pages.markup import Markup, facts, joined, link, table, tag, unbroken
from catalog.exporting.pages.wording import (
    counted,
    date,
    moment,
    person,
    several,
    sex,
    size,
    stated,
)

ROOT = Step("All patients", "")
_PREVIEW = 132


def pages(setting: Setting, contents: Contents) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every page of the patients of a medium."""
    for patient in contents.patients.values():
        yield f"{patient.folder}/{INDEX}", _patient_page(setting, patient)
        for study in patient.studies.values():
            yield f"{study.folder}/{INDEX}", _study_page(setting, patient, study)
            for part in study.series.values():
                yield f"{part.folder}/{INDEX}", _series_page(setting, patient, study, part)


def patient_title(patient: Patient | None) -> str:
    """Return the name of a patient, or what there is instead."""
    name = person(stated(patient, "patient_name", "PatientName"))
    return name or stated(patient, "patient_id", "PatientID") or "Patient without a name"


def study_title(study: Study | None) -> str:
    """Return description and date of a study, as far as there are any."""
    return ", ".join(filter(None, (_study_name(study) or "Study", _day(study))))


def study_line(study: Study | None) -> str:
    """Return description and date of a study; `''` if it has neither."""
    return ", ".join(filter(None, (_study_name(study), _day(study))))


def _study_name(study: Study | None) -> str:
    return stated(study, "study_description", "StudyDescription")


def _day(study: Study | None) -> str:
    return date(stated(study, "study_date", "StudyDate"))


def series_title(part: SeriesPart) -> str:
    """Return number and description of a series, as far as there are any."""
    number = stated(part.series, "series_number", "SeriesNumber")
    description = _description(part.series)
    title = f"Series {number}" if number else "Series"
    return f"{title}: {description}" if description else title


def _description(series: Series | None) -> str:
    return stated(series, "series_description", "SeriesDescription") or stated(
        series, "protocol_name", "ProtocolName"
    )


def steps(*titled: Step) -> list[Step]:
    """Return the way from the first page to the one below `titled`."""
    return [ROOT, *titled]


def patient_step(patient: PatientPart) -> Step:
    """Return the step to a patient's page."""
    return Step(patient_title(patient.patient), patient.folder)


def study_step(study: StudyPart) -> Step:
    """Return the step to a study's page."""
    return Step(study_title(study.study), study.folder)


def series_step(part: SeriesPart) -> Step:
    """Return the step to a series' page."""
    return Step(series_title(part), part.folder)


def patient_facts(patient: Patient | None) -> list[tuple[str, str]]:
    """Return what identifies a patient."""
    return [
        ("Name", person(stated(patient, "patient_name", "PatientName"))),
        ("Patient ID", stated(patient, "patient_id", "PatientID")),
        ("Issued by", stated(patient, "issuer_of_patient_id", "IssuerOfPatientID")),
        ("Born", date(stated(patient, "patient_birth_date", "PatientBirthDate"))),
        ("Sex", sex(stated(patient, "patient_sex", "PatientSex"))),
    ]


def amount(parts: Iterable[SeriesPart]) -> str:
    """Return how much of what there is in some series, in words."""
    parts = list(parts)
    images = sum(part.images for part in parts)
    documents = sum(len(part.documents) for part in parts)
    others = sum(sum(part.others.values()) for part in parts)
    said = [
        counted(images, "image") if images else "",
        counted(documents, "report or document", "reports or documents") if documents else "",
        counted(others, "other object") if others else "",
    ]
    return ", ".join(filter(None, said)) or "nothing"


def content(parts: Iterable[SeriesPart]) -> str:
    """Return what there is in some series, and how many of their files are not on the medium."""
    parts = list(parts)
    planned = sum(part.planned for part in parts)
    lost = planned - sum(part.copied for part in parts)
    return f"{amount(parts)}; {_lost(lost, planned)}" if lost else amount(parts)


def _lost(lost: int, planned: int) -> str:
    return f"{lost:,} of {counted(planned, 'file')} could not be copied"


def modalities(parts: Iterable[SeriesPart]) -> str:
    """Return the modalities of some series, each once."""
    return ", ".join(sorted({part.modality for part in parts if part.modality}))


def _patient_page(setting: Setting, patient: PatientPart) -> bytes:
    rows = []
    for part in patient.studies.values():
        study, series = part.study, list(part.series.values())
        title = stated(study, "study_description", "StudyDescription") or "Study"
        rows.append(
            [
                link(href(patient.folder, f"{part.folder}/{INDEX}"), title),
                unbroken(date(stated(study, "study_date", "StudyDate"))),
                modalities(series),
                f"{len(series):,}",
                content(series),
            ]
        )
    heads = ["Study", "Date", "Modality", "Series", "Content"]
    body = [
        card("", facts(patient_facts(patient.patient))),
        card("Studies", table("Open a study to see its series.", heads, rows)),
    ]
    return page(setting, patient.folder, patient_title(patient.patient), [ROOT], body)


def _study_page(setting: Setting, patient: PatientPart, part: StudyPart) -> bytes:
    study = part.study
    series = list(part.series.values())
    known = [
        ("Patient", _patient_line(patient.patient)),
        ("Date and time", moment(
            stated(study, "study_date", "StudyDate"), stated(study, "study_time", "StudyTime")
        )),
        ("Description", stated(study, "study_description", "StudyDescription")),
        ("Accession number", stated(study, "accession_number", "AccessionNumber")),
        ("Study ID", stated(study, "study_id", "StudyID")),
        ("Referred by", person(stated(study, "referring_physician_name", "ReferringPhysicianName"))),
        ("Institution", _institution(series)),
        ("Content", f"{counted(len(series), 'series', 'series')}: {content(series)}"),
    ]  # fmt: skip
    rows = [_series_row(part.folder, each, i == 0) for i, each in enumerate(series)]
    body = [card("", facts(known)), card("Series", tag("ul", *rows, class_="rows"))]
    return page(setting, part.folder, study_title(study), steps(patient_step(patient)), body)


def _institution(series: list[SeriesPart]) -> str:
    names = (stated(part.series, "institution_name", "InstitutionName") for part in series)
    return ", ".join(dict.fromkeys(name for name in names if name))


def _patient_line(patient: Patient | None) -> str:
    """Return name, Patient ID and birth date in one line."""
    born = date(stated(patient, "patient_birth_date", "PatientBirthDate"))
    patient_id = stated(patient, "patient_id", "PatientID")
    said = (
        patient_title(patient),
        f"ID {patient_id}" if patient_id else "",
        born and f"born {born}",
    )
    return ", ".join(filter(None, said))


def _series_row(folder: str, part: SeriesPart, is_first: bool) -> Markup:
    target = href(folder, f"{part.folder}/{INDEX}")
    body_part = stated(part.series, "body_part_examined", "BodyPartExamined")
    when = moment(
        stated(part.series, "series_date", "SeriesDate"),
        stated(part.series, "series_time", "SeriesTime"),
    )
    about = tag(
        "div",
        tag("p", link(target, series_title(part)), class_="title"),
        tag(
            "p",
            tag("span", part.modality, class_="tag") if part.modality else "",
            amount([part]),
        ),
        tag("p", ", ".join(filter(None, (body_part, when))), class_="quiet")
        if body_part or when
        else "",
        _missing(part),
        class_="about",
    )
    return tag(
        "li", _preview(folder, part, target), about, class_="row first" if is_first else "row"
    )


def _preview(folder: str, part: SeriesPart, target: str) -> Markup:
    pictures = [shown for shown in part.shown if shown.name]
    if not pictures:
        label = "Document" if part.documents else "No picture"
        return tag("div", label, class_="preview blank")
    shown = pictures[len(pictures) // 2]
    scale = _PREVIEW / max(shown.width, shown.height)
    picture = tag(
        "img",
        src=href(folder, f"{part.folder}/{shown.name}"),
        alt=f"{series_title(part)}, {shown.caption}",
        width=max(1, round(shown.width * scale)),
        height=max(1, round(shown.height * scale)),
    )
    return tag("div", link(target, picture), class_="preview")


def _missing(part: SeriesPart) -> Markup:
    """Return the sentence that says what of a series is not on the medium, if anything."""
    lost = part.planned - part.copied
    if not lost:
        return Markup()
    return tag("p", tag("span", _lost(lost, part.planned), class_="flag"))


def _series_page(
    setting: Setting, patient: PatientPart, study: StudyPart, part: SeriesPart
) -> bytes:
    body = [card("", _missing(part), facts(_series_facts(patient, study, part)))]
    if part.shown:
        many = part.images > len(part.shown)
        title = f"{len(part.shown)} of {counted(part.images, 'image')}" if many else "Images"
        gallery = tag("ul", *(_figure(part, shown) for shown in part.shown), class_="gallery")
        body.append(card(title, gallery))
    if part.documents:
        body.append(card("Reports and documents", _documents(part)))
    if part.others:
        rows = [[name, f"{count:,}"] for name, count in sorted(part.others.items())]
        need = "These need a DICOM viewer or another program that reads DICOM files."
        body.append(card("Other objects", table(need, ["Kind", "Number"], rows)))
    above = steps(patient_step(patient), study_step(study))
    return page(setting, part.folder, series_title(part), above, body)


def _series_facts(
    patient: PatientPart, study: StudyPart, part: SeriesPart
) -> list[tuple[str, str]]:
    series = part.series

    def said(field: str, keyword: str) -> str:
        return stated(series, field, keyword)

    equipment = (
        said("manufacturer", "Manufacturer"),
        said("manufacturer_model_name", "ManufacturerModelName"),
        said("station_name", "StationName"),
    )
    frames = f" with {counted(part.frames, 'frame')}" if part.frames > part.images else ""
    held = amount([part]).replace(
        counted(part.images, "image"), counted(part.images, "image") + frames, 1
    )
    return [
        ("Patient", _patient_line(patient.patient)),
        ("Study", study_line(study.study)),
        ("Modality", part.modality),
        ("Protocol", said("protocol_name", "ProtocolName")),
        ("Body part", said("body_part_examined", "BodyPartExamined")),
        (
            "Date and time",
            moment(said("series_date", "SeriesDate"), said("series_time", "SeriesTime")),
        ),
        ("Performed by", person(said("performing_physician_name", "PerformingPhysicianName"))),
        ("Equipment", ", ".join(filter(None, map(several, equipment)))),
        ("Institution", said("institution_name", "InstitutionName")),
        ("Content", f"{held}; {size(part.size_bytes)}" if part.copied else "nothing"),
        ("DICOM files", f"in the folder {part.dicom_folder}" if part.dicom_folder else ""),
    ]


def _figure(part: SeriesPart, shown: Shown) -> Markup:
    caption = tag("span", shown.caption, class_="caption")
    if shown.name is None:
        box = tag("span", f"No picture: {shown.problem}.", class_="box none")
        return tag("li", box, caption)
    picture = tag(
        "img",
        src=shown.name,
        alt=f"{series_title(part)}, {shown.caption}",
        width=shown.width,
        height=shown.height,
    )
    return tag("li", tag("span", picture, class_="box"), caption)


def _documents(part: SeriesPart) -> Markup:
    rows = []
    for document in part.documents:
        title = document.title or document.kind
        shown: str = link(document.name, title) if document.name else title
        note = joined(document.kind, f": {document.problem}" if document.problem else "")
        rows.append([shown, note, document.moment])
    return table("Reports open as pages; documents as files.", ["Title", "Kind", "Date"], rows)
