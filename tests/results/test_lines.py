"""A line holds what was seen, whatever a server called its databases, and every reader takes it.

Lines of one observation put together are what was read.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results.lines import (
    GRAVEST,
    MAX_LINE,
    MAX_OBSERVATION,
    RecordError,
    from_line,
    to_lines,
)
from results.record import (
    Certificate,
    Collection,
    Confirmation,
    Database,
    Endpoint,
    Exposure,
    Hint,
    LastWrite,
    Observation,
    Owner,
    Ransom,
    Reason,
    Server,
    Timing,
    Tls,
    Vulnerabilities,
    json_schema,
)
from results.verdict import Verdict
from tests.results.examples import database, exposure, magazine, observation, open_server
from tests.results.injections import INJECTIONS
from tests.support.lines import line_of, read_back

VALIDATOR = jsonschema_rs.Draft202012Validator(json_schema(), validate_formats=True)

any_text = st.text(st.characters(codec=None), max_size=40)  # lone surrogates among them
counts = st.none() | st.integers(-(2**70), 2**70)
times = st.datetimes(timezones=st.just(UTC))
writes = st.builds(
    LastWrite, at=times, method=any_text, where=any_text, cautions=st.lists(any_text, max_size=2)
)
reasons = st.builds(Reason, code=any_text, detail=any_text)
collections = st.builds(
    Collection,
    name=any_text,
    documents=counts,
    size_bytes=counts,
    last_write=st.none() | writes,
    notes=st.lists(reasons, max_size=2),
)
databases = st.builds(
    Database,
    name=any_text,
    size_bytes=counts,
    documents=counts,
    collections=st.lists(collections, max_size=4),
    shards=st.dictionaries(any_text, st.integers(0, 99), max_size=3),
    gridfs=st.lists(any_text, max_size=3),
)
hints = st.builds(Hint, name=any_text, word=any_text, category=any_text, language=any_text)
exposures = st.builds(
    Exposure,
    access=st.just("full"),
    databases=st.lists(databases, max_size=4),
    database_count=st.integers(-5, 2**70),
    total_size_bytes=counts,
    documents=counts,
    last_write=st.none() | writes,
    ransom=st.builds(Ransom, names=st.lists(any_text, max_size=3), reasons=st.lists(reasons, max_size=2)),
    hints=st.lists(
        st.builds(Hint, name=any_text, word=any_text, category=any_text, language=any_text), max_size=3
    ),
    truncated=st.lists(any_text, max_size=3),
)
observations = st.builds(
    observation,
    verdict=st.sampled_from(Verdict),
    owner=st.builds(Owner, owner=any_text, labels=st.dictionaries(any_text, any_text, max_size=3)),
    evidence=st.lists(reasons, max_size=3),
    server=st.none() | st.builds(Server, product=any_text, version=any_text, started_at=st.none() | times),
    exposure=st.none() | exposures,
    timing=st.builds(
        Timing, total_ms=st.floats(), connect_ms=st.none() | st.floats(allow_nan=False, allow_infinity=False)
    ),
)


def valid(line: bytes, limit: int = MAX_LINE) -> dict[str, Any]:
    """Check everything that is promised of a line; return it as strict JSON reads it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert len(line) <= limit
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])
    document: dict[str, Any] = json.loads(line, parse_constant=refuse)
    json.dumps(document, ensure_ascii=False).encode()  # no lone surrogate is left
    VALIDATOR.validate(document)
    return document


def valid_lines(seen: Observation) -> list[dict[str, Any]]:
    """All lines of an observation, checked, and that they say of each other what is true."""
    first, *rest = to_lines(seen)
    head = valid(first, MAX_OBSERVATION)
    told = [valid(line) for line in rest]
    assert (head.get("exposure") or {}).get("database_lines", 0) == len(told)
    assert [line["line"] for line in told] == list(range(1, len(told) + 1))
    assert {line["lines"] for line in told} <= {len(told)}
    assert {line["event_id"] for line in told} <= {head["event_id"]}
    return [head, *told]


def without_defaults(document: object) -> bool:
    """Whether no empty value and no null stands anywhere in a document."""
    if isinstance(document, dict):
        return all(value not in (None, "", [], {}) and without_defaults(value) for value in document.values())
    return not isinstance(document, list) or all(map(without_defaults, document))


@given(observations)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_observation_becomes_valid_lines_that_are_it_when_put_together(seen: Observation) -> None:
    documents = valid_lines(seen)
    again = read_back(to_lines(seen))
    assert to_lines(again) == to_lines(seen)
    assert again.verdict is seen.verdict
    if not documents[0].get("truncated"):
        assert again == seen


names = st.text(min_size=1, max_size=300)
crowds = st.builds(
    lambda name, many, hinted, shards: (
        Database(
            name=name,
            documents=7,
            collections=[Collection(name=f"{n}{each}", documents=n) for n, each in enumerate(many)],
            shards={f"{n}{shard}": n for n, shard in enumerate(shards)},
            collections_known=True,
        ),
        [Hint(name=f"{name}.{each}", word="users", category="people", language="en") for each in hinted],
    ),
    names,
    st.lists(names, max_size=120),
    st.lists(names, max_size=5),
    st.lists(names, max_size=40),
)


