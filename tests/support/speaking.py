"""What processes say that speak as `mongosweep fleet shard` does, and send nothing."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Any

from scanner import __version__
from scanner.fleet.messages import Began, Ended, digest_of, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.fleet.messages import Description, Message, Shard


def whose(shard: Shard) -> dict[str, Any]:
    """What every message on an attempt has."""
    return {"run_id": shard.run_id, "name": shard.name, "attempt": shard.attempt}


def began(shard: Shard, worker: str, site: str, **changes: Any) -> Began:
    """All of it is about to be asked."""
    about = {
        "worker": worker,
        "host": platform.node(),
        "site": site,
        "vantage": shard.vantage,
        "version": __version__,
        "at": shard.sent_at,
        "targets": shard.targets,
    }
    return Began(**{**whose(shard), **about, **changes})


def ended(shard: Shard, lines: Sequence[bytes], *, stopped: bool = False, **changes: Any) -> Ended:
    """Its account: every target is closed, or none was reached."""
    about: dict[str, Any] = {
        "state": "interrupted" if stopped else "complete",
        "reasons": [],
        "planned": shard.targets,
        "outcomes": {} if stopped else {"closed": shard.targets},
        "not_reached": shard.targets if stopped else 0,
        "lines": len(lines),
        "digest": digest_of(lines),
    }
    return Ended(**{**whose(shard), **about, **changes})


def say(message: Message | Description) -> None:
    """To whoever started this process."""
    say_bytes(encode(message))


def say_bytes(line: bytes) -> None:
    """Anything."""
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
