"""The page of now and its stream of events: over real run directories, through the application."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from results.covered import Row
from results.record import Owner
from results.verdict import Severity
from scanner.service.admission.roles import Role
from scanner.service.jobs import Job, ScheduleStatus, ServiceStatus
from scanner.service.orders import Answer
from scanner.service.view import live as live_module
from scanner.service.web import broadcast
from scanner.service.web.run_view import level_text
from tests.support.page import FakeService, page_client
from tests.support.running_run import running_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import ClientResponse
    from aiohttp.test_utils import TestClient

NET = 10 << 24
ROWS = [Row(4, NET, NET + 255, (27017,)), Row(6, 0x20010DB8 << 96, (0x20010DB8 << 96) + 15, (27017,))]
HOSTILE = '"><script>alert(1)</script>\x1b[2J\u202e'
STATUS = ServiceStatus(
    started_at="2026-03-08T11:00:00.000Z",
    beat_at="2026-03-08T12:00:00.000Z",
    version="1.0",
    schedules=(
        ScheduleStatus(name="paris-nightly", cron="0 2 * * *", next_at="2026-03-09T01:00:00.000Z"),
        ScheduleStatus(name="lyon", cron="0 3 * * *", paused_by="web on-call", sites=("lyon",)),
    ),
    running=(
        Job(
            job_id="j1",
            kind="sweep",
            schedule="paris-nightly",
            started_at="2026-03-08T11:59:00.000Z",
            run_id="run-1",
        ),
        Job(job_id="j2", kind="notify", started_at="2026-03-08T11:59:30.000Z", asked_by=HOSTILE),
    ),
    warnings=(f"the certificate {HOSTILE} expires in 3 days",),
)


class Refusing(FakeService):
    """Takes no order."""

    async def order(self, do: str, name: str, by: str) -> Answer:
        return Answer(number=1, problem=f"no schedule is called {name}")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other more quickly than once a second."""
    for module in (live_module, broadcast):
        monkeypatch.setattr(module, "LOOK_INTERVAL", 0.05)


async def text_of(client: TestClient[Any, Any], path: str = "/") -> str:
    answer = await client.get(path)
    assert answer.status == 200, await answer.text()
    return await answer.text()


