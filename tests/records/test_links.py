from __future__ import annotations

import pytest

from records.links import file_link


@pytest.mark.parametrize(
    ("target", "link"),
    [
        ("https://docs.google.com/document/d/abc/edit", "https://docs.google.com/document/d/abc/edit"),
        ("HTTP://Falls.SharePoint.com/:w:/r/plan.docx", "HTTP://Falls.SharePoint.com/:w:/r/plan.docx"),
        (" https://1drv.ms/\n b ", "https://1drv.ms/b"),
        (
            "https://nam01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fdocs.google.com%2Fd%2F1&data=x",
            "https://nam01.safelinks.protection.outlook.com/?url=https://docs.google.com/d/1&data=x",
        ),
        ("https://x.example/?u=dropbox.com%2Fa%20%00%3Cb", "https://x.example/?u=dropbox.com%2Fa%20%00%3Cb"),
        ("https://x.example/?u=https%3A%2F%2Fdropbox.com%2Fa%20%00%3Cb",
         "https://x.example/?u=https://dropbox.com/a%20%00%3Cb"),
        ("https://notdropbox.com/a", ""),
        ("https://dropbox.com-evil.example/a", ""),
        ("https://docs.google.com@evil.example/a", ""),
        ("https://example.org/a", ""),
        ("mailto:ann@dropbox.com", ""),
        ("javascript:dropbox.com", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_target_that_names_a_place_for_files(target: str, link: str) -> None:
    assert file_link(target) == link


def test_a_very_long_target_is_cut() -> None:
    assert len(file_link("https://dropbox.com/" + "a" * 10_000)) == 4_000
