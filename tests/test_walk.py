"""One target through all rooms, from the allow-list line to the JSONL line, and the page that tells it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from results.chain import Chain, ChainFile
from results.files import REAL
from results.journal import JournalWriter
from results.reading import read_run
from results.verdict import Verdict
from scanner.contact import Ending, LocalFault
from targets.load import load_scope
from tests.support.lines import observed
from tests.support.replay import Replay
from tests.support.walk import RecordedPeer, walk

if TYPE_CHECKING:
    from targets.scope import Target

ROOT = Path(__file__).resolve().parent.parent
ALLOW_LIST = """
[[allow]]
cidr = "10.20.0.0/29"
owner = "web platform"
contact = "web-oncall@example.com"
site = "paris"

[[allow]]
cidr = "10.20.0.4"
owner = "archive"

[[deny]]
cidr = "10.20.0.7"
reason = "medical device"
"""


@pytest.fixture
def allow_list(tmp_path: Path) -> Path:
    path = tmp_path / "estate.toml"
    path.write_text(ALLOW_LIST)
    return path


@pytest.fixture
def journal(tmp_path: Path) -> JournalWriter:
    directory = tmp_path / "run"
    directory.mkdir()
    return JournalWriter(directory, REAL, ChainFile(directory, Chain(run_id="walk", genesis="0" * 64), REAL))


def world(target: Target) -> RecordedPeer | Verdict | LocalFault:
    """10.20.0.0: open 4.0.3; .1: locked 7.1; .2: open 2.6; .4: secondary; others refuse or say nothing."""
    at = {
        "10.20.0.0": ("4.0.3", "open_data", ""),
        "10.20.0.1": ("7.1.0", "auth_user", ""),
        "10.20.0.2": ("2.6.0-rc1", "open_data", ""),
        "10.20.0.4": ("4.0.3", "rs_members", "secondary"),
    }.get(target.ip)
    assert target.ip != "10.20.0.7", "a denied address was connected to"
    if at is None:
        return Verdict.FILTERED if target.ip == "10.20.0.6" else Verdict.REFUSED
    return RecordedPeer(Replay(*at))


async def test_a_line_of_the_allow_list_becomes_a_line_of_the_journal(
    allow_list: Path, journal: JournalWriter
) -> None:
    scope = load_scope(allow_list, now=0.0)
    engine = await walk(scope, journal, world)
    path = journal.path
    journal.close()
    found = {observation.target.ip: observation for observation in read_run(path)}

    assert {ip: o.verdict for ip, o in found.items()} == {
        "10.20.0.0": Verdict.OPEN,
        "10.20.0.1": Verdict.AUTH_REQUIRED,
        "10.20.0.2": Verdict.OPEN,
        "10.20.0.4": Verdict.OPEN,
    }
    assert engine.accounts.outcomes == {"open": 3, "auth_required": 1, "refused": 2, "filtered": 1}
    assert engine.not_reached() == 0

    magazine = found["10.20.0.0"]
    assert magazine.owner.owner == "web platform"
    assert magazine.owner.allow == "10.20.0.0/29"
    assert magazine.server is not None
    assert magazine.server.version == "4.0.3"
    assert magazine.exposure is not None
    readers = {
        collection.name: collection.documents
        for database in magazine.exposure.databases
        if database.name == "lecteurs"
        for collection in database.collections
    }
    assert readers["readers"] == 2000
    assert magazine.exposure.ransom.level == "likely"
    assert found["10.20.0.4"].owner.owner == "archive"
    secondary = found["10.20.0.4"].server
    assert secondary is not None
    assert secondary.topology == "secondary"


async def test_with_everything_each_target_has_one_line(allow_list: Path, journal: JournalWriter) -> None:
    scope = load_scope(allow_list, now=0.0)
    await walk(scope, journal, world, everything=True)
    path = journal.path
    journal.close()
    lines = observed(path.read_bytes().splitlines())
    assert sorted(line["target"]["ip"] for line in lines) == [f"10.20.0.{last}" for last in range(7)]
    assert len({line["event_id"] for line in lines}) == 7


async def test_a_local_fault_is_asked_again_and_never_an_outcome(
    allow_list: Path, journal: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.engine.retries.FAULT_DELAY", 0.0)
    stumbles = {"10.20.0.0": 3, "10.20.0.5": 2}

    def shaky(target: Target) -> RecordedPeer | Verdict | LocalFault:
        if stumbles.get(target.ip, 0):
            stumbles[target.ip] -= 1
            return LocalFault.PORTS
        return world(target)

    engine = await walk(load_scope(allow_list, now=0.0), journal, shaky)
    journal.close()
    assert engine.accounts.outcomes == {"open": 3, "auth_required": 1, "refused": 2, "filtered": 1}
    assert sum(engine.accounts.faults.values()) == 5


class SilentPeer:
    """One connection on which nothing is answered before it is closed."""

    def opened(self) -> list[bytes | Ending]:
        return []

    def received(self, data: bytes) -> list[bytes | Ending]:
        return [Ending.CLOSED]


@pytest.mark.parametrize("silent", range(1, 7))
async def test_who_is_understood_at_the_second_conversation_is_counted_once(
    allow_list: Path, journal: JournalWriter, silent: int
) -> None:
    """Then as a server that answers like one before it. `silent`: connections on which it says nothing."""
    left = {"10.20.0.3": silent}

    def late(target: Target) -> RecordedPeer | SilentPeer | Verdict:
        if target.ip not in ("10.20.0.1", "10.20.0.3"):
            return Verdict.REFUSED
        if left.get(target.ip, 0):
            left[target.ip] -= 1
            return SilentPeer()
        return RecordedPeer(Replay("7.1.0", "auth_user", ""))

    engine = await walk(load_scope(allow_list, now=0.0), journal, late)
    journal.close()
    assert engine.accounts.outcomes.total() == 7
    assert engine.answered_count == 2
    assert not any(map(engine._recorder.holds, range(8)))


def section_of(title: str) -> str:
    """A section of docs/architecture.md."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    assert section, f"no section {title!r}"
    return section


