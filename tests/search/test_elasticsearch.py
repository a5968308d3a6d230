"""The Elasticsearch engine on a real server: the same contract as the embedded one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.servers.elasticsearch import RELEASES, elasticsearch
from examples.servers.java import java_home
from records.errors import AttemptLost, CheckFailed, UsageError
from search import elasticsearch_loading, elasticsearch_reading
from search.elasticsearch import ElasticsearchEngine
from search.elasticsearch_cluster import Cluster
from search.elasticsearch_loading import pieces_of
from search.embedded import EmbeddedEngine
from search.folding import ANALYZER, tokens
from search.kibana_fields import odd
from search.protocol import Counts, Hit, IndexDocument, IndexState, SearchEngine
from search.tree import Node, Not, Phrase, Prefix, Word
from tests.search import elastic, oracle
from tests.search.district import BATCHES, EVERYTHING, TRUTH, document
from tests.search.engine_contract import (
    finds_what_the_oracle_finds,
    ids,
    read,
    refuses_a_prefix_beyond_the_limit,
)
from tests.search.random_trees import collections, nodes

pytestmark = pytest.mark.services

ALL = Not(Word("nothing"))


def fill(engine: SearchEngine) -> None:
    for batch_id, documents in BATCHES.items():
        assert engine.upsert(batch_id, documents) == len(documents)


@pytest.fixture(scope="module")
def filled(cluster: Cluster) -> Iterator[ElasticsearchEngine]:
    """The small collection, for tests that only read."""
    with elastic.fresh(cluster) as engine:
        fill(engine)
        yield engine


@pytest.fixture
def client(elastic_engine: ElasticsearchEngine) -> Elasticsearch:
    return elastic_engine.connection.client()


def test_every_query_of_the_truth_table(filled: ElasticsearchEngine) -> None:
    by_id = {one.item_id: one for one in EVERYTHING}
    nodes = [read(query) for query, _ in TRUTH]
    found = [[hit.item_id for hit in result.hits] for result in filled.terms(nodes)]
    assert dict(zip((query for query, _ in TRUTH), found, strict=True)) == {
        query: expected.split() for query, expected in TRUTH
    }
    with filled.reading() as reading:
        for node, expected in zip(nodes, found, strict=True):
            assert [hit.item_id for hit in reading.search(node)] == expected
            documents = [by_id[item] for item in expected]
            assert reading.count(node) == Counts(
                len(documents),
                len({d.family_id for d in documents}),
                len({d.distinct_key for d in documents}),
            )


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=collections(), queries=st.lists(nodes, min_size=12, max_size=24))
def test_it_finds_what_the_oracle_finds(
    elastic_engine: ElasticsearchEngine, batches: list[list[IndexDocument]], queries: list[Node]
) -> None:
    with elastic.emptied(elastic_engine) as engine:
        for number, batch in enumerate(batches):
            engine.upsert(f"b{number}", batch)
        finds_what_the_oracle_finds(engine, [one for batch in batches for one in batch], queries)


def test_an_index_that_was_never_made_is_empty(elastic_engine: ElasticsearchEngine) -> None:
    engine = elastic_engine
    assert engine.state() == IndexState(0, 0, ANALYZER, "elasticsearch")
    assert engine.count(ALL) == Counts(0, 0, 0)
    assert engine.search(ALL) == []
    assert [found.hits for found in engine.terms([ALL, ALL])] == [(), ()]
    assert list(engine.vocabulary("a")) == []
    engine.drop()
    engine.create()
    engine.create()
    assert engine.state().documents == 0


def test_state_hits_and_vocabulary(filled: ElasticsearchEngine, tmp_path: Path) -> None:
    embedded = EmbeddedEngine(tmp_path / "index")
    fill(embedded)
    assert filled.state() == IndexState(13, 3, ANALYZER, "elasticsearch")
    assert filled.search(Word("deep")) == [Hit("n2y", "n2", "okafor", "mail-2", "n2y")]
    assert filled.count(read("bus route change")) == Counts(2, 2, 1)
    assert list(filled.vocabulary("BUDG")) == [("budget", 3), ("budgets", 1)]
    assert list(filled.vocabulary("")) == list(embedded.vocabulary(""))
    embedded.close()


def test_pages_follow_one_another_in_item_order_without_a_wall(
    filled: ElasticsearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = sorted(one.item_id for one in EVERYTHING)
    seen: list[str] = []
    while page := filled.search(ALL, after=seen[-1] if seen else None, limit=4):
        seen += [hit.item_id for hit in page]
    assert seen == everything
    monkeypatch.setattr(elasticsearch_reading, "_PAGE", 3)  # more hits than a page of the server
    monkeypatch.setattr(elasticsearch_reading, "_BUCKETS", 2)
    assert [hit.item_id for hit in filled.search(ALL, limit=12)] == everything[:12]
    assert [len(result.hits) for result in filled.terms([ALL])] == [13]
    assert filled.count(ALL) == Counts(
        13, len({one.family_id for one in EVERYTHING}), len({one.distinct_key for one in EVERYTHING})
    )


@pytest.mark.parametrize("shared", [25_000, 1])
def test_families_and_contents_are_counted_once_however_many_hits_share_them(
    filled: ElasticsearchEngine, monkeypatch: pytest.MonkeyPatch, shared: int
) -> None:
    """Beyond as many shared ones as the server counts at once, they are listed."""
    monkeypatch.setattr(elasticsearch_reading, "_SHARED", shared)
    monkeypatch.setattr(elasticsearch_reading, "_BUCKETS", 2)
    families = {one.family_id for one in EVERYTHING}
    contents = {one.distinct_key for one in EVERYTHING}
    assert len(families) < len(EVERYTHING)
    assert len(contents) < len(EVERYTHING)
    assert filled.count(ALL) == Counts(len(EVERYTHING), len(families), len(contents))


def test_a_page_after_its_count_is_of_the_index_as_it_is_by_then(elastic_engine: ElasticsearchEngine) -> None:
    engine, bus = elastic_engine, Word("bus")

    def seen() -> tuple[int, list[str]]:
        return engine.count(bus).documents, [hit.item_id for hit in engine.search(bus)]

    engine.upsert("b1", [document("d1", text="bus"), document("d2", text="tram")])
    assert seen() == (1, ["d1"])
    engine.upsert("b2", [document("d3", text="bus")])
    assert [hit.item_id for hit in engine.search(bus)] == ["d1", "d3"]
    assert seen() == (2, ["d1", "d3"])
    engine.rebuild()  # whose first load of a batch has the name of the older index's first
    engine.upsert("b1", [document("d1", text="tram"), document("d2", text="bus")])
    engine.upsert("b2", [document("d3", text="tram")])
    assert [hit.item_id for hit in engine.search(bus)] == ["d2"]
    engine.drop()
    engine.upsert("b1", [document("d1", text="tram")])
    engine.upsert("b2", [document("d3", text="tram")])
    assert seen() == (0, [])


def test_pages_of_a_counted_query_are_of_any_length(
    filled: ElasticsearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elasticsearch_reading, "_FIRST_HITS", 4)
    everything = sorted(one.item_id for one in EVERYTHING)
    assert filled.count(ALL).documents == 13
    for limit in (1, 4, 5, 100):
        assert [hit.item_id for hit in filled.search(ALL, limit=limit)] == everything[:limit]
    assert [hit.item_id for hit in filled.search(ALL, everything[3], 2)] == everything[4:6]
    assert filled.count(Word("deep")).documents == 1
    assert filled.search(Word("deep"), limit=100) == [Hit("n2y", "n2", "okafor", "mail-2", "n2y")]


def test_the_words_of_all_batches_are_put_together_when_it_is_published(
    elastic_engine: ElasticsearchEngine, client: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = elastic_engine
    monkeypatch.setattr(elasticsearch_loading, "_WORDS_EACH", 2)
    monkeypatch.setattr("search.elasticsearch._PACKS_EACH", 2)
    monkeypatch.setattr(elasticsearch_reading, "_WORDS_WAITING", 1)

    def records(doc_type: str) -> int:
        joined = [{"term": {"doc_type": doc_type}}, {"prefix": {"load": "joined:"}}]
        return int(client.count(index=engine.load_alias, query={"bool": {"filter": joined}})["count"])

    engine.upsert("b1", [document("d1", text="bus tram"), document("d2", text="bus")])
    engine.upsert("b2", [document("d3", text="bus coach"), document("d4", text="ferry taxi")])
    words = [("bus", 3), ("coach", 1), ("ferry", 1), ("taxi", 1), ("tram", 1)]
    assert list(engine.vocabulary("")) == words
    engine.publish(4)
    assert (records("words"), records("words_end")) == (3, 1)
    assert list(engine.vocabulary("")) == words
    assert list(engine.vocabulary("t")) == words[3:]
    assert engine.expand(read("*r*y")) == ["ferry"]  # type: ignore[arg-type]
    assert engine.expand(read("t*m")) == ["tram"]  # type: ignore[arg-type]

    engine.upsert("b2", [document("d3", text="train")])
    assert list(engine.vocabulary("t")) == [("train", 1), ("tram", 1)]
    assert engine.expand(read("*r*")) == ["train", "tram"]  # type: ignore[arg-type]
    engine.publish(3)
    client.indices.refresh(index=engine.load_alias)
    assert (records("words"), records("words_end")) == (2, 1)
    assert list(engine.vocabulary("")) == [("bus", 2), ("train", 1), ("tram", 1)]


def test_a_batch_again_replaces_what_it_put_there(elastic_engine: ElasticsearchEngine) -> None:
    engine = elastic_engine
    fill(engine)
    before = {query: ids(engine, query) for query in ("bus", "route", "not zebra", "attachment:budget")}
    fill(engine)
    assert {query: ids(engine, query) for query in before} == before
    assert engine.state().documents == 13
    assert engine.upsert("b000001", [document("m1", text="only this now")]) == 1
    assert engine.state() == IndexState(8, 3, ANALYZER, "elasticsearch")
    assert (ids(engine, "monday"), ids(engine, "only"), ids(engine, "family:map")) == (["n1"], ["m1"], [])
    assert dict(engine.vocabulary("map")) == {}
    assert dict(engine.vocabulary("on")) == {"only": 1}
    assert engine.upsert("b000001", []) == 0
    assert engine.state() == IndexState(7, 3, ANALYZER, "elasticsearch")
    client = engine.connection.client()
    left = client.count(index=engine.load_alias, query={"term": {"batch": "b000001"}})["count"]
    assert left == 1  # its record; nothing of older generations stays


def test_a_reader_sees_a_batch_whole_or_not_at_all(elastic_engine: ElasticsearchEngine) -> None:
    engine = elastic_engine
    engine.upsert("b1", [document(f"d{n}", text="older") for n in range(5)])
    seen: list[tuple[int, int]] = []

    def stream() -> Iterator[IndexDocument]:
        for n in range(2_100):  # two bulks and more are sent while this looks
            if n % 1_000 == 999:
                engine.connection.client().indices.refresh(index=engine.load_alias)
                seen.append((engine.count(Word("older")).documents, engine.count(Word("newer")).documents))
            yield document(f"d{n}", text="newer")

    assert engine.upsert("b1", stream()) == 2_100
    assert seen == [(5, 0), (5, 0)]
    assert engine.count(Word("older")) == Counts(0, 0, 0)
    assert engine.count(Word("newer")) == Counts(2_100, 2_100, 2_100)


def test_a_stream_that_fails_leaves_the_batch_as_it_was(elastic_engine: ElasticsearchEngine) -> None:
    engine = elastic_engine
    fill(engine)

    def failing() -> Iterator[IndexDocument]:
        yield from (document(f"d{n}", text="half") for n in range(1_500))
        raise CheckFailed("a text is damaged")

    for batch in ("b000001", "b000129"):
        with pytest.raises(CheckFailed, match="a text is damaged"):
            engine.upsert(batch, failing())
    assert engine.state() == IndexState(13, 3, ANALYZER, "elasticsearch")
    assert (ids(engine, "half"), ids(engine, "map")) == ([], ["m1a"])
    half = {"match": {"body": "half"}}
    assert engine.connection.client().count(index=engine.load_alias, query=half)["count"] == 0


def test_an_older_attempt_is_never_shown(elastic_engine: ElasticsearchEngine) -> None:
    engine = elastic_engine

    def overtaken() -> Iterator[IndexDocument]:
        yield document("d1", text="older")
        engine.upsert("b1", [document("d1", text="newer")])

    with pytest.raises(AttemptLost, match="batch b1"):
        engine.upsert("b1", overtaken())
    assert engine.state() == IndexState(1, 1, ANALYZER, "elasticsearch")
    assert (ids(engine, "older"), ids(engine, "newer")) == ([], ["d1"])


def test_an_item_twice_is_refused(elastic_engine: ElasticsearchEngine) -> None:
    engine = elastic_engine
    with pytest.raises(CheckFailed, match="item d1 is in its batch twice"):
        engine.upsert("b1", [document("d1"), document("d1")])
    engine.upsert("b1", [document("d1")])
    with pytest.raises(CheckFailed, match="another batch"):
        engine.upsert("b65", [document("d1")])
    assert engine.state() == IndexState(1, 1, ANALYZER, "elasticsearch")


def test_a_prefix_beyond_the_limit_is_refused_with_its_count(elastic_engine: ElasticsearchEngine) -> None:
    refuses_a_prefix_beyond_the_limit(elastic_engine)


def test_prefixes_of_every_script_and_length(elastic_engine: ElasticsearchEngine, tmp_path: Path) -> None:
    """The server measures prefixes in other units than characters: 日本 is 6 bytes, 𐌰 two units."""
    texts = ["日本語の文書", "日曜", "𐌰𐌱𐌲 gothic", "abcdefghij", "abcdef x", "Ꭰꭰ", "ñandú", "a"]
    documents = [document(f"d{n}", text=text) for n, text in enumerate(texts)]
    elastic_engine.upsert("b1", documents)
    starts = {word[:n] for text in texts for word in tokens(text) for n in range(1, len(word) + 1)}
    for start in sorted(starts):
        for node in (
            Prefix(start),
            Phrase((Prefix(start), Prefix("x"))),
            Phrase((Prefix(start), Prefix("g"))),
        ):
            expected = oracle.search(node, documents)
            assert [hit.item_id for hit in elastic_engine.search(node)] == expected


def test_a_query_of_a_thousand_leaves_runs(filled: ElasticsearchEngine) -> None:
    engine = filled
    assert ids(engine, " or ".join([f"w{n}" for n in range(999)] + ["deep"])) == ["n2y"]
    assert ids(engine, " and ".join(["bus"] * 1000)) == ids(engine, "bus")
    assert ids(engine, " or ".join(f"subject:w{n}" for n in range(1000))) == []
    assert ids(engine, " or ".join(f"(w{n} and not has:text)" for n in range(500))) == []
    assert ids(engine, "not (" * 9 + "bus" + ")" * 9) == ids(engine, "not bus")


@pytest.mark.slow
def test_every_code_point_gives_the_same_tokens(elastic_engine: ElasticsearchEngine) -> None:
    """Each between letters and alone, as the same test of the embedded engine has it."""
    elastic_engine.create()
    client = elastic_engine.connection.client()
    points = [p for p in range(sys.maxunicode + 1) if not 0xD800 <= p <= 0xDFFF]
    for start in range(0, len(points), 2_000):
        text = "".join(f"q{chr(p)}z {chr(p)} " for p in points[start : start + 2_000])
        answer = client.indices.analyze(
            index=elastic_engine.load_alias, analyzer="folded", text=text, filter_path="tokens.token"
        )
        assert [token["token"] for token in answer.get("tokens", [])] == tokens(text)


def test_tokens_of_long_runs_and_broken_text(elastic_engine: ElasticsearchEngine) -> None:
    elastic_engine.create()
    for text in ("x" * 2_000, "é" * 700, "日" * 600, "ﬀ" * 300, "𐌰" * 600, "a\x00b", "½ ① ﬃ", "co\u00adop"):
        answer = elastic_engine.connection.client().indices.analyze(
            index=elastic_engine.load_alias, analyzer="folded", text=text
        )
        assert [token["token"] for token in answer["tokens"]] == tokens(text)
    elastic_engine.upsert("b1", [document("d1", text="half\ud800pair", filename="\udfffname")])
    assert ids(elastic_engine, "half pair") == ["d1"]
    assert ids(elastic_engine, "filename:name") == ["d1"]


@given(
    st.lists(st.sampled_from(("bus", " ", ".", "é", "\u0301", "ﬃ", "x" * 300, "½", "日", "\n"))).map("".join),
    st.integers(300, 700),
)
def test_long_text_is_parted_between_tokens(text: str, longest: int) -> None:
    pieces = pieces_of(text, longest)
    assert max(map(len, pieces)) <= longest
    assert [word for piece in pieces for word in tokens(piece)] == tokens(text)


def test_a_phrase_across_the_pieces_of_a_long_text(
    elastic_engine: ElasticsearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elasticsearch_loading, "PIECE_CHARACTERS", 12)
    elastic_engine.upsert("b1", [document("d1", text="the bus route change starts on monday")])
    stored = elastic_engine.connection.client().search(
        index=elastic_engine.load_alias, query={"term": {"doc_type": "item"}}
    )
    assert len(stored["hits"]["hits"][0]["_source"]["body"]) == 5
    assert ids(elastic_engine, "bus route change starts on") == ["d1"]
    assert ids(elastic_engine, "bus change") == []


def test_writers_of_many_threads_lose_nothing(elastic_engine: ElasticsearchEngine) -> None:
    def write(number: int) -> int:
        return elastic_engine.upsert(
            f"b{number}", [document(f"d{number}-{n}", text="shared") for n in range(50)]
        )

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(6))) == [50] * 6
    assert elastic_engine.count(Word("shared")) == Counts(300, 300, 300)


def test_an_index_of_another_token_rule_is_refused(elastic_engine: ElasticsearchEngine) -> None:
    fill(elastic_engine)
    elastic_engine.connection.client().indices.put_mapping(
        index=elastic_engine.load_alias, meta={"analyzer": "older", "layout": 1}
    )
    for ask in (elastic_engine.create, elastic_engine.state, lambda: elastic_engine.upsert("b1", [])):
        with pytest.raises(UsageError, match="reindex"):
            ask()
    elastic_engine.drop()
    assert elastic_engine.upsert("b1", [document("d1")]) == 1


def test_publishing_compares_with_the_ledger_and_moves_the_alias(
    elastic_engine: ElasticsearchEngine, client: Elasticsearch
) -> None:
    engine = elastic_engine
    fill(engine)
    index = f"{engine.alias}-v000001"
    loading = client.indices.get_settings(index=index)[index]["settings"]["index"]
    assert (loading["refresh_interval"], loading["number_of_replicas"]) == ("-1", "0")
    with pytest.raises(CheckFailed, match="13 documents and the ledger 14"):
        engine.publish(14)
    assert not client.indices.exists_alias(name=engine.alias)
    engine.publish(13)
    serving = client.indices.get_settings(index=index)[index]["settings"]["index"]
    assert (serving["refresh_interval"], serving["auto_expand_replicas"]) == ("30s", "0-1")
    assert client.count(index=engine.alias)["count"] == 13  # documents only, and live ones

    engine.rebuild()
    assert engine.state().documents == 0
    assert client.count(index=engine.alias)["count"] == 13  # people still read the older version
    engine.upsert("b000001", [document("m1", text="rebuilt")])
    engine.publish(1)
    assert client.count(index=engine.alias)["count"] == 1
    assert list(client.indices.get(index=f"{engine.alias}-v*")) == [f"{engine.alias}-v000002"]
    assert ids(engine, "rebuilt") == ["m1"]
    engine.drop()
    assert dict(client.indices.get(index=f"{engine.alias}*")) == {}


def test_what_people_see_follows_a_batch_that_is_loaded_again(
    elastic_engine: ElasticsearchEngine, client: Elasticsearch
) -> None:
    elastic_engine.upsert("b1", [document("d1", text="older")])
    elastic_engine.publish(1)
    elastic_engine.upsert("b1", [document("d1", text="newer"), document("d2", text="newer")])
    assert client.count(index=elastic_engine.alias, query={"match": {"body": "newer"}})["count"] == 2


def test_fields_for_people_are_written_over_documents(
    elastic_engine: ElasticsearchEngine, client: Elasticsearch
) -> None:
    fill(elastic_engine)
    fields = {"coding_state": "undecided", "terms": ["bus"], "odd": {"x-mailer": "7", "any": {"deep": "y"}}}
    assert (
        elastic_engine.describe([("m1", fields), ("gone", fields), ("m2", {"coding_state": "release"})]) == 2
    )
    elastic_engine.publish(13)
    found = client.search(index=elastic_engine.alias, query={"term": {"odd.any.deep": "y"}})["hits"]["hits"]
    assert [hit["_source"]["item_id"] for hit in found] == ["m1"]
    assert ids(elastic_engine, "subject:(bus route 12)") == ["m1", "m2", "n1"]  # searched as before
    assert elastic_engine.describe([("m1", fields), ("m2", {"coding_state": "redact"})]) == 1  # m1 has them
    with pytest.raises(CheckFailed, match="strict_dynamic_mapping_exception"):
        elastic_engine.describe([("m1", {"invented": 1})])


def test_what_a_file_says_of_itself_is_taken_up_to_the_limits(elastic_engine: ElasticsearchEngine) -> None:
    elastic_engine.upsert("b1", [document("d1")])
    largest = {"é" * 128: "\U0001f600" * 4_096, "\ud800": "\ud800", "a..b": "x", "dots.": "y"}
    assert elastic_engine.describe([("d1", {"odd": odd(largest)})]) == 1


def test_a_batch_is_loaded_with_what_is_known_of_its_items(
    cluster: Cluster, elastic_engine: ElasticsearchEngine
) -> None:
    asked: list[list[str]] = []

    def describe(items: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
        asked.append(list(items))
        return [(item, {"coding_state": "undecided"}) for item in asked[-1] if item != "d3"]

    engine = ElasticsearchEngine(
        cluster, elastic_engine.alias.removeprefix("daylight-"), describer=lambda: describe
    )
    engine.upsert("b1", [document("d1"), document("d2"), document("d3")])
    assert asked == [["d1", "d2", "d3"]]
    engine.publish(3)
    found = engine.connection.client().search(index=engine.alias)["hits"]["hits"]
    assert {hit["_source"]["item_id"]: hit["_source"].get("coding_state") for hit in found} == {
        "d1": "undecided",
        "d2": "undecided",
        "d3": None,
    }
    assert engine.describe([("d1", {"coding_state": "undecided"})]) == 0
    engine.close()


def test_a_long_list_finds_what_each_of_its_queries_finds(
    filled: ElasticsearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [read(query) for query, _ in TRUTH] * (1 + 60 // len(TRUTH))
    expected = [expected.split() for _, expected in TRUTH] * (1 + 60 // len(TRUTH))
    one_by_one = [tuple(filled.search(node)) for node in nodes]
    for pages in (10_000, 3):  # with pages of three, most are asked again alone
        monkeypatch.setattr(elasticsearch_reading, "_PAGE", pages)
        found = [result.hits for result in filled.terms(nodes)]
        assert found == one_by_one
        assert [[hit.item_id for hit in hits] for hits in found] == expected


if java_home(RELEASES[9].java) is not None:  # not left out elsewhere: 8.19 is the server that counts

    @pytest.mark.slow
    def test_every_query_of_the_truth_table_on_elasticsearch_9() -> None:
        with elasticsearch(9) as server, elastic.fresh(Cluster(server.url, patience_s=20.0)) as engine:
            fill(engine)
            fill(engine)
            found = engine.terms([read(query) for query, _ in TRUTH])
            assert [[hit.item_id for hit in result.hits] for result in found] == [
                expected.split() for _, expected in TRUTH
            ]
            engine.publish(13)
            assert server.version == "9.4.3"
            assert engine.connection.client().count(index=engine.alias)["count"] == 13
