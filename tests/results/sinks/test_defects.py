"""A sink with a defect, and files that are lost meanwhile: nobody else is held up, nothing is called sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.sinks.batch import Pace
from results.sinks.sink import Answer, Item, Limits, UnavailableError
from results.sinks.state import SET_ASIDE_FILE
from tests.support.sinking import FakeSink, id_of, sent, write_events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Defective(FakeSink):
    """Has a defect that one event brings up while it is sent."""

    async def send(self, items: Sequence[Item]) -> Answer:
        if any(item.event_id == id_of(3) for item in items):
            raise UnicodeError("label empty or too long")
        return await super().send(items)


async def test_a_defect_of_ours_while_sending_holds_up_nobody(tmp_path: Path) -> None:
    write_events(tmp_path, range(10))
    bad, good = Defective("bad", Limits(events=4)), FakeSink("good")
    report, other = await sent(tmp_path, bad, good)
    assert other.all_delivered
    assert (report.delivered, report.set_aside, report.waiting) == (9, 1, 0)
    (line,) = (tmp_path / "sinks" / "bad" / SET_ASIDE_FILE).read_text().splitlines()
    assert "at last: a defect of ours: UnicodeError" in line


class Losing(FakeSink):
    """Is down, and while it is, the log of events becomes what cannot be read."""

    path: Path

    async def send(self, items: Sequence[Item]) -> Answer:
        if self.path.is_file():
            self.path.unlink()
            self.path.mkdir()
        raise UnavailableError("it is down", 3600.0)  # so that nothing is read before the end


async def test_what_cannot_be_counted_is_not_delivered(tmp_path: Path) -> None:
    sink = Losing()
    sink.path = write_events(tmp_path, range(3))
    (report,) = await sent(tmp_path, sink, patience=0.1, pace=Pace(most_asked=3600.0))
    assert (report.ended, report.delivered, report.all_delivered) == ("waiting", 0, False)
