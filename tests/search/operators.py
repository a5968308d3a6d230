"""One row or more for each operator of the language: texts, queries, and what they find, for every engine."""

from __future__ import annotations

from tests.search.district import document

TEXTS = {
    "d01": "apple pear",
    "d02": "pear apple",
    "d03": "apple one two three four pear",
    "d04": "apple one two three four five pear",
    "d05": "apple apple one two pear",
    "d06": "apple",
    "d07": "apples applied apply applies",
    "d08": "banana bananna bnanaa bandana",
    "d09": "P1234 p123 p12 p12a",
    "d10": "the ample staple, and the apple",
    "d11": "red apple pie; a green pear tart",
    "d12": "pear one apple one two pear",
    "d13": "Ann Lee <ann.lee@falls.example> wrote of case 24-1-00123-9",
    "d14": "budget apple. Nine words stand here between these two fruits: pear",
    "d15": "apple pie pear pie",
}

DOCUMENTS = [document(name, text=text) for name, text in TEXTS.items()] + [
    document("d16", subject="apple", text="pear"),
    document("d17", subject="apple pear", text="nothing"),
]

TABLE: list[tuple[str, str]] = [
    # phrases and booleans
    ("apple pear", "d01 d17"),
    ('"pear apple"', "d02"),
    ("apple AND pear", "d01 d02 d03 d04 d05 d11 d12 d14 d15 d16 d17"),
    ("apples OR bandana", "d07 d08"),
    ("apple AND NOT pear", "d06 d10"),
    ("NOT apple", "d07 d08 d09 d13"),
    ('"and" AND staple', "d10"),
    # w/N counts as in a phrase, either order, up to N - 1 words between, in one field
    ("apple w/1 pear", "d01 d02 d17"),
    ("apple w/2 pear", "d01 d02 d12 d15 d17"),
    ("apple w/3 pear", "d01 d02 d05 d12 d15 d17"),
    ("apple w/4 pear", "d01 d02 d05 d11 d12 d15 d17"),
    ("apple w/5 pear", "d01 d02 d03 d05 d11 d12 d15 d17"),
    ("apple w/6 pear", "d01 d02 d03 d04 d05 d11 d12 d15 d17"),
    ("apple w/255 pear", "d01 d02 d03 d04 d05 d11 d12 d14 d15 d17"),
    ("pear w/5 apple", "d01 d02 d03 d05 d11 d12 d15 d17"),
    ("apple w/5 apple", "d05"),
    ("apple w/5 appl*", "d05"),
    ("appl* w/5 appl*", "d05 d07"),
    ('"apple pie" w/5 pie', "d15"),
    ('pie w/5 "pie pear"', "d15"),
    ("subject:(apple w/5 pear)", "d17"),
    ("body:(apple w/1 pear)", "d01 d02"),
    # pre/N
    ("apple pre/1 pear", "d01 d17"),
    ("apple pre/3 pear", "d01 d05 d12 d15 d17"),
    ("pear pre/2 apple", "d02 d12"),
    ("pear pre/5 pear", "d12"),
    ("apple pre/1 apple", "d05"),
    # not w/N looks at each place
    ("apple NOT w/1 pear", "d03 d04 d05 d06 d10 d11 d12 d14 d15 d16"),
    ("apple NOT w/3 pear", "d03 d04 d05 d06 d10 d11 d14 d16"),
    ("apple NOT w/5 pear", "d04 d06 d10 d14 d16"),
    ("apple NOT w/5 apple", "d01 d02 d03 d04 d06 d10 d11 d12 d14 d15 d16 d17"),
    ("pear NOT w/2 apple", "d03 d04 d05 d11 d12 d14 d16"),
    ("appl* NOT w/2 appl*", "d01 d02 d03 d04 d06 d10 d11 d12 d14 d15 d16 d17"),
    # groups on either side, and near of near
    ("(apple OR ample) w/4 (pear OR staple)", "d01 d02 d05 d10 d11 d12 d15 d17"),
    ("(apple OR pear) w/1 (one OR pie)", "d03 d04 d05 d11 d12 d15"),
    ("(apple w/2 one) w/3 pear", "d05 d12"),
    ("(apple pre/4 pear) w/1 pie", "d15"),
    ('(apple w/3 ("two pear" OR nine)) w/1 apple', "d05"),
    # patterns
    ("appl*", "d01 d02 d03 d04 d05 d06 d07 d10 d11 d12 d14 d15 d16 d17"),
    ("*ple", "d01 d02 d03 d04 d05 d06 d10 d11 d12 d13 d14 d15 d16 d17"),
    ("?mple", "d10"),
    ("st?ple", "d10"),
    ("appl??", "d07"),
    ("a*s", "d07"),
    ("p12==", "d09"),
    ("p12=", "d09"),
    ("p123==", ""),
    ("p==", "d09"),
    ("24-1-00===-9", "d13"),
    ("24-1-======-9", ""),
    ('"red ?pple p*"', "d11"),
    ("?pple w/1 p?e", "d11 d15"),
    ("zz*zz", ""),
    # spelled alike
    ("ba%nana", "d08"),
    ("b%anana", "d08"),
    ("bananas%", ""),
    ("banda%nas", "d08"),
    ("bandan%as", "d08"),
    ("ap%ply", "d01 d02 d03 d04 d05 d06 d07 d10 d11 d12 d14 d15 d16 d17"),
    ("%pears", "d01 d02 d03 d04 d05 d11 d12 d14 d15 d16 d17"),
    ("c%ases", "d13"),
    # the same stem
    ("apply~", "d07"),
    ("applying~", "d07"),
    ("apples~", "d01 d02 d03 d04 d05 d06 d07 d10 d11 d12 d14 d15 d16 d17"),
    ("word~", "d14"),
    ("fruit~ w/1 pears~", "d14"),
    # addresses and numbers are phrases
    ("ann.lee@falls.example", "d13"),
    ("ann w/3 falls", "d13"),
]
"""Query, and the ids that it finds, in order."""
