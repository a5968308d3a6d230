"""The small request as the pages' tests use it: with a body to make safe, a report, decisions and a flag."""

from dataclasses import replace

from records import canonical
from records import tables as t
from records.decisions import Decision, Exemption, Hold, Treatment
from review import decide
from tests.review.build import NOW, REQUEST

EVIL = """<html><head><title>T</title><style>body{display:none}</style><script>alert(1)</script></head>
<body onload="alert(1)"><h1>Route 12</h1>
<p style="color:#fff" class="state" id="content">The bus <b>route</b> changes.</p>
<img src="http://track.example/p.gif" alt="logo &lt;script&gt;alert(2)&lt;/script&gt;" onerror="alert(1)">
<a href="http://example.org/?q=&quot;><script>alert(3)</script>">the plan</a>
<a href="javascript:alert(4)">click</a>
<form action="http://x.example"><input name="a"><button>Go</button></form><iframe src="http://x.example"></iframe>
<svg onload="alert(5)"></svg><table><tr><td colspan="2">Stop</td></tr></table></body></html>"""

MAIL = (
    "From: Kim Lee <klee@cedarfalls.example>\r\nSubject: News\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\n'
    "Content-Type: text/plain\r\n\r\nRoute 12\r\n"
    f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{EVIL}\r\n--b--\r\n"
).encode()


def enrich(desk, item):
    """Add an HTML mail, a hit report, decisions and retention flags to the small request."""
    item["html"] = desk.add(
        "5",
        subject="<script>alert('subject')</script> Route 12 news",
        text="Route 12\n\nThe bus route changes. <script>alert('text')</script>",
        native=MAIL,
        sender=[["Kim Lee", "klee@cedarfalls.example"]],
        to=[["All families", "families@cedarfalls.example"]],
        sent_at="2026-04-01T16:30:00.000000Z",
        sent_at_text="Wed, 1 Apr 2026 09:30:00 -0700",
        hits={1: 1},
        warnings=("header_defect",),
    )
    desk.save()
    why = "Advice of counsel on the change of route 12"
    yes = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE, holds=(Hold.NOTICE,))
    withhold = replace(
        yes,
        treatment=Treatment.WITHHOLD,
        exemptions=(Exemption("attorney-client", why),),
        note="asked <counsel>",
    )
    for decision in (yes, withhold):
        decide.record(desk.catalogue, REQUEST, 1, {item["reply"]: decision}, "Ana Cruz", source="page")
    counts = {"documents": 3, "with_family": 5, "unique": 2, "occurrences": 4, "distinct": 3}
    report = {
        "at": NOW,
        "terms": [
            {"line": 1, "term": "bus route", "note": "", **counts},
            {"line": 2, "term": "stop sign*", "note": "", **dict.fromkeys(counts, 0)},
        ],
        "zero_hits": [2],
        "bad_lines": [{"line": 3, "term": "(", "problem": "a parenthesis is not closed, column 1"}],
    }
    flag = {
        "item_id": item["mail"],
        "series_id": "s1",
        "rule_id": "r",
        "reason": "mail of a principal about transport",
        "authority": "GS2016-009 Rev. 0",
        "title": "Communications",
        "retention_text": "2 years",
        "disposition": "Destroy",
        "confidence": "unverified",
        "schedule": "", "version": "", "cutoff_event": "", "cutoff_on": None,
        "archival": "", "earliest_on": None,
        "alternatives": [], "follows": None,
    }  # fmt: skip
    with desk.catalogue.write() as connection:
        connection.execute(
            t.term_reports.insert(),
            {"request_id": REQUEST, "version": 1, "at": NOW, "report": canonical.dumps(report)},
        )
        connection.execute(
            t.retention_flags.insert(),
            {
                "request_id": REQUEST,
                "item_id": item["mail"],
                "seq": 0,
                "series_id": "s1",
                "body": canonical.dumps(flag),
                "by": "rules",
                "at": NOW,
            },
        )
    return item
