"""What is written down of orders, and what an order can be."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING

import msgspec

from results.ledger.actions import Actions
from results.ledger.overlay import Deadlines
from scanner.service.orders import Answer, Order
from scanner.service.view.reader import Reader
from scanner.service.web.audit import Audit, AuditedService
from tests.support.set_clock import SetClock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from scanner.service.jobs import Job, ServiceStatus


class Standing:
    """A service that does what it is asked, but for one thing."""

    def status(self) -> ServiceStatus | None:
        return None

    def jobs(self, *, limit: int = 100, before: str = "") -> list[Job]:
        return []

    async def order(self, do: str, name: str, by: str) -> Answer:
        if name == "unknown":
            return Answer(number=1, problem="there is no schedule unknown")
        return Answer(number=1, job_id="j1")


async def test_orders_are_written_down(tmp_path: Path) -> None:
    """Who, what, and what became of it."""
    reader = Reader(tmp_path, Deadlines())
    service = AuditedService(Standing(), Audit(reader, SetClock()))
    assert (await service.order("start", "paris", "web-oncall")).job_id == "j1"
    assert (await service.order("pause", "unknown", "token:ci")).problem
    await reader.close()
    found = Actions.open(tmp_path)
    assert found.broken is None
    assert [(each.kind, each.by, each.detail) for each in found.all()] == [
        ("ordered", "web-oncall", "start paris, job j1"),
        ("ordered", "token:ci", "pause unknown: there is no schedule unknown"),
    ]


async def test_a_stop_needs_no_room_on_the_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is done, and the log says what was not written down."""
    reader = Reader(tmp_path / "not there", Deadlines())
    service = AuditedService(Standing(), Audit(reader, SetClock()))
    assert (await service.order("stop", "j1", "web-oncall")).problem == ""
    await reader.close()
    assert "ordered by web-oncall was not written down" in caplog.text


def test_an_order_has_no_word_for_a_scope() -> None:
    """Nor for a command, a file, or an address: whoever speaks for the page can name what is configured."""
    assert set(Order.__struct_fields__) == {"number", "do", "name", "by"}
    known = {"start", "stop", "pause", "resume", "verify"}
    assert set(typing.get_args(typing.get_type_hints(Order)["do"])) == known
    for wrong in ({"do": "sweep"}, {"do": "start", "name": ["10.0.0.0/8"]}):
        try:
            msgspec.convert({"number": 1, "name": "paris", "by": "web-oncall"} | wrong, Order)
        except msgspec.ValidationError:
            continue
        raise AssertionError(wrong)
