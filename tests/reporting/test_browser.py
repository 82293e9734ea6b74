"""Pages in a browser: nothing to complain of, nothing asked for, nothing wider than the window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.reporting import page
from tests.reporting.browser import Browser, browser
from tests.reporting.making import hostile, report
from tests.reporting.test_page import centuries, many

pytestmark = pytest.mark.judges

PAGES = {
    "usual": report,
    "hostile": lambda: hostile(is_identifying=True),
    "many": many,
    "centuries": centuries,
}

BEYOND = """[...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll, .unseen, .skip")
  && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"""
SMALLEST = """Math.min(...[...document.querySelectorAll("svg text")].filter(e => e.getClientRects().length)
  .map(e => e.getBoundingClientRect().height))"""
SHOWN = """[...document.querySelectorAll("svg")].filter(e => e.getClientRects().length).length"""
OVERLAPS = """[...document.querySelectorAll("svg")].filter(e => e.getClientRects().length).flatMap(svg => {
  const boxes = [...svg.querySelectorAll("text")].map(e => e.getBoundingClientRect());
  return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.left < b.right - 1 && b.left < a.right - 1
    && a.top < b.bottom - 4 && b.top < a.bottom - 4)).map(() => svg.querySelector("title").textContent);
})"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module", params=PAGES, ids=str)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("page") / "report.html"
    target.write_text(page(PAGES[request.param]()), encoding="utf-8")
    return target


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_page_in_a_browser(
    made: Path, tab: Browser, width: int, scheme: str, tmp_path: Path
) -> None:
    tab.open(made, width, scheme=scheme)
    assert tab.value("document.title").startswith("Catalogue report")
    tab.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert tab.value("document.documentElement.scrollWidth") == width
    assert tab.value(BEYOND) == []
    assert tab.value(SHOWN) == 6
    assert tab.value(SMALLEST) >= 12
    assert tab.value(OVERLAPS) == []
    background = tab.value("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(246, 247, 249)", "dark": "rgb(18, 22, 28)"}[scheme]
    assert tab.screenshot(tmp_path / "page.png").stat().st_size > 50_000
    assert tab.requests == [made.as_uri()]
    assert tab.complaints == []


def test_a_printed_page_is_light_and_shows_its_figures(made: Path, tab: Browser) -> None:
    tab.open(made, 1280, scheme="dark")
    tab.ask("Emulation.setEmulatedMedia", media="print")
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.value("document.querySelector('details table').getBoundingClientRect().height") > 20
    assert tab.value("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_the_browser_would_tell(tab: Browser, tmp_path: Path) -> None:
    """These tests can fail: a page that asks for something and runs a script is told of."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">'
        '<img src="nothing.png"><script>1</script><div style="width: 3000px">x</div>'
    )
    tab.open(bad, 400)
    assert tab.requests == [bad.as_uri(), (tmp_path / "nothing.png").as_uri()]
    assert len(tab.complaints) == 2
    assert tab.value("document.documentElement.scrollWidth") > 400
    assert tab.value(BEYOND) != []
