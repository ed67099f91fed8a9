"""Who is at the other end, as far as addresses tell: requests over a network that no test may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request

from scanner.service.web.origin import client_of, is_encrypted, is_in_clear, is_proxy
from scanner.setup.listen import listen_problems, parse_listen
from scanner.setup.service_settings import ServiceSettings

if TYPE_CHECKING:
    from aiohttp import web

BEHIND = ServiceSettings(proxies=("192.0.2.10", "2001:db8::/64"))


def request_from(peer: str, headers: dict[str, str] | None = None, *, tls: bool = False) -> web.Request:
    known: dict[str, Any] = {"peername": (peer, 1234), "sockname": ("198.51.100.1", 8017)}
    transport = Mock()
    transport.get_extra_info.side_effect = lambda name, default=None: (
        known.get(name)
        if name in known
        else (Mock() if tls and name in ("sslcontext", "ssl_object") else default)
    )
    return make_mocked_request(
        "GET", "/", headers or {}, transport=transport, sslcontext=Mock() if tls else None
    )


@pytest.mark.parametrize(
    ("peer", "tls", "is_refused"),
    [
        ("203.0.113.9", False, True),
        ("203.0.113.9", True, False),
        ("192.0.2.10", False, False),
        ("::ffff:192.0.2.10", False, False),
        ("2001:db8::7", False, False),
        ("2001:db8:0:1::7", False, True),
        ("127.0.0.1", False, False),
        ("::1", False, False),
    ],
)
def test_nobody_but_a_proxy_speaks_in_clear_over_a_network(peer: str, tls: bool, is_refused: bool) -> None:
    assert is_in_clear(request_from(peer, tls=tls), BEHIND) == is_refused


def test_the_header_that_says_for_whom_is_a_proxys() -> None:
    """Whoever asks a proxy may write the header, too, and the proxy adds what it saw, last."""
    told = {"X-Forwarded-For": "10.0.0.1, 198.51.100.7", "X-Forwarded-Proto": "https"}
    assert client_of(request_from("192.0.2.10", told), BEHIND) == "198.51.100.7"
    assert is_encrypted(request_from("192.0.2.10", told), BEHIND)
    assert client_of(request_from("203.0.113.9", told), BEHIND) == "203.0.113.9"
    assert not is_encrypted(request_from("203.0.113.9", told), BEHIND)
    assert client_of(request_from("192.0.2.10", {"X-Forwarded-For": "no address"}), BEHIND) == "192.0.2.10"
    assert not is_proxy(request_from("192.0.2.10"), ServiceSettings())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (ServiceSettings(listen="0.0.0.0:8017"), "write certificate and key, or the proxies in front of it"),
        (ServiceSettings(listen="[::]:8017"), "passwords in clear"),
        (ServiceSettings(listen="[::ffff:10.0.0.1]:1"), "passwords in clear"),
        (ServiceSettings(certificate="/x.pem"), "[service] has no key; write both"),
        (ServiceSettings(key="/x.pem"), "[service] has no certificate; write both"),
        (ServiceSettings(names=("https://x",)), "no host name; write one such as mongosweep.example.com"),
        (ServiceSettings(names=("a b",)), "no host name"),
        (ServiceSettings(proxies=("proxy.example.com",)), "no address; write one such as 127.0.0.1"),
        (ServiceSettings(proxies=("10.0.0.1/8",)), "no address"),
    ],
)
def test_settings_that_cannot_be(settings: ServiceSettings, said: str) -> None:
    assert said in "".join(reason for _, reason in listen_problems(settings))


@pytest.mark.parametrize(
    "settings",
    [
        ServiceSettings(),
        ServiceSettings(listen="[::1]:8017"),
        ServiceSettings(listen="0.0.0.0:8017", certificate="/x.pem", key="/x.key"),
        ServiceSettings(listen="0.0.0.0:8017", proxies=("10.0.0.0/29",), names=("watch.example.com:443",)),
    ],
)
def test_settings_that_can(settings: ServiceSettings) -> None:
    assert not list(listen_problems(settings))
    assert str(parse_listen(settings.listen)) == settings.listen
