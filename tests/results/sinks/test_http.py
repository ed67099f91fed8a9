"""HTTP for all sinks, over real sockets: TLS, proxies, redirects, what is cut off, and secrets kept."""

from __future__ import annotations

import contextlib
import logging
import socket
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from results.sinks.http import Endpoint, HttpClient, raise_unless_answered, retry_after
from results.sinks.sink import StoppedError, UnavailableError
from tests.support.receivers.proxy import Proxy
from tests.support.receivers.serving import Receiver
from tests.support.receivers.tls import Certificates, alerting
from tests.support.streams import stream_server

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

SECRET = "s3cret-t0ken"


class Plain(Receiver):
    """Takes whatever is posted."""

    async def answer(self, at: str, request: web.Request, body: bytes) -> web.Response:
        self.keep([b"{}"])
        return web.Response(text="taken")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of these tests."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine says of proxies is not asked."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextlib.asynccontextmanager
async def client(receiver: Receiver, **changes: Any) -> AsyncIterator[HttpClient]:
    """A client of this receiver."""
    url = f"{receiver.url}?key={SECRET}"
    given: dict[str, Any] = {"url": url, "insecure": True, "timeout": 5.0}
    made = HttpClient(Endpoint(**given | changes), [SECRET])
    try:
        yield made
    finally:
        await made.close()


async def posted(receiver: Receiver, **changes: Any) -> int:
    """The status of one request."""
    async with client(receiver, **changes) as one:
        answer = await one.post(one.endpoint.url, b"{}", {"Authorization": f"Bearer {SECRET}"})
        return answer.status


@pytest.mark.both_loops
async def test_a_connection_is_kept(certificates: Certificates) -> None:
    receiver = Plain()
    async with (
        receiver.serving(certificates.right()),
        client(receiver, ca_file=str(certificates.ca_file)) as one,
    ):
        for _ in range(3):
            answer = await one.post(receiver.url, b"{}", {})
            assert (answer.status, answer.body, answer.cut) == (200, b"taken", False)
    assert len(receiver.connections) == 1
    assert receiver.seen[0].headers["User-Agent"] == "mongosweep"


@pytest.mark.both_loops
@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("right", "local issuer"),
        ("of_another_name", "127.0.0.1"),
        ("expired", "expired"),
    ],
)
async def test_whoever_cannot_be_trusted_gets_nothing(
    certificates: Certificates, which: str, why: str
) -> None:
    context: ssl.SSLContext = getattr(certificates, which)()
    receiver = Plain()
    trusted = {} if which == "right" else {"ca_file": str(certificates.ca_file)}
    async with receiver.serving(context):
        with pytest.raises(StoppedError, match=why):
            await posted(receiver, **trusted)
    assert receiver.count == 0


@pytest.mark.both_loops
async def test_our_certificate_is_shown_to_who_wants_it(certificates: Certificates) -> None:
    receiver = Plain()
    given = {"ca_file": str(certificates.ca_file), "certificate": str(certificates.client)}
    async with receiver.serving(certificates.wants_ours()):
        assert await posted(receiver, **given) == 200


@pytest.mark.both_loops
@pytest.mark.parametrize(
    ("which", "why"), [("old", "no TLS 1.2 or later"), ("wants_ours", "want.* a certificate of ours")]
)
async def test_servers_that_say_why_they_do_not_go_on(
    certificates: Certificates, which: str, why: str
) -> None:
    # In TLS 1.3 a client is refused after its handshake: the library may see no more than the end.
    refused = pytest.raises((StoppedError, UnavailableError), match=why)
    with alerting(getattr(certificates, which)()) as url, refused:
        await posted(Plain(), url=url, ca_file=str(certificates.ca_file))


async def test_whoever_wants_our_certificate_and_does_not_say_so(certificates: Certificates) -> None:
    receiver = Plain()
    async with receiver.serving(certificates.wants_ours()):
        with pytest.raises(UnavailableError, match=r"closed the connection .* name one as certificate"):
            await posted(receiver, ca_file=str(certificates.ca_file))


async def test_tls_where_none_is_spoken() -> None:
    receiver = Plain()
    async with receiver.serving():
        with pytest.raises(UnavailableError, match=r"what answers at https://127.* speaks no TLS"):
            await posted(receiver, url=receiver.url.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ca_file": "missing.pem"}, r"ca_file missing.pem cannot be used: no such file"),
        ({"ca_file": __file__}, r"ca_file .*test_http.py cannot be used: it holds no certificate"),
        ({"certificate": "missing.pem"}, r"certificate missing.pem cannot be used: no such"),
        ({"certificate": __file__}, r"certificate .*test_http.py cannot be used: it holds none; name PEM"),
    ],
)
async def test_files_that_are_no_certificates(changes: dict[str, str], why: str) -> None:
    with pytest.raises(StoppedError, match=why):
        await posted(Plain(), url="https://127.0.0.1:9", **changes)


