"""RFC 5424: a golden message, its limits, and that no message is longer than its receiver takes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.formats import cef, native, shadowserver
from results.formats.fields import Sender
from results.formats.format import Format, UnfitError
from results.formats.rfc5424 import FORMAT, LEAST_BYTES, Syslog, message
from results.verdict import Severity
from tests.support.text_formats import read_cef, read_syslog
from tests.support.told import AT, SENDER, change, hostile, ordinary, run_event

GOLDEN = (
    "<106>1 2026-11-24T09:15:02.123Z scan-ams-1 mongosweep - opened [mongosweep@32473"
    ' id="mc_0123456789abcdef01234567" kind="opened" state="new" severity="critical" ip="10.1.2.3"'
    ' port="27017" hostnames="db7.example.net" site="ams" owner="team X" contact="team-x@example.com"'
    ' organisation="Example Corp" vantage="internet" runId="20261124T090000Z-a1b2"'
    ' exposureId="mx_e6c1e0b5d9f2" findingId="mf_6c1e0b5d9f2a4c376c1e0b5d" verdict="open"'
    ' reasons="seen-open" product="mongodb" serverVersion="7.0.14" topology="standalone" databaseCount="3"'
    ' collectionCount="26" documents="693000" sizeBytes="60000425984" databaseNames="crm,billing"'
    ' hints="crm.customers" lastWrite="2026-11-20T17:42:10.000Z" lastWriteMethod="newest_object_id"'
    ' firstSeen="2026-11-24T09:15:02.123Z" lastSeen="2026-11-24T09:15:02.123Z" labels="cost=4711"]'
    " \ufeffMongoDB answers without a password: 10.1.2.3:27017 (3 databases, 60.0 GB)"
)


def test_the_message_of_an_opening() -> None:
    assert (FORMAT.document(change(), SENDER) or b"").decode() == GOLDEN


def test_the_header_says_how_grave_it_is_and_whose_it_is() -> None:
    how = Syslog(facility=1, sd_id="sweep@99", bom=False)
    read = read_syslog(message(run_event(severity=Severity.HIGH), SENDER, how) or b"")
    assert read.priority == 1 * 8 + 3
    assert (read.timestamp, read.hostname, read.app_name, read.procid, read.msgid) == (
        *(AT, "scan-ams-1", "mongosweep", "", "ended"),
    )
    assert read.elements["sweep@99"]["openServers"] == "0"
    assert not read.marked
    assert read.said == "Sweep 20261124T090000Z-a1b2 ended: complete, nothing is open among 256 targets"


def test_what_ends_a_value_is_escaped() -> None:
    owned = change(hostnames=['a"b]c\\d'])
    document = message(owned, SENDER) or b""
    assert b'hostnames="a\\"b\\]c\\\\x5cd"' in document
    assert read_syslog(document).elements["mongosweep@32473"]["hostnames"] == 'a"b]c\\x5cd'


def test_a_host_name_is_printable_and_short() -> None:
    for host, told in (("böse \nhost", "b_se__host"), ("h" * 300, "h" * 255), ("", "")):
        assert read_syslog(message(change(), Sender(version="1", host=host)) or b"").hostname == told


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"facility": 24}, "write one from 0 to 23"),
        ({"sd_id": 'a"b'}, "write a name such as"),
        ({"sd_id": "a b@1"}, "write a name such as"),
        ({"sd_id": "é@1"}, "write a name such as"),
        ({"max_bytes": 479}, "write 480 or more"),
    ],
)
def test_what_no_message_can_have_is_refused(setting: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Syslog(**setting)  # type: ignore[arg-type]  # that is what is tried


@settings(max_examples=60)
@given(
    text=st.sampled_from(["é" * 256, "\U0001f600" * 256, "\\" * 256, "]" * 256, "\0" * 256, "n" * 256, "a"]),
    most=st.integers(LEAST_BYTES, 9000),
    count=st.integers(0, 20),
)
def test_no_message_is_longer_than_asked_for(text: str, most: int, count: int) -> None:
    """And it is whole: strict UTF-8, its element closed, its sentence there, what was cut named."""
    event = change(databases=[text] * count, hints=[text] * count, hostnames=[text], names=[text] * count)
    document = message(event, SENDER, Syslog(max_bytes=most)) or b""
    assert len(document) <= most
    read = read_syslog(document)
    assert read.said.startswith("MongoDB answers without a password: 10.1.2.3:27017")
    told = read.elements["mongosweep@32473"]
    assert (told["id"], told["kind"], told["ip"], told["port"]) == (
        *("mc_0123456789abcdef01234567", "opened", "10.1.2.3", "27017"),
    )
    whole = message(event, SENDER, Syslog(max_bytes=1 << 20)) or b""
    assert ("truncated" in told) == (document != whole)


def test_a_message_may_have_every_byte_that_its_receiver_takes() -> None:
    whole = message(change(), SENDER) or b""
    assert message(change(), SENDER, Syslog(max_bytes=len(whole))) == whole
    assert len(message(change(), SENDER, Syslog(max_bytes=len(whole) - 1)) or b"") < len(whole)


def test_lists_are_shortened_before_anything_else() -> None:
    event = change(databases=[f"d{number}" * 20 for number in range(20)])
    read = read_syslog(message(event, SENDER, Syslog(max_bytes=1200)) or b"").elements["mongosweep@32473"]
    assert read["databaseNames"].endswith(",…")
    assert read["owner"] == "team X"
    assert (read["lastWrite"], read["truncated"]) == ("2026-11-20T17:42:10.000Z", "1")


def test_what_cannot_be_made_short_enough_is_refused() -> None:
    with pytest.raises(UnfitError, match="480 bytes"):
        message(change(), Sender(version="1", host="h" * 255), Syslog(max_bytes=480))


def test_another_formats_document_may_be_the_message() -> None:
    document = message(change(), SENDER, carried=cef.FORMAT) or b""
    read = read_syslog(document)
    assert read.elements == {}
    assert not read.marked
    assert read_cef(read.said).extension["dst"] == "10.1.2.3"
    ours = read_syslog(message(run_event(), SENDER, carried=native.FORMAT) or b"")
    assert json.loads(ours.said)["event_id"] == "mr_0123456789abcdef01234567"
    assert message(run_event(), SENDER, carried=shadowserver.FORMAT) is None


@pytest.mark.parametrize("carried", [native.FORMAT, cef.FORMAT])
def test_a_document_that_is_too_long_is_made_with_shorter_lists(carried: Format) -> None:
    event = change(databases=["d" * 250] * 20, hints=["h" * 250] * 20, ransom_names=["r" * 250] * 20)
    read = read_syslog(message(event, SENDER, Syslog(max_bytes=2048), carried) or b"")
    assert read.elements == {"mongosweep@32473": {"truncated": "1"}}
    assert "10.1.2.3" in read.said
    with pytest.raises(UnfitError):
        message(event, SENDER, Syslog(max_bytes=480), carried)


def test_every_kind_of_event_has_its_message() -> None:
    for event in (*ordinary(), *hostile("x")):
        assert read_syslog(message(event, SENDER) or b"").app_name == "mongosweep"
