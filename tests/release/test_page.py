"""The index page: self-contained, harmless, whole, and readable by a machine that reads to people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html

from release.page import STATES, UNREADABLE, WAITING
from release.selection import NotProduced
from tests.release.world import RELEASE, REQUEST, context


@pytest.fixture
def page(scenario, tmp_path):
    draft = scenario.draft(tmp_path / "draft")
    scenario.approve(draft.manifest_sha256)
    scenario.package(tmp_path / "out")
    path = tmp_path / "out" / "release" / "data" / "index.html"
    return path, html.document_fromstring(path.read_text("utf-8"))


def test_it_loads_and_runs_nothing(page):
    path, tree = page
    assert not tree.xpath("//script | //iframe | //img | //link | //object | //embed | //form | //*[@src]")
    assert not [a for e in tree.iter() for a in e.attrib if a.startswith("on")]
    assert not re.search(r"https?:|url\(|@import", path.read_text("utf-8"))
    policy = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_every_link_leads_somewhere(page):
    path, tree = page
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    links = tree.xpath("//a/@href")
    assert len(links) > 30
    for link in links:
        assert (link[1:] in ids) if link.startswith("#") else (path.parent / link).is_file(), link


def test_every_record_has_its_row_and_every_file_its_link(page):
    path, tree = page
    numbers = [f"CFS{n:07d}" for n in range(1, 12)]
    assert [e.get("id") for e in tree.xpath("//table[contains(@class, 'records')]/tbody/tr[@id]")] == numbers
    for folder in ("natives", "text"):
        for file in (path.parent / folder).iterdir():
            assert f"{folder}/{file.name}" in tree.xpath("//a/@href")
    slips = tree.xpath("//tr[contains(@class, 'slip')]")
    assert len(slips) == 4
    for slip in slips:
        assert slip.xpath(".//a/@href") == [f"#log-{slip.get('id')}"]
        assert "Withheld in full" in slip.text_content()


def test_it_can_be_read_out(page):
    _, tree = page
    assert tree.get("lang") == "en"
    assert tree.xpath("//h1 | //h2 | //h3")[0].tag == "h1"
    assert len(tree.xpath("//h1")) == 1
    assert len(tree.xpath("//main")) == 1
    for table in tree.xpath("//table"):
        assert table.xpath("./caption")
        assert all(cell.get("scope") in {"row", "col"} for cell in table.xpath(".//th"))
    original = tree.xpath("//a[text()='original']/@aria-label")
    assert len(original) == len(set(original)) == 7


def test_it_says_what_it_is_and_what_it_counts(page):
    _, tree = page
    text = " ".join(" ".join(tree.itertext()).split()).replace(" ,", ",")
    assert text.count("WORKING COPY, NOT FOR DELIVERY") == 3  # title, top, bottom
    assert "7 released + 4 withheld in full = 11 numbered records, in 7 families" in text
    assert "Not yet produced 6 of these, waiting for redaction, since a part inside is withheld (2)" in text
    assert "In review, together 20" in text
    assert "Collected and stored, together 21" in text
    assert "python3 verify.py --fingerprint" in text


def test_every_reason_has_its_words():
    assert set(WAITING) == {str(r) for r in NotProduced} - {"decided_anew"}
    assert len(STATES) == 6
    assert all(words == words.strip() and words for words in (*WAITING.values(), *UNREADABLE.values()))


def test_hostile_text_stays_text(world, tmp_path):
    from release.package import build_draft

    bad = '"><script>alert(1)</script><a href="javascript:x">{{ 7*7 }}\x00\u202e'
    world.add(RELEASE, subject=bad, name=f"{bad}.txt", text="t", sender=((bad, bad),), to=((bad, bad),))
    build_draft(
        world.catalogue,
        world.store,
        REQUEST,
        tmp_path / "draft",
        context=context(request_text=bad, requester_label=bad, agency=bad, unbalanced_because=bad),
    )
    text = Path(tmp_path / "draft" / "release" / "data" / "index.html").read_text("utf-8")
    tree = html.document_fromstring(text)
    assert not tree.xpath("//script")
    assert not [link for link in tree.xpath("//a/@href") if "javascript" in link]
    assert "{{ 7*7 }}" in text
    assert "\x00" not in text
    assert "\u202e" not in text


def test_an_empty_bundle_has_a_page_too(world, tmp_path):
    from release.package import build_draft

    build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context(unsearchable=()))
    text = (tmp_path / "draft" / "release" / "data" / "index.html").read_text("utf-8")
    assert "There are no records in this instalment." in text
    assert "Nothing is withheld in this instalment." in text
    assert "Nothing is reported as unsearchable." in text
    assert "draft, not approved" in text
