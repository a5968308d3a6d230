"""Targets of links: compared with what is written out, in time that does not grow with text times links."""

import time

from extract.markup import file_links


def test_many_links_beside_a_long_text():
    source = "".join(f'<a href="https://1drv.ms/{n}">x</a>' for n in range(20_000))
    began = time.process_time()
    found = file_links(source, "bus route " * 200_000 + "see (https://1drv.ms/19999).")
    assert len(found) == 19_995  # 1drv.ms/1, 19, 199, 1999 and 19999 begin the written one
    assert time.process_time() - began < 5


def test_a_host_written_with_character_references():
    assert file_links('<a href="https://docs&#46;google&#x2E;com/d/1">plan</a>', "plan") == (
        "https://docs.google.com/d/1",
    )
