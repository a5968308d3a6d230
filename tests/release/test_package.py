from __future__ import annotations

import pytest

from release.keys import home_key
from release.package import approve, build_draft, package, present_draft
from release.verifier import verify
from tests.release.world import PRIVILEGED, RELEASE, REQUEST, WITHHOLD, context, mail


def test_a_first_bundle(world, tmp_path):
    a = world.add(RELEASE, subject="Bus route change", text="The bus route changes on Monday for everybody.")
    f = mail("Route map", "see map", ("map.pdf", b"map bytes"))
    p = world.add(RELEASE, subject="Route map", text="see map", native=f)
    world.add(RELEASE, parent=p, kind="file", native=b"map bytes", name="map.pdf", text="map words")
    world.add(WITHHOLD, subject="Grades of a pupil", text="secret grades of a pupil")
    draft = build_draft(world.catalogue, world.store, REQUEST, tmp_path / "draft", context=context())
    assert draft.refusals == ()
    print(draft)
    done = approve(world.catalogue, REQUEST, draft.manifest_sha256, "R. Officer", "approved")
    print(done)
    key = home_key(world.home)
    info = package(world.catalogue, world.store, REQUEST, tmp_path / "out", context=context(), key=key)
    print(info)
    report = verify(tmp_path / "out", key.fingerprint)
    print(report.words())
    assert report.ok
