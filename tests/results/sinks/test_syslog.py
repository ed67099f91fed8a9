"""Syslog into a real rsyslog: what arrives, whom it trusts, and receivers that stop, hang and die."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.events.event import ChangeEvent
from results.formats.registry import format_named
from results.sinks.batch import Pace
from results.sinks.forward import SinkPlan, forward
from results.sinks.sink import Item, StoppedError, UnavailableError
from results.sinks.syslog import SyslogOptions, SyslogSink
from tests.results.injections import INJECTIONS
from tests.support.ports import free_port
from tests.support.receivers import rsyslog
from tests.support.receivers.rsyslog import Pem, Rsyslog
from tests.support.receivers.sent import AT, SENDER, change_event, items_of, run_event
from tests.support.receivers.tls import Certificates
from tests.support.sinking import ids_of, write_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    Make = Callable[..., SyslogSink]

_PARAMETER = re.compile(r' ([^ =]+)="((?:[^"\\\]]|\\["\\\]])*)"')


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The certificates of these tests."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pem(certificates: Certificates) -> Pem:
    """Those of a receiver on loopback."""
    return Pem(certificates.ca_file, certificates.server_file)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for a receiver, which is a real rsyslog."""
    rsyslog.needed()
    return tmp_path / "rsyslog"


@pytest.fixture
def receiver(home: Path) -> Iterator[Rsyslog]:
    """A receiver over TCP."""
    with Rsyslog(home) as running:
        yield running


@pytest.fixture
async def make(certificates: Certificates) -> AsyncIterator[Make]:
    """Makes sinks, over TLS if nothing else is said, and closes them at the end."""
    sinks = []

    def sink(port: int, format: str = "rfc5424", **options: Any) -> SyslogSink:  # noqa: A002
        given: dict[str, Any] = {"host": "127.0.0.1", "ca_file": str(certificates.ca_file), "timeout": 10.0}
        given |= options
        sinks.append(SyslogSink("soc", SyslogOptions(port=port, **given), format_named(format), SENDER))
        return sinks[-1]

    yield sink
    for each in sinks:
        await each.close()


def parameters(data: str) -> dict[str, str]:
    """Structured data taken apart by RFC 5424, section 6.3."""
    assert data.startswith("[mongosweep@32473 ")
    inside = data.removeprefix("[mongosweep@32473").removesuffix("]")
    assert _PARAMETER.sub("", inside) == ""
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in _PARAMETER.findall(inside)}


def many(count: int) -> list[ChangeEvent]:
    return [change_event(number) for number in range(count)]


def with_names(*names: str) -> ChangeEvent:
    event = change_event(7)
    return msgspec.structs.replace(
        event, snapshot=msgspec.structs.replace(event.snapshot, databases=[*names])
    )


@pytest.mark.parametrize("transport", ["tls", "tcp", "udp"])
async def test_every_fact_arrives(transport: str, home: Path, pem: Pem, make: Make) -> None:
    tls = pem if transport == "tls" else None
    with Rsyslog(home, tls, udp=transport == "udp") as receiver:
        sink = make(receiver.port, transport=transport)
        answer = await sink.send(items_of(sink, [change_event(1), run_event()]))
        opened, ended = receiver.taken(2)
        await sink.close()
    assert (answer.refused, answer.again) == ({}, frozenset())
    assert {name: opened[name] for name in ("priority", "host", "app", "kind")} == {
        "priority": "106",  # facility 13, critical
        "host": "probe-1",
        "app": "mongosweep",
        "kind": "opened",
    }
    assert opened["time"].startswith("2026-03-08T08:30:00.25")
    assert opened["text"] == "\ufeffMongoDB answers without a password: 10.20.1.17:27017"
    facts = parameters(opened["data"])
    assert facts["id"] == change_event(1).event_id
    assert (facts["ip"], facts["port"], facts["owner"]) == ("10.20.1.17", "27017", "web platform")
    assert (facts["state"], facts["lastSeen"]) == ("open", AT)
    assert (ended["priority"], parameters(ended["data"])["openServers"]) == ("110", "0")
    assert receiver.said() == ""  # nothing broke off: TLS was closed in good order


