"""The guard, through a real page process: who is let in to what, and what is never answered."""

from __future__ import annotations

import http.client
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from results.ledger.actions import Actions
from results.ledger.overlay import Deadlines
from scanner.clock import SystemClock
from scanner.service.admission.roles import Role
from scanner.service.page_link import ServiceLink
from scanner.service.view.reader import Reader
from scanner.service.web.app import application
from scanner.service.web.context import Context
from scanner.service.web.headers import HEADERS
from scanner.service.web.visitor import ROLE_ATTRIBUTE
from tests.support.page_process import running_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohttp import web

    from tests.support.page_process import Answer, PageProcess

pytestmark = pytest.mark.xdist_group("guard")
NOBODY = {"Cookie": "theme=dark"}
OPEN = {"/login", "/logout", "/first-use", "/healthz", "/readyz"}
PROXY = '[service]\nproxies = ["127.0.0.1"]\nnames = ["watch.example.com", "other.example.com:8443"]\n'
DEED = "/exposures/e00000000000/note"  # a handler that needs the role to acknowledge


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageProcess]:
    with running_page(tmp_path_factory.mktemp("guard")) as running:
        yield running


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageProcess]:
    """A page that believes 127.0.0.1, and is called by other names."""
    folder = tmp_path_factory.mktemp("behind")
    config = folder / "mongosweep.toml"
    config.write_text(PROXY + '[[allow]]\ncidr = "127.0.0.0/29"\nkind = "lab"\n')
    (folder / "runs").mkdir()
    with running_page(folder / "runs", config) as running:
        yield running


def audited(page: PageProcess) -> list[tuple[str, str, str]]:
    return [(each.kind, each.by, each.detail) for each in Actions.open(page.output).all()]


async def routes(output: Path) -> list[web.AbstractRoute]:
    reader = Reader(output, Deadlines())
    context = Context(output=output, config=None, scope=None, clock=SystemClock())
    return list(application(context, reader, ServiceLink(output)).router.routes())


def path_of(route: web.AbstractRoute) -> str:
    return route.resource.canonical if route.resource is not None else ""


# --- roles ------------------------------------------------------------------------------------------------


async def test_every_handler_says_who_may(tmp_path: Path) -> None:
    """A handler without a mark would be refused to everybody; and what is open to all is known here."""
    found = await routes(tmp_path)
    unmarked = [each for each in found if not hasattr(each.handler, ROLE_ATTRIBUTE)]
    assert not unmarked
    to_all = [each for each in found if getattr(each.handler, ROLE_ATTRIBUTE) is None]
    assert {path_of(each) for each in to_all if not path_of(each).startswith("/static/")} <= OPEN
    assert {each.method for each in found} <= {"GET", "HEAD", "POST"}


async def test_nobody_gets_anything(page: PageProcess, tmp_path: Path) -> None:
    """Every address, asked without a session: a page leads to the login, a resource says 401."""
    asked = 0
    for each in await routes(tmp_path):
        path = path_of(each)
        if getattr(each.handler, ROLE_ATTRIBUTE) is None or each.method == "HEAD":
            continue
        path = re.sub(r"\{\w+\}", "e00000000000", path.replace("{deed}", "note"))
        answer = page.request(each.method, path, b"" if each.method == "POST" else None, headers=NOBODY)
        asked += 1
        if each.method == "GET" and not path.startswith(("/api/", "/metrics", "/events")):
            assert (answer.status, answer.headers["Location"][:7]) == (303, "/login?"), path
        else:
            assert answer.status == 401, path
            assert b"<table" not in answer.body
    assert asked > 10


def test_a_role_is_needed_and_a_lack_of_it_written_down(page: PageProcess) -> None:
    assert page.post(DEED, {"text": "x"}, role=Role.VIEW).status == 403
    assert page.post(DEED, {"text": "x"}, role=Role.ACKNOWLEDGE).status == 404
    assert page.post(DEED, {"text": "x"}, role=Role.OPERATE).status == 404
    needs = f"POST {DEED} needs the role acknowledge (from 127.0.0.1)"
    assert ("denied", "view", needs) in audited(page)


def test_a_role_is_taken_away_at_once(page: PageProcess) -> None:
    page.access.add_user("db-oncall", Role.ACKNOWLEDGE)
    cookie = {"Cookie": f"mongosweep-{page.port}={page.access.open_session('db-oncall')}"}
    assert page.get("/exposures", headers=cookie).status == 200
    page.access.remove_user("db-oncall")
    assert page.get("/exposures", headers=cookie).status == 303


