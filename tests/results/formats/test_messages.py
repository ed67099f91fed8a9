"""The sentence of each event: what it claims, and that no server and no scope can write into it."""

from __future__ import annotations

import pytest

from results.formats.fields import fields_of
from tests.results.injections import INJECTIONS
from tests.support.every_event import RUN_ENDS
from tests.support.told import SENDER, change, run_event


def test_only_a_complete_sweep_says_that_nothing_is_open() -> None:
    said = {end: fields_of(run_event(kind="ended", state=end, open=0), SENDER).message for end in RUN_ENDS}
    assert {end for end, text in said.items() if "nothing is open" in text} == {"complete"}
    assert said["degraded"].endswith("ended: degraded, nothing was seen open among 256 targets")
    verified = fields_of(run_event(purpose="verify", open=0), SENDER).message
    assert verified.endswith(
        "ended: complete, nothing was seen open among 256 targets"
    )  # that it asked again
    part = fields_of(run_event(shard="1/2", planned=1, open=0), SENDER).message
    assert part.endswith("ended: complete, nothing is open among 1 target (shard 1/2)")


def test_no_count_is_no_claim() -> None:
    assert fields_of(run_event(state="complete", open=None), SENDER).message.endswith("ended: complete")
    assert fields_of(run_event(open=2), SENDER).message.endswith("ended: complete, 2 servers open")


@pytest.mark.parametrize("name", [name for name in INJECTIONS if len(name) < 100], ids=ascii)
def test_no_name_of_a_server_is_in_it(name: str) -> None:
    held = {"hostnames": [name], "databases": [name], "product": name, "version": name, "topology": name}
    plain = fields_of(change(), SENDER).message
    assert fields_of(change(**held, names=[name], hints=[name]), SENDER).message == plain
