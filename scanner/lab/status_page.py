"""The status page of a MongoDB up to 3.4, by HTTP: its head, clients and log, and what other paths answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.lab.personality import Group, Personality, Truth
from scanner.lab.versions import V2_6

if TYPE_CHECKING:
    from scanner.lab.channel import ServerConnection
    from scanner.lab.versions import Release

PORT = 28017
HOST = "db-a.example"
_COMMANDS = ("buildInfo", "cursorInfo", "features", "hostInfo", "isMaster", "listDatabases", "top")
_NOT_ALLOWED = b"not allowed\n"


def personality(talk: StatusPageTalk | None = None) -> Personality:
    """One that is shown to everybody. From loopback it always is, so it proves nothing there."""
    talk = talk or StatusPageTalk()
    return Personality(
        name="status_page",
        description="the status page of a 2.6, on a port of its own",
        verdict=Verdict.UNKNOWN,
        also=frozenset({Verdict.OPEN_NO_DATA}),
        talk=talk.talk,
        group=Group.OTHER,
        truth=Truth(product="mongodb", version=talk.release.text, topology="status_page"),
    )


class StatusPageTalk:
    """Answers one request and closes, as its server does; `asked` keeps what was asked for.

    Laid out as `src/mongo/db/dbwebserver.cpp` of 2.6 does it: behind the head come clients with their
    addresses, how busy each collection is, and the log. `locked`: it wants a login.
    """

    def __init__(self, release: Release = V2_6, *, uptime: int = 86_400, locked: bool = False) -> None:
        self.release = release
        self.uptime = uptime
        self.locked = locked
        self.asked: list[str] = []

    async def talk(self, channel: ServerConnection) -> None:
        """Silent until a whole request is there."""
        received = b""
        while b"\r\n\r\n" not in received:
            more = await channel.recv()
            if not more:
                return
            received += more
        line = received.split(b"\r\n", 1)[0].decode("latin-1")
        self.asked.append(line)
        await channel.send(self.answer(line.removeprefix("GET ").partition(" ")[0]))

    def answer(self, path: str) -> bytes:
        """The whole answer to a request for `path`."""
        if self.locked:
            digest = 'Digest realm="mongo", nonce="abc", algorithm=MD5, qop="auth" '
            return _http("401 Not Authorized", "text/plain", _NOT_ALLOWED, f"WWW-Authenticate: {digest}\r\n")
        if path != "/":
            text = "REST is not enabled.  use --rest to turn on.\n"
            text += f"check that port {PORT} is secured for the network too.\n"
            return _http("403 Forbidden", "text/plain", text.encode())
        return _http("200 OK", "text/html", self.page().encode())

    def page(self) -> str:
        """The page itself."""
        name = f"mongod {HOST}"
        links = "".join(
            f'<a href="/{each}?text=1" title="what {each} is for, in a line or two of help">{each}</a> '
            for each in _COMMANDS
        )
        head = (
            f"db version v{self.release.text}\ngit hash: 8f690a4c63\n"
            f"sys info: Linux build.example 2.6.32 x86_64\nuptime: {self.uptime} seconds\n"
        )
        return (
            f"<html><head>\n<title>{name}</title>\n<style></style>\n</head>\n<body>\n<h2>{name}</h2>\n"
            '<p><a href="/_commands">List all commands</a> | \n'
            '<a href="/_replSet">Replica set status</a></p>\n'
            f"<a>Commands</a>: {links}\n<pre>{head}</pre><hr>\n<b>clients</b> <br>\n"
            "<table><tr><td>conn1</td><td>127.0.0.9:40112</td><td>forum.members</td></tr></table><hr>\n"
            '<b>Log</b> <br>\n<pre>[conn1] query forum.members query: { name: "A VALUE OF A DOCUMENT" }</pre>'
            "</body></html>\n"
        )


def _http(status: str, kind: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.0 {status}\r\n{more}Content-Type: {kind};charset=utf-8\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
