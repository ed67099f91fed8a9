"""The files for Splunk, and our sink sending to a real receiver of what Splunk's collector takes."""

from __future__ import annotations

import configparser
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.formats.fields import Sender
from results.formats.registry import format_named
from results.formats.rfc5424 import Syslog, message
from results.sinks.http import Endpoint
from results.sinks.sink import Item
from results.sinks.splunk import SplunkOptions, SplunkSink
from tests.support.full_events import change, full_events, paths
from tests.support.receivers.tls import Certificates
from tests.support.receivers.victorialogs import victoria_logs
from tests.support.siem import SIEM

if TYPE_CHECKING:
    from pathlib import Path

    from results.events.event import Event

SENDER = Sender(version="1.0", host="probe-1", organisation="Example")
HOSTILE = ['","at":"2001-01-01T00:00:00.000Z', 'a]b"c\\', "x=y", "a\nb", "|", "\u202egnp.exe", 'k="v"', "\\"]


def conf(name: str) -> configparser.ConfigParser:
    """Read as Splunk does: names keep their case, `=` alone divides, and nothing is interpolated."""
    told = configparser.ConfigParser(
        delimiters=("=",),
        comment_prefixes=("#",),
        interpolation=None,
        strict=True,
        empty_lines_in_values=False,
    )
    told.optionxform = str  # type: ignore[assignment,method-assign]
    told.read(SIEM / "splunk" / f"{name}.conf")
    return told


def names_sent() -> set[str]:
    """The fields that Splunk finds in our own JSON: a list's name ends in `{}`."""
    sent = set()
    for event in full_events():
        told = msgspec.to_builtins(event)
        sent |= set(paths(told)) | {f"{path}{{}}" for path in paths(told)}
    return sent


def names_of(search: str) -> set[str]:
    """The fields that a search names, but for Splunk's own."""
    first, *commands = search.split(" | ")
    named = set(re.findall(r"([\w.{}]+)(?==| IN )", first))
    for command in commands:
        verb, _, rest = command.partition(" ")
        if verb in ("dedup", "table"):
            named |= set(rest.replace(",", " ").split())
    return {name for name in named if not name.startswith("_")} - {"sourcetype"}


def line(event: Event, name: str) -> str:
    told = format_named(name).document(event, SENDER)
    assert told is not None
    return told.decode()


def test_searches_and_aliases_name_fields_and_kinds_that_come() -> None:
    """A field that never comes would be a search that never finds."""
    sent = names_sent()
    searches = conf("savedsearches")
    kinds = {event.kind for event in full_events()}
    assert len(searches.sections()) == 3
    assert 'NOT purpose="verify"' in searches["mongosweep - No sweep ended complete for a day"]["search"]
    for title in searches.sections():
        search = searches[title]["search"]
        assert names_of(search) <= sent, title
        assert names_of(search) >= {"schema", "kind"}
        for told in re.findall(r'kind(?:=| IN \()((?:"\w+"(?:, )?)+)', search):
            assert set(re.findall(r"\w+", told)) <= kinds
        assert set(searches[title].get("alert.suppress.fields", "event_id").split(",")) <= sent
    for section in map(conf("props").__getitem__, conf("props").sections()):
        for key, told in section.items():
            if key.startswith("FIELDALIAS-"):
                assert set(re.findall(r"(\S+) AS ", told)) <= sent
            elif key.startswith("EVAL-") and told.startswith("'"):
                assert told.strip("'") in sent
            elif key.startswith("REPORT-"):
                assert told in conf("transforms")


@pytest.mark.parametrize("name", ["event", "ecs", "ocsf"])
def test_the_time_of_a_line_is_found(name: str) -> None:
    """Also where a server's names look like a time. Each source type is the one that our sink gives."""
    section = conf("props")[f"mongosweep:{name}"]
    written = "native" if name == "event" else name
    for event in (*full_events(), change("opened", names=HOSTILE)):
        text = line(event, written)
        found = re.search(section["TIME_PREFIX"], text)
        assert found
        told = text[found.end() :][: int(section["MAX_TIMESTAMP_LOOKAHEAD"])]
        if (form := section["TIME_FORMAT"]) == "%s%3N":
            at = datetime.fromtimestamp(int(told) / 1000, UTC)
        else:
            at = datetime.strptime(told, form.replace("%3N", "%f")).replace(tzinfo=UTC)
        assert at == datetime.fromisoformat(event.at)
        assert len(text) < int(section["TRUNCATE"])
        assert not re.search(section["LINE_BREAKER"], text)
        sink = SplunkSink("soc", options(), format_named(written), SENDER)
        assert json.loads(sink.render(event, text.encode()) or b"")["sourcetype"] == section.name


def test_structured_data_comes_apart_as_it_was_put_together() -> None:
    """`mongosweep_structured_data`: each parameter once, whatever a name holds."""
    pattern = conf("transforms")["mongosweep_structured_data"]["REGEX"]
    for event in (*full_events(), change("opened", names=HOSTILE)):
        for most in (65_536, 480):
            text = (message(event, SENDER, Syslog(max_bytes=most)) or b"").decode()
            element = text[text.index("[mongosweep@32473") : text.rindex("] ") + 1]
            found = re.findall(pattern, text)
            rebuilt = "".join(f' {name}="{value}"' for name, value in found)
            assert element == f"[mongosweep@32473{rebuilt}]"


def options(url: str = "https://127.0.0.1:8088", ca_file: str = "") -> SplunkOptions:
    return SplunkOptions(endpoint=Endpoint(url=url, ca_file=ca_file), token="0" * 36)


async def test_our_sink_delivers_to_a_real_victorialogs(tmp_path: Path) -> None:
    """Over TLS, packed by gzip, with our channel in the headers: each event as it was."""
    keys = Certificates(tmp_path)
    with victoria_logs(tmp_path / "logs", keys.server_file, keys.ca_file) as logs:
        sink = SplunkSink("soc", options(logs.url, str(keys.ca_file)), format_named("native"), SENDER)
        events = [*full_events(), change("opened", event_id="me_hostile", names=HOSTILE)]
        lines = [msgspec.json.encode(event) for event in events]
        items = [
            Item(event.event_id, event.at, sink.render(event, line) or b"")
            for event, line in zip(events, lines, strict=True)
        ]
        try:
            answer = await sink.send(items)
        finally:
            await sink.close()
        assert not answer.refused
        assert not answer.again
        rows = logs.rows("*", len(events))
    assert len(rows) == len(events)
    for event, text in zip(events, lines, strict=True):
        row = next(row for row in rows if row["event.event_id"] == event.event_id)
        told = {
            name.removeprefix("event."): value for name, value in row.items() if name.startswith("event.")
        }
        assert told == dict(flat(json.loads(text)))
        assert datetime.fromisoformat(row["_time"]) == datetime.fromisoformat(event.at)
        assert row["fields.event_id"] == event.event_id
        assert row["sourcetype"] == "mongosweep:event"


def flat(value: object, before: str = "") -> list[tuple[str, str]]:
    """As VictoriaLogs keeps a document: text by path, a list as JSON."""
    if isinstance(value, dict):
        return [
            pair
            for name, held in value.items()
            for pair in flat(held, f"{before}.{name}" if before else name)
        ]
    return [
        (
            before,
            value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False),
        )
    ]
