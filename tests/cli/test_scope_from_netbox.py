"""From a NetBox to a scope that is planned, as it is typed; one that breaks off changes nothing."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from scanner.cli import main
from targets import netbox_pages
from tests.support.netbox import NEW_TOKEN, StandIn, nested, refusal, standing_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohttp import web

CONFIGURATION = """\
[scope]
files = ["scope.toml"]
[netbox]
url = "{}"
"""


@pytest.fixture
def netbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setattr(netbox_pages, "PAUSE", 0.01)
    with standing_in() as netbox:
        netbox.prefix("10.0.0.0/8", "container", tenant="network")
        netbox.prefix("10.20.0.0/16", tenant="web platform")
        netbox.prefix("10.30.0.0/24")
        netbox.prefix("20.0.0.0/24", tenant="shop")
        netbox.prefix("10.40.0.0/24", "deprecated", tenant="shop")
        netbox.address("10.20.7.7/16", tenant="shop")
        netbox.address("10.20.8.8/16")
        netbox.range("10.50.0.10/24", "10.50.0.19/24", tenant="shop")
        (tmp_path / "mongosweep.toml").write_text(CONFIGURATION.format(netbox.url), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MONGOSWEEP_NETBOX_TOKEN", NEW_TOKEN)
        yield netbox


def test_from_a_netbox_to_a_plan(netbox: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scope", "import", "netbox", "--authorised-by", "CHG-1", "--expires", "2999-01-01"]) == 0
    text = (tmp_path / "scope.toml").read_text(encoding="utf-8")
    assert "# netbox:prefixes/2, owner by tenant\n[[allow]]\ncidr = " in text
    assert NEW_TOKEN not in text + "".join(capsys.readouterr())
    assert main(["plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"] == 65536 + 256 + 256 + 10
    assert main(["scope", "check", "--against", "netbox"]) == 1
    told = capsys.readouterr().out
    assert "not-in" not in told
    assert "no-contact: 20.0.0.0/24 has no contact, and 'shop' no [[recipient]]" in told
    assert main(["scope", "import", "netbox", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["written"], again["addresses"]["added"], again["unauthorised"]) == (False, 0, [])
    owners = {line for line in text.splitlines() if line.startswith("owner = ")}
    assert owners == {'owner = "web platform"', 'owner = "network"', 'owner = "shop"'}


def test_what_changes_hands_is_told(netbox: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scope", "import", "netbox"]) == 0
    netbox.objects["ipam/prefixes"][2]["tenant"] = netbox.objects["ipam/prefixes"][3]["tenant"]
    capsys.readouterr()
    assert main(["scope", "import", "netbox"]) == 0
    told = capsys.readouterr().out
    assert "with another owner: 256 addresses in 1 run\n    10.30.0.0/24  network -> shop\n" in told


def test_a_netbox_that_breaks_off_or_is_empty_changes_nothing(
    netbox: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scope", "import", "netbox"]) == 0
    before = (tmp_path / "scope.toml").read_bytes()

    async def refused(request: web.Request, asked: int) -> web.StreamResponse | None:
        return refusal(403, "Invalid token.") if "ip-addresses" in request.path else None

    netbox.instead = refused
    assert main(["scope", "import", "netbox", "--accept-loss"]) == 2
    netbox.instead = None
    for path in netbox.objects:
        netbox.objects[path] = []
    assert main(["scope", "import", "netbox", "--accept-loss"]) == 2
    assert "names no address" in capsys.readouterr().err
    assert (tmp_path / "scope.toml").read_bytes() == before


EVERY_KEY = """\
[netbox]
url = "{url}"
token_file = "token"
ca_file = "authority.pem"
contact_role = "security"
owner_field = "team"
contact_field = "mail"
statuses = ["reserved"]

[scope]
vrfs = ["office"]
"""


def test_every_key_of_netbox_has_its_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    (tmp_path / "token").write_text(NEW_TOKEN, encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MONGOSWEEP_NETBOX_TOKEN", raising=False)
    with standing_in(context) as netbox:
        fields = {"team": "databases", "mail": "db@example.com"}
        office = nested("ipam/vrfs", "office")
        netbox.prefix("10.20.0.0/24", "reserved", vrf=office, custom_fields=fields)
        netbox.prefix("10.30.0.0/24", "reserved", vrf=office)
        netbox.prefix("10.40.0.0/24", "reserved")
        netbox.prefix("10.50.0.0/24", vrf=office)
        netbox.assign(netbox.contact("second line"), "Security", "ipam.prefix", 2)
        text = EVERY_KEY.format(url=netbox.url)
        (tmp_path / "mongosweep.toml").write_text(text, encoding="utf-8")
        assert main(["scope", "import", "netbox"]) == 0
    written = (tmp_path / "scope.toml").read_text(encoding="utf-8")
    said = [line for line in written.splitlines() if line.startswith(("cidr", "owner", "contact"))]
    assert said == [
        'cidr = "10.20.0.0/24"',
        'owner = "databases"',
        'contact = "db@example.com"',
        'cidr = "10.30.0.0/24"',
        'owner = "second line"',
        'contact = "second line"',
    ]
    assert NEW_TOKEN not in written + "".join(capsys.readouterr())
