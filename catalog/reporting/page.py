"""The page: figures, plots and audits, laid out by `page.html.jinja` and styled by `page.css`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from catalog.reporting import answers, sections, tables, wording
from catalog.reporting.plots import unavailable
from catalog.reporting.values import Report


def page(report: Report) -> str:
    """Return the report as one page of HTML that refers to nothing outside.

    The same report gives the same page. No value of the catalogue can become markup: everything is
    escaped by the template, and the page's own policy forbids scripts, styles other than its one,
    and loading anything.

    Raises
    ------
    ReportUnavailable
        If a package that reports need is not installed.
    """
    style = _resource("page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    audits = [answers.audit(report, answer) for answer in _by_weight(report)]
    text = str(
        _template().render(
            style=style,
            style_digest=digest,
            report=report,
            last_indexed=wording.stamp(report.figures.last_indexed_at or ""),
            verdict=answers.verdict(report),
            summary=tables.summary(report),
            statuses=tables.statuses(report),
            plots=sections.plots_of(report),
            audits=audits,
            clear=[each for each in audits if each.is_clear],
            open=[each for each in audits if not each.is_clear],
            exports=tables.exports(report),
            runs=tables.runs(report),
        )
    )
    return text.lstrip()  # the macros leave lines behind


def _by_weight(report: Report) -> Sequence[Any]:
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(report.audits, key=lambda each: (order.get(each.severity, 3), each.name))


@lru_cache(maxsize=4)
def _resource(name: str) -> str:
    return (files("catalog.reporting") / name).read_text(encoding="utf-8")


def _finalized(value: Any) -> Any:
    """Return what an expression of the template gives, all of it to be seen; markup as it is."""
    return (
        value
        if hasattr(value, "__html__") or not isinstance(value, str)
        else wording.visible(value)
    )


@lru_cache(maxsize=1)
def _template() -> Any:
    try:
        import jinja2
    except ImportError as exc:
        raise unavailable("Jinja2") from exc
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalized,
    )
    environment.filters["shown"] = wording.shown
    environment.filters["moment"] = wording.moment
    return environment.from_string(_resource("page.html.jinja"))
