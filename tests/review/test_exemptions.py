import pytest

from records.errors import SettingsError
from review import exemptions

HEAD = "code,citation,title,summary,kind,typical_redaction,source,confidence\n"


def test_the_list_that_comes_with_the_program():
    rules = exemptions.load()
    assert len(rules) == 65
    rule = rules["attorney-client"]
    assert (rule.citation, rule.title, rule.kind, rule.confidence) == (
        "RCW 5.60.060(2)(a)",
        "Attorney-client communications",
        "privilege",
        "verified",
    )
    assert sorted(c for c, r in rules.items() if r.confidence == "unverified") == [
        "driver-drug-test",
        "employee-medical",
        "idea-confidential",
        "meal-eligibility",
        "substance-use",
    ]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("attorney client", "attorney-client"),
        ("atorney-cleint", "attorney-client"),
        ("RCW 42.56.290", "work-product"),
        ("trade secrets", "trade-secret"),
    ],
)
def test_the_nearest_code_comes_first(written, code):
    assert exemptions.nearest(written, exemptions.load().values())[0] == code


def test_nothing_near_is_an_answer():
    assert exemptions.nearest("zzzzqqqq", exemptions.load().values()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("code,citation\n", "lacks the columns title, summary"),
        (HEAD + "A b,RCW 1,T,S,exempt,R,S,verified\n", "line 2: a code is lower-case"),
        (
            HEAD + "a,RCW 1,T,S,exempt,R,S,verified\na,RCW 1,T,S,exempt,R,S,verified\n",
            "line 3: the code a is",
        ),
        (HEAD + "a,,T,S,exempt,R,S,verified\n", "line 2: citation and title"),
        (HEAD + "a,RCW 1,T,S,maybe,R,S,verified\n", "line 2: kind must be one of confidential, exempt"),
        (HEAD + "a,RCW 1,T,S,exempt,R,S,sure\n", "line 2: confidence must be one of unverified, verified"),
    ],
)
def test_a_damaged_list_is_refused_by_line(tmp_path, text, said):
    path = tmp_path / "exemptions.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        exemptions.load(path)
