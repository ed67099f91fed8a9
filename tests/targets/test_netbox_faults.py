"""What a bad NetBox can do, or whatever answers in its place: each is one line that says what to write."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web

from targets import netbox_pages
from targets.errors import ScopeError
from targets.netbox_api import read_netbox
from tests.support.netbox import NEW_TOKEN, OLD_TOKEN, StandIn, refusal, standing_in
from tests.support.netbox_reading import Read, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def netbox() -> Iterator[StandIn]:
    with standing_in() as netbox:
        yield netbox


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits a second waits a hundredth of one."""
    monkeypatch.setattr(netbox_pages, "PAUSE", 0.01)


def reply(status: int = 200, text: str = "", kind: str = "application/json", **headers: str) -> Any:
    async def instead(request: web.Request, asked: int) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=kind, headers=headers)

    return instead


PAGE = '{"count": 1, "next": null, "previous": null, "results": []}'
REMEDY = "check that url is a NetBox and nothing answers in its place"


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        (
            reply(text="<html>Log in</html>", kind="text/html"),
            "answers with a page for people, not with JSON; write NetBox's",
        ),
        (reply(text=PAGE, kind="text/plain"), "answers with something else, not with JSON; "),
        (reply(text=PAGE[:30]), f"answers with JSON that breaks off or is none; {REMEDY}"),
        (reply(text="[" * 100_000), f"answers with JSON that breaks off or is none; {REMEDY}"),
        (reply(text="[]"), "answers with JSON that is no page of objects"),
        (reply(text='{"results": {}}'), "answers with JSON that is no page of objects"),
        (reply(text='{"results": [], "next": 3}'), "answers with JSON that is no page of objects"),
        (reply(text='{"results": [], "count": "many"}'), "answers with JSON that is no page of objects"),
        (reply(text='{"results": [3], "count": 1}'), "has no id"),
        (reply(text='{"results": [{"id": "3"}], "count": 1}'), "has no id"),
        (reply(text=PAGE), "and gives 0; check"),
        (reply(302, Location="/login/?next=/api/ipam/prefixes/"), "asks people to log in; check the token"),
        (
            reply(301, Location="https://netbox.example/api/"),
            "redirects to 'https://netbox.example', which is not followed",
        ),
        (reply(301, Location="//[bad"), "redirects to '//[bad', which is not followed"),
        (reply(404, "<html>", "text/html"), "(status 404); write NetBox's own address as url, without /api"),
        (reply(418, '{"x": 1}'), "answers with status 418: \"{'x': 1}\"; check"),
        (reply(403, "[" * 9999), "refuses the token (status 403); check that it is valid"),
        (
            reply(429, **{"Retry-After": "3600"}),
            "answers with status 429; it may be asked again in 3600 s; import again",
        ),
        (reply(503), "answers with status 503, 4 times; import again later, or look into NetBox's log"),
    ],
)
def test_answers_that_are_none(netbox: StandIn, instead: Any, message: str) -> None:
    netbox.instead = instead
    text = refused(netbox)
    assert text.startswith("NETBOX: ")
    assert message in text


def test_a_refused_token(netbox: StandIn) -> None:
    netbox.tokens.clear()
    assert refused(netbox, contact_role="security") == (
        "NETBOX: /api/tenancy/contacts/ refuses the token (status 403: 'Invalid v2 token'); check that it "
        "is valid and may be used from here, and that its user may view tenancy > contacts"
    )

    async def echo(request: web.Request, asked: int) -> web.StreamResponse:
        return refusal(401, "you sent " + request.headers["Authorization"])

    netbox.instead = echo
    for token in (OLD_TOKEN, NEW_TOKEN):
        assert "you sent" in refused(netbox, token)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "there is no token; set MONGOSWEEP_NETBOX_TOKEN, or name a token_file"),
        ("one two", "its token holds blanks or other signs; copy the token once more"),
        ("käse", "its token holds blanks or other signs"),
    ],
)
def test_a_token_that_is_none(netbox: StandIn, token: str, message: str) -> None:
    assert message in refused(netbox, token)
    assert netbox.asked == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "[netbox] url: '' is no address of a NetBox; write it as in https://netbox.example.com"),
        ("netbox.example.com", "[netbox] url: 'netbox.example.com' is no address"),
        ("ftp://netbox.example.com", "is no address of a NetBox"),
        ("https://netbox.example.com/?q=1", "is no address of a NetBox"),
        ("http://127.0.0.1:99999", "is no address of a NetBox"),
        (
            "https://user:hunter2@netbox.example.com",
            "[netbox] url: holds a user or a password; write it as in",
        ),
    ],
)
def test_an_address_that_is_none(netbox: StandIn, url: str, message: str) -> None:
    text = refused(netbox, url=url)
    assert message in text
    assert "hunter2" not in text


def lies(path: str, **page: Any) -> Any:
    def edit(asked: str, found: dict[str, Any]) -> None:
        if asked == path:
            found.update(page)

    return edit


PATH = "ipam/prefixes"
AGAIN = "http://127.0.0.1/api/ipam/prefixes/?limit=10&start=0"


