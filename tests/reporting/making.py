"""Reports for tests, made of plain values: no catalogue is needed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from catalog.database.figures import (
    AgeFigure,
    ExportFigure,
    Figures,
    FindingFigure,
    ModalityFigure,
    MonthFigure,
    ScannerFigure,
    Scanners,
    StatusFigure,
    SyntaxFigure,
    Totals,
)
from catalog.database.figures_of_time import AGE_MONTHS
from catalog.database.runs import Outcome, RunRow
from catalog.reporting import AuditAnswer, Report

MOMENT = datetime(2024, 3, 31, 14, 5, tzinfo=timezone(timedelta(hours=2)))

HOSTILE = (
    "<script>alert(1)</script>",
    "]]><svg onload=alert(1)>",
    "--><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "</title></style></svg><h1>x</h1>",
    "\u202egpj.exe\u202c \u200e\u2066x\u2069",
    "\x00\x07\x1b[31m\x7f\x85\r\n\t",
    "\udcff\udc80 \ufffe\uffff\ufdd0 \ufeff",
    "{{ 7 * 7 }} {% raw %} $\\frac{1}{0} $x$",
    "&lt;b&gt; &amp; &#0;",
    "x" * 10_000,
    "山田^太郎 عربى नमस्ते 👩‍⚕️",
    "W" * 300,
)


def answer(name: str = "missing-files", **values: Any) -> AuditAnswer:
    """Return an answer of two rows; `values` change it."""
    standard: dict[str, Any] = {
        "title": "Files that were there and are not any more",
        "severity": "error",
        "description": "A file that is gone.",
        "action": "Look in the backup.",
        "meaning": "Status: what it was; PatientID: whose it is; Path: where it was",
        "columns": ("Status", "PatientID", "Path"),
        "rows": (("ok", "P-SECRET", "/archive/Doe^Jane.dcm"),),
        "count": 2,
    }
    return AuditAnswer(name, **(standard | values))


def empty() -> Figures:
    """Return the figures of an empty catalogue."""
    bounds = (0, *AGE_MONTHS)
    ages = [(-1, 0), *zip(bounds, (*AGE_MONTHS, None), strict=True), (None, None)]
    return Figures(
        Totals(0, 0, 0, 0, 0, 0, 0, 0, 0), (), (), (), (),
        tuple(AgeFigure(months, until, 0, 0) for months, until in ages),
        Scanners((), 0, 0, 0, 0), (), (), 0, None,
    )  # fmt: skip


def full(texts: tuple[str, ...] = ("CT", "MR", "US")) -> Figures:
    """Return figures in which every text is one of `texts`, and there are as many of each kind."""
    n = len(texts)
    return Figures(
        totals=Totals(10, 20 * n, 30, 1_234_567, 1_300_000, 1_234_000, 9_876_543_210, 3, 4),
        statuses=tuple(StatusFigure(text, 5, 10**9) for text in texts),
        syntaxes=(
            SyntaxFigure("1.2.840.10008.1.2.4.90", 5, 10**9),
            *(SyntaxFigure(text, 5, 10**8) for text in texts),
            SyntaxFigure("", 1, 5),
        ),
        months=tuple(
            MonthFigure(f"{2010 + place % 12}-{place % 12 + 1:02}", text, place + 1)
            for place, text in enumerate(texts)
        ),
        modalities=tuple(
            ModalityFigure(text, 2, 3, 4, 10**9 - place) for place, text in enumerate(texts)
        ),
        ages=tuple(
            AgeFigure(each.months, each.until_months, 5, 10**7) for each in empty().ages
        ),
        scanners=Scanners(
            tuple(
                ScannerFigure(text, text, text, text, 1, 2, 300 - place, 10**6, "2014-01-02", None)
                for place, text in enumerate(texts)
            ),
            7, 8, 9, 10,
        ),
        findings=tuple(
            FindingFigure(severity, text, 9 - place % 9, 3)
            for severity in ("error", "warning", "note")
            for place, text in enumerate(texts)
        ),
        exports=tuple(
            ExportFigure("2024-03-30T08:00:00+01:00", "done", text, text, text, 5, 1, 0, 10**6)
            for text in texts
        ),
        all_exports=n + 5,
        last_indexed_at="2024-03-30T09:12:00+01:00",
    )  # fmt: skip


def report(figures: Figures | None = None, **values: Any) -> Report:
    """Return a report; `values` change it."""
    standard: dict[str, Any] = {
        "place": "/srv/dcat/catalogue.db",
        "moment": MOMENT,
        "version": "9.8.7",
        "figures": full() if figures is None else figures,
        "audits": (answer(), answer("similar-names", count=0, rows=(), severity="note")),
        "figure_audits": ("volumes",),
        "runs": (run(),),
    }
    return Report(**(standard | values))


def run(arguments: str = "index /archive/SECRET") -> RunRow:
    """Return a run that was done."""
    return RunRow(
        7, "index", arguments, "9.8.7", "login-SECRET", "host-SECRET", 1,
        "2024-03-30T08:00:00+01:00", "2024-03-30T09:12:00+01:00", Outcome.DONE, {"files": 1234, "new": 0},
    )  # fmt: skip


def hostile(**values: Any) -> Report:
    """Return a report in which every text is hostile."""
    rows = tuple((text, text, text) for text in HOSTILE)
    audits = [
        answer(
            f"hostile-{place}",
            title=text,
            description=text,
            action=text,
            meaning=f"{text}: {text}; A, B: c",
            columns=("Status", text, "Path"),
            rows=rows,
            count=99,
            severity=text,
        )
        for place, text in enumerate(HOSTILE)
    ]
    audits.append(answer("failing", failure=HOSTILE[0], count=0, rows=()))
    return report(
        full(HOSTILE),
        place=HOSTILE[0] + HOSTILE[5],
        audits=audits,
        figure_audits=HOSTILE,
        runs=tuple(run(text) for text in HOSTILE),
        **values,
    )
