"""One run of notify: what a crash left is settled, then each notice is noted, sent, and noted again.

Every stage is durable before the next begins. A message that never reached `handing-over` was not sent, and
is told anew under the same id. One that did, and of which nobody noted an end, may have arrived: in a folder
that can be seen; anywhere else it is `unclear`, is reported at every run, and not sent again until a person
says so. Not to send twice is chosen over sending for certain; a reminder follows in either case.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from results.files import DirectoryBusyError, storage_error
from results.ledger.told import messages
from results.lock import Lock
from results.notify.folder import FolderWay
from results.notify.letter import compose
from results.notify.way import NotSentError, UnclearError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from results.ledger.actions import Actions, Stage
    from results.ledger.told import Message
    from results.notify.rules import Notice
    from results.notify.way import Way

BY = "mongosweep"
NOTICES_FOLDER = "notices"


class Sent(NamedTuple):
    """What became of one notice."""

    notice: Notice
    stage: Stage
    detail: str
    refused: tuple[str, ...] = ()


class NotifyReport(NamedTuple):
    """What one run did. `unclear` are messages of earlier runs of which nobody knows whether they arrived."""

    sent: list[Sent]
    unclear: list[Message]

    @property
    def all_told(self) -> bool:
        """Whether everybody who was to be told has been."""
        return not self.unclear and all(one.stage == "done" and not one.refused for one in self.sent)


def hold(output: Path) -> Lock:
    """The lock of notify: whoever has it is alone in sending. Raises `DirectoryBusyError`."""
    try:
        (output / NOTICES_FOLDER).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise storage_error(output / NOTICES_FOLDER, error) from error
    try:
        return Lock.acquire(output / NOTICES_FOLDER, "notify")
    except DirectoryBusyError as error:
        raise DirectoryBusyError(output, "another notify is at work there", "wait for it") from error


def settle(actions: Actions, now: Callable[[], str]) -> None:
    """Give every message an end that a crash left without one. The caller holds the lock of notify."""
    for message_id, message in messages(actions.proven).items():
        if message.stage not in ("intended", "handing-over"):
            continue
        intended = message.intended
        if intended.transport == FolderWay.name:
            try:
                arrived = FolderWay(Path(intended.detail)).settle(message_id)
            except OSError as error:
                raise storage_error(Path(intended.detail), error) from error
            stage: Stage = "done" if arrived else "failed"
        else:
            stage = "unclear" if message.stage == "handing-over" else "failed"
        detail = "notify ended in the middle"
        actions.append(intended.kind, at=now(), by=BY, message_id=message_id, stage=stage, detail=detail)


async def send(
    notices: Sequence[Notice],
    actions: Actions,
    way: Way,
    now: Callable[[], str],
    progress: Callable[[Sent], None] = lambda sent: None,
) -> list[Sent]:
    """Send them one after the other. The caller holds the lock of notify and has settled what was left."""
    done = []
    try:
        for notice in notices:
            done.append(await _send_one(notice, actions, way, now))
            progress(done[-1])
    finally:
        await way.close()
    return done


async def _send_one(notice: Notice, actions: Actions, way: Way, now: Callable[[], str]) -> Sent:
    def note(stage: Stage, detail: str = "") -> None:
        actions.append(notice.kind, at=now(), by=BY, message_id=notice.message_id, stage=stage, detail=detail)

    if way.name == "smtp" and not notice.to:
        return Sent(
            notice, "failed", "no address is known: write a [[recipient]], or fallback_to in [notify]"
        )
    letter = compose(notice, now())
    actions.append(
        notice.kind,
        [exposure.exposure_id for exposure in notice.exposures],
        at=letter.at,
        by=BY,
        to=notice.to or (notice.owner,),
        detail=way.place,
        message_id=notice.message_id,
        transport=way.name,
        stage="intended",
        reminds=notice.reminds,
    )
    try:
        said = await way.send(letter, lambda: note("handing-over"))
    except NotSentError as error:
        note("failed", str(error))
        return Sent(notice, "failed", str(error))
    except UnclearError as error:
        note("unclear", str(error))
        return Sent(notice, "unclear", str(error))
    note("done", "; ".join((said.text, *said.refused)))
    return Sent(notice, "done", said.text, said.refused)


def unclear(actions: Actions) -> list[Message]:
    """Messages of which nobody knows whether they arrived."""
    return [message for message in messages(actions.proven).values() if message.stage == "unclear"]


def decide(actions: Actions, message_id: str, *, arrived: bool, by: str, at: str) -> Message | None:
    """A person says what became of an unclear message. One that did not arrive is told anew by the next run.
    None when there is no such message."""
    message = next((one for one in unclear(actions) if one.intended.message_id == message_id), None)
    if message is not None:
        stage: Stage = "done" if arrived else "failed"
        kind = message.intended.kind
        actions.append(kind, at=at, by=by, message_id=message_id, stage=stage, detail="decided by a person")
    return message