@pytest.mark.parametrize(
    ("by_start", "page", "message"),
    [
        (True, {"next": AGAIN}, "its ipam/prefixes/ begin again behind a page"),
        (True, {"next": "http://127.0.0.1/?start=5"}, "has nothing new, and there are more|begin again"),
        (True, {"next": "http://127.0.0.1/?page=2"}, "begin again behind a page"),
        (True, {"next": "http://[bad/"}, "names a next page that is no address"),
        (True, {"results": []}, "has nothing new, and there are more"),
        (False, {"next": "http://127.0.0.1/?offset=10"}, "go on behind all 30 or begin again"),
        (False, {"next": None}, "it has 30 ipam/prefixes/ and gives 10"),
        (False, {"results": []}, "go on behind all 30 or begin again"),
        (False, {"count": 10}, "go on behind all 10 or begin again"),
        (False, {"count": 31}, "it has 31 ipam/prefixes/ and gives 30"),
    ],
)
def test_pages_that_lie(netbox: StandIn, by_start: bool, page: dict[str, Any], message: str) -> None:
    netbox.by_start, netbox.max_page = by_start, 10
    for number in range(30):
        netbox.prefix(f"10.{number}.0.0/16")
    netbox.edit = lies(PATH, **page)
    with pytest.raises(ScopeError, match=message):
        Read(netbox)


def test_pages_that_never_end(netbox: StandIn) -> None:
    """New objects on every page, and a further one each time."""
    made = iter(range(1, 1_000_000_000))

    def edit(path: str, page: dict[str, Any]) -> None:
        if path == PATH:
            numbers = [next(made) for _ in range(10)]
            page["count"] = None
            page["results"] = [{"id": number, "prefix": "10.0.0.0/24"} for number in numbers]
            page["next"] = f"http://127.0.0.1/?start={numbers[-1] + 1}"

    netbox.edit = edit
    assert "is not read to its end within 1 s; import again when it is less busy" in refused(
        netbox, deadline=1.0
    )


def test_objects_that_go_faster_than_they_are_read(netbox: StandIn) -> None:
    netbox.by_start, netbox.max_page = False, 2

    for number in range(60):
        netbox.prefix(f"10.{number}.0.0/16")

    def edit(path: str, page: dict[str, Any]) -> None:
        if path == PATH:
            netbox.objects[PATH].pop(0)

    netbox.edit = edit
    assert "objects are deleted from its ipam/prefixes/ faster than they are read" in refused(netbox)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_is_busy_is_asked_again(netbox: StandIn, status: int) -> None:
    netbox.prefix("10.0.0.0/24")
    busy = dict.fromkeys(("prefixes", "ip-ranges", "ip-addresses", "aggregates"), 2)

    async def instead(request: web.Request, asked: int) -> web.StreamResponse | None:
        path = request.path.split("/")[3]
        busy[path] -= 1
        return web.Response(status=status, headers={"Retry-After": "0"}) if busy[path] >= 0 else None

    netbox.instead = instead
    assert len(Read(netbox).claims) == 1
    assert len(netbox.asked) == 12


def test_a_connection_that_breaks_off_is_made_again(netbox: StandIn) -> None:
    netbox.prefix("10.0.0.0/24")
    torn: set[str] = set()

    async def instead(request: web.Request, asked: int) -> web.StreamResponse | None:
        if request.path in torn:
            return None
        torn.add(request.path)
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "4000"})
        await response.prepare(request)
        await response.write(PAGE[:20].encode())
        assert request.transport is not None
        request.transport.close()
        return response

    netbox.instead = instead
    assert len(Read(netbox).claims) == 1


def test_an_answer_is_capped(netbox: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netbox_pages, "MAX_BYTES", 4096)
    netbox.instead = reply(text="x" * 5000)
    assert "answers with more than 4,096 bytes" in refused(netbox)


def test_a_netbox_that_hangs(netbox: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    async def instead(request: web.Request, asked: int) -> web.StreamResponse:
        await asyncio.sleep(600)
        raise AssertionError

    netbox.instead = instead
    assert "is not read to its end within 0.2 s" in refused(netbox, deadline=0.2)
    monkeypatch.setattr(netbox_pages, "REQUEST", 0.2)
    assert "does not answer within 0.2 s" in refused(netbox)


def test_nobody_is_there(netbox: StandIn) -> None:
    with socket.socket() as held:  # bound and not listening: it refuses
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        assert "cannot be reached: " in refused(netbox, url=url)


def test_a_certificate_must_be_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pem = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(pem))
    with standing_in(context) as netbox:
        netbox.prefix("10.0.0.0/24")
        assert len(Read(netbox, ca_file=str(pem)).claims) == 1
        text = refused(netbox)
        assert "its certificate is not trusted: " in text
        assert text.endswith("; name the authority's certificate as ca_file")
        assert "cannot be used: it holds no certificate; name a file of PEM" in refused(
            netbox, ca_file=__file__
        )
        assert "cannot be used: No such file" in refused(netbox, ca_file=str(tmp_path / "none"))


def test_half_of_a_netbox_is_an_error_and_not_a_result(netbox: StandIn) -> None:
    """Whatever was given before: the iterator raises, so that no caller takes it for the whole."""
    netbox.max_page = 10
    for number in range(30):
        netbox.address(f"10.{number}.0.1/16")

    async def instead(request: web.Request, asked: int) -> web.StreamResponse | None:
        return web.Response(status=500) if "start=21" in request.path_qs else None

    netbox.instead = instead
    reading = read_netbox(netbox.url, NEW_TOKEN, deadline=30.0, warn=print)
    assert len([next(reading) for _ in range(20)]) == 20
    with pytest.raises(ScopeError, match="answers with status 500, 4 times"):
        next(reading)


def test_whoever_stops_early_leaves_nothing_behind(netbox: StandIn) -> None:
    netbox.max_page = 10
    for number in range(100):
        netbox.address(f"10.{number}.0.1/16")
    reading = iter(read_netbox(netbox.url, NEW_TOKEN, deadline=30.0, warn=print))
    next(reading)
    reading.close()  # type: ignore[attr-defined]  # it is a generator