@given(st.lists(crowds, max_size=12, unique_by=lambda crowd: crowd[0].name))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_no_name_that_was_kept_is_lost_on_the_way_to_the_journal(
    crowd: list[tuple[Database, list[Hint]]],
) -> None:
    held = exposure(*[of for of, _ in crowd], hints=[hint for _, told in crowd for hint in told])
    seen = open_server(exposure=held)
    documents = valid_lines(seen)
    assert not any(document.get("truncated") for document in documents)
    assert read_back(to_lines(seen)) == seen


def test_an_observation_without_surprises_comes_back_equal_and_without_what_says_nothing() -> None:
    for seen in (observation(), magazine(), open_server("127.0.0.3", database("é\u202e\x7f\x1b[2J"))):
        assert read_back(to_lines(seen)) == seen
        assert all(map(without_defaults, valid_lines(seen)))


@pytest.mark.parametrize("name", INJECTIONS, ids=range(len(INJECTIONS)))
def test_a_hostile_name_stays_inside_its_line(name: str) -> None:
    lines = to_lines(open_server("127.0.0.1", database(name)))
    assert {valid(line)["event_id"] for line in lines} == {observation().event_id}
    for line in lines:
        assert len(line.splitlines()) == len(line.decode().splitlines()) == 1


def test_a_server_without_collections_and_with_few_databases_is_one_line() -> None:
    held = exposure(*[Database(name=f"db{n}", size_bytes=n, documents=n) for n in range(4)])
    assert len(valid_lines(open_server(exposure=held))) == 1


def test_the_first_line_names_the_gravest_and_the_others_hold_all() -> None:
    many = [database(f"db{n}", documents=n, size=n * 10, collections=5) for n in range(300)]
    note, people = Database(name="READ_ME", size_bytes=1), Database(name="crm", size_bytes=2)
    system = Database(name="local", size_bytes=2**40, system=True)
    held = exposure(
        *many,
        note,
        people,
        system,
        ransom=Ransom(level="likely", names=["READ_ME"]),
        hints=[Hint(name="crm.users", word="users", category="people", language="en")],
    )
    head, *rest = valid_lines(open_server(exposure=held))
    named = [item["name"] for item in head["exposure"]["databases"]]
    assert named == ["READ_ME", "crm", "db299", "db298", "db297"]
    assert len(named) == GRAVEST
    assert not any("collections" in item for item in head["exposure"]["databases"])
    assert [line["database"]["name"] for line in rest] == [of.name for of in held.databases]
    assert [line["number"] for line in rest] == list(range(1, 304))
    assert "truncated" not in head


def test_twenty_databases_of_twenty_collections_are_whole_in_small_lines() -> None:
    many = [database(f"service_{n:02}", documents=2000, size=2**20, collections=20) for n in range(20)]
    seen = open_server(exposure=exposure(*many))
    lines = to_lines(seen)
    assert len(lines) == 21
    assert len(lines[0]) <= MAX_OBSERVATION // 2
    assert read_back(lines) == seen


def test_a_database_too_long_for_a_line_goes_on_in_the_next() -> None:
    crowd = database("crowd", documents=5_000, collections=2_000)
    seen = open_server(exposure=exposure(crowd, Database(name="other", size_bytes=1)))
    documents = valid_lines(seen)
    parts = [line for line in documents[1:] if line["number"] == 1]
    assert len(parts) > 1
    assert {(part["database"]["name"], part["database"]["documents"]) for part in parts} == {("crowd", 5_000)}
    assert sum(len(part["database"]["collections"]) for part in parts) == 2_000
    assert read_back(to_lines(seen)) == seen


def test_names_that_differ_only_in_case_or_in_how_they_are_composed_stay_apart() -> None:
    twins = ["shop", "Shop", "SHOP", "caf\u00e9", "cafe\u0301", "\u212b", "\u00c5"]
    held = [database(name, documents=n) for n, name in enumerate(twins)]
    again = read_back(to_lines(open_server(exposure=exposure(*held))))
    assert again.exposure is not None
    assert again.exposure.databases == held


def test_a_collection_over_more_shards_than_a_line_holds_is_cut_and_says_so() -> None:
    wide = Collection(name="c", shards=["\U0001f600" * 64] * 64)
    seen = open_server(exposure=exposure(Database(name="db", collections=[wide])))
    head, line = valid_lines(seen)
    assert any(note.startswith("collections.shards: ") for note in line["truncated"])
    assert "truncated" not in head
    assert any(note.startswith("collections.shards: ") for note in read_back(to_lines(seen)).truncated)


