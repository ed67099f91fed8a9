"""What the page costs whoever is slow, large or many, and what it costs us; TLS; privileges."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from scanner.service.admission.roles import Role
from scanner.service.web.connections import MOST
from tests.support.page_process import running_page
from tests.support.serving import wait_until
from tests.support.slow_clients import slow_clients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.page_process import PageProcess

pytestmark = pytest.mark.xdist_group("connections")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageProcess]:
    with running_page(tmp_path_factory.mktemp("connections")) as running:
        yield running


def connected(page: PageProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", page.port), timeout=30)


def files_of(page: PageProcess) -> int:
    return len(list(Path(f"/proc/{page.process.pid}/fd").iterdir()))


def memory_of(page: PageProcess) -> int:
    """The peak of the resident set, KiB."""
    status = Path(f"/proc/{page.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def rest_of(connection: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            found += piece
    return found


def test_more_slow_clients_than_there_is_room_for(page: PageProcess) -> None:
    """Those who never finish their requests keep nobody out, and are never more than so many."""
    page.get("/login")
    with contextlib.ExitStack() as crowd:
        for _ in range(4):
            crowd.enter_context(slow_clients(page.port, (MOST + 300) // 4))
            assert files_of(page) <= MOST + 64
        began = time.monotonic()
        assert page.get("/login", headers={"Cookie": "a=b"}).status == 200
        assert time.monotonic() - began < 10
        assert files_of(page) <= MOST + 64


def head(page: PageProcess, *more: str) -> bytes:
    lines = [
        f"POST /exposures/e00000000000/note HTTP/1.1\r\nHost: 127.0.0.1:{page.port}",
        f"Cookie: {'='.join(page.cookie())}",
        *(f"{name}: {value}" for name, value in page.from_own_page().items()),
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


FORM = "Content-Type: application/x-www-form-urlencoded"


def test_a_body_of_a_gibibyte_costs_nothing(page: PageProcess) -> None:
    """It is refused by its length, and by what came of it where it tells none."""
    before = memory_of(page)
    for more in (f"Content-Length: {1 << 30}", "Transfer-Encoding: chunked"):
        with connected(page) as connection:
            connection.sendall(head(page, FORM, more))
            sent = 0
            piece = b"a" * (1 << 16)
            with contextlib.suppress(ConnectionError):
                while sent < 1 << 30:
                    connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if "chunked" in more else piece)
                    sent += len(piece)
            assert sent < 1 << 30, "the connection was closed long before"
    assert memory_of(page) - before < 16 << 10
    with connected(page) as connection:
        connection.sendall(head(page, FORM, f"Content-Length: {1 << 30}"))
        assert rest_of(connection).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("more", "body", "status"),
    [
        ([FORM, "Content-Length: 65537"], b"", b"413"),
        ([FORM, "Content-Encoding: gzip", "Content-Length: 2"], b"ab", b"415"),
        (["Content-Type: multipart/form-data; boundary=a", "Content-Length: 2"], b"ab", b"415"),
        (["Content-Type: text/plain", "Content-Length: 2"], b"ab", b"415"),
        (["X-Long: " + "a" * 9000], b"", b"400"),
        ([f"X-{number}: a" for number in range(200)], b"", b"400"),
        (["X-Bad\x00: a"], b"", b"400"),
    ],
    ids=["long", "packed", "files", "another type", "a long header", "many headers", "NUL"],
)
def test_what_is_not_taken(page: PageProcess, more: list[str], body: bytes, status: bytes) -> None:
    with connected(page) as connection:
        connection.sendall(head(page, "Connection: close", *more) + body)
        assert rest_of(connection).split(b" ")[1] == status


@pytest.mark.exhaustive
def test_who_is_slow_is_closed(page: PageProcess) -> None:
    """A head that does not end, a body that does not come, an answer that nobody reads: half a minute each,
    at most."""
    with connected(page) as heading, connected(page) as silent, connected(page) as posting:
        heading.sendall(b"GET / HTTP/1.1\r\n")
        posting.sendall(head(page, FORM, "Content-Length: 100") + b"text=")
        began = time.monotonic()
        assert rest_of(posting).startswith(b"HTTP/1.1 408")
        assert rest_of(heading) == rest_of(silent) == b""
        assert time.monotonic() - began < 45


# --- TLS --------------------------------------------------------------------------------------------------


class Issued:
    """A certificate and its key in files, by an authority that a client may trust."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "page.pem", folder / "page.key"
        self.issue()

    def issue(self) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(self.key)
        self.certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        self.trusting = ssl.create_default_context()
        authority.configure_trust(self.trusting)

    def settings(self, listen: str) -> str:
        return f'[service]\nlisten = "{listen}"\ncertificate = "{self.certificate}"\nkey = "{self.key}"\n'


def is_refused(page: PageProcess) -> bool:
    try:
        page.get("/exposures")
    except ssl.SSLError:
        return True
    return False


SCOPE = '[[allow]]\ncidr = "127.0.0.0/29"\nkind = "lab"\n'


def test_tls(tmp_path: Path) -> None:
    """On any address; nothing in clear, nothing older than 1.2; another certificate without a restart, and a
    broken one changes nothing."""
    issued = Issued(tmp_path)
    config = tmp_path / "mongosweep.toml"
    config.write_text(issued.settings("0.0.0.0:0") + SCOPE)
    with running_page(tmp_path, config, "--listen", "0.0.0.0:0", tls=issued.trusting) as page:
        page.url = page.url.replace("0.0.0.0", "127.0.0.1")
        assert page.url.startswith("https:")
        name, _ = page.cookie()
        assert name.startswith("__Host-")
        assert page.get("/exposures").status == 200
        made = page.get("/login", headers={"Cookie": "a=b"})
        assert made.status == 200
        with connected(page) as plain:
            plain.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"HTTP" not in rest_of(plain)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with connected(page) as connection, pytest.raises(ssl.SSLError):
            old.wrap_socket(connection)
        issued.key.write_text("broken")
        page.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert page.get("/exposures").status == 200
        issued.issue()
        page.process.send_signal(signal.SIGHUP)
        wait_until(lambda: is_refused(page), "the new certificate")  # by whom the old one convinced
        page.tls = issued.trusting
        assert page.get("/exposures").status == 200


def test_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    issued = Issued(tmp_path)
    issued.key.write_text("broken")
    config = tmp_path / "mongosweep.toml"
    config.write_text(issued.settings("127.0.0.1:0") + SCOPE)
    command = [sys.executable, "-P", "-m", "scanner.service.web", "-o", str(tmp_path), "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "[service] certificate" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# --- privileges --------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_the_page_has_no_privilege(page: PageProcess) -> None:
    """Whatever started it: no capability, nor a way to one; no core file; nobody reads its memory."""
    page.get("/exposures", role=Role.VIEW)  # threads run by now
    for thread in Path(f"/proc/{page.process.pid}/task").iterdir():
        status = dict(
            line.split(":\t", 1) for line in (thread / "status").read_text().splitlines() if ":\t" in line
        )
        assert {int(status[each], 16) for each in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"
    limits = Path(f"/proc/{page.process.pid}/limits").read_text()
    assert "Max core file size        0 " in limits
