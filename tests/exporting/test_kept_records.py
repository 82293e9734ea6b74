"""Records that are kept in little room are those that came in, and so are their rows."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from catalog.database.fetch import Candidate, SourceFile
from catalog.database.ledger import RecordRow
from catalog.dicom.elements import Element
from catalog.entities import Claims, Instance, Status
from catalog.exporting.item import Item
from catalog.exporting.kept_records import KeptRecords, row_of
from catalog.fileset.file_id import FileId
from catalog.fileset.tree import Record, file_id_element, padded

SOP_CLASS = Element(0x00041510, "UI", b"1.2.840.10008.5.1.4.1.1.2\0")
SYNTAX = Element(0x00041512, "UI", b"1.2.840.10008.1.2.1\0")
CHARSET = Element(0x00080005, "CS", b"ISO_IR 100")
COMMENT = Element(0x00204000, "LT", b"a comment ")
NUMBERS = [Element(0x00200013, "IS", b"%d " % n) for n in range(1, 4)]

Part = tuple[str, Element | None, bool, bool, str]


def item(n: int, uid: str) -> Item:
    source = SourceFile(n, "/root", f"f{n}", 1, 1, Status.OK, "1.2.840.10008.1.2.1", None)
    claims = Claims(None, None, None, Instance(sop_instance_uid=uid), "IMAGE")
    return Item(Candidate(n + 1, None, claims, (source,)), source, FileId(("DICOM", f"I{n}")))


def record(of: Item, part: Part) -> Record:
    """A record that names its file as those of an export do; everything else varies."""
    kind, number, with_comment, fresh, _ = part
    uid = of.candidate.claims.instance.sop_instance_uid or ""
    syntax = Element(SYNTAX.tag, SYNTAX.vr, bytes([*SYNTAX.data])) if fresh else SYNTAX
    keys = [
        CHARSET, SOP_CLASS, syntax, file_id_element(of.file_id),
        Element(0x00041511, "UI", padded("UI", uid.encode())),
    ]  # fmt: skip
    keys += [number] if number is not None else []
    keys += [COMMENT] if with_comment else []
    return Record(kind, tuple(sorted(keys, key=lambda key: key.tag)))


parts = st.tuples(
    st.sampled_from(["IMAGE", "SR DOCUMENT"]),
    st.sampled_from([None, *NUMBERS]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["1.2.3", "1.2.34", "1.2.345.0"]),
)


@given(st.lists(parts, max_size=12))
@example([("IMAGE", NUMBERS[0], True, False, "1.2")] * 3)
@example([("IMAGE", None, True, False, "1.2")] * 3)
@example([("IMAGE", number, True, False, "1.2.3") for number in (*NUMBERS, None, *NUMBERS)])
def test_what_comes_out_is_what_came_in(drawn: Sequence[Part]) -> None:
    kept = KeptRecords()
    expected: list[Record] = []
    rows: list[RecordRow] = []
    for n, part in enumerate(drawn):
        of = item(n, f"{part[4]}.{n}")
        made = record(of, part)
        kept.append(of, made)
        expected.append(made)
        rows.append(row_of(5 + n, 3, made, n + 1))
    for _ in range(2):  # it can be asked again
        assert list(kept) == expected
        assert list(kept.rows(5, 3)) == rows
    assert len(kept) == len(drawn)


def test_a_record_with_another_uid_than_was_planned_is_kept_as_it_is() -> None:
    """No export makes one, and if it did the directory would still say what the copy says."""
    kept = KeptRecords()
    part: Part = ("IMAGE", NUMBERS[0], False, False, "")
    made = [record(item(n, f"1.2.{n}"), part) for n in range(3)]
    for n, each in enumerate(made):
        kept.append(item(n, "1.2.0"), each)
    assert list(kept) == made
    assert [row.sop_instance_uid for row in kept.rows(0, 0)] == ["1.2.0", "1.2.1", "1.2.2"]


def test_records_of_one_series_take_little_room() -> None:
    """Less than an object of Python has as its head, of those that are like the first."""

    def taken(count: int) -> int:
        tracemalloc.start()
        try:
            kept = KeptRecords()
            for n in range(count):
                of = item(n, f"1.2.840.113619.2.55.3.604688119.{n}")
                kept.append(of, record(of, ("IMAGE", NUMBERS[n % 3], True, False, "")))
            kept.close()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    # Caches of names hold a thousand in either case.
    assert (taken(6000) - taken(2000)) / 4000 < 32
