"""A report as one page of HTML: it refers to nothing outside, runs nothing, and can be printed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape

from catalog.database.ledger_reading import Entry, Item, StudyShare
from catalog.fileset.records import record_type_for

_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)

Told = tuple[Entry, Sequence[StudyShare], Callable[[], Iterable[Item]], Sequence[str]]
"""An entry, its studies, what gives its instances, and sentences about the medium."""

STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1b2430; --quiet: #55606e; --line: #d9dee5; --bad: #b3261e; --link: #0b5394; }
@media (prefers-color-scheme: dark) { :root { --page: #12161c; --card: #1a2029; --ink: #e6eaf0; --quiet: #a5b0bd; --line: #323b47; --bad: #ff9a90; --link: #8fc1ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 0 24px 48px; max-width: 1280px; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 26px; margin: 28px 0 4px; }
h2 { font-size: 19px; margin: 0 0 8px; }
h3 { font-size: 16px; margin: 20px 0 4px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px; margin: 20px 0; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 2px 16px; margin: 0; }
dt, .quiet { color: var(--quiet); }
dd { margin: 0; }
a { color: var(--link); }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding: 4px 0; }
th, td { text-align: left; vertical-align: top; padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line); min-width: 3em; }
th { white-space: nowrap; }
td.n, th.n { text-align: right; }
td.d { font-family: ui-monospace, "Liberation Mono", Menlo, monospace; font-size: 11px; min-width: 17em; }
.bad { color: var(--bad); font-weight: 600; }
@media print { :root { --page: #fff; --card: #fff; --ink: #000; --quiet: #444; --line: #999; --bad: #000; color-scheme: light; } body { padding: 0; max-width: none; font-size: 10pt; } section { border: 0; padding: 0; } .scroll { overflow: visible; } table { font-size: 7.5pt; } td.d { font-size: 6.5pt; min-width: 0; } tr { break-inside: avoid; } thead { display: table-header-group; } }
"""  # fmt: skip

_WORDS = {
    "copied": "copied",
    "left-out": "left out",
    "failed": "failed",
    "planned": "not recorded as copied",
    "removed": "removed",
}


def page(told: Sequence[Told]) -> Iterator[str]:
    """Yield the text of the page, in pieces."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    title = "Report of an export" if len(told) == 1 else f"Report of {len(told)} exports"
    yield f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>It identifies people; keep it as you keep medical records.</p>
"""
    for entry, shares, items, notices in told:
        yield from _section(entry, shares, items, notices)
    yield "</main>\n</body>\n</html>\n"


def _section(
    entry: Entry,
    shares: Sequence[StudyShare],
    items: Callable[[], Iterable[Item]],
    notices: Sequence[str],
) -> Iterator[str]:
    volume = f", volume {entry.volume} of {entry.volumes}" if entry.volume else ""
    yield f'<section>\n<h2 id="export-{entry.number}">Export {entry.number}{volume}</h2>\n<dl>\n'
    for name, value, is_bad in _facts(entry):
        if value:
            mark = ' class="bad"' if is_bad else ""
            yield f"<dt>{name}</dt><dd{mark}>{text(value)}</dd>\n"
    yield "</dl>\n"
    if shares:
        yield "<h3>Patients and studies</h3>\n"
        yield from _table(
            ("Patient ID", "Issuer", "Patient’s name", "Study Instance UID", "Accession Number", "Instances", "SOP Classes"),
            (
                (
                    s.patient_id, s.issuer_of_patient_id, s.patient_name, s.study_instance_uid,
                    s.accession_number, _counts(s.outcomes.items()),
                    ", ".join(f"{count:,} {_class_name(uid)}" for uid, count in s.sop_classes.items()),
                )
                for s in shares
            ),
            f"Patients and studies of export {entry.number}",
        )  # fmt: skip
    if notices:
        yield "<h3>Noticed</h3>\n<ul>\n"
        yield from (f"<li>{text(notice)}</li>\n" for notice in notices)
        yield "</ul>\n"
    yield "<h3>Instances</h3>\n"
    yield from _table(
        ("Outcome", "File ID", "SOP Instance UID", "Source", "Bytes", "SHA-256", "Reason and findings"),
        (
            (
                _WORDS.get(i.outcome, i.outcome), i.file_id, i.sop_instance_uid, i.source,
                i.size_bytes, i.digest, " ".join([*([i.reason] if i.reason else []), *i.findings]),
            )
            for i in items()
        ),
        f"Instances of export {entry.number}",
    )  # fmt: skip
    yield "</section>\n"


def _facts(entry: Entry) -> Iterator[tuple[str, str | None, bool]]:
    """Yield name and value of what is known of an export, and whether it is bad news."""
    last = entry.last_run
    outcome = str(entry.outcome)
    yield "Outcome", outcome, not entry.is_finished
    yield "Instances", _counts(entry.outcomes.items()), False
    yield "Bytes copied", f"{entry.size_bytes:,}", False
    yield "Who", entry.who, False
    yield "Begun", entry.run.started_at, False
    yield "Resumed", entry.resumed.started_at if entry.resumed else None, False
    yield "Ended", last.finished_at, False
    yield "Recipient", entry.recipient, False
    yield "Reason", entry.reason, False
    yield "Destination", entry.destination, False
    yield "Selection", entry.selection, False
    if entry.run.arguments != entry.selection:
        yield "Command", f"dcat {entry.run.arguments}" if entry.run.arguments else None, False
    yield "File-set ID", entry.file_set_id, False
    yield "File-set UID", entry.file_set_uid, False
    yield "SHA-256 of the DICOMDIR", entry.dicomdir_digest, False
    yield "dcat", last.version, False


def _class_name(uid: str) -> str:
    return (record_type_for(uid).name or uid) if uid else "not known any more"


def _counts(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count:,} {_WORDS.get(name, name)}" for name, count in sorted(counts))


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str) -> Iterator[str]:
    numeric = [name == "Bytes" for name in columns]
    heads = "".join(
        f'<th scope="col"{" class=n" if n else ""}>{name}</th>'
        for name, n in zip(columns, numeric, strict=True)
    )
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}">\n<table>\n<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n'
    for row in rows:
        yield "<tr>"
        for name, cell in zip(columns, row, strict=True):
            if isinstance(cell, int):
                yield f"<td class=n>{cell:,}</td>"
            else:
                kind = " class=d" if name == "SHA-256" else ""
                yield f"<td{kind}>{text(cell)}</td>"
        yield "</tr>\n"
    yield "</tbody>\n</table>\n</div>\n"


def text(value: object) -> str:
    """Return a value as HTML text; what cannot be seen is spelled `\\u202e`."""
    if value is None:
        return ""
    return escape(_UNSEEN.sub(lambda m: f"\\u{ord(m[0]):04x}", str(value)))
