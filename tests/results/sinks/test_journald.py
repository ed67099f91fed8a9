"""The journal: a real systemd-journald takes the entries, and journalctl finds them by their fields."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import socket
import struct
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.events.event import ChangeEvent
from results.formats.fields import TITLES
from results.formats.registry import format_named
from results.sinks.journald import MESSAGE_IDS, JournaldOptions, JournaldSink
from results.sinks.sink import Item, UnavailableError
from tests.results.injections import INJECTIONS
from tests.support.receivers.journal import Journal
from tests.support.receivers.sent import AT, SENDER, change_event, run_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from results.events.event import RunEvent
    from results.sinks.sink import Answer


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """A journal of its own."""
    with Journal(tmp_path_factory.mktemp("journald")) as running:
        yield running


def sink_to(place: object, format: str = "native", timeout: float = 10.0) -> JournaldSink:  # noqa: A002
    return JournaldSink(
        format, JournaldOptions(socket=str(place), timeout=timeout), format_named(format), SENDER
    )


def send(sink: JournaldSink, *events: ChangeEvent | RunEvent) -> Answer:
    items, native = [], sink.name == "native"
    for event in events:
        body = sink.render(event, msgspec.json.encode(event) if native else b"")
        assert body is not None
        items.append(Item(event.event_id, AT, body))
    return asyncio.run(sent(sink, items))


async def sent(sink: JournaldSink, items: list[Item]) -> Answer:
    try:
        return await sink.send(items)
    finally:
        await sink.close()


def named(number: int, *names: str) -> ChangeEvent:
    event = change_event(number)
    return msgspec.structs.replace(
        event, snapshot=msgspec.structs.replace(event.snapshot, databases=[*names])
    )


def test_entries_are_found_by_their_fields(journal: Journal) -> None:
    send(sink_to(journal.socket), change_event(1), run_event())
    (opened,) = journal.entries(1, f"MESSAGE_ID={MESSAGE_IDS['opened']}", "MONGOSWEEP_IP=10.20.1.17")
    assert opened["MESSAGE"] == "MongoDB answers without a password: 10.20.1.17:27017"
    assert (opened["PRIORITY"], opened["MONGOSWEEP_ID"]) == ("2", change_event(1).event_id)
    assert (opened["MONGOSWEEP_OWNER"], opened["MONGOSWEEP_PORT"]) == ("web platform", "27017")
    assert opened["_TRANSPORT"] == "journal"
    assert msgspec.json.decode(opened["MONGOSWEEP_EVENT"], type=ChangeEvent) == change_event(1)
    (ended,) = journal.entries(1, f"MESSAGE_ID={MESSAGE_IDS['ended']}")
    assert (ended["PRIORITY"], ended["MONGOSWEEP_STATE"]) == ("6", "complete")
    assert "MONGOSWEEP_IP" not in ended


def test_hostile_names_are_values_and_nothing_else(journal: Journal) -> None:
    names = [*INJECTIONS, "a\nPRIORITY=0\nFORGED=1", "\n", "=", "x" * 300_000]
    events = [named(100 + number, name) for number, name in enumerate(names)]
    events = [msgspec.structs.replace(event, run_id="hostile") for event in events]
    assert send(sink_to(journal.socket, "cef"), *events).again == frozenset()
    found = journal.entries(len(names), "MONGOSWEEP_RUN=hostile")
    assert [entry["MONGOSWEEP_DATABASE"] for entry in found] == [
        "\\ud800" if name == "\ud800" else name for name in names
    ]
    assert all(entry["PRIORITY"] == "2" and "FORGED" not in entry for entry in found)
    assert all(entry["MONGOSWEEP_EVENT"].startswith("CEF:0|") for entry in found)


def test_a_journald_that_is_started_again_gets_what_was_sent_after(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        sink = sink_to(journal.socket)
        send(sink, change_event(1))
        journal.stop()
        with pytest.raises(UnavailableError, match=r"connection refused|there is no such socket"):
            send(sink, change_event(2))
        journal.start()
        send(sink, change_event(2))
        ids = [entry["MONGOSWEEP_ID"] for entry in journal.entries(2)]
    assert ids == [change_event(1).event_id, change_event(2).event_id]


def test_every_kind_has_an_id_of_its_own() -> None:
    assert set(MESSAGE_IDS) == set(TITLES)
    assert len(set(MESSAGE_IDS.values())) == len(TITLES)
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in MESSAGE_IDS.values())


def test_no_socket_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="systemd-journald does not run here"):
        send(sink_to(tmp_path / "socket"), change_event(1))


class FakeJournald:
    """Not journald: a socket of the same kind in a thread, which reads when it is told to."""

    def __init__(self, path: Path) -> None:
        self.taken: list[tuple[bytes, int]] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))

    def read(self, count: int) -> None:
        for _ in range(count):
            data, files, _, _ = socket.recv_fds(self.socket, 1 << 20, 1)
            seals = 0
            if files:
                seals = fcntl.fcntl(files[0], fcntl.F_GET_SEALS)
                data = os.pread(files[0], 1 << 26, 0)
                os.close(files[0])
            self.taken.append((data, seals))


def test_what_no_datagram_holds_is_a_memory_file_that_nobody_changes(tmp_path: Path) -> None:
    fake = FakeJournald(tmp_path / "socket")
    reader = threading.Thread(target=fake.read, args=(1,))
    reader.start()
    send(sink_to(tmp_path / "socket"), named(1, "n" * (4 << 20)))
    reader.join(10)
    fake.socket.close()
    ((data, seals),) = fake.taken
    assert seals == fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    assert b"\nMONGOSWEEP_DATABASE=nnn" in data


def test_a_value_of_more_lines_has_its_length_in_front() -> None:
    body = sink_to("nowhere").render(named(1, "a\nb"), b'{"a":1}')
    assert body is not None
    assert b"\nMONGOSWEEP_DATABASE\n" + struct.pack("<Q", 3) + b"a\nb\nMONGOSWEEP_" in body


def test_a_journal_that_reads_nothing_is_unavailable_and_the_rest_comes_again(tmp_path: Path) -> None:
    fake = FakeJournald(tmp_path / "socket")
    sink = sink_to(tmp_path / "socket", timeout=0.3)
    events = [change_event(number) for number in range(250)]
    answer = send(sink, *events)
    assert "journald reads nothing" in answer.said
    taken = 250 - len(answer.again)
    assert answer.again == frozenset(range(taken, 250))
    reader = threading.Thread(target=fake.read, args=(250,))
    reader.start()
    send(sink, *events[taken:])
    reader.join(10)
    fake.socket.close()
    ids = [re.search(rb"\nMONGOSWEEP_ID=(\w+)\n", data)[1].decode() for data, _ in fake.taken]  # type: ignore[index]
    assert ids == [event.event_id for event in events]