async def events(answer: ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Each event of a stream: its name and its data."""
    assert answer.status == 200, await answer.text()
    assert answer.headers["Content-Type"] == "text/event-stream"
    while True:
        block = (await answer.content.readuntil(b"\n\n")).decode()
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[1:].count(": "))
        if "event" in fields:
            yield fields["event"], json.loads(fields["data"])


async def test_a_run_is_shown_with_its_figures_map_and_findings(tmp_path: Path) -> None:
    with running_run(tmp_path, ROWS) as run:
        run.finds("10.0.0.3", Severity.CRITICAL, owner=Owner(owner=HOSTILE))
        run.says(136, open=1, answered=2, rate=99.6, elapsed=75, remaining=3700, slowed_by=f"half {HOSTILE}")
        async with page_client(tmp_path, FakeService(STATUS), role=Role.OPERATE) as client:
            text = await text_of(client)
    assert "<h1>A sweep is running</h1>" in text
    assert "Sweep of paris-nightly" in text
    assert '<span data-live="asked">136</span> of 272 targets asked (<span data-live="share">50.0 %' in text
    for name, figure in (
        ("open", "1"),
        ("rate", "99/s"),
        ("elapsed", "1 min 15 s"),
        ("remaining", "1 h 1 min"),
    ):
        assert f'<dd data-live="{name}">{figure}</dd>' in text
    assert "10.0.0.3:27017" in text
    assert "<svg viewBox=" in text
    assert 'class="s-critical"' in text
    assert "2001:db8::/124" in text, "what has no place on the map is in the table"
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[2J\\u202e" in text
    assert len(text) < 60_000


async def test_who_may_only_look_sees_no_order_and_can_give_none(tmp_path: Path) -> None:
    service = FakeService(STATUS)
    for role in (Role.VIEW, Role.ACKNOWLEDGE):
        async with page_client(tmp_path, service, role=role) as client:
            assert "/now/order" not in await text_of(client)
            answer = await client.post("/now/order", data={"do": "stop", "name": "j1"}, allow_redirects=False)
            assert answer.status == 403
            api = await client.post("/api/v1/service/orders", json={"do": "stop", "name": "j1"})
            assert api.status == 403
    assert service.orders == []


async def test_orders_reach_the_service_with_the_name_of_who_gave_them(tmp_path: Path) -> None:
    service = FakeService(STATUS)
    async with page_client(tmp_path, service, role=Role.OPERATE) as client:
        text = await text_of(client)
        forms = re.findall(r'name="do" value="(\w+)"><input type="hidden" name="name" value="([^"]*)"', text)
        assert set(forms) == {
            ("stop", "j1"),
            ("stop", "j2"),
            ("verify", ""),
            ("start", "paris-nightly"),
            ("pause", "paris-nightly"),
            ("start", "lyon"),
            ("resume", "lyon"),
        }
        for do, name in forms:
            answer = await client.post("/now/order", data={"do": do, "name": name}, allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (303, f"/?done={do}#done")
        assert 'role="status">It was asked to stop' in await text_of(client, "/?done=stop")
        paused = await client.post("/api/v1/service/orders", json={"do": "pause", "name": "lyon"})
        assert (paused.status, await paused.json()) == (202, {})
        assert "<b>x" not in await text_of(client, "/?done=<b>x")
        for wrong in ({"do": "sweep 0.0.0.0/0"}, {}, {"do": ["stop", "stop"]}):
            answer = await client.post("/now/order", data=wrong, allow_redirects=False)
            assert answer.status in (400, 303)
    assert service.orders[: len(forms)] == [(do, name, "token:prometheus") for do, name in forms]


async def test_an_order_that_is_not_taken_is_told_on_the_page_and_to_programs(tmp_path: Path) -> None:
    async with page_client(tmp_path, Refusing(STATUS), role=Role.OPERATE) as client:
        answer = await client.post("/now/order", data={"do": "start", "name": HOSTILE})
        text = await answer.text()
        assert answer.status == 409
        assert 'role="alert">no schedule is called' in text
        assert "<script>alert" not in text
        api = await client.post("/api/v1/service/orders", json={"do": "begin"})
        assert "do: it is 'begin'; write one of pause, resume, start" in (await api.json())["detail"]
        api = await client.post("/api/v1/service/orders", json={"do": "start", "name": "x"})
        assert (api.status, (await api.json())["detail"]) == (409, "no schedule is called x")


async def test_the_first_minute_says_what_to_do_next(tmp_path: Path) -> None:
    """Step by step: nothing is there, a configuration without a scope, a service without a schedule."""
    async with page_client(tmp_path, FakeService()) as client:
        text = await text_of(client)
        for words in ("Nothing is running", "What to do next", "mongosweep init", "mongosweep serve"):
            assert words in text
        assert "nothing says that nothing is open" in text
    config = tmp_path / "mongosweep.toml"
    config.write_text('[organisation]\nname = "Example"\ncontact = "soc@example.com"\n')
    bare = ServiceStatus(started_at="x", beat_at="x", version="1")
    async with page_client(tmp_path, FakeService(bare), config=config) as client:
        text = await text_of(client)
        assert "mongosweep init" not in text
        assert "[[allow]]" in text
        assert "[[schedule]]" in text


async def test_events_tell_the_map_as_the_run_stands(tmp_path: Path) -> None:
    """What a page puts together of the changes is what a new page is given whole."""
    with running_run(tmp_path, ROWS) as run:
        run.says(10)
        async with page_client(tmp_path, FakeService(STATUS)) as client, client.get("/events") as answer:
            stream = events(answer)
            name, told = await anext(stream)
            assert name == "all"
            assert told["figures"]["asked"] == "10"
            levels = [int(level) for level in told["levels"]]
            for position in (100, 200, run.positions):
                run.says(position)
                run.finds(f"10.0.0.{position % 256}", Severity.LOW)
                seen: dict[str, Any] = {}
                while seen.get("figures", {}).get("asked") != str(min(position, 272)) or "found" not in seen:
                    name, change = await anext(stream)
                    assert name == "change"
                    for at, level in change.get("cells", ()):
                        levels[at] = level
                    seen |= change
                assert seen["found"][0][0] == f"10.0.0.{position % 256}:27017"
                assert "key" not in seen, "the page need not be drawn anew"
            async with client.get("/events") as second:
                _, whole = await anext(events(second))
                assert whole["levels"] == level_text(bytes(levels))
                assert set(whole["levels"]) == {"8"}
                assert len(whole["dots"]) == 3


async def test_the_end_of_a_run_changes_the_form_of_the_page(tmp_path: Path) -> None:
    async with page_client(tmp_path, FakeService()) as client:
        with running_run(tmp_path, ROWS) as run:
            async with client.get("/events") as answer:
                stream = events(answer)
                _, told = await anext(stream)
                page = await text_of(client)
                assert f'data-key="{told["key"]}"' in page
                run.directory.close()
                seen: dict[str, Any] = {}
                while "key" not in seen:
                    _, seen = await anext(stream)
                assert seen["key"] != told["key"]
        assert "Nothing is running" in await text_of(client)


async def test_who_may_not_watch_any_more_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "_CHECK_EVERY", 2)
    async with page_client(tmp_path, FakeService()) as client, client.get("/events") as answer:
        await anext(events(answer))
        from scanner.clock import SystemClock
        from scanner.service.admission.access import Access

        access = Access(tmp_path, SystemClock())
        access.revoke_token("prometheus")
        access.close()
        await asyncio.wait_for(answer.content.read(), 10)
        assert answer.content.at_eof()


async def test_a_page_of_another_site_gets_no_events(tmp_path: Path) -> None:
    async with page_client(tmp_path, FakeService()) as client:
        for headers in (
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "null"},
        ):
            answer = await client.get("/events", headers=headers)
            assert answer.status == 403, headers


async def test_a_reader_that_does_not_read_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection fills; the others go on, and it is let go."""
    monkeypatch.setattr(broadcast, "WRITE_PATIENCE", 0.5)
    short = broadcast._event
    much = (b":" + b"x" * 1000 + b"\n\n") * 1000
    monkeypatch.setattr(broadcast, "_event", lambda name, data: short(name, data) + much)
    with running_run(tmp_path, ROWS) as run:
        async with page_client(tmp_path, FakeService()) as client:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.port, limit=1)
            head = (
                f"Host: 127.0.0.1:{client.port}\r\nAuthorization: {client.session.headers['Authorization']}"
            )
            writer.write(f"GET /events HTTP/1.1\r\n{head}\r\n\r\n".encode())
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            async with client.get("/events") as answer:
                stream = events(answer)
                wall = client.app[broadcast.BROADCAST]
                for number in range(100):
                    run.says(number)
                    await anext(stream)
                    if number > 3 and wall._watching == 1:
                        break
                assert wall._watching == 1, "the one that does not read was let go"
            writer.close()


