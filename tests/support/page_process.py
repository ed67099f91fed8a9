"""The page as a process of its own over an output directory, and a small client of it.

with running_page(output) as page:
    answer = page.get("/exposures")
    assert answer.status == 200
"""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from scanner.clock import SystemClock
from scanner.service.admission.access import Access
from scanner.service.admission.roles import Role

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from email.message import Message
    from pathlib import Path

PATIENCE = 60.0  # seconds; only what hangs takes so long


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class PageProcess:
    """A page that listens at `url`, such as "http://127.0.0.1:41234"."""

    def __init__(
        self, process: subprocess.Popen[bytes], url: str, output: Path, tls: ssl.SSLContext | None = None
    ) -> None:
        self.process = process
        self.url = url
        self.output = output
        self.access = Access(output, SystemClock())
        self.tls = tls
        self._port = int(url.rpartition(":")[2])
        self._sessions: dict[Role, str] = {}
        self._tokens: dict[Role, str] = {}

    def user(self, role: Role) -> str:
        """The name of the user with this role, who is made at the first call and has no password."""
        if self.access.user(role.word) is None:
            self.access.add_user(role.word, role)
        return role.word

    def cookie(self, role: Role | None = None) -> tuple[str, str]:
        """Name and value of a cookie with which a browser is signed in with this role, by default the
        highest."""
        role = Role.OPERATE if role is None else role
        if role not in self._sessions:
            self._sessions[role] = self.access.open_session(self.user(role))
        name = f"mongosweep-{self._port}"
        return f"__Host-{name}" if self.url.startswith("https") else name, self._sessions[role]

    def token(self, role: Role) -> str:
        """A token with this role, for `Authorization: Bearer`."""
        if role not in self._tokens:
            self._tokens[role] = self.access.add_token(role.word, role, 3600)
        return self._tokens[role]

    def from_own_page(self, role: Role | None = None) -> dict[str, str]:
        """The headers by which a browser, and a script of ours, say that a page of ours sends this."""
        session = self.access.session(self.cookie(role)[1])
        assert session is not None
        return {"Origin": self.url, "Sec-Fetch-Site": "same-origin", "X-CSRF-Token": session.csrf}

    @property
    def port(self) -> int:
        """Its port."""
        return self._port

    def get(self, path: str, *, role: Role | None = None, headers: Mapping[str, str] = {}) -> Answer:
        """GET as a visitor with this role, by default the highest."""
        return self.request("GET", path, role=role, headers=headers)

    def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        role: Role | None = None,
        data: Any = None,
        headers: Mapping[str, str] = {},
    ) -> Answer:
        """POST a form as a browser does, with its `csrf` filled in; or `data` as JSON, as a page's script
        does."""
        headers = {**self.from_own_page(role), **headers}
        if form is None:
            body, kind = json.dumps(data).encode(), "application/json"
        else:
            body, kind = (
                urlencode({"csrf": headers["X-CSRF-Token"], **form}).encode(),
                "application/x-www-form-urlencoded",
            )
        return self.request("POST", path, body, role=role, headers={"Content-Type": kind, **headers})

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        role: Role | None = None,
        headers: Mapping[str, str] = {},
    ) -> Answer:
        """One request on a connection of its own, with the session of a user who has this role; no redirect
        is followed. A `Cookie` or an `Authorization` of your own is sent instead."""
        if not {"cookie", "authorization"} & {name.lower() for name in headers}:
            headers = {"Cookie": "=".join(self.cookie(role)), **headers}
        where = urlsplit(self.url)
        host, port = where.hostname or "", where.port
        if where.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=PATIENCE, context=self.tls
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


@contextmanager
def running_page(
    output: Path, config: Path | None = None, *arguments: str, tls: ssl.SSLContext | None = None
) -> Iterator[PageProcess]:
    """Start the page process on a free port of loopback, and end it; what it says on stderr is shown where a
    test fails. Without a configuration the built-in settings are in force. `tls`: whom a client
    trusts."""
    command = [sys.executable, "-P", "-m", "scanner.service.web", "-o", str(output)]
    command += ["-c", str(config)] if config is not None else []
    command += arguments if "--listen" in arguments else ("--listen", "127.0.0.1:0", *arguments)
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        assert address, f"the page did not start: exit code {process.wait(PATIENCE)}"
        page = PageProcess(process, address, output, tls)
        try:
            yield page
        finally:
            page.access.close()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()
