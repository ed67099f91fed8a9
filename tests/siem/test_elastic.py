"""The files for Elasticsearch and OpenSearch, in a real OpenSearch, and our sink sending to it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from results.formats.fields import Sender
from results.formats.registry import format_named
from results.sinks.elastic import ElasticOptions, ElasticSink
from results.sinks.http import Endpoint
from results.sinks.sink import Item
from tests.support.full_events import CHANGE_KINDS, change, full_events, observation, paths, run
from tests.support.receivers.opensearch import OpenSearch, opensearch
from tests.support.siem import SIEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.events.event import Event

pytestmark = pytest.mark.xdist_group("opensearch")  # one worker starts it
STREAM = "logs-mongosweep.events-default"
SENDER = Sender(version="1.0", host="probe-1", organisation="Example")
HOSTILE = ["a.b", "$where", "__proto__", "x" * 255, "a\nb", 'q"\\', "\u202egnp.exe", "{{{_id}}}"]


def ecs(event: Event) -> dict[str, Any]:
    """The document of an event."""
    document = format_named("ecs").document(event, SENDER)
    assert document is not None
    told: dict[str, Any] = json.loads(document)
    return told


def read(name: str) -> Any:
    return json.loads((SIEM / "elastic" / name).read_text())


def mapped(properties: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Each leaf of a mapping by its path."""
    for name, held in properties.items():
        if "properties" in held:
            yield from mapped(held["properties"], f"{before}{name}.")
        else:
            yield f"{before}{name}", held


def open_to_new_names(path: str) -> bool:
    """Where our own words, or labels of the allow-list, are names of fields."""
    return path.startswith(("labels.", "mongosweep.run.outcomes.", "mongosweep.run.changes."))


def test_the_template_maps_each_field_that_we_send_and_no_other() -> None:
    """So that the first document never decides on a type, and nobody writes a rule on what never comes."""
    template = read("index-template.json")
    told = dict(mapped(template["template"]["mappings"]["properties"]))
    sent = {path for event in (*full_events(), observation()) for path in paths(ecs(event))}
    groups = {path.rpartition(".")[0] for path in filter(open_to_new_names, sent)}
    assert {path for path in sent if not open_to_new_names(path)} | groups == told.keys() - {
        "event.ingested",  # by the pipeline
        "error.message",
    }
    assert {path for path, how in told.items() if how.get("dynamic")} == groups


def test_rules_name_fields_and_kinds_that_come() -> None:
    """Each line is one rule, and all of its fields exist."""
    sent = {path for event in full_events() for path in paths(ecs(event))}
    lines = (SIEM / "elastic" / "detection-rules.ndjson").read_text().splitlines()
    rules = [json.loads(line) for line in lines]
    assert len({rule["rule_id"] for rule in rules}) == len(rules) == 3
    for rule in rules:
        fields = {part.partition(":")[0].lstrip("(") for part in rule["query"].split() if ":" in part}
        assert fields <= sent
        assert {how["field"] for how in rule["severity_mapping"] + rule["risk_score_mapping"]} <= sent
        assert {"low", "medium", "high", "critical"} >= {rule["severity"]}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearch]:
    """With our pipeline and template, as the page says to put them."""
    with opensearch(tmp_path_factory.mktemp("opensearch")) as started:
        for method, path, name in (
            ("PUT", "/_ingest/pipeline/mongosweep", "ingest-pipeline.json"),
            ("PUT", "/_index_template/mongosweep", "index-template.json"),
        ):
            told = started.ask(method, path, (SIEM / "elastic" / name).read_bytes())
            assert told == {"acknowledged": True}, told
        yield started


def found(node: OpenSearch, query: str) -> set[str]:
    """The ids that a query in Lucene's language finds."""
    told = {"size": 100, "query": {"query_string": {"query": query}}}
    hits = node.ask("POST", f"/{STREAM}/_search", json.dumps(told).encode())["hits"]["hits"]
    return {hit["_source"]["event"]["id"] for hit in hits}