async def test_all_pages_share_one_look(tmp_path: Path) -> None:
    """Also those that come at the same moment; and they get changes, not everything each time."""
    with running_run(tmp_path, ROWS) as run:
        run.says(1)
        async with page_client(tmp_path, FakeService()) as client:
            answers = await asyncio.gather(*(client.get("/events") for _ in range(30)))
            streams = [events(answer) for answer in answers]
            assert {name for name, _ in [await anext(stream) for stream in streams]} == {"all"}
            wall = client.app[broadcast.BROADCAST]
            number, began = wall._number, time.monotonic()
            for position in (50, 100, 150):
                run.says(position)
                assert {name for name, _ in [await anext(stream) for stream in streams]} == {"change"}
            assert wall._number - number <= (time.monotonic() - began) / 0.05 + 1
            for answer in answers:
                answer.close()


@pytest.mark.exhaustive
def test_two_hundred_open_pages_cost_less_than_a_tenth_of_a_core() -> None:
    command = [sys.executable, "-m", "bench.live_pages", "--seconds", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_there_is_a_last_page_that_is_kept_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "MOST_PAGES", 2)
    async with page_client(tmp_path, FakeService()) as client:
        async with client.get("/events") as one, client.get("/events") as two, client.get("/events") as three:
            assert [one.status, two.status, three.status] == [200, 200, 503]
            assert three.headers["Retry-After"]
        for _ in range(200):
            async with client.get("/events") as again:
                if again.status == 200:
                    break
            await asyncio.sleep(0.02)
        assert again.status == 200, "who has gone makes room"


async def test_nobody_looks_while_nobody_watches(tmp_path: Path) -> None:
    with running_run(tmp_path, ROWS):
        async with page_client(tmp_path, FakeService()) as client:
            async with client.get("/events") as answer:
                await anext(events(answer))
            wall = client.app[broadcast.BROADCAST]
            for _ in range(200):
                if not wall._watching:
                    break
                await asyncio.sleep(0.02)
            number = wall._number
            await asyncio.sleep(0.2)
            assert (wall._watching, wall._number, wall._looking) == (0, number, None)


async def test_programs_are_told_the_same(tmp_path: Path) -> None:
    ended = [
        Job(
            job_id=f"e{day}",
            kind="sweep",
            started_at=f"2026-03-0{day}T04:00:00.000Z",
            end="complete",
            exit_code=0,
        )
        for day in (1, 2, 3)
    ]
    with running_run(tmp_path, ROWS) as run:
        run.finds("10.0.0.3", owner=Owner(owner=HOSTILE))
        run.says(136, open=1)
        async with page_client(tmp_path, FakeService(STATUS, ended)) as client:
            told = json.loads(await text_of(client, "/api/v1/service"))
            assert told["service"]["schedules"][0]["name"] == "paris-nightly"
            assert (told["run"]["run_id"], told["run"]["progress"]["asked"]) == ("run-1", 136)
            assert told["run"]["found"][0]["owner"] == HOSTILE
            newest = json.loads(await text_of(client, "/api/v1/service/jobs?limit=2"))["jobs"]
            assert [job["job_id"] for job in newest] == ["e3", "e2"]
            older = json.loads(
                await text_of(client, f"/api/v1/service/jobs?limit=2&before={newest[-1]['started_at']}")
            )["jobs"]
            assert [job["job_id"] for job in older] == ["e1"]
            answer = await client.get("/api/v1/service/jobs?before=yesterday")
            assert answer.status == 400
    async with page_client(tmp_path, FakeService()) as client:
        told = json.loads(await text_of(client, "/api/v1/service"))
        assert (told["service"], told["run"]) == (None, None)
