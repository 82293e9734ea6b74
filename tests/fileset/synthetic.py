"""Headers of synthetic instances, with a value for every attribute that records are made from."""

from __future__ import annotations

import struct

from catalog.dicom.elements import Element, Item

Header = dict[int, Element]

SOP_CLASSES = {
    "IMAGE": "1.2.840.10008.5.1.4.1.1.2",
    "RT DOSE": "1.2.840.10008.5.1.4.1.1.481.2",
    "RT STRUCTURE SET": "1.2.840.10008.5.1.4.1.1.481.3",
    "RT PLAN": "1.2.840.10008.5.1.4.1.1.481.5",
    "RT TREAT RECORD": "1.2.840.10008.5.1.4.1.1.481.4",
    "PRESENTATION": "1.2.840.10008.5.1.4.1.1.11.4",
    "WAVEFORM": "1.2.840.10008.5.1.4.1.1.9.1.1",
    "SR DOCUMENT": "1.2.840.10008.5.1.4.1.1.88.22",
    "KEY OBJECT DOC": "1.2.840.10008.5.1.4.1.1.88.59",
    "SPECTROSCOPY": "1.2.840.10008.5.1.4.1.1.4.2",
    "RAW DATA": "1.2.840.10008.5.1.4.1.1.66",
    "REGISTRATION": "1.2.840.10008.5.1.4.1.1.66.1",
    "FIDUCIAL": "1.2.840.10008.5.1.4.1.1.66.2",
    "HANGING PROTOCOL": "1.2.840.10008.5.1.4.38.1",
    "ENCAP DOC": "1.2.840.10008.5.1.4.1.1.104.2",
    "VALUE MAP": "1.2.840.10008.5.1.4.1.1.67",
    "STEREOMETRIC": "1.2.840.10008.5.1.4.1.1.77.1.5.3",
    "PALETTE": "1.2.840.10008.5.1.4.39.1",
    "IMPLANT": "1.2.840.10008.5.1.4.43.1",
    "IMPLANT ASSY": "1.2.840.10008.5.1.4.44.1",
    "IMPLANT GROUP": "1.2.840.10008.5.1.4.45.1",
    "PLAN": "1.2.840.10008.5.1.4.34.7",
    "MEASUREMENT": "1.2.840.10008.5.1.4.1.1.78.1",
    "SURFACE": "1.2.840.10008.5.1.4.1.1.66.5",
    "SURFACE SCAN": "1.2.840.10008.5.1.4.1.1.68.1",
    "TRACT": "1.2.840.10008.5.1.4.1.1.66.6",
    "ASSESSMENT": "1.2.840.10008.5.1.4.1.1.90.1",
    "RADIOTHERAPY": "1.2.840.10008.5.1.4.1.1.481.10",
    "ANNOTATION": "1.2.840.10008.5.1.4.1.1.91.1",
    "INVENTORY": "1.2.840.10008.5.1.4.1.1.201.1",
    "WF PRESENTATION": "1.2.840.10008.5.1.4.1.1.9.100.1",
}
"""A SOP Class for every record type that refers to a file."""

AT_ROOT = {"HANGING PROTOCOL", "PALETTE", "IMPLANT", "IMPLANT ASSY", "IMPLANT GROUP", "INVENTORY"}


def e(tag: int, vr: str, value: bytes | tuple[Item, ...]) -> Element:
    if isinstance(value, bytes) and len(value) % 2:
        value += b"\0" if vr == "UI" else b" "
    return Element(tag, vr, value)


def code(value: bytes = b"121181") -> Item:
    return (
        e(0x00080100, "SH", value),
        e(0x00080102, "SH", b"DCM"),
        e(0x00080104, "LO", b"Meaning"),
    )


