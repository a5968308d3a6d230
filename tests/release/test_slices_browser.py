"""A page of a conversation in a real browser, on a screen, on a telephone and on paper (needs Chromium)."""

from __future__ import annotations

import shutil

import pypdfium2
import pytest
from playwright.sync_api import sync_playwright

from tests.release.talk import KEPT
from tests.review.test_pages_browser import CHECKS

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser():
    """Chromium of the machine, else Playwright's own."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
            args=["--no-sandbox"],
        )
        yield found
        found.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light")])
def test_it_reads_well_and_asks_for_nothing(made, browser, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    paths = sorted((made.data / "conversations").iterdir())[:2]
    for path in paths:
        page.goto(path.as_uri())
        assert page.evaluate(CHECKS) == [], path.name
    assert asked == [path.as_uri() for path in paths]
    assert said == []
    page.goto((made.data / "index.html").as_uri())
    assert page.evaluate(CHECKS) == []
    page.get_by_role("link", name="conversation page 1, Wednesday, 2026-03-04").click()
    page.get_by_role("link", name="Later page of this conversation").click()
    assert page.locator("p.text").all_inner_texts() == ["Good morning."]
    context.close()


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_it_prints_with_its_statement_on_every_sheet(made, browser, tmp_path, paper):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    path = min((made.data / "conversations").iterdir())
    page.goto(path.as_uri())
    # a day of many messages: the same ones again and again
    page.evaluate("""() => { const list = document.querySelector('ol.lines'), lines = [...list.children];
      for (let i = 0; i < 5; i++) for (const line of lines) list.append(line.cloneNode(true)); }""")
    page.pdf(path=tmp_path / "day.pdf", format=paper)
    context.close()
    with pypdfium2.PdfDocument(tmp_path / "day.pdf") as pdf:
        sheets = [one.get_textpage().get_text_range() for one in pdf]
        size = pdf[0].get_size()
        corner = pdf[0].render(scale=1).to_numpy()[2, 2]
    assert size == pytest.approx({"A4": (595.3, 841.9), "Letter": (612, 792)}[paper], abs=1)
    assert len(sheets) > 1
    for number, sheet in enumerate(sheets, 1):
        assert "WORKING COPY, NOT FOR DELIVERY" in sheet
        assert f"{number} of {len(sheets)}" in sheet
    text = "\n".join(sheets)
    assert text.count("Is that <b>sure</b>?") == 6
    assert text.count("4 messages are not here") == 6
    assert not [words for words in KEPT.values() if words in text]
    assert corner.tolist() == [255, 255, 255]  # white paper, whatever the screen's scheme