async def test_a_key_with_a_password_asks_nobody(certificates: Certificates, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    file = tmp_path / "key.pem"
    whole = certificates.client.read_bytes()
    file.write_bytes(key + whole[whole.index(b"-----BEGIN CERTIFICATE") :])
    with pytest.raises(StoppedError, match="its private key has a password"):
        await posted(Plain(), url="https://127.0.0.1:9", certificate=str(file))


@pytest.mark.both_loops
@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("reset", "closed the connection"),
        ("close", "closed the connection"),
        ("half", "cut off"),
        ("silence", "no answer from .* in time"),
        ("slow", "no answer from .* in time"),
    ],
)
async def test_no_whole_answer_is_none(fault: str, why: str) -> None:
    receiver = Plain()
    receiver.fail(fault)
    async with receiver.serving():
        with pytest.raises(UnavailableError, match=why) as caught:
            await posted(receiver, timeout=0.3)
        assert caught.value.__context__ is None
        assert caught.value.wait is None
        assert await posted(receiver) == 200


async def test_what_is_no_http() -> None:
    receiver = Plain()
    async with receiver.serving():
        pass
    with pytest.raises(UnavailableError, match=r"no connection to http://127.0.0.1:.*: Connection refused"):
        await posted(receiver)

    async def banner(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")

    async with stream_server(banner) as port:
        with pytest.raises(UnavailableError, match="is not HTTP"):
            await posted(receiver, url=f"http://127.0.0.1:{port}")


async def test_whoever_takes_a_connection_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(UnavailableError, match=r"no connection to https://127.* within 0.2 seconds"):
            await posted(Plain(), url=url, timeout=0.2)


async def test_slowly_is_not_never() -> None:
    receiver = Plain()
    receiver.fail("slow")
    receiver.pause = 0.01
    async with receiver.serving():
        assert await posted(receiver, timeout=0.3) == 200  # longer than the timeout, but never as long silent


async def test_slowly_has_an_end() -> None:
    receiver = Plain()
    receiver.fail("slow")
    receiver.pause = 0.02
    async with receiver.serving():
        with pytest.raises(UnavailableError, match="in time"):
            await posted(receiver, timeout=0.1)  # it would be done after two seconds


async def test_a_redirect_leads_nowhere() -> None:
    receiver = Plain()
    receiver.fail("redirect")
    async with receiver.serving(), client(receiver) as one:
        answer = await one.post(receiver.url, b"{}", {})
        with pytest.raises(StoppedError, match="leads elsewhere"):
            raise_unless_answered(one, answer)
    assert receiver.elsewhere == 0


async def test_a_large_answer_is_read_up_to_a_bound() -> None:
    receiver = Plain()
    receiver.fail("large")
    async with receiver.serving(), client(receiver) as one:
        answer = await one.post(receiver.url, b"{}", {})
        assert (len(answer.body), answer.cut) == (65536, True)
        assert (await one.post(receiver.url, b"{}", {})).body == b"taken"


@pytest.mark.both_loops
async def test_a_proxy_of_the_environment_carries_it(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login root password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    receiver = Plain()
    trusted = {"ca_file": str(certificates.ca_file)}
    async with receiver.serving(certificates.right()), Proxy().serving() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://soc:p%40ss@{proxy.place}")
        async with client(receiver, **trusted) as one:
            assert (await one.post(receiver.url, b"{}", {})).status == 200
        ((asked, headers),) = proxy.asked
        assert asked == f"CONNECT {receiver.origin.removeprefix('https://')}"
        assert headers["Proxy-Authorization"] == "Basic c29jOnBAc3M="
        assert not {"Authorization", "Proxy-Authorization"} & set(receiver.seen[0].headers)

        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
        assert await posted(receiver, **trusted) == 200
        monkeypatch.delenv("NO_PROXY")
        assert await posted(receiver, proxy_from_environment=False, **trusted) == 200
        assert len(proxy.asked) == 1

        with pytest.raises(StoppedError, match="local issuer"):  # the proxy is not who vouches
            await posted(receiver)


@pytest.mark.parametrize(("status", "why"), [(407, "wants a user and password"), (502, "it answered 502")])
async def test_a_proxy_that_refuses(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, status: int, why: str
) -> None:
    async with Proxy().serving() as proxy:
        proxy.answer = status
        monkeypatch.setenv("HTTPS_PROXY", f"http://soc:{SECRET}@{proxy.place}")
        with pytest.raises((StoppedError, UnavailableError), match=why) as caught:
            await posted(Plain(), url="https://127.0.0.1:9")
        assert SECRET not in str(caught.value)


async def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("https_proxy", f"soc:{SECRET}@127.0.0.1:{port}")
    with pytest.raises(UnavailableError, match="no connection to the proxy: ") as caught:
        await posted(Plain(), url="https://127.0.0.1:9")
    assert SECRET not in str(caught.value)
    for proxy in (f"socks5://soc:{SECRET}@127.0.0.1:{port}", "http://proxy..example.com:3128"):
        monkeypatch.setenv("https_proxy", proxy)
        with pytest.raises(StoppedError, match="HTTPS_PROXY names no proxy; write one such as"):
            await posted(Plain(), url="https://127.0.0.1:9")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        *((url, "write one such as") for url in ("", "siem.example.com", "ftp://a.example", "https://")),
        ("https://siem.example.com/a b", "write one such as https://"),
        ("https://siem.example.com/\r\nX: y", "write one such as https://"),
        ("https://siem.example.com:port", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https://siem..example.com", "cannot be read"),
        (f"https://soc:{SECRET}@siem.example.com", "https://siem.example.com holds a user or password"),
        (f"http://siem.example.com/?key={SECRET}", "http://siem.example.com is not encrypted; .*insecure"),
    ],
)
def test_urls_that_nothing_is_sent_to(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        Endpoint(url=url)
    assert SECRET not in str(caught.value)


def test_an_endpoint_shows_where_it_is_and_no_more() -> None:
    assert repr(Endpoint(url=f"https://[::1]:8088/T/{SECRET}?key={SECRET}")) == "Endpoint(https://[::1]:8088)"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "99999999999999999999"}, 3600.0),
        ({"Retry-After": "-7"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "٧"}, None),
        ({"Retry-After": "Sun, 08 Mar 2026 12:00:30 GMT"}, 30.0),
        ({"Retry-After": "Sun, 08 Mar 2026 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "Sun, 08 Mar 2027 11:00:00 GMT"}, 3600.0),
        ({"Retry-After": "Sun, 99 Mar 2026 11:00:00 GMT"}, None),
        # A server whose clock is an hour behind ours means half a minute all the same.
        (
            {"Retry-After": "Sun, 08 Mar 2026 11:00:30 GMT", "Date": "Sun, 08 Mar 2026 11:00:00 GMT"},
            30.0,
        ),
    ],
)
def test_how_long_the_other_side_wants_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, datetime(2026, 3, 8, 12, 0, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, UnavailableError) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        *((status, StoppedError) for status in (301, 302, 307, 308, 401, 403, 404, 405, 407)),
    ],
)
async def test_what_a_status_means_everywhere(status: int, error: type[Exception]) -> None:
    receiver = Plain()
    receiver.fail(f"{status} Retry-After: 7")
    async with receiver.serving(), client(receiver) as one:
        answer = await one.post(receiver.url, b"{}", {})
        with pytest.raises(error, match=f"answered {status}") as caught:
            raise_unless_answered(one, answer, f"your key {SECRET}\r\nis \x1b[31m wrong")
    assert getattr(caught.value, "wait", 7.0) == 7.0
    assert SECRET not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "fault", ["reset", "close", "half", "silence", "garbage", "redirect", "503", "401", "nobody", "old"]
)
async def test_no_secret_in_anything_that_is_produced(
    certificates: Certificates,
    fault: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver = Plain()
    receiver.fail(fault)
    produced = []
    context = certificates.old() if fault == "old" else None
    async with receiver.serving(context), client(receiver, timeout=0.3) as one:
        url = f"http://127.0.0.1:9/?key={SECRET}" if fault == "nobody" else one.endpoint.url
        try:
            answer = await one.post(url, b"{}", {"Authorization": f"Bearer {SECRET}"})
            raise_unless_answered(one, answer, SECRET)
        except (UnavailableError, StoppedError) as error:
            produced += [*traceback.format_exception(error), repr(error), repr(error.__context__)]
        produced += [repr(one), repr(one.endpoint), one.told(f"you sent {SECRET}!")]
    produced += [caplog.text, *capfd.readouterr()]
    assert SECRET not in "\n".join(produced)
