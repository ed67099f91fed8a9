"""The story of one server over months, chapter by chapter: what stands where when each sweep comes by.

It is opened by mistake; its owner is told and nothing happens; extortionists wipe it a dozen times, and each
time somebody restores it; called old and inactive, it grows; it is closed, opened again, moved, and closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from scanner.lab import data
from scanner.lab.honest import mongod
from scanner.lab.profile import Access
from scanner.lab.versions import V4_0, V7_0

if TYPE_CHECKING:
    from scanner.lab.data import DataSet
    from scanner.lab.personality import Personality

MAGAZINE, NEIGHBOUR, NEW_PLACE = 7, 8, 21
"""Last octets of the addresses on which somebody stands in a chapter."""

RANSOMS = 12
NOTE = "READ__ME_TO_RECOVER_YOUR_DATA"
_HOUR, _DAY, _WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """What a sweep that begins at `at` meets: who stands on which last octet, and what that means."""

    at: datetime
    title: str
    servers: dict[int, Personality]
    told: bool = False  # whether its owner is told after this sweep


def chapters(start: datetime) -> list[Chapter]:
    """The whole story, in time order. Sweeps come weekly, twice a week while extortionists visit."""
    told = [*_opened(start), *_held_to_ransom(start + 4 * _WEEK), *_ended(start + 17 * _WEEK, start)]
    return [_standing(scene, start - 10 * _DAY) for scene in told]


def _opened(start: datetime) -> list[_Scene]:
    first = _holding(start + 3 * _DAY)
    return [
        _Scene(start, "nothing there yet"),
        _Scene(start + _WEEK, "open", MAGAZINE, first, told=True),
        _Scene(start + 2 * _WEEK, "its owner was told; nothing happens", MAGAZINE, first),
        _Scene(start + 3 * _WEEK, "still nothing", MAGAZINE, first),
    ]


def _held_to_ransom(start: datetime) -> list[_Scene]:
    found = []
    for number in range(RANSOMS):
        monday = start + number * _WEEK
        wiped = data.data_set(data.note(NOTE, "README", monday - 9 * _HOUR), ransom=(NOTE, "README"))
        found.append(_Scene(monday, f"wiped, note {number + 1}", MAGAZINE, wiped))
        restored = monday + 2 * _DAY
        readers = 693_000 + 4_000 * number
        found.append(
            _Scene(restored + _DAY, f"restored {number + 1}", MAGAZINE, _holding(restored, readers=readers))
        )
    return found


def _ended(start: datetime, begun: datetime) -> list[_Scene]:
    last = RANSOMS - 1
    made = begun + 4 * _WEEK + last * _WEEK + 2 * _DAY
    held = _holding(made, readers=693_000 + 4_000 * last, newest=start - _DAY)
    more = _holding(made, readers=780_000, newest=start + _WEEK - _DAY)
    return [
        _Scene(start, "called inactive", MAGAZINE, held),
        _Scene(start + _WEEK, "it grew", MAGAZINE, more),
        _Scene(start + 2 * _WEEK, "closed", MAGAZINE, more, locked=True),
        _Scene(start + 3 * _WEEK, "opened again", MAGAZINE, more),
        _Scene(start + 4 * _WEEK, "moved", NEW_PLACE, more),
        _Scene(start + 5 * _WEEK, "closed for good", NEW_PLACE, more, locked=True),
    ]


class _Scene(NamedTuple):
    at: datetime
    title: str
    octet: int = 0
    held: DataSet | None = None
    locked: bool = False
    told: bool = False


def _standing(scene: _Scene, started: datetime) -> Chapter:
    """A neighbour that asks for a login always answers, so that a refusal beside it can be believed."""
    at = scene.at
    neighbour = mongod(
        "neighbour", "asks for a login", version=V7_0, access=Access.LOCKED, now=lambda: at, host="db-b:27017"
    )
    servers = {NEIGHBOUR: neighbour}
    if scene.held is not None:
        servers[scene.octet] = mongod(
            "magazine",
            "the magazine's readers",
            version=V4_0,
            access=Access.LOCKED if scene.locked else Access.OPEN,
            data=scene.held,
            now=lambda: at,
            up=at - started,
        )
    return Chapter(at=at, title=scene.title, servers=servers, told=scene.told)


def _holding(made: datetime, *, readers: int = 693_000, newest: datetime | None = None) -> DataSet:
    """What the magazine holds: made at a time, with so many readers, the newest of `newest`."""
    whole = data.magazine(newest or made + _HOUR)
    users = [database for database in whole.user_databases if database.name != NOTE]
    databases = [
        replace(
            database,
            collections=tuple(
                replace(each, made=made, count=readers if each.name == "readers" else each.count)
                for each in database.collections
            ),
        )
        for database in users
    ]
    return data.data_set(*databases)
