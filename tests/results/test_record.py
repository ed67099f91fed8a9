"""A line holds what was seen, whatever a server called its databases, and every reader takes it."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are no dependency of ours
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results import schema
from results.record import (
    MAX_LINE,
    Certificate,
    Collection,
    Confirmation,
    Database,
    Endpoint,
    Evidence,
    Exposure,
    Hint,
    LastWrite,
    Observation,
    Owner,
    Ransom,
    RecordError,
    Server,
    Timing,
    Tls,
    event_id,
    from_json,
    json_schema,
    to_json,
)
from results.verdict import Verdict
from tests.results.examples import database, exposure, magazine, observation, open_server, packed
from tests.results.injections import INJECTIONS

COMMITTED = Path(__file__).parents[2] / "docs" / "observation.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(
    json_schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)

any_text = st.text(st.characters(codec=None), max_size=40)  # lone surrogates among them
counts = st.none() | st.integers(-(2**70), 2**70)
times = st.datetimes(timezones=st.just(UTC))
writes = st.builds(LastWrite, at=times, method=any_text, proves=any_text, where=any_text)
collections = st.builds(
    Collection, name=any_text, documents=counts, size_bytes=counts, last_write=st.none() | writes
)
databases = st.builds(
    Database,
    name=any_text,
    size_bytes=counts,
    documents=counts,
    collections=st.lists(collections, max_size=4),
)
exposures = st.builds(
    Exposure,
    databases=st.lists(databases, max_size=4),
    database_count=st.integers(-5, 2**70),
    total_size_bytes=counts,
    documents=counts,
    last_write=st.none() | writes,
    ransom=st.builds(Ransom, names=st.lists(any_text, max_size=3)),
    truncated=st.lists(any_text, max_size=3),
)
observations = st.builds(
    observation,
    verdict=st.sampled_from(Verdict),
    owner=st.builds(Owner, owner=any_text, labels=st.dictionaries(any_text, any_text, max_size=3)),
    evidence=st.lists(st.builds(Evidence, rule=any_text, detail=any_text), max_size=3),
    server=st.none() | st.builds(Server, version=any_text, started_at=st.none() | times),
    exposure=st.none() | exposures,
    timing=st.builds(
        Timing, total_ms=st.floats(), connect_ms=st.none() | st.floats(allow_nan=False, allow_infinity=False)
    ),
)


def valid(line: bytes) -> dict[str, Any]:
    """Check everything that is promised of a line; return it as strict JSON reads it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert len(line) <= MAX_LINE
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])
    document: dict[str, Any] = json.loads(line, parse_constant=refuse)
    json.dumps(document, ensure_ascii=False).encode()  # no lone surrogate is left
    VALIDATOR.validate(document)
    return document


@given(observations)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_observation_becomes_one_valid_line_that_reads_back(seen: Observation) -> None:
    line = to_json(seen)
    document = valid(line)
    again = from_json(line)
    assert to_json(again) == line
    assert again.verdict is seen.verdict
    if not document.get("truncated"):
        assert again == seen


def test_an_observation_without_surprises_comes_back_equal() -> None:
    for seen in (observation(), magazine(), open_server("127.0.0.3", database("é\u202e\x7f\x1b[2J"))):
        assert from_json(to_json(seen)) == seen
        valid(to_json(seen))


@pytest.mark.parametrize("name", INJECTIONS, ids=range(len(INJECTIONS)))
def test_a_hostile_name_stays_inside_its_line(name: str) -> None:
    line = to_json(open_server("127.0.0.1", database(name)))
    document = valid(line)
    assert document["event_id"] == observation().event_id
    assert len(line.splitlines()) == len(line.decode().splitlines()) == 1


def test_a_huge_record_is_cut_to_a_line_and_says_what_is_missing() -> None:
    many = [database(f"db{n}", documents=n, size=n * 10, collections=5) for n in range(3000)]
    note = Database(name="READ_ME", size_bytes=1)
    held = exposure(*many, note, ransom=Ransom(level="likely", names=["READ_ME"]))
    document = valid(to_json(open_server(exposure=held)))
    kept = [item["name"] for item in document["exposure"]["databases"]]
    assert "READ_ME" in kept
    assert "db2999" in kept  # the biggest stay
    assert kept == sorted(kept, key=lambda name: 9999 if name == "READ_ME" else int(name[2:]))
    assert document["exposure"]["database_count"] == 3001
    assert f"exposure.databases: {len(kept)} of 3001 kept" in document["truncated"]


