"""What the first bytes of a zip say: a document, or an archive that carries one."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.sniff import is_zipped_document


class Unseekable(io.RawIOBase):
    """A pipe: sizes are written after each member."""

    def __init__(self, into):
        self.into = into

    def writable(self):
        return True

    def write(self, data):
        self.into.write(data)
        return len(data)


def zipped(*members, method=zipfile.ZIP_DEFLATED, piped=False):
    made = io.BytesIO()
    with zipfile.ZipFile(Unseekable(made) if piped else made, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return made.getvalue()


OOXML = (
    ("docProps/app.xml", "<Properties/>"),
    ("[Content_Types].xml", "<Types/>"),
    ("xl/workbook.xml", "<workbook/>" * 9),
)


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("inner", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("outer", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("first", [(), (("note.txt", "bus"),)])
def test_an_archive_that_carries_a_document_is_none(first, outer, inner, piped):
    carried = zipped(*OOXML, method=inner)
    archive = zipped(*first, ("costs.xlsx", carried), method=outer, piped=piped)
    assert is_zipped_document("application/zip", "records.zip", archive) is False


@pytest.mark.parametrize("piped", [False, True])
def test_a_document_without_its_ending_is_told_by_a_later_member(piped):
    assert is_zipped_document(None, "costs", zipped(*OOXML, piped=piped)) is True


def test_a_document_is_told_by_its_first_member_when_no_more_of_it_is_there():
    assert is_zipped_document(None, None, zipped(*OOXML[1:], piped=True)[:60]) is True


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_make_it_fail(tail, cut):
    assert is_zipped_document(None, None, b"PK\x03\x04" + tail) in (True, False)
    whole = zipped(*OOXML, piped=True)
    assert is_zipped_document(None, None, whole[:cut] + tail) in (True, False)
