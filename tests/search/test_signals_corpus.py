"""The patterns on real mail (the Enron sample, see ``tests/search/enron.py``).

Its attachments lie beside the messages and not in them, so what says "attached" is right. Each of the places
was read when the count was written down.
"""

from __future__ import annotations

import email
from collections import Counter
from email import policy
from email.message import EmailMessage

import pytest

from search import signal_text as s
from tests.search import enron

pytestmark = pytest.mark.corpus


def test_real_mail_names_attachments_and_no_app_account_or_device():
    counts: Counter[str] = Counter()
    for path in sorted(enron.folder().glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain",))
        counts["messages"] += 1
        for part in s.parts_of(body.get_content() if body is not None else ""):
            counts["apps"] += len(list(s.apps_in(part.text)))
            counts["accounts"] += len(list(s.announced(part.text)))
            counts["devices"] += len(list(s.devices(part.text)))
            counts["links"] += len(list(s.links_in(part.text)))
            counts["attached"] += part.own and any(True for _ in s.attached_in(part.text))
    assert counts["messages"] > 0
    assert {name: count for name, count in counts.items() if count and name != "messages"} == {"attached": 23}
