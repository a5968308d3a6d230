"""The pages in a real browser (needs Chromium)."""

import shutil
import socket
import threading
import time

import pytest
import uvicorn
from playwright.sync_api import sync_playwright

from tests.review.build import REQUEST, small
from tests.review.pages_data import enrich
from tests.review.test_pages import TOKEN, app_of, entries

pytestmark = [pytest.mark.services, pytest.mark.slow]

CHECKS = """() => {
  const wrong = [], all = (q) => [...document.querySelectorAll(q)];
  if (document.documentElement.scrollWidth > window.innerWidth) wrong.push('wider than the window');
  if (!document.documentElement.lang || !document.title) wrong.push('no language or title');
  if (all('main').length !== 1 || all('h1').length !== 1) wrong.push('not one main and one h1');
  let level = 0;
  for (const h of all('h1, h2, h3, h4, h5, h6')) {
    const now = Number(h.tagName[1]);
    if (now > level + 1) wrong.push('heading level skipped: ' + h.textContent);
    level = now;
  }
  const ids = all('[id]').map((e) => e.id);
  if (new Set(ids).size !== ids.length) wrong.push('an id twice');
  for (const e of all('[aria-labelledby]'))
    if (!document.getElementById(e.getAttribute('aria-labelledby'))) wrong.push('label gone');
  for (const e of all('select, input')) if (!e.labels.length) wrong.push('a field without a label');
  for (const e of all('nav')) if (!e.getAttribute('aria-label')) wrong.push('a nav without a name');
  for (const e of all('a, button')) if (!e.textContent.trim()) wrong.push('a link without words');
  for (const e of all('th')) if (!e.scope && !e.closest('.html')) wrong.push('a th without a scope');
  const light = (c) => {
    const p = c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]; };
  const rgb = (t) => t.match(/[\\d.]+/g).map(Number);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  for (const e of all('body *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const a = light(rgb(getComputedStyle(e).color).slice(0, 3)), b = light(ground(e).slice(0, 3));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) wrong.push('contrast ' + ratio.toFixed(2) + ': ' + e.textContent.slice(0, 30));
  }
  return wrong;
}"""
"""What can be seen from the page itself: WCAG 2.1 contrast 1.4.3, headings, names, labels, reflow 1.4.10."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The pages on a free port, with the desk and its items."""
    desk, item = small(tmp_path_factory.mktemp("home"))
    enrich(desk, item)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app_of(desk), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}", desk, item
    server.should_exit = True
    thread.join()
    desk.close()


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


@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_reads_well_and_runs_nothing(served, browser, width):
    address, _, item = served
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(f"{address}/?token={TOKEN}")
    assert page.url == f"{address}/"
    base = f"/r/{REQUEST}"
    families = [f"{base}/f/{item[name]}" for name in ("mail", "reply", "html", "text", "lunch")]
    for path in ["/", base, f"{base}/families", *families, "/nothing"]:
        said.clear()
        page.goto(address + path)
        for summary in page.query_selector_all("details:not([open]) > summary"):
            summary.click()
        assert page.evaluate(CHECKS) == [], path
        assert [words for words in said if "404" not in words] == [], path
    assert {url for url in asked if not url.startswith(address)} == set()
    assert context.cookies()[0]["httpOnly"]
    context.close()


def test_the_checks_see_what_they_look_for(served, browser):
    address, _, _ = served
    context = browser.new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(f"{address}/r/{REQUEST}?token={TOKEN}")
    page.evaluate("""() => {
      const p = document.querySelector('.quiet'), h = document.querySelector('h2');
      p.style.color = '#aaaaaa'; p.style.width = '50rem'; p.id = 'content';
      h.outerHTML = '<h5>deep</h5><input><nav></nav><a href="/"></a>';
    }""")
    wrong = page.evaluate(CHECKS)
    assert [words.split(":")[0] for words in wrong] == [
        "wider than the window",
        "heading level skipped",
        "an id twice",
        "label gone",
        "label gone",
        "a field without a label",
        "a nav without a name",
        "a link without words",
        "contrast 2.14",
    ]
    context.close()


def test_a_person_finds_a_record_by_keyboard(served, browser):
    address, desk, item = served
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/r/{REQUEST}/families?token={TOKEN}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.get_by_label("Where it stands").select_option("awaits_notice")
    page.get_by_role("button", name="Show").press("Enter")
    page.get_by_role("status").get_by_text("1 family").wait_for()
    before = len(entries(desk, "read"))
    page.get_by_role("link", name="Re: Bus route 12").press("Enter")
    page.get_by_role("heading", level=1, name="Re: Bus route 12").wait_for()
    assert entries(desk, "read")[before:] == [("read", "Kim Lee", item["reply"])]
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the native file").press("Enter")
    assert download.value.suggested_filename == f"{item['reply']}.eml"
    context.close()


def test_another_site_gets_nothing(served, browser):
    address, _, item = served
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/?token={TOKEN}")
    page.goto(f"{address.replace('127.0.0.1', 'localhost')}/r/{REQUEST}/f/{item['mail']}")
    assert "These pages are locked" in page.content()  # the cookie is for the other name
    read = page.evaluate(
        "url => fetch(url, {credentials: 'include'}).then((r) => r.text()).catch((e) => 'refused')",
        f"{address}/r/{REQUEST}",
    )
    assert read == "refused"
    context.close()
