"""LEEF 2.0: a golden line, and what stands where QRadar looks for it."""

from __future__ import annotations

from results.formats.fields import Sender
from results.formats.leef import FORMAT
from tests.support.text_formats import read_leef
from tests.support.told import SENDER, change, run_event

GOLDEN = (
    "LEEF:2.0|mongosweep|mongosweep|1.0.0|opened|^|cat=server^sev=10^devTime=2026-11-24T09:15:02.123Z"
    "^devTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX^proto=TCP^identHostName=db7.example.net"
    "^resource=mongodb 7.0.14^name=MongoDB answers without a password^sensor=scan-ams-1"
    "^id=mc_0123456789abcdef01234567^state=new^dst=10.1.2.3^dstPort=27017^site=ams^owner=team X"
    "^contact=team-x@example.com^organisation=Example Corp^vantage=internet^runId=20261124T090000Z-a1b2"
    "^exposureId=mx_e6c1e0b5d9f2^findingId=mf_6c1e0b5d9f2a4c376c1e0b5d^verdict=open^reasons=seen-open"
    "^product=mongodb^serverVersion=7.0.14^topology=standalone^databaseCount=3^collectionCount=26"
    "^documents=693000^sizeBytes=60000425984^databaseNames=crm,billing^hints=crm.customers"
    "^lastWrite=2026-11-20T17:42:10.000Z^lastWriteMethod=newest_object_id"
    "^firstSeen=2026-11-24T09:15:02.123Z^lastSeen=2026-11-24T09:15:02.123Z^labels=cost=4711"
    "^msg=MongoDB answers without a password: 10.1.2.3:27017 (3 databases, 60.0 GB)"
)


def test_the_line_of_an_opening() -> None:
    assert (FORMAT.document(change(), SENDER) or b"").decode() == GOLDEN


def test_the_delimiter_in_a_name_is_visibly_another() -> None:
    told = read_leef((FORMAT.document(change(databases=["a^dst=6.6.6.6"]), SENDER) or b"").decode())
    assert told.attributes["databaseNames"] == "a\\x5edst=6.6.6.6"
    assert told.attributes["dst"] == "10.1.2.3"


def test_the_header_has_no_further_pipe() -> None:
    read = read_leef((FORMAT.document(change(), Sender(version="1|2", host="h")) or b"").decode())
    assert (read.version, read.event_id) == ("1\\x7c2", "opened")


def test_a_run_has_no_server() -> None:
    told = read_leef((FORMAT.document(run_event(), SENDER) or b"").decode()).attributes
    assert (told["cat"], told["sev"], told["openServers"], told["state"]) == ("run", "1", "0", "complete")
    assert not told.keys() & {"dst", "dstPort", "proto", "resource"}
