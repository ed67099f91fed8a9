"""CEF: a golden line, what stands where, and the lengths of ArcSight's dictionary."""

from __future__ import annotations

import pytest

from results.formats.cef import FORMAT, FORMAT_SRC
from results.formats.fields import Sender
from results.ledger.tracked import Place
from results.verdict import Severity
from tests.support.exposures import exposure
from tests.support.text_formats import read_cef
from tests.support.told import SENDER, change, hostile, run_event

GOLDEN = (
    "CEF:0|mongosweep|mongosweep|1.0.0|opened|MongoDB answers without a password|10|rt=1795511702123"
    " start=1795511702123 end=1795511702123 deviceCustomDate1=1795196530000 deviceCustomDate1Label=lastWrite"
    " externalId=mc_0123456789abcdef01234567 dst=10.1.2.3 dpt=27017 dhost=db7.example.net proto=TCP"
    " app=mongodb destinationServiceName=mongodb dvchost=scan-ams-1 deviceExternalId=internet cat=server"
    " cs6=new cs6Label=state flexString2=ams flexString2Label=site cs1=team X cs1Label=owner"
    " flexString1=team-x@example.com flexString1Label=contact mongosweepOrganisation=Example Corp"
    " cs4=20261124T090000Z-a1b2 cs4Label=runId cs5=mx_e6c1e0b5d9f2 cs5Label=exposureId"
    " mongosweepFindingId=mf_6c1e0b5d9f2a4c376c1e0b5d mongosweepVerdict=open reason=seen-open"
    " cs2=7.0.14 cs2Label=serverVersion mongosweepTopology=standalone cn1=3 cn1Label=databaseCount"
    " mongosweepCollectionCount=26 cn3=693000 cn3Label=documents cn2=60000425984 cn2Label=sizeBytes"
    " cs3=crm,billing cs3Label=databaseNames mongosweepHints=crm.customers"
    " mongosweepLastWriteMethod=newest_object_id mongosweepLabels=cost\\=4711"
    " msg=MongoDB answers without a password: 10.1.2.3:27017 (3 databases, 60.0 GB)"
)
LENGTHS = {
    "externalId": 40,
    "dhost": 1023,
    "dvchost": 100,
    "deviceExternalId": 255,
    "cat": 1023,
    "reason": 1023,
    "msg": 1023,
    "flexString1": 1023,
    "flexString2": 1023,
    "destinationServiceName": 1023,
    "app": 31,
    **{f"cs{number}": 4000 for number in range(1, 7)},
}


def test_the_line_of_an_opening() -> None:
    assert FORMAT.document(change(), SENDER).decode() == GOLDEN  # type: ignore[union-attr]  # it has one


def test_a_run_that_found_nothing_is_an_event_of_success() -> None:
    read = read_cef((FORMAT.document(run_event(), SENDER) or b"").decode())
    assert (read.class_id, read.name, read.severity) == ("ended", "Run ended", "0")
    told = read.extension
    assert (told["cat"], told["outcome"], read.labelled("state")) == ("run", "success", "complete")
    assert told["mongosweepOpenServers"] == "0"
    assert told["msg"].endswith("ended: complete, nothing is open among 256 targets")
    assert not told.keys() & {"dst", "dpt", "proto", "app", "cn1"}
    failed = read_cef((FORMAT.document(run_event(state="failed"), SENDER) or b"").decode())
    assert failed.extension["outcome"] == "failure"


def test_what_was_done_to_a_server_names_the_technique() -> None:
    read = read_cef((FORMAT.document(change(kind="ransomed", names=["READ_ME"]), SENDER) or b"").decode())
    assert read.extension["mongosweepTechniques"] == "T1485,T1657"
    assert read.extension["mongosweepNames"] == "READ_ME"


def test_ipv6_stands_in_a_field_for_it() -> None:
    place = Place(ip="2001:db8::17", port=27018)
    at_destination = read_cef((FORMAT.document(change(place=place), SENDER) or b"").decode())
    assert at_destination.labelled("Destination IPv6 Address") == "2001:db8::17"
    assert "dst" not in at_destination.extension
    at_source = read_cef((FORMAT_SRC.document(change(place=place), SENDER) or b"").decode())
    assert at_source.labelled("Source IPv6 Address") == "2001:db8::17"
    assert at_source.extension["spt"] == "27018"


def test_the_server_may_stand_as_the_source() -> None:
    told = read_cef((FORMAT_SRC.document(change(), SENDER) or b"").decode()).extension
    assert (told["src"], told["spt"], told["shost"]) == ("10.1.2.3", "27017", "db7.example.net")
    assert not told.keys() & {"dst", "dpt", "dhost"}


def test_the_header_escapes_what_ends_a_field() -> None:
    sender = Sender(version="1|2\\", host="h")
    line = (FORMAT.document(change(), sender) or b"").decode()
    assert line.startswith("CEF:0|mongosweep|mongosweep|1\\|2\\\\x5c|opened|")


@pytest.mark.parametrize("text", ["=" * 5000, "\0" * 5000, "é" * 5000])
def test_no_value_is_longer_than_the_dictionary_allows(text: str) -> None:
    for event in hostile(text):
        read = read_cef((FORMAT.document(event, SENDER) or b"").decode())
        for key, most in LENGTHS.items():
            assert len(read.extension.get(key, "")) <= most, key
        assert len(read.version) <= 31


def test_severities_are_those_of_the_table() -> None:
    lines = [FORMAT.document(exposure(severity=severity), SENDER) or b"" for severity in Severity]
    assert [read_cef(line.decode()).severity for line in lines] == ["10", "8", "5", "3", "0"]
