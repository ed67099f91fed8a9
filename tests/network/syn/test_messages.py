"""What stage and parent say to each other comes back whole, and anything else is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scanner.network.syn.messages import (
    Command,
    Job,
    OrderParameters,
    Progress,
    Ready,
    SetRate,
    Stats,
    Stop,
    TargetRange,
    Trouble,
    line,
)

JOB = Job(
    ranges=[TargetRange(4, 1, 2, (27017,)), TargetRange(6, 2**128 - 9, 2**128 - 1, (27017, 27018))],
    order=OrderParameters(20, 23, 5, 7, 1, 3),
    rate=1000.0,
    resume=Progress(attempt=1, position=9, targets=4, sent_by_round=[4, 1]),
)


def test_a_job_is_one_line_of_whole_addresses_and_named_columns() -> None:
    text = line(JOB)

    assert text.count(b"\n") == 1
    assert text.endswith(b"\n")
    read = msgspec.json.decode(text, type=Job)
    assert read == JOB
    assert [type(part) for part in (*read.ranges, read.order)] == [TargetRange, TargetRange, OrderParameters]
    assert read.ranges[1].targets == 18


@pytest.mark.parametrize("command", [SetRate(12.5), SetRate(None), Stop()])
def test_commands_come_back(command: Command) -> None:
    assert msgspec.json.decode(line(command), type=Command) == command


def test_no_part_of_a_job_is_a_job() -> None:
    text = line(JOB).rstrip()
    for cut in range(len(text)):
        with pytest.raises(ValueError, match=r"truncated|malformed"):
            msgspec.json.decode(text[:cut], type=Job)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"[]", Job),
        (line(JOB).replace(b'"rate":1000.0', b'"rate":"fast"'), Job),
        (line(JOB).replace(b"[27017]", b'["27017"]'), Job),
        (line(JOB).replace(b"[20,23,5,7,1,3]", b"[20,23]"), Job),
        (line(JOB).replace(b'"rate"', b'"pace"'), Job),
        (b'{"rate":5}', Command),
        (b'{"type":"set rate"}', Command),
        (b'{"type":"set rate","rate":true}', Command),
        (b'{"type":"go"}', Command),
        (b'{"lanes":[],"direct":[[1,2,3]],"notes":[]}', Ready),
        (b'{"what":"bug"}', Trouble),
        (b'{"targets":"all"}', Stats),
        (b'{"attempt":0}', Progress),
        (b"\xff", Stats),
    ],
)
def test_what_is_not_meant_is_refused(text: bytes, kind: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        msgspec.json.decode(text, type=kind)
