"""`mongosweep leads`: whose it would be, by the scope; nobody is asked because of a lead."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from results.record import Certificate, Endpoint, Server, Tls
from tests.cli.programs import mongosweep
from tests.results.examples import observation, open_server
from tests.support.dns import resolving_beside
from tests.support.ledgers import RunOnDisk

if TYPE_CHECKING:
    from pathlib import Path

TABLE = {
    ("7.0.20.10.in-addr.arpa.", "PTR"): ["db7.example.net."],
    ("db7.example.net.", "A"): ["10.20.0.7"],
    ("db8.example.net.", "A"): ["10.20.0.8"],
    ("other.example.net.", "A"): ["10.20.0.9"],
    ("partner.example.org.", "A"): ["10.99.0.1"],
    ("denied.example.net.", "A"): ["10.20.0.66"],
}
CONFIGURATION = """\
[organisation]
contact = "soc@example.com"

[dns]
servers = ["{resolver}"]

[[allow]]
cidr = "10.20.0.0/24"
owner = "web platform"
contact = "web-oncall@example.com"
site = "paris"

[[deny]]
cidr = "10.20.0.66"
reason = "medical devices"
"""
HOSTS = [
    "db7.example.net:27017",
    "db8.example.net:27017",
    "other.example.net:27117",
    "partner.example.org:27017",
    "denied.example.net:27017",
    "gone.example.net:27017",
    "10.20.0.200:27017",
    "bad\x1b[31m name:1",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run over half of the scope: one open server, a member of a set with a certificate."""
    certificate = Certificate(names=["*.example.net"])
    server = Server(product="mongodb", version="7.0.5", set_name="rs0", hosts=HOSTS)
    target = Endpoint(ip="10.20.0.7", port=27017, tls=Tls(certificate=certificate))
    run = RunOnDisk(
        tmp_path / "past",
        "20260301T040000Z-aaaa",
        "2026-03-01T04:00:00.000Z",
        covers=("10.20.0.0-10.20.0.127:27017",),
    )
    run.begin(hold=False).see(
        open_server("10.20.0.7", server=server, target=target), observation("10.20.0.8")
    ).end()
    return tmp_path


def leads(folder: Path, *options: str) -> list[dict[str, Any]]:
    """What it lists, as documents, with the resolver beside it."""
    with resolving_beside(TABLE) as resolver:
        text = CONFIGURATION.format(resolver=resolver.address)
        (folder / "mongosweep.toml").write_text(text, encoding="utf-8")
        done = mongosweep("leads", "--json", "-o", "past", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_lead_says_whose_it_would_be(folder: Path) -> None:
    found = leads(folder)
    assert {(row["name"], row.get("ip", ""), row["standing"]) for row in found} == {
        ("db7.example.net", "10.20.0.7", "asked"),
        ("db8.example.net", "10.20.0.8", "asked"),
        ("other.example.net", "10.20.0.9", "port_not_asked"),
        ("partner.example.org", "10.99.0.1", "outside"),
        ("denied.example.net", "10.20.0.66", "outside"),
        ("gone.example.net", "", "no_address"),
        ("10.20.0.200", "10.20.0.200", "not_asked"),
        ("bad\x1b[31m name", "", "no_host"),
        ("*.example.net", "", "no_host"),
    }
    assert [row["standing"] for row in found][:2] == ["outside", "outside"]
    by_name = {row["name"]: row for row in found}
    assert by_name["partner.example.org"]["reason"] == "no allow entry holds it"
    assert by_name["denied.example.net"]["reason"] == "denied by 10.20.0.66 (medical devices)"
    assert by_name["10.20.0.200"]["owner"] == "web platform"
    assert by_name["10.20.0.200"]["told_by"] == [{"ip": "10.20.0.7", "port": 27017, "how": "member"}]
    told = [each["how"] for row in found if row["name"] == "db7.example.net" for each in row["told_by"]]
    assert sorted(told) == ["member", "reverse"]


def test_the_table_shows_no_control_character(folder: Path) -> None:
    with resolving_beside(TABLE) as resolver:
        text = CONFIGURATION.format(resolver=resolver.address)
        (folder / "mongosweep.toml").write_text(text, encoding="utf-8")
        done = mongosweep("leads", "last", "-o", "past", cwd=folder)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "partner.example.org 10.99.0.1:27017" in done.stdout
    assert "nobody is asked before" in done.stdout


def test_without_resolvers_only_the_hosts_file_is_read(folder: Path) -> None:
    with resolving_beside(TABLE) as resolver:
        text = CONFIGURATION.format(resolver=resolver.address)
        (folder / "mongosweep.toml").write_text(text, encoding="utf-8")
        done = mongosweep("leads", "--json", "--no-dns", "-o", "past", cwd=folder)
        assert not resolver.asked
    found = {row["name"]: row["standing"] for row in map(json.loads, done.stdout.splitlines())}
    assert found["db8.example.net"] == "no_address"
    assert found["10.20.0.200"] == "not_asked"


def test_what_is_listed_narrows_a_sweep_and_never_widens_it(folder: Path) -> None:
    """The lines can be given to `sweep -` and `plan -`: what is outside is told and left out."""
    rows = leads(folder)
    text = "".join(json.dumps(row) + "\n" for row in rows if row.get("ip") and row.get("port"))
    done = mongosweep("plan", "-", cwd=folder, input=text)
    assert done.returncode == 0, done.stderr
    assert "3 targets" in done.stdout
    assert "10.99.0.1" in done.stderr


@pytest.mark.parametrize("run", ["nothing", "../nothing"])
def test_a_run_that_is_none(folder: Path, run: str) -> None:
    (folder / "mongosweep.toml").write_text(CONFIGURATION.format(resolver="127.0.0.1"), encoding="utf-8")
    done = mongosweep("leads", run, "-o", "past", cwd=folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
