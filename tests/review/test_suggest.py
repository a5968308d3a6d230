import pytest

from records.errors import SettingsError
from review import suggest


def names(kind, addresses, terms):
    return [s.rule for s in suggest.suggest(kind, addresses, terms)]


@pytest.mark.parametrize(
    "address", ["dana@reedlaw.example", "Counsel@district.example", "x@atg.wa.gov", "ATTORNEY2@city.example"]
)
def test_an_attorney_among_the_participants(address):
    assert names("email", ["klee@cedarfalls.example", address], []) == ["attorney-address"]


@pytest.mark.parametrize(
    "address", ["counselor@cedarfalls.example", "lawrence@cedarfalls.example", "", "noat"]
)
def test_others_are_no_attorneys(address):
    assert names("email", [address], []) == []


def test_a_rule_about_kinds_fires_for_those_only():
    assert names("email", ["parent@gmail.com"], []) == ["private-address"]
    assert names("file", ["parent@gmail.com"], []) == []


def test_a_term_is_compared_by_whole_words():
    assert names("file", [], ['"IEP meeting"']) == ["special-education-term"]
    assert names("file", [], ["receipts", "5040"]) == []


def test_the_text_names_the_rule_and_the_codes():
    (suggestion,) = suggest.suggest("email", ["a@reedlaw.com"], [])
    assert suggestion.text == (
        "look: attorney-client, work-product (an attorney's address is among the participants; "
        "rule attorney-address)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[rules]]\nname="a"\ncodes=["nope"]\nwhy="w"\nterms=["x"]', "rule a: nope is not known"),
        (
            '[[rules]]\nname="a"\ncodes=["ssn"]\nwhy="w"\nterms=["x"]\nkind="email"',
            "rule a: kind is not known",
        ),
        (
            '[[rules]]\nname="a"\ncodes=["ssn"]\nwhy="w"\nkinds=["mail"]\nterms=["x"]',
            "rule a: mail is not known",
        ),
        ('[[rules]]\nname="a"\ncodes=["ssn"]\nwhy="w"', "rule a: needs name, codes, why"),
        ('[[rules]]\nname="a"\ncodes="ssn"\nwhy="w"\nterms=["x"]', "rule a: codes is a list"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_by_name(tmp_path, text, said):
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        suggest.load(path)
