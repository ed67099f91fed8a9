"""Settings of where the scope comes from: allow-lists in files of their own, who signs them, the inventory
that they are imported from, what is asked of IPv6, and who is asked whether public space is ours."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from results.durations import PATTERN as _DURATION


class ScopeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Allow-lists in files of their own, beside the [[allow]] entries here, and what they must show."""

    files: Annotated[
        tuple[str, ...],
        Meta(
            max_length=64,
            description="allow-lists (TOML, CSV or plain text) that count beside [[allow]]; paths are "
            "relative to this file",
            examples=[["netbox.toml"]],
        ),
    ] = ()
    signers: Annotated[
        str,
        Meta(
            description="a file of allowed signers as `ssh-keygen -Y verify` reads it, also with lines "
            "`IDENTITY minisign RW…`; with it an allow-list that none of them signed is refused, and so is "
            "[[allow]] here",
            examples=["allowed_signers"],
        ),
    ] = ""
    vrfs: Annotated[
        tuple[str, ...],
        Meta(
            description="names of the routing tables that are reached from here, of which an import takes "
            'prefixes: VRFs, the VPCs of a cloud; "" is that of sources which have one',
            examples=[["", "office"]],
        ),
    ] = ("",)
    max_growth: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description="the share of addresses by which `scope import` may make an allow-list grow, unless "
            "--accept-growth is given; 0.1 is a tenth",
            examples=[0.1],
        ),
    ] = 0.1


class NetboxSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The NetBox that `scope import` reads. Its token: MONGOSWEEP_NETBOX_TOKEN, or a token_file."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+)?\Z",
            description="its address, without /api",
            examples=["https://netbox.example.com"],
        ),
    ] = ""
    token_file: Annotated[
        str, Meta(description="a file that holds the token", examples=["/etc/mongosweep/netbox.token"])
    ] = ""
    ca_file: Annotated[
        str,
        Meta(description="certificates to trust instead of the system's", examples=["/etc/ssl/internal.pem"]),
    ] = ""
    contact_role: Annotated[
        str, Meta(description="the role of the contact who answers for a prefix", examples=["security"])
    ] = ""
    owner_field: Annotated[
        str, Meta(description="the custom field that names the owner", examples=["team"])
    ] = ""
    contact_field: Annotated[
        str,
        Meta(description="the custom field that names the contact", examples=["security_contact"]),
    ] = ""
    statuses: Annotated[
        tuple[str, ...],
        Meta(description="of what status prefixes and addresses are taken", examples=[["active"]]),
    ] = ("active",)


class InventorySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command that lists which addresses are ours now. Entries with its name in `inventory` are asked only
    while the newest answer lists them."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z",
            description="a name of small letters, digits and dashes",
            examples=["aws"],
        ),
    ]
    command: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="the program and its arguments; its standard output is a list of any known format",
            examples=[["aws", "ec2", "describe-network-interfaces", "--output", "json"]],
        ),
    ]
    max_age: Annotated[
        str,
        Meta(
            pattern=_DURATION,
            description="how old an answer may be when an address is asked, from the start of its command",
            examples=["5m"],
        ),
    ] = "5m"
    timeout: Annotated[
        float, Meta(gt=0, le=3600, description="seconds that the command may take", examples=[60])
    ] = 60.0


class DnsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom `leads` asks for names and addresses."""

    servers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^\S+\Z")], ...],
        Meta(
            max_length=8,
            description="resolvers, as addresses with or without a port; the system's when left out",
            examples=[["10.0.0.53"]],
        ),
    ] = ()


class Ipv6Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which addresses are asked of IPv6 prefixes that are too wide to sweep (wider than a /108)."""

    candidates: Annotated[
        tuple[str, ...],
        Meta(
            max_length=64,
            description="files that name addresses: inventories, other scanners' output, neighbour tables, "
            "reverse zones; paths are relative to this file",
            examples=[["neighbours.txt", "netbox.json"]],
        ),
    ] = ()
    low: Annotated[
        int,
        Meta(
            ge=0,
            le=65536,
            description="how many of the lowest addresses of each /64 that is an entry, or that holds a "
            "candidate, are asked as well",
            examples=[256],
        ),
    ] = 0


class Ownership(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `scope prove` and `plan --ownership` ask who holds public prefixes, and our own handles."""

    rdap: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+)?\Z",
            description="the address of an RDAP server; with `bootstrap`, for what that leaves out",
            examples=["https://rdap.db.ripe.net/"],
        ),
    ] = ""
    bootstrap: Annotated[
        tuple[str, ...],
        Meta(
            max_length=8,
            description="IANA's bootstrap files for RDAP, which say whom to ask for what: paths relative to "
            "this file, or https addresses, which are fetched once a week",
            examples=[["ipv4.json", "ipv6.json"]],
        ),
    ] = ()
    handles: Annotated[
        tuple[str, ...],
        Meta(description="our own handles in the registry's database", examples=[["ORG-EX1-RIPE"]]),
    ] = ()
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="other RDAP hosts that it may redirect to", examples=[["rdap.arin.net"]]),
    ] = ()
