"""The oracles can fail: each promise, broken on purpose, is noticed; and the sums are right."""

from __future__ import annotations

import json
import struct
from contextlib import nullcontext
from typing import TYPE_CHECKING

import bson
import pytest

from results.record import Reason
from results.verdict import Verdict
from scanner.mongo import bson_check
from scanner.mongo.commands import build_info, db_stats, encode, list_collections
from scanner.mongo.judge import Judgement
from scanner.mongo.wire import Opcode
from tests.fuzz import frames, talk
from tests.fuzz.oracle import BrokenPromiseError, Conversation, check_open, check_requests
from tests.fuzz.registry import TARGETS
from tests.fuzz.seeds import MAKERS
from tests.fuzz.summary import table, totals

if TYPE_CHECKING:
    from pathlib import Path

LOCKED = bytes([5, 2, 2, 0, 2, 6, 2, 14, 2, 14])  # isMaster, buildInfo, and code 13 to the rest


def test_open_without_a_list_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    talk.run(LOCKED)
    lie = Judgement(Verdict.OPEN, [Reason(code="databases-listed", detail="")])
    monkeypatch.setattr("tests.fuzz.talk.judge", lambda facts: lie)
    with pytest.raises(BrokenPromiseError, match="without proof"):
        talk.run(LOCKED)


@pytest.mark.parametrize(
    "rule", ["databases-listed", "list-truncated", "not-primary", "too-slow", "answered-otherwise"]
)
def test_no_answer_shows_nothing_by_any_rule(rule: str) -> None:
    judgement = Judgement(Verdict.OPEN, [Reason(code=rule, detail="")])
    with pytest.raises(BrokenPromiseError, match="without proof"):
        check_open(judgement, [Conversation()])


NO_NAMES = {"cursor": {"id": 0, "firstBatch": []}, "ok": 1.0}
NAMES = {"cursor": {"id": 0, "firstBatch": [{"name": "system.version"}]}, "ok": 1.0}
ZEROS = {"objects": 0, "collections": 0, "ok": 1.0}
COUNTS = {"objects": 3, "collections": 1, "ok": 1.0}


@pytest.mark.parametrize(
    ("names", "counts", "proven"),
    [
        ({}, {}, False),
        (NO_NAMES, {}, False),
        ({}, ZEROS, False),
        (NAMES | {"ok": 0.0}, {}, False),
        ({}, COUNTS | {"$err": "no"}, False),
        (NO_NAMES, ZEROS, True),
        (NAMES, {}, True),
        ({}, COUNTS, True),
    ],
)
def test_what_proves_that_collections_of_admin_were_told(
    names: dict[str, object], counts: dict[str, object], proven: bool
) -> None:
    asked = [list_collections("admin", authorized=False), db_stats("admin")]
    requests = [encode(request, number, Opcode.OP_MSG) for number, request in enumerate(asked, start=1)]
    talk = Conversation(check_requests(b"".join(requests)))
    for number, document in enumerate([names, counts], start=1):
        body = bson.encode(document)
        talk.stream += struct.pack("<iiiiIB", 21 + len(body), 7, number, 2013, 0, 0) + body
    judgement = Judgement(Verdict.OPEN, [Reason(code="answered-otherwise", detail="")])
    with nullcontext() if proven else pytest.raises(BrokenPromiseError, match="without proof"):
        check_open(judgement, [talk])


def test_another_command_or_half_a_request_is_noticed() -> None:
    good = encode(build_info(), 1, Opcode.OP_MSG)
    assert check_requests(good)[0].command == "buildInfo"
    with pytest.raises(BrokenPromiseError, match="not on the list"):
        check_requests(good.replace(b"buildInfo\x00", b"dropIndex\x00"))
    with pytest.raises(BrokenPromiseError, match="half a request"):
        check_requests(good + good[:20])


def test_two_decoders_that_differ_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"\x00" + bson.encode({"ok": 1.0})
    frames.run(data)
    monkeypatch.setattr(bson_check, "decode", lambda data: {"ok": 0.0})
    with pytest.raises(BrokenPromiseError, match="two documents"):
        frames.run(data)


@pytest.mark.parametrize("target", TARGETS)
def test_the_first_seeds_of_each_target_keep_every_promise(target: str) -> None:
    for number, seed in enumerate(MAKERS[target]()):
        TARGETS[target](seed)
        if number == 20:
            return


def test_sums_count_the_last_line_of_each_process(tmp_path: Path) -> None:
    rows = [(10, 1.0), (30, 3.0), (20, 2.0)]
    lines = [
        json.dumps({"target": "frames", "executions": n, "cpu_seconds": s, "wall_seconds": 60.0}) + "\n"
        for n, s in rows
    ]
    (tmp_path / "a.jsonl").write_text("".join(lines), encoding="utf-8")
    found = totals([tmp_path / "a.jsonl"])
    assert (found["frames"].executions, found["frames"].cpu_seconds) == (50, 5.0)
    assert "| all | 50 | 0.1 | 2.0 |" in table(found)