def bearer(page: PageProcess, role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {page.token(role)}"}


def test_tokens(page: PageProcess) -> None:
    """A program shows a token, and needs neither cookie nor form; one for metrics opens nothing else."""
    api = "/api/v1/exposures"
    assert page.get(api, headers=bearer(page, Role.VIEW)).status == 200
    assert page.get(api, headers=bearer(page, Role.METRICS)).status == 403
    assert page.get("/metrics", headers=bearer(page, Role.METRICS)).status == 200
    body, json_ = b'{"text": "x"}', {"Content-Type": "application/json"}
    note = f"{api}/e00000000000/note"
    assert page.request("POST", note, body, headers=bearer(page, Role.VIEW) | json_).status == 403
    assert page.request("POST", note, body, headers=bearer(page, Role.ACKNOWLEDGE) | json_).status == 404
    for wrong in ("Bearer mongosweep_wrong", "Bearer", "Bearer \xff"):
        answer = page.get(api, headers={"Authorization": wrong, "Cookie": "=".join(page.cookie())})
        assert answer.status == 401, "who shows a token is not let in by something else"
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert any(kind == "denied" and by == "a token" for kind, by, _ in audited(page))


def test_a_token_that_was_revoked_or_expired(page: PageProcess) -> None:
    for end in ("revoked", "expired"):
        secret = page.access.add_token(end, Role.VIEW, 3600 if end == "revoked" else -1)
        headers = {"Authorization": f"Bearer {secret}"}
        if end == "revoked":
            assert page.get("/api/v1/exposures", headers=headers).status == 200
            page.access.revoke_token(end)
        assert page.get("/api/v1/exposures", headers=headers).status == 401


# --- a browser tab of another site ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST:{port}", 200),
        ("evil.example:{port}", 421),
        ("127.0.0.1.evil.example:{port}", 421),
        ("127.0.0.1:1", 421),
        ("127.0.0.2:{port}", 421),
        ("localhost:{port}:{port}", 421),
        ("[::1]:{port}", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ],
)
def test_only_our_names_are_answered(page: PageProcess, host: str, status: int) -> None:
    """A name that its owner points to this machine (DNS rebinding) is not one of them."""
    assert page.get("/exposures", headers={"Host": host.format(port=page.port)}).status == status


def test_names_of_the_configuration(behind: PageProcess) -> None:
    for host in ("watch.example.com", "WATCH.example.com:443", "other.example.com:8443"):
        assert behind.get("/exposures", headers={"Host": host}).status == 200, host
    for host in ("other.example.com", "watch.example.com.evil.example", "example.com"):
        assert behind.get("/exposures", headers={"Host": host}).status == 421, host


def raw(page: PageProcess, request: bytes) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    connection.connect()
    assert connection.sock is not None
    connection.sock.sendall(request)
    found = b""
    while piece := connection.sock.recv(65536):
        found += piece
    connection.close()
    return found


def test_two_hosts_or_none(page: PageProcess) -> None:
    cookie = "=".join(page.cookie())
    ours = f"Host: 127.0.0.1:{page.port}\r\n"
    for hosts in ("", ours + "Host: evil.example\r\n", "Host: evil.example\r\n" + ours):
        text = f"GET /exposures HTTP/1.1\r\n{hosts}Cookie: {cookie}\r\nConnection: close\r\n\r\n"
        assert raw(page, text.encode()).split(b" ")[1] in (b"421", b"400"), hosts


def forged(page: PageProcess, headers: dict[str, str | None], path: str = DEED) -> Answer:
    """A form with the right cookie, whose headers are those of our page but for some."""
    sent = {
        "Cookie": "=".join(page.cookie()),
        "Content-Type": "application/x-www-form-urlencoded",
        **page.from_own_page(),
    }
    left = {name: value for name, value in (sent | headers).items() if value is not None}
    return page.request("POST", path, b"text=x", headers=left)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"Sec-Fetch-Site": None}, 404),
        ({"Origin": None}, 404),
        ({"Origin": "null"}, 404),
        ({"X-CSRF-Token": None}, 403),
        ({"X-CSRF-Token": "a" * 43}, 403),
        ({"X-CSRF-Token": "\xff"}, 403),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": None}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": None}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": None}, 403),
        ({"Origin": None, "Sec-Fetch-Site": None}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
    ],
    ids=str,
)
def test_only_our_pages_change_anything(
    page: PageProcess, headers: dict[str, str | None], status: int
) -> None:
    """404 stands for: the handler had its turn, and there is no such exposure."""
    assert forged(page, headers).status == status


def test_the_token_of_another_session_is_none(page: PageProcess) -> None:
    other = page.from_own_page(Role.VIEW)["X-CSRF-Token"]
    assert forged(page, {"X-CSRF-Token": other}).status == 403
    assert any("the form is of another session" in detail for _, _, detail in audited(page))


