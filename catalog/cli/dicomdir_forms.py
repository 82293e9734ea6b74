"""A DICOMDIR as text: a tree for people, every element for the curious, JSON and XML for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from catalog.cli.saying import counted, plain, size_text

if TYPE_CHECKING:
    from catalog.maintaining import Described, Line, Shown

_ENTITIES = ("PATIENT", "STUDY", "SERIES")
_SHOWN_BYTES = 16


def tree_lines(shown: Shown) -> Iterator[str]:
    """Yield one line for each PATIENT, STUDY, SERIES and other record that has records below it.

    Records without any are counted by type in the line of what is above them.
    """
    from catalog.fileset.tree import Record

    fileset = shown.directory.fileset
    name = f"File-set {plain(fileset.file_set_id)!r}" if fileset.file_set_id else "File-set"
    uid = plain(fileset.file_set_uid) or "without a UID"
    yield f"{name}  {uid}  {plain(shown.place)}"

    def leaves(children: tuple[Record, ...]) -> str:
        kinds = Counter(c.type for c in children if not _has_line(c))
        return ", ".join(
            f"{count:,} {plain(kind) or 'without a type'}" for kind, count in kinds.items()
        )

    if at_root := leaves(fileset.records):
        yield f"  at the root: {at_root}"
    for each in shown.records():
        if not _has_line(each.record):
            continue
        below = leaves(each.record.children)
        parts = [part for part in (below, _amount(each, bool(below))) if part]
        marks = [
            mark
            for mark, is_so in (("inactive", not each.in_use), ("recovered", each.recovered))
            if is_so
        ]
        mark = f" [{', '.join(marks)}]" if marks else ""
        head = "  ".join((plain(each.record.type), *_label(each)))
        yield f"{'  ' * (each.depth + 1)}{head}{mark}: {', '.join(parts)}"


def _has_line(record: Any) -> bool:
    return bool(record.children) or record.type in _ENTITIES


def _amount(each: Described, told: bool) -> str:
    parts = (
        []
        if told and len(each.record.children) == each.instances
        else [counted(each.instances, "instance")]
    )
    parts.append(size_text(each.files_bytes))
    if each.missing:
        parts.append(f"{counted(each.missing, 'file')} missing")
    return ", ".join(parts)


def _label(each: Described) -> list[str]:
    """Return what tells a record from its siblings, escaped."""
    from catalog.fileset.texts import key_text

    record = each.record
    tags = {
        "PATIENT": (0x00100020, 0x00100010),
        "STUDY": (0x00080020, 0x00080030, 0x00200010, 0x00080050, 0x00081030, 0x0020000D),
        "SERIES": (0x00200011, 0x00080060, 0x0020000E),
    }.get(record.type, (0x00041432, 0x00041511))
    texts = [plain(key_text(record, tag)) for tag in tags]
    return [text for text in texts if text] or ([plain(each.path)] if each.path else [])


def dump_lines(lines: Iterable[Line]) -> Iterator[str]:
    """Yield `offset  (gggg,eeee) VR value # length name` for every element, nested by two spaces."""
    return map(_dump_line, lines)


def _dump_line(line: Line) -> str:
    from catalog.dicom.dictionary import keyword
    from catalog.dicom.elements import ITEM, ITEM_END, SEQUENCE_END, tag_text

    start = f"{line.offset_bytes:10}  {'  ' * line.depth}"
    if line.damage:
        return f"{start}-- damaged: {plain(line.damage)}; going on at the next item"
    names = {
        ITEM: "Item",
        ITEM_END: "ItemDelimitationItem",
        SEQUENCE_END: "SequenceDelimitationItem",
    }
    name = names.get(line.tag) or keyword(line.tag) or "?"
    length = "undefined" if line.length_bytes is None else str(line.length_bytes)
    value = _dumped(line)
    return f"{start}{tag_text(line.tag)} {line.vr or '--'} {value}# {length} {name}"


def _dumped(line: Line) -> str:
    from catalog.dicom.values import text

    if line.element is None:
        return ""
    data = line.element.data
    if not data:
        return "(empty) "
    if line.vr in ("OB", "OD", "OF", "OL", "OV", "OW", "UN"):
        more = " …" if len(data) > _SHOWN_BYTES else ""
        return f"{data[:_SHOWN_BYTES].hex(' ')}{more} "
    if line.vr in ("US", "UL", "SS", "SL", "UV", "SV", "FL", "FD", "AT"):
        return f"{plain(text(line.element, line.encodings))} "
    return f"[{plain(text(line.element, line.encodings))}] "


def json_record(each: Described) -> dict[str, Any]:
    """Return one record for JSON; keys in the DICOM JSON Model (PS3.18 F.2)."""
    from catalog.fileset.texts import encodings_of
    from catalog.maintaining.modelling import json_model

    components = each.record.file_components
    return {
        "type": each.record.type,
        "depth": each.depth,
        "offset_bytes": each.offset_bytes,
        "parent_offset_bytes": each.parent_offset_bytes,
        "in_use": each.in_use,
        "recovered": each.recovered,
        "file_id": None if components is None else "/".join(components),
        "path": each.path,
        "size_bytes": each.size_bytes,
        "keys": json_model(each.record.keys, encodings_of(each.record)),
    }


def json_lines(shown: Shown) -> Iterator[str]:
    """Yield a JSON object: the File-set's attributes, the findings and a flat list of records, parents first."""
    fileset = shown.directory.fileset
    head = {
        "dicomdir": shown.place,
        "file_set_id": fileset.file_set_id,
        "file_set_uid": fileset.file_set_uid,
        "descriptor_file_id": "/".join(fileset.descriptor_file_id) or None,
        "findings": [
            {"severity": f.severity.value, "code": f.code, "message": f.message, "clause": f.clause, "offset_bytes": f.offset_bytes}
            for f in shown.directory.findings
        ],
    }  # fmt: skip
    yield _json(head)[:-1] + ', "records": ['
    comma = ""
    for each in shown.records():
        yield comma + _json(json_record(each))
        comma = ", "
    yield "]}"


