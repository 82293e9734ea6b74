"""From the name that a user typed to the attribute that is meant.

A name is a keyword, whatever its case, or eight hexadecimal digits of a tag (PS3.18 §8.3.4.1). Of what is
neither the nearest keyword is named: by spelling, by the attribute's name in words, or by what
people call it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from catalog.attributes import ATTRIBUTES, BY_KEYWORD, BY_TAG, Attribute, Further
from catalog.errors import UnknownKeyword
from catalog.query.computed import COMPUTED

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?", re.ASCII)
_PARTING = re.compile(r"[^a-z0-9]")

_ALWAYS = {each.keyword: each for each in (*ATTRIBUTES, *COMPUTED)}
_BY_LOWER = {keyword.lower(): each for keyword, each in _ALWAYS.items()}
_BY_TAG = BY_TAG | {each.tag: each for each in COMPUTED}

_CALLED = {
    "PatientID": "mrn id pid patient patientnumber medicalrecordnumber",
    "PatientName": "name patientsname lastname surname familyname",
    "PatientBirthDate": "dob birthdate birthday born dateofbirth patientsbirthdate",
    "PatientSex": "sex gender patientssex",
    "IssuerOfPatientID": "issuer",
    "OtherPatientIDs": "otherids otherpatientid",
    "StudyInstanceUID": "study studyuid suid",
    "StudyID": "studynumber",
    "StudyDate": "date examdate",
    "StudyTime": "time examtime",
    "AccessionNumber": "accession accessionno acc order ordernumber",
    "StudyDescription": "description desc exam examdescription",
    "ReferringPhysicianName": "referrer referringphysician referringphysiciansname referringdoctor",
    "SeriesInstanceUID": "series seriesuid",
    "SeriesNumber": "seriesno",
    "Modality": "mod",
    "BodyPartExamined": "bodypart region",
    "Laterality": "side",
    "ProtocolName": "protocol",
    "Manufacturer": "vendor maker",
    "ManufacturerModelName": "model modelname scanner manufacturersmodelname",
    "StationName": "station",
    "DeviceSerialNumber": "serial serialnumber",
    "SoftwareVersions": "software softwareversion",
    "InstitutionName": "institution hospital site",
    "InstitutionAddress": "address",
    "PerformingPhysicianName": "performer performingphysician performingphysiciansname",
    "FrameOfReferenceUID": "frameofreference",
    "SOPInstanceUID": "uid instance instanceuid sopuid sopinstance imageuid",
    "SOPClassUID": "sopclass class",
    "InstanceNumber": "instanceno imagenumber image number",
    "AcquisitionDateTime": "acquired",
    "NumberOfFrames": "frames",
    "Rows": "height",
    "Columns": "width",
    "BitsAllocated": "bits",
    "PhotometricInterpretation": "photometric",
    "ImagePositionPatient": "position imageposition",
    "ImageOrientationPatient": "orientation imageorientation",
    "PixelSpacing": "spacing",
    "SliceThickness": "thickness",
    "BurnedInAnnotation": "burnedin",
    "LossyImageCompression": "lossy",
    "SpecificCharacterSet": "charset characterset",
    "TransferSyntaxUID": "transfersyntax ts tsuid encoding",
    "ModalitiesInStudy": "modalities",
    "SOPClassesInStudy": "sopclasses",
    "NumberOfStudyRelatedInstances": "instances images numberofimages",
}
"""What people call an attribute, without spaces and case."""

_BY_CALLING = {called: keyword for keyword, names in _CALLED.items() for called in names.split()}


def is_always_kept(name: str) -> bool:
    """Return whether every catalogue keeps the attribute of that name, whatever its case."""
    return _always_kept(name.strip()) is not None


def attribute_named(name: str, further: Sequence[Further] = ()) -> Attribute:
    """Return the attribute with that keyword, whatever its case, or with that tag.

    Parameters
    ----------
    further:
        The attributes that this catalogue keeps beyond those of every catalogue, by name or by
        name and level.

    Raises
    ------
    UnknownKeyword
        If the catalogue keeps none of that name; the error names the nearest.
    """
    asked = name.strip()
    found = _always_kept(asked)
    if found is not None:
        return found
    digits = _TAG.fullmatch(asked)
    bare = "".join(digits.groups()) if digits else asked
    for attribute in further:
        if bare.lower() in (attribute.keyword.lower(), attribute.column.lower()) or (
            digits and attribute.path == (int(bare, 16),)
        ):
            return attribute
    raise UnknownKeyword(name, *_nearest(name, [attribute.keyword for attribute in further]))


def _nearest(name: str, further: Sequence[str]) -> tuple[str | None, bool]:
    """Return the keyword that is probably meant by `name`, `None` if none is near, and whether that is sure."""
    plain = _plain(name)
    if not plain:
        return None, False
    known = {_plain(keyword): keyword for keyword in (*_ALWAYS, *further)}
    found = known.get(plain) or _BY_CALLING.get(plain)
    if found is not None:
        return found, True
    near = difflib.get_close_matches(plain, [*known, *_BY_CALLING], n=1)
    return (known.get(near[0]) or _BY_CALLING[near[0]], False) if near else (None, False)


def _always_kept(name: str) -> Attribute | None:
    if digits := _TAG.fullmatch(name):
        return _BY_TAG.get(int("".join(digits.groups()), 16))
    return BY_KEYWORD.get(name) or _BY_LOWER.get(name.lower())


def _plain(name: str) -> str:
    """Return a name for comparing: letters and digits, without case, of `Patient's Name` as of `PatientName`."""
    return _PARTING.sub("", name[:100].lower().replace("'s", "").replace("’s", ""))
