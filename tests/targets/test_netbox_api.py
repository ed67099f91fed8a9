"""A NetBox read over its API, one on 127.0.0.1: what becomes of its objects, and how it pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from targets.grammar import format_span
from tests.support.netbox import NEW_TOKEN, OLD_TOKEN, StandIn, nested, standing_in
from tests.support.netbox_reading import Read, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web


@pytest.fixture
def netbox() -> Iterator[StandIn]:
    with standing_in() as netbox:
        yield netbox


def test_what_becomes_of_each_kind(netbox: StandIn) -> None:
    netbox.aggregate("10.0.0.0/8")
    netbox.prefix("10.1.0.0/16", "container", tenant="platform")
    site = nested("dcim/sites", "AMS1", 3)
    netbox.prefix(
        "10.1.2.0/24",
        scope_type="dcim.site",
        scope_id=3,
        scope=site,
        tenant="web platform",
        role="Servers",
        tags=[nested("extras/tags", "db"), nested("extras/tags", "prod", 2)],
        custom_fields={
            "env": "production",
            "cost": 4711,
            "none": None,
            "people": [{"name": "a"}, {"name": "b"}],
        },
    )
    netbox.range("10.1.3.10/24", "10.1.3.99/24")
    netbox.address(
        "10.1.2.3/24",
        dns_name="DB7.example.com",
        assigned_object_type="virtualization.vminterface",
        assigned_object={"id": 12, "name": "eth0", "virtual_machine": {"id": 4, "name": "db7"}},
    )
    netbox.address("fd00::3/64", "dhcp")
    read = Read(netbox, statuses=("active", "DHCP"))
    assert {claim.provenance: format_span(claim.span) for claim in read.claims} == {
        "netbox:aggregates/1": "10.0.0.0/8",
        "netbox:prefixes/1": "10.1.0.0/16",
        "netbox:prefixes/2": "10.1.2.0/24",
        "netbox:ip-ranges/1": "10.1.3.10-10.1.3.99",
        "netbox:ip-addresses/1": "10.1.2.3",  # and not the 256 of its network
        "netbox:ip-addresses/2": "fd00::3",
    }
    said = {place: claim.said for place, claim in read.places.items()}
    assert [
        said[place].kind for place in ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.3.10-10.1.3.99")
    ] == [
        "container",
        "container",
        "prefix",
        "range",
    ]
    prefix = said["10.1.2.0/24"]
    assert (prefix.owner, prefix.owner_by, prefix.site, prefix.status) == (
        "web platform",
        "tenant",
        "AMS1",
        "active",
    )
    assert dict(prefix.labels) == {
        "role": "Servers",
        "tags": "db,prod",
        "env": "production",
        "cost": "4711",
        "people": "a, b",
    }
    assert read.places["10.1.2.3"].names == ("db7.example.com",)
    assert dict(said["10.1.2.3"].labels) == {"virtual_machine": "db7"}
    assert said["fd00::3"].status == "dhcp"
    assert str(read.reading.format) == "NetBox 4.6"
    assert read.told == []


def test_who_owns_it_in_this_order(netbox: StandIn) -> None:
    """`owner`, the contact in the role, the custom field, the tenant; else nobody: the prefix around it is
    asked next, and that is known only when all are read."""
    first = netbox.contact("web on-call", "web-oncall@example.com")
    second = netbox.contact("second line")
    owner = nested("users/owners", "web platform")
    both: dict[str, Any] = {
        "tenant": "Example Ltd",
        "custom_fields": {"team": "databases", "mail": "db@example.com"},
    }
    for number in range(1, 6):
        netbox.prefix(
            f"10.0.{number}.0/24",
            **(both if number < 4 else {"tenant": "Example Ltd"} if number == 4 else {}),
        )
    netbox.objects["ipam/prefixes"][0]["owner"] = owner
    netbox.assign(second, "Security", "ipam.prefix", 1, "secondary")
    netbox.assign(first, "Security", "ipam.prefix", 1, "primary")
    netbox.assign(second, "Security", "ipam.prefix", 2, "tertiary")
    netbox.assign(first, "Security", "ipam.prefix", 3, "inactive")
    netbox.assign(first, "Billing", "ipam.prefix", 3)
    netbox.assign(first, "Security", "tenancy.tenant", 1)
    netbox.assign(first, "Security", "ipam.ipaddress", 5)
    settings = {"contact_role": "security", "owner_field": "team", "contact_field": "mail"}
    read = Read(netbox, **settings)
    assert [(c.said.owner, c.said.owner_by, c.said.contact) for c in read.claims] == [
        ("web platform", "owner", "web-oncall@example.com"),
        ("second line", "contact security", "second line"),
        ("databases", "custom field team", "db@example.com"),
        ("Example Ltd", "tenant", "web-oncall@example.com"),
        ("", "", ""),
    ]
    read = Read(netbox, contact_role="nobody")
    (told,) = read.told
    assert told.endswith("in the role 'nobody'; roles of contacts there: 'Billing', 'Security'")


TWO = "two networks; name in vrfs only the one that is reached from here"


def test_what_is_left_out_is_counted(netbox: StandIn) -> None:
    office, guests = nested("ipam/vrfs", "office"), nested("ipam/vrfs", "guests", 2)
    netbox.prefix("10.0.0.0/24")
    netbox.prefix("10.0.0.0/24", vrf=office)
    netbox.prefix("10.0.0.0/24", vrf=guests)
    netbox.prefix("10.0.1.0/24", "reserved")
    netbox.prefix("10.0.0.0/16", "container")
    netbox.address("10.0.0.1/24", "deprecated")
    netbox.address("10.0.0.1/24", vrf=guests)
    read = Read(netbox, vrfs=("", "office", "offcie"))
    assert [(c.said.vrf, format_span(c.span)) for c in read.claims] == [
        ("", "10.0.0.0/24"),
        ("office", "10.0.0.0/24"),
        ("", "10.0.0.0/16"),
    ]
    assert [line.removeprefix(f"{netbox.url}: ") for line in read.told] == [
        "10.0.0.0/24 is in the VRFs '(global)' and 'office': " + TWO,
        "left out: in VRFs that [scope] vrfs does not name: 'guests' 2",
        "left out: of a status that [netbox] statuses does not name: 'reserved' 1, 'deprecated' 1",
        "nothing is in a VRF 'offcie', which vrfs names",
    ]


@pytest.mark.parametrize("token", [OLD_TOKEN, NEW_TOKEN])
@pytest.mark.parametrize("by_start", [True, False])
def test_pages(netbox: StandIn, by_start: bool, token: str) -> None:
    """Both ways of paging, both kinds of tokens, a server that gives less than it is asked for, and a `next`
    with a host that is none."""
    netbox.by_start, netbox.max_page = by_start, 7
    for number in range(50):
        netbox.prefix(f"10.{number}.0.0/16")
        netbox.address(f"10.{number}.0.1/16")
    netbox.range("10.0.0.2/16", "10.0.0.9/16")
    read = Read(netbox, token)
    assert len({claim.provenance for claim in read.claims}) == len(read.claims) == 101
    assert netbox.at_once <= 4
    assert all("fields=id%2C" in asked or "fields=id," in asked for asked in netbox.asked)
    assert any("limit=1000" in asked for asked in netbox.asked)


def test_what_changes_while_it_is_read(netbox: StandIn) -> None:
    """By offset, a deletion moves the others up, so that one would be passed over; additions come last."""
    netbox.by_start, netbox.max_page = False, 10
    for number in range(40):
        netbox.prefix(f"10.{number}.0.0/16")
    gone: list[Any] = []

    async def meanwhile(request: web.Request, asked: int) -> None:
        if "offset=20" in request.path_qs and "prefixes" in request.path and not gone:
            gone.append(netbox.objects["ipam/prefixes"].pop(0))
            netbox.add("ipam/prefixes", **{**gone[0], "id": 99, "prefix": "10.99.0.0/16"})
            del netbox.objects["ipam/prefixes"][0]

    netbox.instead = meanwhile
    found = {format_span(claim.span) for claim in Read(netbox).claims}
    assert {f"10.{number}.0.0/16" for number in range(2, 40)} | {"10.99.0.0/16"} <= found


def test_a_path_in_front_and_api_behind(netbox: StandIn) -> None:
    netbox.prefix("10.0.0.0/24")
    assert len(Read(netbox, url=f"{netbox.url}/api/").claims) == 1
    assert refused(netbox, url=f"{netbox.url}/netbox").startswith("NETBOX/netbox: has no /api/ipam/")


def test_an_object_that_is_none_costs_no_other(netbox: StandIn) -> None:
    netbox.prefix("10.0.0.0/24")
    netbox.prefix("10.0.1.0/24")["prefix"] = "10.0.1.77/24"
    netbox.address("10.0.0.1/24")["address"] = "10.0.0/24"
    read = Read(netbox)
    assert [format_span(claim.span) for claim in read.claims] == ["10.0.0.0/24"]
    assert read.reading.unusable == 2
    first, second = sorted(line.partition(": ")[2] for line in read.told)
    assert first.startswith("ip-addresses/1: '10.0.0' is a shortened or numeric form of an address; write")
    assert second.startswith(
        "prefixes/2: '10.0.1.77/24' has host bits set; write 10.0.1.0/24 for the network"
    )
