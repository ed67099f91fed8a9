"""The data that real servers hold in tests: known names, counts and newest times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from pymongo.errors import PyMongoError

if TYPE_CHECKING:
    import pymongo

NEWEST = datetime(2024, 2, 29, 12, 34, 56, tzinfo=UTC)
"""The creation time in the newest ObjectId of the `readers` database."""

DOCUMENTS: dict[tuple[str, str], int] = {
    ("readers", "people"): 1200,
    ("readers", "orders"): 300,
    ("readers", "empty"): 0,
    ("numbers", "by_number"): 40,
    ("READ__ME_TO_RECOVER_YOUR_DATA", "README"): 1,
    ("données-été", "коллекция"): 7,
    ("odd_names", "with space"): 3,
    ("odd_names", "a.b.c"): 4,
    ("odd_names", "<script>alert(1)</script>"): 2,
}
"""Documents by database and collection; `contents` leaves out what a product cannot hold."""

NUMBERED = frozenset({("numbers", "by_number")})
"""Collections whose `_id` is a number, so that no time can be read from it."""


def contents(product: str) -> dict[tuple[str, str], int]:
    """What a server of this product holds: FerretDB 1 takes only ASCII in database names."""
    return {where: count for where, count in DOCUMENTS.items() if product != "ferretdb" or where[0].isascii()}


def object_ids(count: int, newest: datetime) -> list[ObjectId]:
    """`count` ids, one made each hour; the last at `newest`."""
    times = (newest - timedelta(hours=count - 1 - at) for at in range(count))
    return [ObjectId.from_datetime(moment) for moment in times]


def newest_of(where: tuple[str, str]) -> datetime | None:
    """The newest `_id` time that `seed` gives a collection; the others are a day older than `readers`."""
    if where in NUMBERED or not DOCUMENTS[where]:
        return None
    return NEWEST if where == ("readers", "people") else NEWEST - timedelta(days=1)


def seed(client: pymongo.MongoClient[dict[str, Any]], product: str) -> None:
    """Write the data. Drops nothing: the server is new."""
    for where, count in contents(product).items():
        collection = client[where[0]][where[1]]
        if not count:
            client[where[0]].create_collection(where[1])
            continue
        newest = newest_of(where)
        ids: list[Any] = list(range(count)) if newest is None else list(object_ids(count, newest))
        collection.insert_many([{"_id": key, "text": "x" * 64} for key in ids])


def grant(client: pymongo.MongoClient[dict[str, Any]], user: str, password: str) -> None:
    """Make the first user, who may do everything."""
    try:
        client.admin.command("createUser", user, pwd=password, roles=["root"])
    except PyMongoError as error:  # pragma: no cover - says which server refused
        raise RuntimeError(f"no first user could be made: {error}") from error
