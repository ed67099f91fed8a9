"""Places of the ledger that a fleet's sweep watches: a line of each, whatever it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from results.lines import from_line
from results.record import Observation
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.support.shards import configuration, performed, shard_of

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_watched_has_a_line_whatever_it_answers(tmp_path: Path, port: int) -> None:
    """Without one nothing that a fleet found could be proved closed by a port that refuses."""
    config = configuration(tmp_path, port)
    shard = shard_of(f"127.92.0.0-127.92.0.15:{port}", watched=[("127.92.0.5", port), ("127.92.0.200", port)])
    with LabThread({("127.92.0.3", port): find("open_8_0")}):
        lines = map(from_line, performed(shard, config).lines)
    found = {each.target.ip: each.verdict for each in lines if isinstance(each, Observation)}
    assert found == {"127.92.0.3": "open", "127.92.0.5": "refused"}
    nonsense = msgspec.structs.replace(shard, watched=[("localhost", port)], name="another")
    assert performed(nonsense, config).refused.code == "format"
