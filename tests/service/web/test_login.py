"""Signing in and out, and the first user, through a real page process."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from results.ledger.actions import Actions
from scanner.service.admission.roles import Role
from scanner.service.web.pages.login import _next
from tests.support.page_process import running_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.page_process import Answer, PageProcess

pytestmark = pytest.mark.xdist_group("login")
PASSWORD = "a sentence is a good one"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageProcess]:
    """One for all, with a user `web-oncall`; each test looks at what was written down since it began."""
    with running_page(tmp_path_factory.mktemp("login")) as running:
        running.access.add_user("web-oncall", Role.VIEW, PASSWORD)
        yield running


@pytest.fixture(autouse=True)
def from_here(page: PageProcess) -> int:
    """How many lines there were before."""
    return len(Actions.open(page.output).all())


def post(page: PageProcess, path: str, cookie: str = "a=b", **form: str) -> Answer:
    """As a browser sends it."""
    return page.post(path, form, headers={"Cookie": cookie})


def session_of(answer: Answer) -> tuple[str, str]:
    """The cookie that was set, as `name=value`, and how."""
    text = answer.headers["Set-Cookie"]
    (morsel,) = SimpleCookie(text).values()
    return f"{morsel.key}={morsel.value}", text


def kinds(page: PageProcess, first: int = 0) -> list[tuple[str, str]]:
    return [(each.kind, each.by) for each in Actions.open(page.output).all()[first:]]


def test_in_and_out(page: PageProcess, from_here: int) -> None:
    """A session has a new secret, which a script cannot read and another site does not send; signing out ends
    it here, too."""
    old = f"mongosweep-{page.port}=chosen-by-somebody-else"
    answer = post(page, "/login", old, name="Web-OnCall", password=PASSWORD, next="/exposures?state=open")
    assert (answer.status, answer.headers["Location"]) == (303, "/exposures?state=open")
    cookie, how = session_of(answer)
    assert cookie.startswith(f"mongosweep-{page.port}=")
    assert cookie != old
    assert how.split("; ", 1)[1] == "HttpOnly; Path=/; SameSite=Strict"
    shown = page.get("/exposures", headers={"Cookie": cookie})
    assert shown.status == 200
    session = page.access.session(cookie.partition("=")[2])
    assert session is not None
    assert session.csrf in shown.text, "every page has the form to sign out"
    out = page.post(
        "/logout", {"csrf": session.csrf}, headers={"Cookie": cookie, "X-CSRF-Token": session.csrf}
    )
    assert (out.status, out.headers["Location"]) == (303, "/login")
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    assert page.get("/exposures", headers={"Cookie": cookie}).status == 303
    assert kinds(page, from_here) == [("signed-in", "web-oncall"), ("signed-out", "web-oncall")]


def test_a_wrong_password_and_a_name_that_is_nobodys_look_alike(page: PageProcess, from_here: int) -> None:
    texts = []
    for name in ("web-oncall", "db-oncall"):
        answer = post(page, "/login", name=name, password="another sentence")
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers
        texts.append(answer.text.replace(name, "NAME"))
    assert texts[0] == texts[1]
    assert kinds(page, from_here) == [("sign-in-failed", "web-oncall"), ("sign-in-failed", "db-oncall")]


@pytest.mark.parametrize(
    "following",
    [
        *("//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "evil.example"),
        *("/\t/evil.example", "/a\r\nSet-Cookie: x=y", "", "/login", "/" * 3000),
    ],
    ids=ascii,
)
def test_a_login_leads_nowhere_else(following: str) -> None:
    """A link to our login, with somebody else's page behind it."""
    assert _next(following) == "/"
    assert _next("/exposures?state=open") == "/exposures?state=open"


def test_the_first_user(tmp_path: Path) -> None:
    """With the code of the terminal, once; without one the page says what to type."""
    with running_page(tmp_path) as page:
        # what `page.post` sends would make a user of its own to be signed in with
        headers = {"Cookie": "a=b", "Origin": page.url, "Content-Type": "application/x-www-form-urlencoded"}

        def sent(**more: str) -> Answer:
            form = urlencode({"name": "web-oncall", "password": PASSWORD, "again": PASSWORD} | more)
            return page.request("POST", "/first-use", form.encode(), headers=headers)

        assert (
            "mongosweep users add NAME --role operate" in page.get("/login", headers={"Cookie": "a=b"}).text
        )
        code = page.access.first_use_code()
        assert "One-time code" in page.get("/login", headers={"Cookie": "a=b"}).text
        assert sent(code=code, again="not the same").status == 400
        short = sent(code=code, password="short", again="short")
        assert short.status == 400
        assert "12 to 1024 characters" in short.text
        assert sent(code="another").status == 401
        assert page.access.users() == []
        made = sent(code=code)
        assert made.status == 303
        assert page.get("/exposures", headers={"Cookie": session_of(made)[0]}).status == 200
        assert sent(code=code, name="stranger").status == 401
        assert [(each.name, each.role) for each in page.access.users()] == [("web-oncall", Role.OPERATE)]
        assert ("access-changed", "web-oncall") in kinds(page)


def test_what_was_typed_is_text(page: PageProcess) -> None:
    answer = post(page, "/login", name='"><script>alert(1)</script>', password="p", next='/"><script>')
    assert answer.status == 401
    assert "<script>alert" not in answer.text
    assert '"><script>' not in answer.text


def test_guessing_is_slowed_and_written_down(page: PageProcess) -> None:
    """After some tries none is heard for a while; and what is written down has no password in it."""
    page.access.add_user("victim", Role.VIEW, PASSWORD)
    for number in range(40):
        slowed = post(page, "/login", name="victim", password=f"guess number {number}")
        if slowed.status == 429:
            break
        assert slowed.status == 401
    assert 5 <= number < 40
    assert 1 <= int(slowed.headers["Retry-After"]) <= 30
    assert "Wait" in slowed.text
    assert post(page, "/login", name="db-oncall", password="another one").status == 401, "others do not wait"
    found = Actions.open(page.output)
    assert found.broken is None
    written = [(each.kind, each.by, each.detail) for each in found.all()]
    assert ("sign-in-failed", "victim", "from 127.0.0.1") in written
    assert ("sign-in-failed", "victim", "slowed, from 127.0.0.1") in written
    held = (page.output / "actions.jsonl").read_text()
    assert "guess number" not in held
    assert PASSWORD not in held