async def test_hostile_names_arrive_escaped_and_split_nothing(receiver: Rsyslog, make: Make) -> None:
    names = [*INJECTIONS, '] "b"="c', "\\", "12 <1>1 - - - - - - x"]
    sink = make(receiver.port, transport="tcp")
    items = []
    for number, name in enumerate(names):
        body = sink.render(msgspec.structs.replace(with_names(name), event_id=str(number)), b"")
        assert body is not None
        items.append(Item(str(number), AT, body))
    await sink.send(items)
    taken = receiver.taken(len(names))
    assert [parameters(each["data"])["id"] for each in taken] == [str(n) for n in range(len(names))]
    assert all(each["kind"] == "opened" and each["priority"] == "106" for each in taken)
    told = [parameters(each["data"])["databaseNames"] for each in taken]
    assert len(set(told)) == len(names)
    assert all(text.isprintable() for text in told)


async def test_another_format_is_the_text(receiver: Rsyslog, make: Make) -> None:
    event = change_event(3)
    for format in ("native", "cef"):  # noqa: A001
        sink = make(receiver.port, format, transport="tcp")
        await sink.send(items_of(sink, [event]))
    native, cef = receiver.taken(2)
    assert msgspec.json.decode(native["text"], type=ChangeEvent) == event
    document = format_named("cef").document(event, SENDER)
    assert document is not None
    assert cef["text"].encode() == document
    assert (native["data"], cef["data"]) == ("-", "-")


async def test_no_message_is_longer_than_the_bound(receiver: Rsyslog, make: Make) -> None:
    sink = make(receiver.port, transport="tcp", max_bytes=480)
    (item,) = items_of(sink, [with_names(*("n" * 200 + str(number) for number in range(20)))])
    assert len(item.body) <= 480
    await sink.send([item])
    (taken,) = receiver.taken(1)
    assert parameters(taken["data"])["truncated"] == "1"


async def test_a_certificate_that_does_not_verify_stops_the_sink(
    home: Path, certificates: Certificates, tmp_path: Path, make: Make
) -> None:
    (tmp_path / "other").mkdir()
    other = Certificates(tmp_path / "other")
    with Rsyslog(home, Pem(certificates.ca_file, certificates.server_file)) as receiver:
        for options, remedy in (
            ({"ca_file": str(other.ca_file)}, "set ca_file to the authority that signed it"),
            ({"ca_file": ""}, "set ca_file"),
            ({"server_name": "siem.example.com"}, "set server_name to a name that stands in it"),
            ({"ca_file": str(tmp_path / "none.pem")}, f"ca_file {tmp_path}/none.pem: no such file"),
            ({"certificate": str(certificates.ca_file)}, "certificate and key .*: not PEM, not a pair"),
        ):
            sink = make(receiver.port, **options)
            with pytest.raises(StoppedError, match=remedy):
                await sink.send(items_of(sink, many(1)))
        assert receiver.taken(0) == []


async def test_an_expired_certificate_stops_the_sink(
    home: Path, certificates: Certificates, make: Make
) -> None:
    expired = certificates.written("127.0.0.1", expired=True)
    with Rsyslog(home, Pem(certificates.ca_file, expired)) as receiver:
        sink = make(receiver.port)
        with pytest.raises(StoppedError, match="certificate has expired; renew it"):
            await sink.send(items_of(sink, many(1)))


async def test_a_receiver_that_asks_for_our_certificate(
    home: Path, certificates: Certificates, pem: Pem, make: Make
) -> None:
    ours = certificates.written("probe.example.com")
    with Rsyslog(home, pem, peer="probe.example.com") as receiver:
        named = make(receiver.port, certificate=str(ours))
        await named.send(items_of(named, many(2)))
        for certificate in ("", str(certificates.written("other.example.com"))):
            wrong = make(receiver.port, certificate=certificate)
            with pytest.raises(UnavailableError, match="it may not accept our certificate"):
                await wrong.send(items_of(wrong, many(1)))
        assert len(receiver.taken(2)) == 2


async def test_a_port_without_tls_stops_the_sink_or_is_tried_again(receiver: Rsyslog, make: Make) -> None:
    sink = make(receiver.port, timeout=1.0)  # rsyslog waits for more of the message
    with pytest.raises(UnavailableError, match=r"no answer in 1 s|after 1 s still doing the TLS"):
        await sink.send(items_of(sink, many(1)))


