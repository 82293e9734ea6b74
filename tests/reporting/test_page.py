"""The page: valid, inert, private, and the same for the same values."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import warnings
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.database.figures import MonthFigure, ScannerFigure, Scanners
from catalog.reporting import Report, page
from tests.reporting.making import MOMENT, answer, empty, full, hostile, report

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"

SECRETS = ("P-SECRET", "Doe^Jane", "SECRET")


def parsed(text: str) -> Any:
    """Return the tree of a page that has not one error in it."""
    parser = html5lib.HTMLParser(strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return parser.parse(text)


def many() -> Report:
    names = tuple(f"M{n:04}" for n in range(1000))
    rows = tuple(ScannerFigure(n, n, n, n, 1, 1, 1, 1, None, None) for n in names[:20])
    figures = replace(full(names), scanners=Scanners(rows, 980, 980, 980, 980))
    return report(figures)


def undated() -> Report:
    return report(replace(full(), months=(MonthFigure("", "CT", 5), MonthFigure("", "", 1))))


def centuries() -> Report:
    months = tuple(MonthFigure(f"{year}-06", "CT", 3) for year in range(1900, 2101))
    return report(replace(full(), months=months))


REPORTS = {
    "empty": lambda: report(empty(), audits=(), figure_audits=(), runs=()),
    "usual": report,
    "identifying": lambda: report(is_identifying=True),
    "hostile": hostile,
    "hostile, identifying": lambda: hostile(is_identifying=True),
    "1000 of everything": many,
    "without dates": undated,
    "1900 to 2100": centuries,
}


@pytest.fixture(params=REPORTS, ids=str)
def made(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return _made(request.param)


@lru_cache(maxsize=len(REPORTS))
def _made(name: str) -> tuple[str, Any]:
    text = page(REPORTS[name]())
    return text, parsed(text)


def test_it_is_valid_html_with_sound_ids_and_links(made: tuple[str, Any]) -> None:
    text, tree = made
    assert text.startswith("<!DOCTYPE html>") or text.lstrip().startswith("<!DOCTYPE html>")
    ids = Counter(each.get("id") for each in tree.iter() if each.get("id"))
    assert {name: n for name, n in ids.items() if n > 1} == {}
    for each in tree.iter():
        if each.tag == f"{HTML}a":
            assert each.get("href")[:1] == "#"
            assert each.get("href")[1:] in ids
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((each.get(name) or "").split()) <= set(ids)
    assert tree.get("lang") == "en"
    assert len(list(tree.iter(f"{HTML}h1"))) == len(list(tree.iter(f"{HTML}main"))) == 1


def test_it_holds_all_it_needs_and_nothing_that_runs(made: tuple[str, Any]) -> None:
    text, tree = made
    tags = Counter(
        str(each.tag).rpartition("}")[2] for each in tree.iter() if isinstance(each.tag, str)
    )
    assert not {"script", "iframe", "object", "embed", "img", "form", "base", "use", "image", "foreignObject"} & set(tags)  # fmt: skip
    assert tags["link"] == 1
    for each in tree.iter():
        for name, value in each.attrib.items():
            assert not str(name).lower().startswith("on")
            assert name != "style"
            assert name not in ("src", "srcset", "action") or value.startswith("data:")
            assert name != "href" or value == "data:," or value.startswith("#")
    (style,) = tree.iter(f"{HTML}style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    (policy,) = [m.get("content") for m in tree.iter(f"{HTML}meta") if m.get("http-equiv")]
    assert policy.startswith("default-src 'none';")
    assert f"style-src 'sha256-{digest}';" in policy
    assert "@import" not in text
    assert "url(" not in text


def test_it_is_accessible(made: tuple[str, Any]) -> None:
    _, tree = made
    for svg in tree.iter(f"{SVG}svg"):
        assert svg.get("role") == "img"
        title, desc = svg[0], svg[1]
        assert (title.tag, desc.tag) == (f"{SVG}title", f"{SVG}desc")
        assert svg.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
        assert title.text
        assert desc.text
    for head in tree.iter(f"{HTML}th"):
        assert head.get("scope") in ("col", "row")
    for table in tree.iter(f"{HTML}table"):
        assert table.find(f"{HTML}caption") is not None
    levels = [int(e.tag[-1]) for e in tree.iter() if re.fullmatch(r".*}h[1-6]", str(e.tag))]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_same_values_give_the_same_bytes() -> None:
    assert page(report()) == _made("usual")[0]
    assert page(hostile()) == _made("hostile")[0]


def visible(tree: Any) -> str:
    body = tree.find(f"{HTML}body")
    return "".join(body.itertext())


def test_hostile_values_are_readable_and_inert() -> None:
    _, tree = _made("hostile, identifying")
    said = visible(tree)
    assert "<script>alert(1)</script>" in said
    assert "]]><svg onload=alert(1)>" in said
    assert "{{ 7 * 7 }} {% raw %} $\\frac{1}{0} $x$" in said
    assert "&lt;b&gt; &amp; &#0;" in said
    assert "\\u202egpj.exe\\u202c \\u200e\\u2066x\\u2069" in said
    assert "\\x00\\x07\\x1b[31m\\x7f\\x85\\x0d\\x0a\\x09" in said
    assert "\\xff\\x80 \\ufffe\\uffff\\ufdd0 \\ufeff" in said
    assert "山田^太郎 عربى नमस्ते 👩‍⚕️" in said
    assert "(10,000 characters)" in said
    assert "x" * 2001 not in said


@settings(max_examples=8)
@given(st.text(st.characters(), max_size=40))
def test_no_text_breaks_a_page(text: str) -> None:
    values = report(
        full((text, text + "'")),
        place=text,
        audits=[answer(title=text, description=text, columns=(text,), rows=((text,),), failure="")],
        is_identifying=True,
    )
    tree = parsed(page(values))
    assert {str(each.tag) for each in tree.iter()} <= KNOWN_TAGS


KNOWN_TAGS = {
    f"{HTML}{name}"
    for name in [
        "html",
        "head",
        "meta",
        "title",
        "link",
        "style",
        "body",
        "a",
        "header",
        "h1",
        "h2",
        "h3",
        "dl",
        "div",
        "dt",
        "dd",
        "time",
        "p",
        "strong",
        "code",
        "nav",
        "ul",
        "li",
        "main",
        "section",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
        "span",
        "bdi",
        "article",
        "em",
        "footer",
    ]
} | {f"{SVG}{name}" for name in ("svg", "title", "desc", "path", "text")}


def test_tags_of_plain_pages_are_those_known() -> None:
    found = {str(each.tag) for each in _made("identifying")[1].iter()}
    assert found <= KNOWN_TAGS


def test_nothing_identifies_anybody_unless_that_is_asked_for() -> None:
    quiet, open_ = _made("usual")[0], _made("identifying")[0]
    for secret in SECRETS:
        assert secret not in quiet
        assert secret in open_
    assert "This page shows no identifying values" in quiet
    assert "This page identifies people" in open_
    assert "2014-01-02" not in quiet  # dates of single studies
    assert "2014-01-02" in open_


def test_columns_that_nobody_knows_are_withheld() -> None:
    odd = answer(columns=("Novelty", "Status", "Instances"), rows=(("P-SECRET", "ok", 3),))
    said = visible(parsed(page(report(audits=(odd,)))))
    assert "P-SECRET" not in said
    assert "1 column that may identify people is left out of this page." in said
    assert "Status" in said


def test_an_audit_says_how_many_rows_there_are_and_how_to_list_them() -> None:
    said = visible(parsed(page(report(audits=(answer(count=1234, rows=(("ok", "x", "y"),) * 10),), is_identifying=True))))  # fmt: skip
    assert "1,234 rows" in said
    assert "1,224 more." in said
    assert "dcat audit missing-files" in said
    assert "Look in the backup." in said


def test_an_audit_without_an_answer_says_why() -> None:
    failed = answer(count=0, rows=(), failure="It was stopped after 1 s.")
    said = visible(parsed(page(report(audits=(failed,)))))
    assert "1 audit was asked; none found anything. 1 has no answer." in said
    assert "not answered" in said
    assert "It was stopped after 1 s." in said


def test_the_heading_tells_catalogue_moment_zone_and_version() -> None:
    _, tree = _made("usual")
    header = "".join(tree.find(f"{HTML}body").find(f"{HTML}header").itertext())
    assert "/srv/dcat/catalogue.db" in header
    assert "2024-03-31 14:05 UTC+02:00" in header
    assert "9.8.7" in header
    (when,) = {t.get("datetime") for t in tree.iter(f"{HTML}time")}
    assert when == MOMENT.isoformat()


def test_every_plot_has_its_figures_beside_it() -> None:
    _, tree = _made("usual")
    plots = [s for s in tree.iter(f"{HTML}section") if "plot" in (s.get("class") or "").split()]
    assert len(plots) == 6
    for plot in plots:
        assert len(list(plot.iter(f"{SVG}svg"))) == 2
        assert plot.find(f"{HTML}details").find(f".//{HTML}table") is not None


COLOUR = re.compile(r"--([a-z0-9-]+): (#[0-9a-f]{6});")


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_colours_can_be_told_from_what_is_behind_them() -> None:
    (style,) = _made("usual")[1].iter(f"{HTML}style")
    light, dark, printed = (dict(COLOUR.findall(part)) for part in style.text.split(":root {")[1:])
    assert len(light) == len(dark)
    for theme in (light, dark, light | printed):
        for name in ("ink", "quiet", "link"):  # text: WCAG 2.2, 1.4.3
            assert _contrast(theme[name], theme["card"]) >= 4.5, name
            assert _contrast(theme[name], theme["page"]) >= 4.5, name
        for name in ("error", "warning", "note", "none"):
            assert _contrast(theme[name], theme[f"{name}-soft"]) >= 4.5, name
        for name in (*(f"c{n}" for n in range(8)), "rest"):  # graphics: WCAG 2.2, 1.4.11
            assert _contrast(theme[name], theme["card"]) >= 3, name


def test_svg_text_is_text() -> None:
    _, tree = _made("usual")
    texts = {t.text for t in tree.iter(f"{SVG}text")}
    assert {"CT", "MR", "US"} <= texts
    assert ET.tostring(next(iter(tree.iter(f"{SVG}svg"))))