def test_a_record_that_is_large_everywhere_still_fits() -> None:
    wide = "\U0001f600" * 5000
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
        evidence=[Evidence(rule=wide, detail=wide)] * 2000,
        server=Server(product=wide, version=wide, modules=[wide] * 900, product_evidence=[wide] * 900),
        exposure=Exposure(
            databases=[Database(name=wide, collections=[Collection(name=wide)] * 50)] * 50,
            hints=[Hint(name=wide, word=wide, category=wide, language=wide)] * 5000,
            ransom=Ransom(level="likely", names=[wide] * 900, reasons=[wide] * 900),
            truncated=[wide] * 900,
        ),
        severity_reasons=[wide] * 900,
        confirmation=Confirmation(driver=wide, verdict=wide, agrees=True, databases=[wide] * 900),
        truncated=[wide] * 900,
    )
    document = valid(to_json(seen))
    assert document["verdict"] == "auth_required"
    assert any(note.startswith("evidence: ") for note in document["truncated"])


def test_numbers_that_no_reader_takes_are_replaced_and_named() -> None:
    broken = Database(name="x", size_bytes=-1, documents=2**70)
    document = valid(
        to_json(open_server(exposure=Exposure(databases=[broken], database_count=-2, documents=3.0)))  # type: ignore[arg-type]  # a BSON double
    )
    assert document["exposure"]["databases"][0]["size_bytes"] is None
    assert document["exposure"]["databases"][0]["documents"] == 2**63 - 1
    assert document["exposure"]["database_count"] == 0
    assert document["exposure"]["documents"] == 3
    assert len(document["truncated"]) == 2


def test_a_duration_that_is_not_a_number_does_not_spoil_the_line() -> None:
    timing = Timing(total_ms=math.nan, connect_ms=math.inf)
    document = valid(to_json(observation(timing=timing)))
    assert (document["timing"]["total_ms"], document["timing"]["connect_ms"]) == (0.0, None)


def test_a_time_without_offset_is_taken_as_utc() -> None:
    write = LastWrite(at=datetime(2026, 2, 28, 21, 5), method="m", proves="p")  # noqa: DTZ001 - the case tested
    document = valid(to_json(open_server(exposure=exposure(database("x"), last_write=write))))
    assert document["exposure"]["last_write"]["at"] == "2026-02-28T21:05:00Z"


def test_an_older_reader_passes_over_what_a_newer_writer_added() -> None:
    document = json.loads(to_json(magazine()))
    document["future"] = {"deep": [1, {"x": None}]}
    document["exposure"]["future"] = "x"
    document["exposure"]["databases"][0]["future"] = 1.5
    assert from_json(json.dumps(document).encode()) == magazine()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "not an observation"),
        (b"{}\n", "missing required field"),
        (b"[" * 100_000, "not an observation"),
        (b'{"a":' * 100_000, "not an observation"),
        (b'{"x":' + b"[" * 100_000, "nested too deeply"),
        (b'{"schema":"mongosweep.observation/2"}', "written as mongosweep.observation/2"),
        (b'{"event_id":"\xff"}', "not an observation"),
    ],
    ids=range(7),
)
def test_what_is_no_observation_is_refused_with_a_reason(line: bytes, says: str) -> None:
    with pytest.raises(RecordError, match=says):
        from_json(line)


def test_our_own_mistake_is_an_error_and_no_line() -> None:
    with pytest.raises(RecordError, match="no observation"):
        to_json(observation(target=Endpoint(ip="127.0.0.1", port=70_000)))


def test_the_committed_schema_is_the_generated_one(tmp_path: Path) -> None:
    copy = tmp_path / "schema.json"
    assert schema.main([str(copy)]) == 0
    assert COMMITTED.read_text() == copy.read_text(), (
        "run: python -m results.schema docs/observation.schema.json"
    )


def test_the_schema_is_a_schema_and_refuses_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main([]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(document)
    line = json.loads(to_json(magazine()))
    VALIDATOR.validate(line)
    VALIDATOR.validate({**line, "future": 1})
    changes: list[dict[str, Any]] = [
        {"verdict": "maybe"},
        {"schema": "x/1"},
        {"observed_at": "yesterday"},
        {"target": {}},
    ]
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate({**line, **change})


def test_an_event_has_one_name_for_ever() -> None:
    # A change of this value is a change of the id scheme: consumers would take every replay for news.
    assert event_id("run-1", packed("127.0.0.1"), 27017) == "95191f47aa6f82714bf89e9d16e62e16"
    assert event_id("run-1", packed("127.0.0.1"), 27017) == event_id("run-1", packed("127.0.0.1"), 27017)
    with pytest.raises(ValueError, match="16 bytes"):
        event_id("run-1", bytes(4), 27017)


@given(
    st.sets(
        st.tuples(any_text.filter(str.isascii), st.binary(min_size=16, max_size=16), st.integers(0, 65535))
    )
)
def test_different_targets_have_different_names(targets: set[tuple[str, bytes, int]]) -> None:
    assert len({event_id(*target) for target in targets}) == len(targets)


def test_a_line_is_made_without_being_mended_when_nothing_is_wrong() -> None:
    assert to_json(magazine()) == msgspec.json.encode(magazine()) + b"\n"