def ndjson_lines(shown: Shown) -> Iterator[str]:
    """Yield one JSON object a record, parents first."""
    for each in shown.records():
        yield _json(json_record(each))


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # Paths that are not valid UTF-8 are lone surrogates, which no UTF-8 stream takes.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def xml_lines(shown: Shown) -> Iterator[str]:
    """Yield an XML document: nested `DirectoryRecord` elements, keys in the Native DICOM Model (PS3.19 A.1)."""
    from xml.sax.saxutils import quoteattr

    from catalog.fileset.texts import encodings_of
    from catalog.maintaining.modelling import legal_in_xml, native_xml

    def attribute(name: str, value: object) -> str:
        return "" if value is None else f" {name}={quoteattr(legal_in_xml(str(value)))}"

    fileset = shown.directory.fileset
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        "<DICOMDIR"
        + attribute("fileSetID", fileset.file_set_id)
        + attribute("fileSetUID", fileset.file_set_uid)
        + ">"
    )
    depth = 0
    for each in shown.records():
        for level in range(depth - 1, each.depth - 1, -1):
            yield f"{'  ' * (level + 1)}</DirectoryRecord>"
        indent = "  " * (each.depth + 1)
        components = each.record.file_components
        yield (
            f"{indent}<DirectoryRecord"
            + attribute("type", each.record.type)
            + attribute("offsetBytes", each.offset_bytes)
            + ("" if each.in_use else attribute("inUse", "false"))
            + attribute("fileID", None if components is None else "/".join(components))
            + attribute("sizeBytes", each.size_bytes)
            + ">"
        )
        yield f"{indent}  <NativeDicomModel>"
        yield from native_xml(each.record.keys, encodings_of(each.record), indent + "    ")
        yield f"{indent}  </NativeDicomModel>"
        depth = each.depth + 1
    for level in range(depth - 1, -1, -1):
        yield f"{'  ' * (level + 1)}</DirectoryRecord>"
    yield "</DICOMDIR>"