@pytest.mark.parametrize("title", ["One target's way", "One finding's way", "A job's way"])
def test_the_walks_in_the_architecture_page_name_files_that_do_it(title: str) -> None:
    """The tables of hops in docs/architecture.md: each file exists and defines what the table says."""
    section = section_of(title)
    hops = re.findall(r"^\| (\d) \| `([\w/.]+)` \| `([\w.]+)` \|", section, re.MULTILINE)
    assert [int(number) for number, _, _ in hops] == list(range(1, len(hops) + 1))
    assert 5 <= len(hops) <= 7
    for _, file, name in hops:
        source = (ROOT / file).read_text(encoding="utf-8")
        last = name.rpartition(".")[2]
        found = re.search(rf"^\s*(async )?(def|class) {last}\b", source, re.MULTILINE)
        assert found, f"{name} is not in {file}"


def test_the_map_names_every_file_of_every_room_and_no_other() -> None:
    """The table of rooms in docs/architecture.md. The lab is a program of its own, and named as one."""
    told: dict[str, set[str]] = {"scanner": {"contact", "clock", "errors", "program"}}
    room = ""
    for first, files in re.findall(
        r"^\| (?:`([\w/]+)`)? ?\|[^|]*\| (.*) \|$", section_of("Every room, every file"), re.MULTILINE
    ):
        assert first not in told, "a room has its rows in one place"
        room = first or room
        named = re.findall(r"`(\w+)`", files)
        assert told.setdefault(room, set()).isdisjoint(named), "a file has one row"
        told[room].update(named)
    there: dict[str, set[str]] = {}
    for top in ("mongosweep", "scanner", "targets", "results"):
        for path in (ROOT / top).rglob("*.py"):
            folder = path.parent.relative_to(ROOT).as_posix()
            if not folder.startswith("scanner/lab") and not path.name.startswith("__"):
                there.setdefault(folder, set()).add(path.stem)
    assert told == there


def test_where_to_add_something_names_places_that_exist() -> None:
    """The table in docs/architecture.md that a newcomer follows."""
    places = re.findall(r"`([\w.]+/[\w/.]*)`", section_of("Where do I add …"))
    assert len(places) > 30
    assert [place for place in places if not (ROOT / place).exists()] == []
