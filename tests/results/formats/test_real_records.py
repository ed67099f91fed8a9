"""What sweeps of the lab write, and what a server's whole life makes of the log, in every JSON format."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from results.events.event import ChangeEvent, RunEvent, parse
from results.events.log import read_lines
from results.events.publish import bring_up
from results.formats import ecs, ocsf, sarif, zgrab2
from results.ledger.intake import catch_up
from results.ledger.store import Ledger
from results.record import DatabaseLine, Observation
from scanner.lab import hostile, others
from scanner.lab.estate import find
from scanner.lab.honest import personalities
from scanner.setup.settings import Settings
from tests.support import check_ecs, check_ocsf, check_sarif, check_zgrab2
from tests.support.published import LIFE, live
from tests.support.sweeps import FAST, scope_of
from tests.support.told import SENDER
from tests.support.verifying import World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from results.events.event import Event
    from scanner.lab.personality import Personality


def hold(events: Iterable[Event]) -> Counter[str]:
    """Hold the documents of all these events against the schemas; how many of each format there were."""
    told: Counter[str] = Counter()
    results = []
    for event in events:
        for format_, problems in (
            (ecs.FORMAT, check_ecs.problems),
            (ocsf.FORMAT, check_ocsf.problems),
            (zgrab2.FORMAT, check_zgrab2.problems),
        ):
            line = format_.document(event, SENDER)
            if line is not None:
                assert line.isascii()
                assert b"\n" not in line
                assert problems(json.loads(line)) == [], event
                told[format_.name] += 1
        if (result := sarif.FORMAT.document(event, SENDER)) is not None:
            results.append(result)
    log = json.loads(sarif.FORMAT.head(SENDER) + sarif.FORMAT.between.join(results) + sarif.FORMAT.tail)
    assert check_sarif.problems(log) == []
    told["sarif"] = len(results)
    return told


def events_of(output: Path) -> list[Event]:
    """All that a folder holds: observations of all runs, the log of events, and exposures as they stand."""
    bring_up(output, remind_every=1, organisation="Example Corp")
    lines = list(read_lines(output, 0, 1 << 26)[0])
    for segment in sorted(output.glob("*/observations-*.jsonl")):
        lines += segment.read_bytes().splitlines()
    with Ledger.open(output) as ledger:
        found: list[Event] = list(ledger.exposures())
    return found + [event for line in lines if not isinstance(event := parse(line), DatabaseLine)]


def world(
    output: Path, port: int, servers: Iterable[Personality], seconds: float, cidr: str = "127.91.0.0/24"
) -> World:
    """A lab in which these servers stand, one an address."""
    settings = Settings(sweep=replace(FAST, reply_timeout=seconds, host_timeout=4 * seconds))
    made = World(output, port, scope_of(port, cidr), settings)
    made.servers = {f"127.91.0.{number}": each for number, each in enumerate(servers, start=1)}
    return made


def sweep_twice(made: World) -> list[Event]:
    """What two sweeps leave, between which every open server asks for a login or is another."""
    made.sweep(everything=True)
    made.clock.ahead += 86_400
    locked, other = find("auth_7_1"), find("magazine")
    turned = {ip: (locked if number % 2 else other) for number, ip in enumerate(made.servers)}
    made.servers = {ip: turned[ip] if each.verdict.is_open else each for ip, each in made.servers.items()}
    made.sweep(everything=True)
    catch_up(made.output)
    return events_of(made.output)


def test_records_of_the_lab(tmp_path: Path, port: int) -> None:
    names = {"magazine", "empty", "auth_7_1", "arbiter"}
    honest = [each for each in personalities() if each.name in names or each.verdict.is_open][:12]
    events = sweep_twice(world(tmp_path, port, [*honest, *others.personalities()], 0.3, "127.91.0.0/27"))
    told = hold(events)
    assert told["ecs"] == told["ocsf"] == len(events)
    verdicts = {event.verdict.value for event in events if isinstance(event, Observation)}
    assert {"open", "auth_required", "not_mongodb", "unknown", "refused"} <= verdicts
    kinds = {event.kind for event in events if isinstance(event, ChangeEvent | RunEvent)}
    assert {"opened", "closed", "started", "ended"} <= kinds


@pytest.mark.exhaustive
def test_records_of_all_servers_of_the_lab(tmp_path: Path, port: int) -> None:
    """Every honest server and every hostile one that is at hand."""
    everyone = [*personalities(), *others.personalities(), *hostile.personalities()]
    world(tmp_path, port, everyone[:254], 0.6).sweep(everything=True)
    catch_up(tmp_path)
    assert hold(events_of(tmp_path))["ecs"] > 254


def test_the_log_of_a_servers_whole_life(tmp_path: Path) -> None:
    """Opened, grown, wiped, ransomed, restored, closed, opened again and gone: as runs saw it, one a day."""
    for days in (range(1, 4), range(4, len(LIFE) + 1)):
        live(tmp_path, days)
        catch_up(tmp_path)
        events = events_of(tmp_path)
    hold(events)
    kinds = {event.kind for event in events if isinstance(event, ChangeEvent)}
    assert {
        "opened",
        "changed",
        "wiped",
        "ransomed",
        "closed",
        "reopened",
        "unreachable",
        "reminder",
    } <= kinds