def test_a_record_that_is_large_everywhere_still_fits() -> None:
    wide = "\U0001f600" * 1000
    reason = Reason(code=wide, detail=wide)
    seen = observation(
        target=Endpoint(
            ip="127.0.0.1",
            port=27017,
            hostnames=[wide] * 3000,
            tls=Tls(certificate=Certificate(subject=wide, names=[wide] * 3000)),
        ),
        owner=Owner(
            owner=wide, contact=wide, site=wide, allow=wide, labels={f"{n}{wide}": wide for n in range(99)}
        ),
        evidence=[reason] * 2000,
        server=Server(
            product=wide,
            version=wide,
            hosts=[wide] * 64,
            modules=[wide] * 900,
            product_evidence=[wide] * 900,
            vulnerabilities=Vulnerabilities(possible=[wide] * 900),
        ),
        exposure=Exposure(
            access="full",
            database_count=50,
            databases=[Database(name=wide, collections=[Collection(name=wide)] * 50)] * 50,
            hints=[Hint(name=wide, word=wide, category=wide, language=wide)] * 500,
            ransom=Ransom(level="likely", names=[wide] * 900, reasons=[reason] * 900),
            truncated=[wide] * 900,
        ),
        severity_reasons=[reason] * 900,
        confirmation=Confirmation(driver=wide, verdict=wide, agrees=True, databases=[wide] * 900),
        truncated=[wide] * 900,
    )
    head, *_ = valid_lines(seen)
    assert head["verdict"] == "auth_required"
    assert any(note.startswith("evidence: ") for note in head["truncated"])


def test_numbers_that_no_reader_takes_are_replaced_and_named() -> None:
    broken = Database(name="x", size_bytes=-1, documents=2**70)
    held = Exposure(
        access="full",
        databases=[broken],
        database_count=-2,
        documents=3.0,  # type: ignore[arg-type]  # a BSON double
    )
    document = valid(line_of(open_server(exposure=held)))
    assert "size_bytes" not in document["exposure"]["databases"][0]
    assert document["exposure"]["databases"][0]["documents"] == 2**63 - 1
    assert document["exposure"]["database_count"] == 0
    assert document["exposure"]["documents"] == 3
    assert len(document["truncated"]) == 2


def test_a_duration_that_is_not_a_number_does_not_spoil_the_line() -> None:
    timing = Timing(total_ms=math.nan, connect_ms=math.inf)
    document = valid(line_of(observation(timing=timing)))
    assert document["timing"] == {"total_ms": 0.0}


def test_a_time_without_offset_is_taken_as_utc() -> None:
    write = LastWrite(at=datetime(2026, 2, 28, 21, 5), method="m")  # noqa: DTZ001 - the case tested
    held = exposure(Database(name="x"), last_write=write)
    document = valid(line_of(open_server(exposure=held)))
    assert document["exposure"]["last_write"]["at"] == "2026-02-28T21:05:00Z"


def test_an_older_reader_passes_over_what_a_newer_writer_added() -> None:
    first, *rest = to_lines(open_server())
    document = json.loads(first)
    document["future"] = {"deep": [1, {"x": None}]}
    document["exposure"]["future"] = "x"
    document["exposure"]["databases"][0]["future"] = 1.5
    assert read_back([json.dumps(document).encode(), *rest]) == open_server()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "not an observation"),
        (b"{}\n", "missing required field"),
        (b"[" * 100_000, "not an observation"),
        (b'{"a":' * 100_000, "not an observation"),
        (b'{"x":' + b"[" * 100_000, "not an observation|nested too deeply"),
        (b'{"schema":"mongosweep.observation/2"}', "written as mongosweep.observation/2"),
        (b'{"schema":"mongosweep.database/2"}', "written as mongosweep.database/2"),
        (b'{"event_id":"\xff"}', "not an observation"),
    ],
    ids=range(8),
)
def test_what_is_no_observation_is_refused_with_a_reason(line: bytes, says: str) -> None:
    with pytest.raises(RecordError, match=says):
        from_line(line)


def test_our_own_mistake_is_an_error_and_no_line() -> None:
    with pytest.raises(RecordError, match="no observation"):
        to_lines(observation(target=Endpoint(ip="127.0.0.1", port=70_000)))


def test_a_line_is_made_without_being_mended_when_nothing_is_wrong() -> None:
    assert line_of(magazine()) == msgspec.json.encode(magazine()) + b"\n"


def test_the_evidence_of_a_verdict_outlives_long_names_of_a_ransom() -> None:
    """Fifty names whose characters take twelve bytes each in JSON: shorter names say more than none."""
    names = ["\U0001f512" * 250 + str(number) for number in range(50)]
    reasons = [Reason(code="known-note-name", detail=name) for name in names]
    held = exposure(database("d"), ransom=Ransom(level="likely", names=names, reasons=reasons))
    seen = open_server("127.0.0.1", exposure=held)
    short = read_back(to_lines(seen))
    assert short.evidence == seen.evidence
    assert short.exposure is not None
    assert len(short.exposure.ransom.names) >= 4
