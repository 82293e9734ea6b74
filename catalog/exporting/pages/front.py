"""README.TXT and INDEX.HTM, which stand in the root of a medium."""

from __future__ import annotations

from catalog import __version__
from catalog.exporting.pages.contents import FOLDER, INDEX, README, Contents
from catalog.exporting.pages.frame import Setting, card, page
from catalog.exporting.pages.markup import Markup, facts, joined, lines, link, table, tag, unbroken
from catalog.exporting.pages.patients import content, modalities, patient_title
from catalog.exporting.pages.wording import counted, date, sex, size, stated


def index_page(setting: Setting, contents: Contents, file_set_id: str) -> bytes:
    """Return INDEX.HTM: patients, the privacy notice, and what is on the medium."""
    facility = setting.facility
    body: list[Markup] = []
    if facility.privacy_notice:
        notice = tag("p", lines(facility.privacy_notice))
        body.append(card("Privacy", notice, kind="card notice"))
    if contents.patients:
        body.append(card("Patients", _patients(contents)))
    if contents.loose:
        rows = [[loose.label, loose.file_id] for loose in contents.loose]
        caption = "These belong to no patient and need a DICOM viewer."
        body.append(card("Other objects", table(caption, ["Kind", "File"], rows)))
    body.append(card("On this medium", _manifest(setting, contents, file_set_id)))
    return page(setting, "", "Medical images", [], body)


def _patients(contents: Contents) -> Markup:
    rows = []
    for part in contents.patients.values():
        patient, parts = part.patient, list(part.parts())
        dates = sorted(
            date(text)
            for study in part.studies.values()
            if (text := stated(study.study, "study_date", "StudyDate"))
        )
        rows.append(
            [
                link(f"{part.folder}/{INDEX}", patient_title(patient)),
                stated(patient, "patient_id", "PatientID"),
                unbroken(date(stated(patient, "patient_birth_date", "PatientBirthDate"))),
                sex(stated(patient, "patient_sex", "PatientSex")),
                _period(dates),
                modalities(parts),
                content(parts),
            ]
        )
    heads = ["Name", "Patient ID", "Born", "Sex", "Studies", "Modality", "Content"]
    return table("Open a patient to see studies, series and pictures.", heads, rows)


def _period(dates: list[str]) -> Markup:
    """Return the first and the last of some dates in order."""
    ends = dict.fromkeys((dates[0], dates[-1])) if dates else {}
    return Markup(" to ").between(map(unbroken, ends))


def _manifest(setting: Setting, contents: Contents, file_set_id: str) -> Markup:
    """Return what can be imported into other systems and what cannot."""
    parts = list(contents.parts())
    count = sum(part.copied for part in parts) + len(contents.loose)
    total = sum(part.size_bytes for part in parts)
    rows = [
        ["DICOM files", "yes", f"{counted(count, 'file')}, {size(total)}, named by the DICOMDIR"],
        ["DICOMDIR", "yes", "the directory that DICOM programs read first"],
        [INDEX, "no", f"this page; the pages of patients are in the folder {FOLDER}"],
        [link(README, README), "no", "who made this medium, and how it is laid out"],
    ]
    about = [
        ("Label", file_set_id),
        ("Made on", setting.created),
        ("Viewer", "There is no viewer on this medium, and nothing on it starts by itself."),
    ]
    caption = "What other systems can import"
    return joined(facts(about), table(caption, ["Content", "Importable", "What it is"], rows))


def readme(setting: Setting) -> bytes:
    """Return README.TXT, lines ended by CR LF; ASCII, or UTF-8 if the institution's words need it.

    Nothing in it depends on whose images are on the medium.
    """
    facility = setting.facility
    contact = [line.strip() for line in facility.contact.splitlines() if line.strip()]
    said = [
        "MEDICAL IMAGES IN DICOM FORMAT",
        "",
        "To look at what is on this medium, open INDEX.HTM in a web browser.",
        "It needs no network and no other program. To see all images in full quality,",
        "use a DICOM viewer or the import function of your system with the DICOMDIR.",
        "",
        "WHO MADE THIS MEDIUM",
        f"  {facility.institution or 'The institution is not named.'}",
        *(f"  {line}" for line in contact),
        f"  Date: {setting.created}",
        "",
        "WHAT IS ON IT",
        "  DICOMDIR      The directory of the DICOM files (DICOM PS3.10).",
        "  DICOM         The DICOM files.",
        f"  {INDEX}     Where to begin in a web browser.",
        f"  {FOLDER}       Pages, preview pictures, reports and documents (IHE PDI).",
        f"  {README}    This text.",
        "",
        "VIEWER",
        "  There is no viewer on this medium, nothing has to be installed, and nothing",
        "  starts by itself. Preview pictures are reduced and not fit for diagnosis.",
        "",
        "MADE WITH",
        f"  dcat {__version__}, by the dcat maintainers. It is not a medical device.",
        "",
        "PRIVACY",
        "  This medium holds the health data of patients. Keep it as you keep other",
        "  medical records, and destroy it when it is no longer needed.",
    ]
    said += [f"  {line.strip()}" for line in facility.privacy_notice.splitlines() if line.strip()]
    text = "".join(f"{line}\r\n" for line in said)
    return (
        text.encode("ascii")
        if text.isascii()
        else b"\xef\xbb\xbf" + text.encode("utf-8", "replace")
    )