def test_a_login_cannot_be_forged_either(page: PageProcess) -> None:
    """Else somebody works in a session that another one opened for them."""
    headers = {"Cookie": "a=b", "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert forged(page, dict(headers), "/login").status == 403


def test_other_sites_get_nothing_into_their_pages(page: PageProcess) -> None:
    """Neither as an image or script, nor in a frame, nor by a script of theirs."""
    for mode, destination in (
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("cors", "empty"),
        ("navigate", "iframe"),
    ):
        asked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}
        answer = page.get("/exposures", headers=asked)
        assert answer.status == 403, mode
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = page.request("OPTIONS", "/api/v1/exposures", headers=preflight)
    assert answer.status in (403, 405)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_a_link_of_another_site_comes_back_as_our_own(page: PageProcess) -> None:
    """A strict cookie is not sent with it; so our page asks once more, by itself."""
    link = {
        **NOBODY,
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    answer = page.get("/exposures?q=%22%3E%3Cscript%3E", headers=link)
    assert answer.status == 200
    assert '<meta http-equiv="refresh" content="0;url=/exposures?q=%22%3E%3Cscript%3E">' in answer.text
    assert page.get("/exposures", headers=NOBODY | {"Sec-Fetch-Site": "same-origin"}).status == 303


# --- every answer -----------------------------------------------------------------------------------------


def test_every_answer_has_the_headers(page: PageProcess) -> None:
    """Pages, resources, redirects, errors of every kind, assets."""
    style = page.get("/login", headers=NOBODY).text.split('rel="stylesheet" href="')[1].split('"')[0]
    for path, headers in (
        ("/exposures", {}),
        ("/exposures", NOBODY),
        ("/no-such-page", {}),
        ("/api/v1/exposures", {}),
        ("/api/v1/no-such-thing", {}),
        ("/login", NOBODY),
        ("/healthz", NOBODY),
        (style, NOBODY),
        ("/exposures", {"Host": "evil.example"}),
    ):
        answer = page.get(path, headers=headers)
        assert {name: answer.headers.get_all(name) for name in HEADERS} == {
            name: [value] for name, value in HEADERS.items()
        }, path
        assert answer.headers["Server"] == "mongosweep", path
        is_kept = path in (style, "/api/v1/exposures")
        assert ("no-store" not in answer.headers["Cache-Control"]) == is_kept, path


def test_the_policy_lets_nothing_run_that_is_not_a_file_of_ours() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


# --- a proxy that says who somebody is ---------------------------------------------------------------------


def test_a_proxy_is_believed(behind: PageProcess) -> None:
    """In the role that the user has here."""
    behind.user(Role.VIEW)
    named = {"X-Forwarded-User": "view", **NOBODY}
    page = behind.get("/exposures", headers=named)
    assert page.status == 200
    own = {"Origin": behind.url, "Content-Type": "application/x-www-form-urlencoded"}
    assert behind.request("POST", DEED, b"text=x", headers=named | own).status == 403, "no role for that"
    behind.user(Role.ACKNOWLEDGE)
    named["X-Forwarded-User"] = "acknowledge"
    assert behind.request("POST", DEED, b"text=x&csrf=", headers=named | own).status == 403, (
        "no token of ours"
    )


@pytest.mark.parametrize("name", ["nobody-here", "", "view,operate", "\xff", "' OR 1=1 --"])
def test_a_name_that_is_no_user(behind: PageProcess, name: str) -> None:
    assert behind.get("/exposures", headers={"X-Forwarded-User": name, **NOBODY}).status == 403


def test_a_name_that_is_told_twice(behind: PageProcess) -> None:
    """Whoever is before the proxy may have told the first one."""
    behind.user(Role.OPERATE)
    text = (
        f"GET /exposures HTTP/1.1\r\nHost: 127.0.0.1:{behind.port}\r\nX-Forwarded-User: view\r\n"
        "X-Forwarded-User: operate\r\nConnection: close\r\n\r\n"
    )
    assert raw(behind, text.encode()).split(b" ")[1] == b"403"


def test_nobody_else_is_believed(page: PageProcess) -> None:
    page.user(Role.OPERATE)
    answer = page.get("/exposures", headers={"X-Forwarded-User": "operate", **NOBODY})
    assert (answer.status, answer.headers["Location"]) == (303, "/login?next=/exposures")


# --- what is written down ----------------------------------------------------------------------------------


def test_strangers_cannot_fill_the_disk(behind: PageProcess) -> None:
    """What anybody can cause is written up to a rate, and counted beyond it."""
    for _ in range(80):
        assert behind.get("/api/v1/exposures", headers={"Authorization": "Bearer guess"}).status == 401
    denied = [each for each in audited(behind) if each[0] == "denied"]
    assert 10 < len(denied) <= 62
    lines = (behind.output / "actions.jsonl").read_bytes().splitlines()
    assert all(json.loads(line)["schema"] == "mongosweep.action/1" for line in lines)
    assert Actions.open(behind.output).broken is None


@pytest.mark.exhaustive
def test_a_stream_ends_with_the_session(page: PageProcess) -> None:
    """Live progress, too, is only for who is still let in."""
    page.access.add_user("leaving", Role.VIEW)
    cookie = f"mongosweep-{page.port}={page.access.open_session('leaving')}"
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=60)
    connection.request("GET", "/events", headers={"Cookie": cookie})
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    page.access.remove_user("leaving")
    began = time.monotonic()
    while answer.read1(65536):
        assert time.monotonic() - began < 60
    connection.close()