async def test_a_receiver_that_is_stopped_and_started_again_gets_everything_once(
    home: Path, pem: Pem, make: Make
) -> None:
    receiver = Rsyslog(home, pem)
    with receiver:
        sink = make(receiver.port)
        first = items_of(sink, many(3))
        await sink.send(first)
    more = items_of(sink, many(6))[3:]
    with pytest.raises(UnavailableError, match="connection refused"):
        await sink.send(more)
    with receiver:
        await sink.send(more)
        ids = [parameters(each["data"])["id"] for each in receiver.taken(6)]
    assert ids == [event.event_id for event in many(6)]


@pytest.mark.parametrize("reason", ["killed", "busy"])
async def test_what_it_has_not_read_is_not_taken(reason: str, receiver: Rsyslog, make: Make) -> None:
    sink = make(receiver.port, transport="tcp", timeout=0.3)
    events = many(200)
    items = items_of(sink, events)
    receiver.hold()
    for _ in range(2):  # its kernel took every byte
        with pytest.raises(UnavailableError, match="waiting until it has read what was written"):
            await sink.send(items[:150])
    if reason == "killed":
        receiver.kill()
        await asyncio.sleep(0.1)
        with pytest.raises(UnavailableError, match="refused"):
            await sink.send(items[:150])
        receiver.start()
        answer = await sink.send(items)
        assert answer.again == frozenset()
    else:
        with pytest.raises(UnavailableError, match="waiting until it has read"):
            await sink.send(items[150:])  # nothing overtakes them
        receiver.go_on()
        assert (await sink.send(items[:70])).again == frozenset()
        assert (await sink.send(items[70:])).again == frozenset(range(80, 130))  # were not sent before
        assert (await sink.send(items[150:])).again == frozenset()
    ids = [parameters(each["data"])["id"] for each in receiver.taken(200)]
    assert ids == [event.event_id for event in events]


@pytest.mark.exhaustive
async def test_delivery_goes_on_over_a_receiver_that_hangs_and_is_started_again(
    receiver: Rsyslog, make: Make, tmp_path: Path
) -> None:
    count = 8000
    write_events(tmp_path, range(count))
    sink = make(receiver.port, transport="tcp", timeout=0.2)
    sink.limits = sink.limits._replace(events=50)
    over = asyncio.Event()
    delivery = asyncio.create_task(
        forward(tmp_path, [SinkPlan(sink)], follow=False, stop=over, patience=60.0, pace=Pace(most=0.2))
    )
    for _ in range(4):
        await asyncio.sleep(0.05)
        receiver.hold()
        await asyncio.sleep(0.4)
        receiver.go_on()
        await asyncio.to_thread(receiver.stop)  # it writes what it has read
        await asyncio.sleep(0.1)
        await asyncio.to_thread(receiver.start)
    (report,) = await delivery
    taken = [parameters(each["data"])["id"] for each in receiver.taken(count)]
    assert (report.ended, report.delivered) == ("delivered", count)
    assert set(taken) == set(ids_of(*range(count)))
    assert len(taken) < count + 4 * 2 * 50


async def test_datagrams_to_a_port_where_nobody_listens(make: Make) -> None:
    sink = make(free_port(), transport="udp")
    with pytest.raises(UnavailableError, match="connection refused"):
        await sink.send(items_of(sink, many(2)))


async def test_what_is_no_datagram_is_refused_alone(home: Path, make: Make) -> None:
    with Rsyslog(home, udp=True) as receiver:
        sink = make(receiver.port, transport="udp")
        small, large = items_of(sink, many(2))
        answer = await sink.send([large._replace(body=b"x" * 70_000), small])
        assert list(answer.refused) == [0]
        assert len(receiver.taken(1)) == 1


async def test_speed(receiver: Rsyslog, make: Make) -> None:
    sink = make(receiver.port, transport="tcp")
    items = items_of(sink, many(1000))
    before = time.process_time()
    for _ in range(5):
        await sink.send(items)
    assert time.process_time() - before < 1.0  # 5,000 events in less than 0.1 s where it was measured
    assert json.dumps(len(receiver.taken(5000))) == "5000"


@pytest.mark.parametrize("name", ["siem..example.com", f"{'a' * 64}.example.com", ".example.com"])
def test_hosts_that_are_no_names(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a server; write one such as"):
        SyslogOptions(host=name, port=6514)
