"""Letters over a real HTTP server: the signature, what is tried again, and what is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from results.notify.letter import compose
from results.notify.rules import Notice
from results.notify.way import NotSentError, UnclearError
from results.notify.webhook import Hook, WebhookWay
from tests.support.exposures import NOW, exposure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from results.notify.letter import Letter
    from tests.support.mail import Authority

SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes of key").decode()


class Receiver:
    """A server that takes what is posted, and answers as it is told: a status, `silence` or `close`."""

    def __init__(self) -> None:
        self.answers: list[int | str] = []
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((dict(request.headers), await request.read()))
        answer = self.answers.pop(0) if self.answers else 204
        if answer == "close":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if answer == "silence":
            await asyncio.sleep(2)
            return web.Response()
        return web.Response(status=int(answer), headers=self.headers)


async def _serving(receiver: Receiver, ssl_context: Any = None) -> AsyncIterator[Receiver]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http{'s' if ssl_context else ''}://127.0.0.1:{port}/hook?token=t0ken"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver in the clear, on loopback."""
    async for each in _serving(Receiver()):
        yield each


def letter() -> Letter:
    """A letter to the web platform."""
    notice = Notice(
        kind="warned",
        owner="web platform",
        to=("web-oncall@example.com",),
        language="en",
        exposures=(exposure(databases=["<script>", "x\r\ny"]),),
        message_id="web-platform.owner.0@example.com",
    )
    return compose(notice, NOW)


class Sending:
    """One sending, with the pauses that it made and how often the hand-over was noted."""

    def __init__(self, hook: Hook) -> None:
        self.pauses: list[float] = []
        self.noted = 0
        self._way = WebhookWay(hook, self._pause)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def _note(self) -> None:
        self.noted += 1

    async def run(self) -> str:
        """Send the letter once."""
        try:
            return (await self._way.send(letter(), self._note)).text
        finally:
            await self._way.close()


async def test_a_letter_arrives_signed(receiver: Receiver) -> None:
    sending = Sending(Hook(url=receiver.url, secret=SECRET))
    assert await sending.run() == "204 No Content"
    ((headers, body),) = receiver.requests
    identity, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    assert identity == "web-platform.owner.0@example.com"
    assert stamp == "1772971200"
    signed = hmac.new(b"twenty-four bytes of key", f"{identity}.{stamp}.".encode() + body, hashlib.sha256)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(signed.digest()).decode()
    document = json.loads(body)
    assert (document["type"], document["timestamp"]) == ("mongosweep.warned", NOW)
    assert document["data"]["exposures"][0]["exposure_id"] == exposure().exposure_id
    assert document["data"]["text"] == letter().plain
    assert (sending.noted, sending.pauses) == (1, [])


async def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    await Sending(Hook(url=receiver.url)).run()
    assert "webhook-signature" not in receiver.requests[0][0]


@pytest.mark.parametrize("busy", [429, 500, 503])
async def test_what_was_not_taken_is_tried_again_under_the_same_id(receiver: Receiver, busy: int) -> None:
    receiver.answers = [busy, busy, 200]
    sending = Sending(Hook(url=receiver.url))
    assert await sending.run() == "200 OK"
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    assert (len(receiver.requests), sending.pauses, sending.noted) == (3, [1.0, 2.0], 1)


async def test_it_waits_as_long_as_it_is_asked_to_and_not_for_ever(receiver: Receiver) -> None:
    receiver.answers, receiver.headers = [429, 503, 200], {"Retry-After": "7"}
    sending = Sending(Hook(url=receiver.url))
    await sending.run()
    assert sending.pauses == [7, 7]
    receiver.answers, receiver.headers = [429], {"Retry-After": "99999"}
    sending = Sending(Hook(url=receiver.url))
    await sending.run()
    assert sending.pauses == [60]


async def test_it_gives_up_after_some_attempts(receiver: Receiver) -> None:
    receiver.answers = [500] * 9
    with pytest.raises(NotSentError, match="500"):
        await Sending(Hook(url=receiver.url, attempts=3)).run()
    assert len(receiver.requests) == 3


@pytest.mark.parametrize("status", [302, 400, 401, 404])
async def test_other_answers_are_final_and_redirects_lead_nowhere(receiver: Receiver, status: int) -> None:
    receiver.answers, receiver.headers = [status], {"Location": "/elsewhere"}
    with pytest.raises(NotSentError, match=str(status)):
        await Sending(Hook(url=receiver.url)).run()
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("how", ["silence", "close"])
async def test_no_answer_is_unclear_and_not_tried_again(receiver: Receiver, how: str) -> None:
    receiver.answers = [how]
    with pytest.raises(UnclearError) as caught:
        await Sending(Hook(url=receiver.url, timeout=1.0)).run()
    assert "t0ken" not in str(caught.value)
    assert len(receiver.requests) == 1


async def test_nobody_there(port: int) -> None:
    with pytest.raises(NotSentError):
        await Sending(Hook(url=f"http://127.0.0.1:{port}/")).run()


async def test_a_server_that_nobody_vouches_for_gets_nothing(authority: Authority) -> None:
    async for receiver in _serving(Receiver(), authority.context):
        with pytest.raises(NotSentError, match="certificate"):
            await Sending(Hook(url=receiver.url)).run()
        assert receiver.requests == []
        assert await Sending(Hook(url=receiver.url, ca_file=str(authority.file))).run() == "204 No Content"
