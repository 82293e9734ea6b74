"""Records above with the values of a profile's keys that only some of the files below have."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.dicom.elements import Element, tag_text
from catalog.errors import EncodingError
from catalog.fileset.build import Built
from catalog.fileset.making import Making
from catalog.fileset.recoding import utf8
from catalog.fileset.tree import SPECIFIC_CHARACTER_SET, Record, is_full, needs_character_set
from catalog.findings import Finding, Severity
from catalog.maintaining.examining import Candidate
from catalog.maintaining.growing import LEVELS, Chosen, key_at
from catalog.shapes import replace

Gifts = dict[int, tuple[Element, Element | None]]
"""By tag: a value that the chosen record lacks, and (0008,0005) of the record that has it."""


def completed(chosen: Chosen, candidates: Sequence[Candidate], making: Making) -> Chosen:
    """Return `chosen` in which a record has a key of the profile if any file below it has a value.

    So PS3.11 has it (Table H.3-2). Of several values that of the smallest SOP Instance UID is taken.
    """
    wanted = [
        tuple(key.tag for key in making.keys.get(kind, ()) if key.vr != "SQ") for kind, _ in LEVELS
    ]
    gifts: dict[tuple[str, str], Gifts] = {}
    seen: set[tuple[object, ...]] = set()
    for candidate in sorted(candidates, key=lambda c: c.sop_instance_uid):
        for level, built in enumerate(candidate.above):
            key = key_at(candidate, level)
            best = chosen[key][0].record
            giver = built.record
            if giver is best or (*key, id(giver)) in seen:
                continue
            assert best is not None
            assert giver is not None
            seen.add((*key, id(giver)))
            for tag in wanted[level]:
                there, own = giver.element(tag), best.element(tag)
                if there is not None and is_full(there) and (own is None or not is_full(own)):
                    gift = there, giver.element(SPECIFIC_CHARACTER_SET)
                    gifts.setdefault(key, {}).setdefault(tag, gift)
    return chosen | {
        key: (_with(chosen[key][0], given), chosen[key][1]) for key, given in gifts.items()
    }


def _with(built: Built, gifts: Gifts) -> Built:
    """Return the record with `gifts`; in UTF-8 if their character sets are several."""
    record = built.record
    assert record is not None
    declared = record.element(SPECIFIC_CHARACTER_SET)
    keys = {element.tag: element for element in record.keys}
    keys |= {tag: element for tag, (element, _) in gifts.items()}
    texts = [charset for element, charset in gifts.values() if needs_character_set((element,))]
    if needs_character_set(record.keys):
        texts.append(declared)
    if not texts or all(charset == texts[0] for charset in texts):
        if texts and texts[0] is not None:
            keys[SPECIFIC_CHARACTER_SET] = texts[0]
        return _rebuilt(built, record, keys)
    place = built.findings[0].place if built.findings else ""
    try:
        keys = {e.tag: e for e in utf8(record.keys)}
        for element, charset in gifts.values():
            keys |= {e.tag: e for e in utf8((element, charset) if charset else (element,))}
    except EncodingError as exc:
        missing = ", ".join(map(tag_text, gifts))
        message = (
            f"The {record.type} record lacks {missing}, which one of its instances has: {exc}."
        )
        return _noted(built, "key-omitted", Severity.WARNING, message, place)
    message = f"Instances of one {record.type} use several character sets; its record is in UTF-8."
    built = _noted(built, "character-sets-mixed", Severity.NOTE, message, place)
    return _rebuilt(built, record, keys)


def _rebuilt(built: Built, record: Record, keys: dict[int, Element]) -> Built:
    return replace(built, record=replace(record, keys=tuple(keys[tag] for tag in sorted(keys))))


def _noted(built: Built, code: str, severity: Severity, message: str, place: str) -> Built:
    finding = Finding(code, severity, message, place, clause="PS3.5 §6.1")
    return replace(built, findings=(*built.findings, finding))
