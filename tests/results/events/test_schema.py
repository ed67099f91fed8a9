"""The published schema of events: it is the generated one, and every line of a log fits it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from results.events import schema
from results.events.line import line_of
from results.events.log import read_lines
from results.events.publish import bring_up
from results.events.run_events import degraded
from results.ledger.intake import catch_up
from results.run import load_manifest
from tests.support.published import live, run_id

COMMITTED = Path(__file__).parents[3] / "docs" / "event.schema.json"
VALIDATOR = jsonschema_rs.Draft202012Validator(json.loads(COMMITTED.read_text()))


def test_the_committed_schema_is_the_generated_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main([]) == 0
    generated = capsys.readouterr().out
    assert COMMITTED.read_text() == generated, "run: python -m results.events.schema docs/event.schema.json"
    jsonschema_rs.meta.validate(json.loads(generated))


def test_every_line_of_a_log_fits_and_what_is_wrong_does_not(tmp_path: Path) -> None:
    live(tmp_path)
    catch_up(tmp_path)
    bring_up(tmp_path, remind_every=86_400)
    manifest = load_manifest(tmp_path / run_id(1))[0]
    lines = [*read_lines(tmp_path)[0], line_of(degraded(manifest, ["because"], manifest.created_at))]
    assert len(lines) > 30
    documents = [json.loads(line) for line in lines]
    for document in documents:
        VALIDATOR.validate(document)
        VALIDATOR.validate({**document, "future": 1})
        assert list(document)[:2] == ["schema", "event_id"]  # by which a log's ids are read
    changes: list[dict[str, Any]] = [
        {"schema": "x/1"},
        {"kind": "maybe"},
        {"severity_number": 6},
        {"severity": "grave"},
        {"run_id": None},
    ]
    for change in changes:
        for document in documents:
            with pytest.raises(jsonschema_rs.ValidationError):
                VALIDATOR.validate({**document, **change})