async def test_our_sink_delivers_to_a_real_opensearch(node: OpenSearch) -> None:
    """Each once under its own id, however often it is sent; no name that a server gave becomes a field."""
    before = fields_of_stream(node)
    events = [
        *full_events(),
        observation(),
        change("opened", event_id="me_hostile", names=HOSTILE),
        run("ended", event_id="me_interrupted", state="interrupted"),
        run("ended", event_id="me_swept", purpose=""),
    ]
    sink = ElasticSink(
        "soc", ElasticOptions(endpoint=Endpoint(url=node.url, insecure=True)), format_named("ecs"), SENDER
    )
    items = [Item(event.event_id, "", sink.render(event, b"") or b"") for event in events]
    try:
        first = await sink.send(items)
        again = await sink.send(items)
    finally:
        await sink.close()
    for answer in (first, again):
        assert not answer.refused
        assert not answer.again
    node.ask("POST", f"/{STREAM}/_refresh")
    assert found(node, "*") == {event.event_id for event in events}
    hits = node.ask("GET", f"/{STREAM}/_search?size=100")["hits"]["hits"]
    for hit in hits:
        event = next(each for each in events if each.event_id == hit["_id"])
        source = hit["_source"]
        assert source["event"].pop("ingested")
        assert source == ecs(event)
    assert {path for path in fields_of_stream(node) - before if not open_to_new_names(path)} == set()
    assert (
        len(found(node, 'host.ip:"10.20.0.0/16" AND mongosweep.database.count:[1 TO *]'))
        == len(CHANGE_KINDS) + 2
    )
    rules = map(json.loads, (SIEM / "elastic" / "detection-rules.ndjson").read_text().splitlines())
    assert [found(node, rule["query"]) for rule in rules] == [
        {"me_opened", "me_reopened", "me_moved", "me_hostile"},
        {"me_wiped", "me_ransomed"},
        {"me_degraded", "me_interrupted"},
    ]
    (swept,) = re.findall(r"`(event\.action:ended .*?)`", (SIEM / "elastic.md").read_text())
    assert found(node, swept) == {"me_swept"}  # and no round of `verify`


async def test_a_document_that_does_not_fit_is_refused_alone(node: OpenSearch) -> None:
    """The others of the sending stand."""
    sink = ElasticSink(
        "soc", ElasticOptions(endpoint=Endpoint(url=node.url, insecure=True)), format_named("ecs"), SENDER
    )
    good = run("ended", event_id="me_good")
    bad = Item("me_bad", good.at, b'{"create":{"_id":"me_bad"}}\n{"@timestamp":"yesterday"}\n')
    try:
        answer = await sink.send([bad, Item(good.event_id, good.at, sink.render(good, b"") or b"")])
    finally:
        await sink.close()
    assert list(answer.refused) == [0]
    assert "@timestamp" in answer.refused[0]
    assert node.ask("GET", f"/{STREAM}/_search?q=_id:me_bad")["hits"]["total"]["value"] == 0


def test_a_shippers_document_gets_its_own_id(node: OpenSearch) -> None:
    """The pipeline: what Filebeat sends twice stands once."""
    body = json.dumps(ecs(run("ended", event_id="me_shipped"))).encode()
    created = node.ask("POST", f"/{STREAM}/_doc", body)
    assert (created["_id"], created["result"]) == ("me_shipped", "created")
    repeated = node.ask("POST", f"/{STREAM}/_doc", body)
    assert repeated["status"] == 409


def fields_of_stream(node: OpenSearch) -> set[str]:
    """The fields that its newest index maps."""
    told = node.ask("GET", f"/{STREAM}/_mapping")
    if "error" in told:
        told = {"": node.ask("POST", f"/_index_template/_simulate_index/{STREAM}")["template"]}
    index = max(told)
    return {path for path, _ in mapped(told[index]["mappings"]["properties"])}
