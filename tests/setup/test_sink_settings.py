"""`[[sink]]` and `[forward]`: what is accepted, and that each refusal names file, line and remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scanner.errors import RefusedError
from scanner.setup.config_file import read_config
from scanner.setup.sink_settings import secret_variable

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.setup.sink_settings import AnySink

SPLUNK = "[[sink]]\nkind = 'splunk'\nurl = 'https://splunk.example.com:8088'\n"
SENTINEL = (
    "[[sink]]\nkind = 'sentinel'\nurl = 'https://x.ingest.monitor.azure.com'\ntenant = 't'\n"
    "client_id = 'c'\nrule_id = 'dcr-1'\nstream = 'Custom-Mongosweep_CL'\n"
)
FILE = "[[sink]]\nkind = 'file'\npath = '/var/log/findings.jsonl'\n"
PASSWORD = "correct-horse"  # must never be shown

REFUSALS = [
    ("[[sink]]\nkind = 'splnk'\nurl = 'https://a'", 2, '"splnk" is unknown', "did you mean splunk?"),
    ("[[sink]]\nkind = 'carrier pigeon'", 2, "is unknown", "write one of splunk, elastic, sentinel, webhook"),
    ("[[sink]]\nkind = 3", 2, "kind = 3 is refused", 'kind = "splunk"'),
    ("[[sink]]\nkind = []", 2, "kind = [] is refused", 'kind = "splunk"'),
    ("[[sink]]\nurl = 'https://a'", 1, "no kind", 'kind = "splunk"'),
    ("[[sink]]\nkind = 'splunk'", 1, "no url", 'url = "https://siem.example.com:8088"'),
    ("sink = 3", 1, "sink = 3", "[[sink]]"),
    ("[sink]\nkind = 'file'", 1, "sink", "[[sink]]"),
    (SPLUNK + "indx = 'security'", 4, "'indx' in [[sink]] of kind \"splunk\"", "did you mean index?"),
    (SPLUNK + "bom = true", 4, "'bom' in [[sink]] of kind \"splunk\"", "write one of acknowledge, ca_file"),
    ("[[sink]]\nkind = 'journald'\nurl = 'https://a'", 3, "'url'", "min_severity, name, socket"),
    (SPLUNK + f"token = '{PASSWORD}'", 4, "'token'", "MONGOSWEEP_SINK_SPLUNK_SECRET, or name a secret_file"),
    (SPLUNK + f"name = 's-2'\nsecret = '{PASSWORD}'", 5, "'secret'", "MONGOSWEEP_SINK_S_2_SECRET"),
    (f"[[sink]]\nkind = 'splunk'\nurl = 'https://me:{PASSWORD}@siem.example.com'", 3, "a login", "SECRET"),
    (f"[[sink]]\nkind = 'splunk'\nurl = 'ftp://me:{PASSWORD}@siem.example.com'", 3, "refused", "https"),
    ("[[sink]]\nkind = 'splunk'\nurl = 'http://siem.example.com'", 3, "no TLS", "insecure = true"),
    ("[[sink]]\nkind = 'splunk'\nurl = 'http://127.0.0.1@siem.example.com'", 3, "a login", "without"),
    ("[[sink]]\nkind = 'splunk'\nurl = 'https://a b'", 3, "url", "https"),
    ("[[sink]]\nkind = 'splunk'\nurl = 'https://'", 3, "url", "https"),
    (SENTINEL + "authority = 'http://login.example.com'", 8, "no TLS", "https://"),
    ("[[sink]]\nkind = 'syslog'\nhost = 'log.example.com'\ntransport = 'udp'", 4, "clear", "insecure = true"),
    ("[[sink]]\nkind = 'syslog'\nhost = 'log.example.com'\ntransport = 'tcp'", 4, "clear", '"tls"'),
    ("[[sink]]\nkind = 'syslog'\nhost = 'a'\nsd_id = 'mongosweep'", 4, "sd_id", "mongosweep@32473"),
    ("[[sink]]\nkind = 'syslog'\nhost = 'a'\nfacility = 24", 4, "facility", "0 to 23"),
    ("[[sink]]\nkind = 'kafka'", 1, "no servers", 'servers = ["kafka-1.example.com:9093"]'),
    ("[[sink]]\nkind = 'kafka'\nservers = ['a']", 3, "servers", "kafka-1.example.com:9093"),
    ("[[sink]]\nkind = 'kafka'\nservers = ['a:9092']\ntls = false", 4, "clear", "insecure = true"),
    (SPLUNK + "format = 'cef'", 4, '"cef"', '"native", "ecs" or "ocsf"'),
    ("[[sink]]\nkind = 'file'\npath = 'findings.jsonl'", 3, "path", "/var/log/mongosweep/findings.jsonl"),
    ("[[sink]]\nkind = 'file'\npath = '/a'\nmode = '640'", 4, "mode", 'mode = "0640"'),
    ("[[sink]]\nkind = 'file'\npath = '/a'\nmode = 640", 4, "mode", 'mode = "0640"'),
    ("[[sink]]\nkind = 'elastic'\nurl = 'https://a'\nindex = 'Findings'", 4, "index", "logs-mongosweep"),
    (SPLUNK + "name = 'SOC'", 4, '"SOC"', 'name = "soc"'),
    (SPLUNK + "name = '../soc'", 4, '"../soc"', 'name = "soc"'),
    (SPLUNK + SPLUNK, 5, "'splunk'", 'name = "splunk-2"'),
    (SPLUNK + "name = 'a'\n" + SPLUNK + "name = 'a'", 8, "'a'", "of its own"),
    (FILE + FILE + "name = 'b'", 6, "two [[sink]] write to /var/log/findings.jsonl", "of its own"),
    (SPLUNK + "min_severity = 'grave'", 4, '"grave"', '"medium"'),
    (SPLUNK + "key = '/a.pem'", 4, "no certificate", "certificate"),
    (SPLUNK + "timeout = 0", 4, "timeout = 0", "1 to 600"),
    ("[forward]\npatience = -1", 2, "patience", "patience = 30"),
    ("[forward]\nremind_every = 'soon'", 2, '"soon"', '"7d"'),
    ("[forward]\nremind = '7d'", 2, "'remind'", "did you mean remind_every?"),
]


@pytest.mark.parametrize(("text", "line", "place", "remedy"), REFUSALS)
def test_a_refusal_names_file_line_and_remedy(
    tmp_path: Path, text: str, line: int, place: str, remedy: str
) -> None:
    path = tmp_path / "mongosweep.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RefusedError) as caught:
        read_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert place in message
    assert remedy in message
    assert "\n" not in message
    assert PASSWORD not in message


def sinks_of(text: str, tmp_path: Path) -> tuple[AnySink, ...]:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path).settings.sink


@pytest.mark.parametrize(
    "text",
    [
        SPLUNK,
        SENTINEL,
        "[[sink]]\nkind = 'splunk'\nurl = 'http://siem.example.com'\ninsecure = true",
        "[[sink]]\nkind = 'webhook'\nurl = 'http://127.0.0.1:8080/hook?x=1'",
        "[[sink]]\nkind = 'webhook'\nurl = 'http://[::1]:8080'",
        "[[sink]]\nkind = 'elastic'\nurl = 'http://localhost:9200'",
        "[[sink]]\nkind = 'syslog'\nhost = '127.0.0.1'\ntransport = 'udp'",
        "[[sink]]\nkind = 'syslog'\nhost = 'log.example.com'\ntransport = 'tcp'\ninsecure = true",
        "[[sink]]\nkind = 'kafka'\nservers = ['kafka-1.example.com:9093', '[2001:db8::1]:9093']",
        "[[sink]]\nkind = 'kafka'\nservers = ['127.0.0.1:9092']\ntls = false",
        "[[sink]]\nkind = 'journald'",
        "[[sink]]\nkind = 'file'\npath = '/var/log/findings.jsonl'\ngroup = 'adm'\nformat = 'cef'",
    ],
)
def test_what_is_right_is_taken(text: str, tmp_path: Path) -> None:
    (sink,) = sinks_of(text, tmp_path)
    assert sink.called == sink.kind


def test_names_are_the_kinds_unless_they_are_given(tmp_path: Path) -> None:
    found = sinks_of(SPLUNK + SPLUNK + "name = 'second'", tmp_path)
    assert [sink.called for sink in found] == ["splunk", "second"]
    assert secret_variable("second-soc") == "MONGOSWEEP_SINK_SECOND_SOC_SECRET"
