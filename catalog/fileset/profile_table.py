"""The Application Profiles of PS3.11 as data: media, SOP Classes, Transfer Syntaxes, keys, icons.

What stands here was read in the 2020c edition (identifiers also in lists of 2026a) unless the
profile's `unverified` names it. What is asked of it is in `catalog.fileset.profiles`.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.fileset.profile import Alternatives, Demand, ExtraKey, IconRule, Keys, Profile
from catalog.fileset.record_types import GENERAL_PURPOSE_KEYS, Key
from catalog.shapes import replace

EXPLICIT = "1.2.840.10008.1.2.1"
_TS = "1.2.840.10008.1.2.4."
JPEG_BASELINE, JPEG_EXTENDED, JPEG_LOSSLESS = _TS + "50", _TS + "51", _TS + "70"
J2K_LOSSLESS, J2K = _TS + "90", _TS + "91"
MPEG2_ML, MPEG2_HL = _TS + "100", _TS + "101"
MPEG4_41, MPEG4_41_BD, MPEG4_42_2D, MPEG4_42_3D, MPEG4_STEREO = (
    _TS + str(number) for number in range(102, 107)
)
RLE = "1.2.840.10008.1.2.5"

_SOP = "1.2.840.10008.5.1.4.1.1."
CT, MR, SC = _SOP + "2", _SOP + "4", _SOP + "7"
XA, US, US_MULTI_FRAME = _SOP + "12.1", _SOP + "6.1", _SOP + "3.1"
GRAYSCALE_STATE, STRUCTURED_DISPLAY, DOSE_SR = _SOP + "11.1", _SOP + "131", _SOP + "88.67"
INTRA_ORAL, DIGITAL_XRAY = _SOP + "1.3", _SOP + "1.1"
ECG_12, HEMODYNAMIC = _SOP + "9.1.1", _SOP + "9.2.1"


_BELOW = "an instance below has a value"
_IMAGE = "the image has it"
_VALUE = "the image has a value"
_REFERENCES = GENERAL_PURPOSE_KEYS["IMAGE"][1]
_IMAGE_TYPE = GENERAL_PURPOSE_KEYS["IMAGE"][0]
_SIZE = (Key(0x00280010, "Rows", "US", "1"), Key(0x00280011, "Columns", "US", "1"))
_RATIO = Key(0x00282112, "LossyImageCompressionRatio", "DS", "1C", _VALUE)

_PEOPLE: Keys = {
    "PATIENT": (
        Key(0x00100030, "PatientBirthDate", "DA", "1C", _BELOW),
        Key(0x00100040, "PatientSex", "CS", "1C", _BELOW),
    ),
    "SERIES": (
        Key(0x00080080, "InstitutionName", "LO", "1C", _BELOW),
        Key(0x00080081, "InstitutionAddress", "ST", "1C", _BELOW),
        Key(0x00081050, "PerformingPhysicianName", "PN", "1C", _BELOW),
    ),
}
_PEOPLE_TYPE_2: Keys = {
    kind: tuple(replace(key, type="2", condition=None) for key in keys)
    for kind, keys in _PEOPLE.items()
}
_PLACE = (
    ("ImagePositionPatient", 0x00200032),
    ("ImageOrientationPatient", 0x00200037),
    ("PixelSpacing", 0x00280030),
)
_FRAME_OF_REFERENCE = Key(0x00200052, "FrameOfReferenceUID", "UI", "1C", _IMAGE)
_GEOMETRY = (  # whole sequences here: all items and elements in order (Table H.3-2)
    ExtraKey(0x00081140, "ReferencedImageSequence", "SQ", "1C", _IMAGE, in_shared_groups=True),
    *_SIZE,
    _FRAME_OF_REFERENCE,
    Key(0x00200200, "SynchronizationFrameOfReferenceUID", "UI", "1C", _IMAGE),
    Key(0x00280008, "NumberOfFrames", "IS", "1C", _IMAGE),
    Key(0x00181800, "AcquisitionTimeSynchronized", "CS", "1C", _IMAGE),
    Key(0x0008002A, "AcquisitionDateTime", "DT", "1C", _IMAGE),
    *(ExtraKey(tag, name, "DS", "1C", _IMAGE, in_shared_groups=True) for name, tag in _PLACE),
)
_CALIBRATION = Key(0x00500004, "CalibrationImage", "CS", "1C", _VALUE)

TABLE_H: Keys = {
    **_PEOPLE,
    "IMAGE": (_IMAGE_TYPE, _CALIBRATION, _RATIO, *_GEOMETRY),
    "SPECTROSCOPY": _GEOMETRY,
}
TABLE_I: Keys = {**_PEOPLE, "IMAGE": (_IMAGE_TYPE, _RATIO, *_SIZE)}
TABLE_E: Keys = {
    "IMAGE": (
        _REFERENCES,
        *_SIZE,
        _FRAME_OF_REFERENCE,
        *(Key(tag, name, "DS", "1C", _IMAGE) for name, tag in _PLACE),
    )
}
_XA_IMAGE = (replace(_CALIBRATION, type="2", condition=None), _REFERENCES)
TABLE_A: Keys = {
    **_PEOPLE_TYPE_2,
    "IMAGE": (replace(_IMAGE_TYPE, type="1", condition=None), *_XA_IMAGE),
}
TABLE_B: Keys = {**_PEOPLE_TYPE_2, "IMAGE": (_IMAGE_TYPE, *_XA_IMAGE, _RATIO)}

_SAMPLES, _PHOTOMETRIC = (0x00280002, "SamplesPerPixel"), (0x00280004, "PhotometricInterpretation")
_ROWS, _COLUMNS = (0x00280010, "Rows"), (0x00280011, "Columns")
_ALLOCATED, _STORED, _HIGH = (
    (0x00280100, "BitsAllocated"),
    (0x00280101, "BitsStored"),
    (0x00280102, "HighBit"),
)
_MODALITY = (0x00080060, "Modality")
_MONO = Demand(*_PHOTOMETRIC, values=("MONOCHROME2",))


def _bits(allocated: int, stored: tuple[int, ...], high: int | None = None) -> tuple[Demand, ...]:
    demands = (Demand(*_ALLOCATED, values=(allocated,)), Demand(*_STORED, values=stored))
    return demands if high is None else (*demands, Demand(*_HIGH, values=(high,)))


_ONE_SAMPLE = Demand(*_SAMPLES, values=(1,))
_CTMR_DEMANDS: Mapping[str, Alternatives] = {  # Tables E.3-3 to E.3-6
    CT: ((Demand(*_MODALITY, values=("CT",)), _MONO),),
    MR: (
        (
            Demand(*_MODALITY, values=("MR",)),
            _MONO,
            Demand(*_STORED, values=(8, 12, 13, 14, 15, 16)),
            Demand(*_HIGH, one_below=_STORED[0]),
        ),
    ),
    SC: (
        (_ONE_SAMPLE, _MONO, *_bits(8, (8,), 7)),
        (_ONE_SAMPLE, _MONO, *_bits(16, (16,), 15)),
        (_ONE_SAMPLE, Demand(*_PHOTOMETRIC, values=("PALETTE COLOR",)), *_bits(8, (8,), 7)),
    ),
}


def _up_to(pixels: int) -> tuple[Demand, ...]:
    return Demand(*_ROWS, at_most=pixels), Demand(*_COLUMNS, at_most=pixels)


_XA_ONLY = Demand(*_MODALITY, values=("XA",))
_XABC_DEMANDS: Mapping[str, Alternatives] = {XA: ((_XA_ONLY, *_up_to(512), *_bits(8, (8,))),)}
_XA1K_DEMANDS: Mapping[str, Alternatives] = {  # Tables B.3-3 and B.3-4
    XA: ((_XA_ONLY, *_up_to(1024), Demand(*_STORED, values=(8, 10, 12))),),
    SC: (
        (
            *_up_to(1024),
            _ONE_SAMPLE,
            _MONO,
            *_bits(8, (8,), 7),
            Demand(0x00280103, "PixelRepresentation", values=(0,)),
            *(Demand(0x60000010 + (n << 17), "OverlayRows", present=False) for n in range(16)),
        ),
    ),
}
_DENTAL_TYPE_2 = tuple(  # Table K.3-4
    Demand(tag, keyword, present=True)
    for tag, keyword in (
        (0x00080080, "InstitutionName"),
        (0x00081090, "ManufacturerModelName"),
        (0x0018700A, "DetectorID"),
        (0x0018702A, "DetectorManufacturerName"),
        (0x0018702B, "DetectorManufacturerModelName"),
    )
)
_DENTAL: Alternatives = (
    (*_bits(8, (8,)), *_DENTAL_TYPE_2),
    (*_bits(16, (10, 12, 16)), *_DENTAL_TYPE_2),
)
_REGIONS = Demand(0x00186011, "SequenceOfUltrasoundRegions", present=True)
_COMPONENTS = Demand(0x00186044, "PixelComponentOrganization", inside=0x00186011)
_US_DEMANDS: Mapping[str, Alternatives] = {
    "ID": (),
    "SC": ((_REGIONS,),),
    "CC": ((_REGIONS, _COMPONENTS),),
}
_US_PHOTOMETRIC = {  # Table C.3-2
    EXPLICIT: frozenset({"MONOCHROME2", "RGB", "PALETTE COLOR", "YBR_FULL_422"}),
    RLE: frozenset({"MONOCHROME2", "RGB", "PALETTE COLOR", "YBR_FULL"}),
    JPEG_BASELINE: frozenset({"YBR_FULL_422"}),
}

_PLAIN = frozenset({EXPLICIT})
_JPEG = frozenset({EXPLICIT, JPEG_LOSSLESS, JPEG_BASELINE, JPEG_EXTENDED})
_JPEG_2000 = frozenset({EXPLICIT, J2K_LOSSLESS, J2K})
_COMPRESSED = (("JPEG", _JPEG), ("J2K", _JPEG_2000))
_JPEG_REMARK = "JPEG frames must be in Interchange Format, with tables; dcat does not look."
_GRAY_ICONS = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})


def _remark(coding: str) -> str:
    return _JPEG_REMARK if coding == "JPEG" else ""


def _profiles() -> tuple[Profile, ...]:
    general = [
        Profile(f"STD-GEN-{name}", "PS3.11 Annex D", media, _PLAIN, keys=GENERAL_PURPOSE_KEYS)
        for name, media in (("CD", "CD-R"), ("DVD-RAM", "DVD-RAM"), ("BD", "BD"))
    ]
    dvd = [
        Profile(
            f"STD-GEN-DVD-{coding}", "PS3.11 Annex H", "DVD other than DVD-RAM", syntaxes,
            keys=TABLE_H, updater=False, remarks=_remark(coding),
        )
        for coding, syntaxes in _COMPRESSED
    ]  # fmt: skip
    flash = [
        Profile(
            f"STD-GEN-{medium}-{coding}", "PS3.11 Annex J", words, syntaxes,
            keys=TABLE_H, remarks=_remark(coding),
        )
        for medium, words in (
            ("USB", "USB device"), ("MMC", "MultiMediaCard"), ("CF", "CompactFlash card"), ("SD", "SD card"),
        )
        for coding, syntaxes in _COMPRESSED
    ]  # fmt: skip
    disc = [
        Profile(
            f"STD-GEN-BD-{coding}", "PS3.11 Annex M", "BD", syntaxes,
            keys=TABLE_H, remarks=_remark(coding),
        )
        for coding, syntaxes in (
            *_COMPRESSED,
            ("MPEG2-MPML", frozenset({EXPLICIT, MPEG2_ML})),
            ("MPEG2-MPHL", frozenset({EXPLICIT, MPEG2_HL})),
            ("MPEG4-HPLV41", frozenset({EXPLICIT, MPEG4_41})),
            ("MPEG4-HPLV41BD", frozenset({EXPLICIT, MPEG4_41_BD})),
        )
    ]  # fmt: skip
    disc += [
        Profile(
            f"STD-GEN-BD-MPEG4-{coding}", "PS3.11 Annex N", "BD", frozenset({syntax}), keys=TABLE_H
        )
        for coding, syntax in (
            ("HPLV42-2D", MPEG4_42_2D),
            ("HPLV42-3D", MPEG4_42_3D),
            ("SHPLV42", MPEG4_STEREO),
        )
    ]
    video = Profile(
        "STD-DVD-MPEG2-MPML", "PS3.11 Annex I", "DVD other than DVD-RAM", frozenset({MPEG2_ML}),
        keys=TABLE_I, updater=False,
    )  # fmt: skip
    mail = [
        Profile(
            "STD-GEN-MIME", "PS3.11 Annex G", "e-mail", needs_dicomdir=False, updater=False,
            remarks="dcat writes the File-set; packing it as MIME is left to the mailer.",
        ),
        Profile(
            "STD-GEN-ZIP-MAIL", "PS3.11 Annex L", "ZIP file by e-mail", updater=False,
            remarks="`dcat export --zip DICOM.ZIP` writes it; with DICOMDIR at the archive's root.",
        ),
    ]  # fmt: skip
    return (*general, *dvd, *flash, *disc, video, *mail, *_modality_profiles())


def _modality_profiles() -> tuple[Profile, ...]:
    lossless = frozenset({EXPLICIT, JPEG_LOSSLESS})
    ctmr = [
        Profile(
            f"STD-CTMR-{name}", "PS3.11 Annex E", media,
            classes={CT: lossless, MR: lossless, SC: lossless, GRAYSCALE_STATE: _PLAIN, DOSE_SR: _PLAIN},
            keys=TABLE_E,
            icons=IconRule("3", 64, frozenset({"MONOCHROME2", "PALETTE COLOR"}), "PS3.11 E.3.3.3"),
            demands=_CTMR_DEMANDS, updater=name != "DVD",
        )
        for name, media in (
            ("CD", "CD-R"), ("DVD-RAM", "DVD-RAM"), ("DVD", "DVD other than DVD-RAM"),
            ("MOD41", "4.1 GB magneto-optical disk"),
        )
    ]  # fmt: skip
    cardiac = Profile(
        "STD-XABC-CD", "PS3.11 Annex A", "CD-R", classes={XA: frozenset({JPEG_LOSSLESS})},
        keys=TABLE_A, icons=IconRule("1", 128, _GRAY_ICONS, "PS3.11 A.3.3.2", 1 / 3),
        demands=_XABC_DEMANDS,
        remarks="Overlays must be encoded in Overlay Data (60xx,3000); dcat does not look.",
    )  # fmt: skip
    angio = [
        Profile(
            f"STD-XA1K-{name}", "PS3.11 Annex B", media,
            classes={XA: frozenset({JPEG_LOSSLESS, *lossy}), SC: _PLAIN, GRAYSCALE_STATE: _PLAIN},
            keys=TABLE_B,
            icons=IconRule("1", 128, frozenset({"MONOCHROME2"}), "PS3.11 B.3.3.2", 1 / 3),
            demands=_XA1K_DEMANDS, updater=name != "DVD", remarks=_JPEG_REMARK,
        )
        for name, media, lossy in (
            ("CD", "CD-R", ()), ("DVD", "DVD other than DVD-RAM", (JPEG_BASELINE, JPEG_EXTENDED)),
        )
    ]  # fmt: skip
    images = frozenset({EXPLICIT, RLE, JPEG_BASELINE})
    ultrasound = [
        Profile(
            f"STD-US-{use}-{frames}-{medium}", "PS3.11 Annex C", words,
            classes=dict.fromkeys((US, US_MULTI_FRAME) if frames == "MF" else (US,), images),
            demands=dict.fromkeys((US, US_MULTI_FRAME), _US_DEMANDS[use]) if use != "ID" else {},
            photometric=_US_PHOTOMETRIC, updater=medium != "DVD",
        )
        for use in ("ID", "SC", "CC")
        for frames in ("SF", "MF")
        for medium, words in (
            ("MOD23-90", "2.3 GB 90 mm magneto-optical disk"), ("CDR", "CD-R"), ("DVD-RAM", "DVD-RAM"),
            ("DVD", "DVD other than DVD-RAM"),
        )
    ]  # fmt: skip
    dental = Profile(
        "STD-DEN-CD", "PS3.11 Annex K", "CD-R",
        classes=dict.fromkeys((INTRA_ORAL, DIGITAL_XRAY, STRUCTURED_DISPLAY, GRAYSCALE_STATE), _PLAIN),
        demands=dict.fromkeys((INTRA_ORAL, DIGITAL_XRAY), _DENTAL),
        updater=None, unverified=("updater",),
    )  # fmt: skip
    waveform = [
        Profile(
            name, "PS3.11 Annex F", "diskette", classes={sop_class: _PLAIN}, updater=None,
            unverified=("clause", "media", "classes", "keys", "updater"),
            remarks="No longer in the standard; SOP Class and syntax as DCMTK has them.",
        )
        for name, sop_class in (("STD-WVFM-ECG-FD", ECG_12), ("STD-WVFM-HD-FD", HEMODYNAMIC))
    ]  # fmt: skip
    return (*ctmr, cardiac, *angio, *ultrasound, dental, *waveform)


PROFILES: dict[str, Profile] = {profile.name: profile for profile in _profiles()}
"""Every profile by name, in the order of kinds: general purpose first, then by modality."""
