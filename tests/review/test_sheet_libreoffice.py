"""The coding sheet through LibreOffice and back (needs ``soffice``)."""

import shutil
import subprocess

import pytest

from review import decide
from review.sheet import apply_sheet, read_sheet
from tests.review.build import REQUEST
from tests.review.test_sheet import ANSWERED, MEANT, answered_sheet, decided, fill, problems, write

pytestmark = [pytest.mark.services, pytest.mark.slow]

AWKWARD = {
    "public_record": "yes",
    "responsive": "yes",
    "treatment": "redact",
    "exemption_code": "ssn; religion",
    "explanation": '+1 360 555 0101 is the mother\'s number; ünïcödé\nsecond line | 0012 names "her" church',
    "pages_to_redact": "1-3",
    "hold": "notice",
    "installment": "1",
    "reviewer": "=Ana",
    "note": "-1/2 of it, @Kim",
}


def convert(path, form, folder):
    """Convert with a LibreOffice of its own settings folder, and return the file."""
    folder.mkdir(exist_ok=True)
    name, _, _ = form.partition(":")
    soffice = shutil.which("soffice") or "soffice"
    reading = ["--infilter=CSV:44,34,76,1"] if path.suffix == ".csv" else []  # UTF-8, as its dialog proposes
    command = [soffice, f"-env:UserInstallation=file://{folder}/profile", "--headless", *reading]
    command += ["--convert-to", form, "--outdir", str(folder), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder / f"{path.stem}.{name}"


def answers(path):
    return [(row.item_id, row.answers) for row in read_sheet(path).rows]


CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,0"
"""LibreOffice's CSV in UTF-8: cells as they are shown, the first sheet."""


def test_xlsx_to_ods_to_xlsx_and_to_csv_gives_the_same_answers(desk, tmp_path):
    made, item = desk
    sheet = fill(answered_sheet(made, item, tmp_path), {item["reply"]: AWKWARD})
    expected = answers(sheet)
    assert len(expected) == 4
    assert expected[2] == (item["reply"], AWKWARD)
    ods = convert(sheet, "ods", tmp_path / "ods")
    back = convert(ods, "xlsx", tmp_path / "back")
    said = {"responsive": "yes"}  # the cell that held TRUE comes back as whatever LibreOffice shows for it
    for path in (back, convert(sheet, CSV, tmp_path / "csv")):
        found = answers(path)
        assert [i for i, _ in found] == [i for i, _ in expected]
        for (_, got), (item_id, wanted) in zip(found, expected, strict=True):
            assert got | said == wanted | said, item_id


def test_a_sheet_from_libreoffice_is_applied(desk, tmp_path):
    made, item = desk
    sheet = answered_sheet(made, item, tmp_path)
    back = convert(convert(sheet, "ods", tmp_path / "ods"), "xlsx", tmp_path / "back")
    result = apply_sheet(made.catalogue, REQUEST, back, "Kim Lee")
    assert (result.applied, problems(result)) == (4, [])
    assert decided(made) == {item[name]: decision for name, decision in MEANT.items()}
    csv = convert(sheet, CSV, tmp_path / "csv")
    result = apply_sheet(made.catalogue, REQUEST, csv, "Kim Lee")
    assert (result.applied, result.unchanged, problems(result)) == (0, len(ANSWERED), [])


def test_a_csv_sheet_opened_and_saved_as_a_workbook(desk, tmp_path):
    made, item = desk
    answer = {item[name]: decision for name, decision in MEANT.items()}
    decide.record(made.catalogue, REQUEST, 1, answer, "Kim Lee", source="page")
    sheet = write(made, tmp_path, ".csv")
    book = convert(sheet, "xlsx", tmp_path / "book")
    assert answers(book) == answers(sheet)
    result = apply_sheet(made.catalogue, REQUEST, convert(book, CSV, tmp_path / "again"), "Kim Lee")
    assert (result.applied, result.unchanged, problems(result)) == (0, 4, [])
