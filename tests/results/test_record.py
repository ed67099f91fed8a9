"""What a record is: ids that stay, and the schema that is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results import schema
from results.ids import event_id, finding_id
from results.lines import to_lines
from results.record import json_schema
from tests.results.examples import magazine, open_server, packed

COMMITTED = Path(__file__).parents[2] / "docs" / "line.schema.json"
VALIDATOR = jsonschema_rs.Draft202012Validator(json_schema(), validate_formats=True)
any_text = st.text(st.characters(codec=None), max_size=40)  # lone surrogates among them


def test_the_committed_schema_is_the_generated_one(tmp_path: Path) -> None:
    copy = tmp_path / "schema.json"
    assert schema.main([str(copy)]) == 0
    assert COMMITTED.read_text() == copy.read_text(), "run: python -m results.schema docs/line.schema.json"


def test_the_schema_is_a_schema_and_refuses_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main([]) == 0
    jsonschema_rs.meta.validate(json.loads(capsys.readouterr().out))
    observed, of_database = (json.loads(line) for line in to_lines(open_server()))
    for document in (observed, of_database):
        VALIDATOR.validate(document)
        VALIDATOR.validate({**document, "future": 1})
    changes: list[dict[str, Any]] = [
        {"verdict": "maybe"},
        {"schema": "x/1"},
        {"observed_at": "yesterday"},
        {"severity_number": 6},
        {"target": {}},
    ]
    for change in changes:
        with pytest.raises(jsonschema_rs.ValidationError):
            VALIDATOR.validate({**observed, **change})
    changes = [{"line": 0}, {"database": {}}, {"target": {"ip": "127.0.0.1"}}]
    for change in changes:
        with pytest.raises(jsonschema_rs.ValidationError):
            VALIDATOR.validate({**of_database, **change})


def test_the_severity_is_a_number_too() -> None:
    document = json.loads(to_lines(magazine())[0])
    assert (document["severity"], document["severity_number"]) == ("critical", 5)


def test_an_event_has_one_name_for_ever() -> None:
    # A change of this value is a change of the id scheme: consumers would take every replay for news.
    assert event_id("run-1", packed("127.0.0.1"), 27017) == "95191f47aa6f82714bf89e9d16e62e16"
    assert event_id("run-1", packed("127.0.0.1"), 27017) == event_id("run-1", packed("127.0.0.1"), 27017)
    with pytest.raises(ValueError, match="16 bytes"):
        event_id("run-1", bytes(4), 27017)


def test_a_finding_has_one_name_in_every_run_and_another_at_another_place() -> None:
    # A change of this value would make every known finding a new one.
    assert finding_id("paris", packed("127.0.0.1"), 27017) == "mf_e3c91b4cdf12a20529f0a8a0"
    places = [("paris", "10.0.0.1", 27017), ("lyon", "10.0.0.1", 27017), ("paris", "10.0.0.2", 27017)]
    places.append(("paris", "10.0.0.1", 27018))
    assert len({finding_id(site, packed(ip), port) for site, ip, port in places}) == 4
    with pytest.raises(ValueError, match="16 bytes"):
        finding_id("paris", bytes(4), 27017)


@given(
    st.sets(
        st.tuples(any_text.filter(str.isascii), st.binary(min_size=16, max_size=16), st.integers(0, 65535))
    )
)
def test_different_targets_have_different_names(targets: set[tuple[str, bytes, int]]) -> None:
    assert len({event_id(*target) for target in targets}) == len(targets)
