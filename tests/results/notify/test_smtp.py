"""Letters over a real mail server: what arrives, what is refused, and that no failure makes a second copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from results.files import StorageError
from results.ledger.actions import Actions
from results.ledger.told import messages
from results.notify import send
from results.notify.letter import compose
from results.notify.rules import Notice
from results.notify.smtp import SmtpServer, SmtpWay, as_email
from results.notify.way import NotSentError, UnclearError
from tests.support.exposures import NOW, exposure
from tests.support.mail import LOGIN, Authority, MailServer

if TYPE_CHECKING:
    from pathlib import Path

    from results.notify.letter import Letter
    from results.notify.way import Said

SENDER = "mongosweep@example.com"


def notice(number: int = 0, **changes: Any) -> Notice:
    """A notice to the web platform."""
    known: dict[str, Any] = {
        "kind": "warned",
        "owner": "web platform",
        "to": ("web-oncall@example.com",),
        "language": "en",
        "exposures": (exposure(databases=["x\r\nBcc: eve@example.com", "été"]),),
        "message_id": f"web-platform.owner.{number}@example.com",
    }
    return Notice(**(known | changes))


def letter(number: int = 0, **changes: Any) -> Letter:
    """The same, written."""
    return compose(notice(number, **changes), NOW)


def way(server: MailServer, authority: Authority, **changes: Any) -> SmtpWay:
    """The way to a server of these tests."""
    known: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "tls": "starttls",
        "sender": SENDER,
        "ca_file": str(authority.file),
        "timeout": 20.0,
    }
    return SmtpWay(SmtpServer(**(known | changes)))


async def deliver(one: SmtpWay, written: Letter) -> tuple[Said, int]:
    """Send it; what was said, and how often the hand-over was noted."""
    noted: list[int] = []
    try:
        return await one.send(written, lambda: noted.append(1)), len(noted)
    finally:
        await one.close()


async def test_a_letter_arrives_whole_over_starttls(mail: MailServer, authority: Authority) -> None:
    written = letter(earlier=("first@example.com", "second@example.com"))
    said, noted = await deliver(way(mail, authority), written)
    assert (said.text, noted) == ("250 taken", 1)
    (message,) = mail.taken
    assert message["From"] == SENDER
    assert message["To"] == "web-oncall@example.com"
    assert message["Message-ID"] == "<web-platform.owner.0@example.com>"
    assert message["In-Reply-To"] == "<second@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Bcc"] is None
    plain, marked = message.iter_parts()
    assert plain.get_content().replace("\r\n", "\n") == written.plain
    assert marked.get_content_type() == "text/markdown"
    assert marked.get_content().replace("\r\n", "\n") == written.markdown
    assert mail.envelopes[0].rcpt_tos == ["web-oncall@example.com"]


async def test_one_connection_takes_several_letters(mail: MailServer, authority: Authority) -> None:
    one = way(mail, authority)
    for number in range(3):
        await one.send(letter(number), lambda: None)
    await one.close()
    assert len(mail.taken) == 3


async def test_no_name_becomes_a_header(mail: MailServer, authority: Authority) -> None:
    owner = "web\r\nBcc: eve@example.com\r\n\r\nbody"
    await deliver(way(mail, authority), letter(owner=owner))
    (message,) = mail.taken
    assert message["Bcc"] is None
    assert str(message["Subject"]).endswith(r"web\x0d\x0aBcc: eve@example.com\x0d\x0a\x0d\x0abody")
    assert mail.envelopes[0].rcpt_tos == ["web-oncall@example.com"]


def test_lines_that_begin_with_a_dot_are_no_end() -> None:
    text = as_email(letter(), SENDER).as_bytes()
    assert b"\n.\n" not in text


async def test_a_login_is_given_inside_tls_alone(authority: Authority) -> None:
    with MailServer(authority, login=True) as server:
        user, password = LOGIN
        said, _ = await deliver(way(server, authority, user=user, password=password), letter())
        assert said.text == "250 taken"
        with pytest.raises(NotSentError, match="535") as caught:
            await deliver(way(server, authority, user=user, password="wr0ng"), letter())
        assert "wr0ng" not in str(caught.value)
        assert len(server.taken) == 1


async def test_a_server_that_nobody_vouches_for_gets_nothing(mail: MailServer, authority: Authority) -> None:
    with pytest.raises(NotSentError, match="certificate"):
        await deliver(way(mail, authority, ca_file=""), letter())
    with pytest.raises(NotSentError, match=r"certificate|127\.0\.0\.2"):
        await deliver(way(mail, authority, host="127.0.0.2"), letter())
    assert mail.taken == []


async def test_without_starttls_nothing_is_said(authority: Authority) -> None:
    with MailServer(authority, starttls=False) as server:
        with pytest.raises(NotSentError, match="STARTTLS"):
            await deliver(way(server, authority), letter())
        assert server.taken == []


async def test_nobody_there(mail: MailServer, authority: Authority, port: int) -> None:
    with pytest.raises(NotSentError):
        await deliver(way(mail, authority, port=port), letter())


async def test_who_is_refused_is_named_and_the_others_are_told(
    mail: MailServer, authority: Authority
) -> None:
    mail.refuse = {"gone@example.com"}
    said, _ = await deliver(way(mail, authority), letter(to=("gone@example.com", "here@example.com")))
    assert said == ("250 taken", ("refused for gone@example.com: 550 no such box",))
    assert mail.envelopes[0].rcpt_tos == ["here@example.com"]
    with pytest.raises(NotSentError, match="gone@example"):
        await deliver(way(mail, authority), letter(to=("gone@example.com",)))


@pytest.mark.parametrize("code", ["451", "554"])
async def test_an_answer_that_refuses_is_no_arrival(
    mail: MailServer, authority: Authority, code: str
) -> None:
    mail.fail = [code]
    with pytest.raises(NotSentError, match=code):
        await deliver(way(mail, authority), letter())


async def test_no_answer_to_the_whole_message_is_unclear(mail: MailServer, authority: Authority) -> None:
    mail.fail = ["after"]
    with pytest.raises(UnclearError):
        await deliver(way(mail, authority), letter())
    assert len(mail.taken) == 1


async def test_an_answer_that_comes_too_late_is_unclear(mail: MailServer, authority: Authority) -> None:
    mail.slow = 3
    with pytest.raises(UnclearError, match="Timed out"):
        await deliver(way(mail, authority, timeout=1.0), letter())


async def test_a_full_disk_before_the_last_dot_sends_nothing(mail: MailServer, authority: Authority) -> None:
    def full() -> None:
        raise StorageError("actions.jsonl", "no space left on device")

    one = way(mail, authority)
    with pytest.raises(StorageError):
        await one.send(letter(), full)
    await one.close()
    await one.send(letter(1), lambda: None)
    await one.close()
    assert [message["Message-ID"] for message in mail.taken] == ["<web-platform.owner.1@example.com>"]


@pytest.mark.parametrize("how", ["midway", "after", "451"])
async def test_a_server_that_fails_leads_to_no_second_copy(
    tmp_path: Path, mail: MailServer, authority: Authority, how: str
) -> None:
    mail.fail = [how]
    actions = Actions.open(tmp_path, write=True)

    async def again() -> None:
        """What the next run does: an unclear one is left alone, a failed one is sent."""
        told = messages(actions.proven).get(notice().message_id)
        if told is None or not told.may_have_arrived:
            await send.send([notice()], actions, way(mail, authority), lambda: NOW)

    await again()
    (message,) = messages(actions.proven).values()
    assert message.stage in {"midway": ("failed", "unclear"), "after": ("unclear",), "451": ("failed",)}[how]
    await again()
    await again()
    if message.stage == "failed":
        assert len(mail.taken) == 1
    else:
        assert len(mail.taken) == (1 if how == "after" else 0)
        (left,) = send.unclear(actions)
        arrived = how == "after"
        assert send.decide(actions, left.intended.message_id, arrived=arrived, by="Ada", at=NOW)
        await again()
        assert len(mail.taken) == 1
    assert send.unclear(actions) == []
