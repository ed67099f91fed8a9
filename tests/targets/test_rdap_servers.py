"""IANA's bootstrap files: whom to ask, and files that are none."""

from __future__ import annotations

import json

import pytest
from yarl import URL

from targets.grammar import parse_span
from targets.rdap import RdapError
from targets.rdap_servers import RdapServers, read_bootstrap

# The shape of RFC 9224 5.1, with servers of nobody.
FOUR = {
    "version": "1.0",
    "publication": "2026-01-07T10:11:12Z",
    "description": "RDAP Bootstrap file for example registries.",
    "services": [
        [["11.0.0.0/8", "12.0.0.0/8"], ["https://rir1.example.com/myrdap/"]],
        [["11.0.0.0/16", "13.0.0.0/8"], ["http://example.org/", "https://example.org/rdap"]],
    ],
}
SIX = {"version": "1.0", "services": [[["2600::/12"], ["https://rir6.example.com/"]]]}


def servers(otherwise: str = "") -> RdapServers:
    services = [
        *read_bootstrap(json.dumps(FOUR).encode(), "4"),
        *read_bootstrap(json.dumps(SIX).encode(), "6"),
    ]
    return RdapServers(services, URL(otherwise) if otherwise else None)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("11.0.1.0/24", "https://example.org/rdap"),  # the longest prefix, and https
        ("11.1.0.0/24", "https://rir1.example.com/myrdap/"),
        ("12.1.0.0/24", "https://rir1.example.com/myrdap/"),
        ("2600::7", "https://rir6.example.com/"),
    ],
)
def test_whom_to_ask(text: str, url: str) -> None:
    assert str(servers().of(parse_span(text))) == url


def test_what_no_file_names() -> None:
    assert str(servers("https://rdap.example/").of(parse_span("14.0.0.1"))) == "https://rdap.example/"
    with pytest.raises(RdapError, match="no bootstrap file names a server for it"):
        servers().of(parse_span("14.0.0.1"))


def test_registries_may_redirect_to_each_other() -> None:
    assert servers().hosts == {"rir1.example.com", "example.org", "rir6.example.com"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        "[" * 100_000,
        json.dumps({**FOUR, "version": "2.0"}),
        json.dumps({"version": "1.0"}),
        json.dumps({**FOUR, "services": [[["11.0.0.0/8"]]]}),
        json.dumps({**FOUR, "services": [[["11.0.0.0/8"], []]]}),
        json.dumps({**FOUR, "services": [[["11.0.0.0/8"], ["ftp://example.org"]]]}),
        json.dumps({**FOUR, "services": [[["11.0.0.1/8"], ["https://example.org"]]]}),
        json.dumps({**FOUR, "services": [[["1-2"], ["https://example.org"]]]}),
        json.dumps({**FOUR, "services": [[[], []]] * 10_001}),
    ],
)
def test_files_that_are_none(text: str) -> None:
    with pytest.raises(RdapError, match=r"^ipv4\.json"):
        read_bootstrap(text.encode(), "ipv4.json")