def reference(uid: bytes, *more: Element) -> Item:
    return (e(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.2"), e(0x00081155, "UI", uid), *more)


def series_reference() -> Item:
    noise = e(0x00081160, "IS", b"1")
    images = e(0x00081140, "SQ", (reference(b"1.2.3.77", noise),))
    return (images, e(0x0020000E, "UI", b"1.2.3.78"))


def header(record_type: str) -> Header:
    """Return a complete header of an instance that `record_type` refers to."""
    us, ul = struct.pack("<H", 64), struct.pack("<I", 64)
    modifier = (
        e(0x0040A010, "CS", b"HAS CONCEPT MOD"),
        e(0x0040A040, "CS", b"CODE"),
        e(0x0040A043, "SQ", (code(b"121049"),)),
        e(0x0040A168, "SQ", (code(b"en"),)),
    )
    other = (e(0x0040A010, "CS", b"CONTAINS"), e(0x0040A040, "CS", b"CONTAINER"))
    elements = [
        e(0x00080005, "CS", b"ISO_IR 100"),
        e(0x00080008, "CS", b"ORIGINAL\\PRIMARY\\AXIAL"),
        e(0x00080012, "DA", b"20200104"), e(0x00080013, "TM", b"100004"),
        e(0x00080016, "UI", SOP_CLASSES[record_type].encode()),
        e(0x00080018, "UI", b"1.2.3.4.5"),
        e(0x00080020, "DA", b"20200101"), e(0x00080030, "TM", b"100001"),
        e(0x00080021, "DA", b"20200102"), e(0x00080031, "TM", b"100002"),
        e(0x00080023, "DA", b"20200103"), e(0x00080033, "TM", b"100003"),
        e(0x00080050, "SH", b"ACC1"), e(0x00080060, "CS", b"CT"),
        e(0x00080070, "LO", b"Maker"), e(0x00081030, "LO", b"Sch\xe4del"),
        e(0x00100010, "PN", b"M\xfcller^Anna"), e(0x00100020, "LO", b"PAT1"),
        e(0x0020000D, "UI", b"1.2.3"), e(0x0020000E, "UI", b"1.2.3.4"),
        e(0x00200010, "SH", b"ST1"), e(0x00200011, "IS", b"2"), e(0x00200013, "IS", b"7"),
        e(0x00700080, "CS", b"LABEL"), e(0x00700081, "LO", b"A description"),
        e(0x00700082, "DA", b"20200105"), e(0x00700083, "TM", b"100005"),
        e(0x00700084, "PN", b"Maker^Of"),
    ]  # fmt: skip
    elements += {
        "IMAGE": [e(0x00081140, "SQ", (reference(b"1.2.3.9", e(0x00081160, "IS", b"3")),))],
        "RT DOSE": [e(0x3004000A, "CS", b"PLAN"), e(0x30040006, "LO", b"Comment")],
        "RT STRUCTURE SET": [e(0x30060002, "SH", b"Structures"), e(0x30060008, "DA", b"20200101"),
                             e(0x30060009, "TM", b"12")],
        "RT PLAN": [e(0x300A0002, "SH", b"Plan"), e(0x300A0006, "DA", b"20200101"), e(0x300A0007, "TM", b"12")],
        "RT TREAT RECORD": [e(0x30080250, "DA", b"20200101"), e(0x30080251, "TM", b"12")],
        "PRESENTATION": [
            e(0x00081115, "SQ", (series_reference(),)),
            e(0x00700402, "SQ", tuple(
                (e(0x00081115, "SQ", (series_reference(),)), e(0x0020000D, "UI", b"1.2.3"), e(0x00700405, "CS", b"X"))
                for _ in range(2)
            )),
        ],
        "WF PRESENTATION": [e(0x00081115, "SQ", (series_reference(),))],
        "SR DOCUMENT": [
            e(0x0040A491, "CS", b"COMPLETE"), e(0x0040A493, "CS", b"VERIFIED"),
            e(0x0040A043, "SQ", (code(),)), e(0x0040A730, "SQ", (modifier, other)),
            e(0x0040A073, "SQ", tuple(
                (e(0x0040A030, "DT", moment), e(0x0040A075, "PN", b"Reader"))
                for moment in (b"20200102", b"20210304050607", b"20200103")
            )),
        ],
        "KEY OBJECT DOC": [e(0x0040A043, "SQ", (code(),)), e(0x0040A730, "SQ", (other,))],
        "SPECTROSCOPY": [
            e(0x00280008, "IS", b"1"), e(0x00280010, "US", us), e(0x00280011, "US", us),
            e(0x00289001, "UL", ul), e(0x00289002, "UL", ul),
            e(0x00089092, "SQ", ((*reference(b"1.2.3.9"), e(0x0020000D, "UI", b"1.2.3")),)),
        ],
        "HANGING PROTOCOL": [
            e(0x00720002, "SH", b"Name"), e(0x00720004, "LO", b"Text"), e(0x00720006, "CS", b"SITE"),
            e(0x00720008, "LO", b"Creator"), e(0x0072000A, "DT", b"20200101120000"),
            e(0x0072000C, "SQ", ((e(0x00080060, "CS", b"CT"), e(0x00080070, "LO", b"noise")),)),
            e(0x0072000E, "SQ", (code(),)), e(0x00720014, "US", b"\0\0"),
        ],
        "ENCAP DOC": [
            e(0x00420010, "ST", b"Title"), e(0x0040E001, "ST", b"1.2^3"), e(0x0040A043, "SQ", (code(),)),
            e(0x00420012, "LO", b"text/XML"),
        ],
        "IMPLANT": [e(0x00221095, "LO", b"Stem"), e(0x00686210, "LO", b"12"), e(0x00221097, "LO", b"P-1")],
        "IMPLANT ASSY": [e(0x00760001, "LO", b"Hip"), e(0x00760020, "SQ", (code(),))],
        "IMPLANT GROUP": [e(0x00780001, "LO", b"Group"), e(0x00780010, "ST", b"Text"), e(0x00780020, "LO", b"Issuer")],
        "RADIOTHERAPY": [e(0x30100033, "SH", b"Label"), e(0x30100034, "LO", b"Long label")],
        "INVENTORY": [
            e(0x00080401, "LT", b"Audit"), e(0x00080403, "CS", b"STUDY"), e(0x00080400, "SQ", ()),
            e(0x00080426, "CS", b"COMPLETE"), e(0x00080428, "UV", bytes(8)),
        ],
    }.get(record_type, [])  # fmt: skip
    return {element.tag: element for element in elements}
