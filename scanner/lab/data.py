"""What lies in simulated servers: databases and collections as names, counts, sizes and newest ids.

There are no documents. A question that would return one gets a marked decoy, so that a leak shows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

DECOY = "lab-decoy-document-that-must-never-be-read"

FIRST_RELEASE = datetime(2009, 2, 1, tzinfo=UTC)
GIB = 1024**3
MIB = 1024**2
_SYSTEM = ("admin", "config", "local")


def object_id(moment: datetime, tail: int = 0x6C6162) -> ObjectId:
    """An ObjectId made at `moment` (seconds resolution) with a fixed tail."""
    return ObjectId(struct.pack(">I", int(moment.timestamp())) + tail.to_bytes(8, "big"))


@dataclass(frozen=True, kw_only=True)
class StoredIndex:
    """An index besides that on `_id`, and how many operations it served."""

    name: str
    fields: tuple[str, ...]
    served: int = 0


@dataclass(frozen=True, kw_only=True)
class StoredCollection:
    """One collection. `top_ids` are the largest `_id` values; `size` is uncompressed, in bytes.

    `made`: when, if that is later than the start of the server. `reads` and `writes` are operations since.
    """

    name: str
    count: int = 0
    size: int = 0
    storage: int = 4096
    index_size: int = 4096
    type: str = "collection"
    capped: bool = False
    top_ids: tuple[Any, ...] = ()
    made: datetime | None = None
    reads: int = 0
    writes: int = 0
    indexes: tuple[StoredIndex, ...] = ()

    @property
    def average(self) -> int:
        """Mean document size in bytes."""
        return self.size // self.count if self.count else 0


@dataclass(frozen=True, kw_only=True)
class StoredDatabase:
    """One database with its collections, in the server's order."""

    name: str
    collections: tuple[StoredCollection, ...] = ()

    @property
    def size_on_disk(self) -> int:
        """Bytes of data and index files."""
        return sum(each.storage + each.index_size for each in self.collections)

    @property
    def documents(self) -> int:
        """Documents in all collections; views and buckets are not counted."""
        return sum(each.count for each in self.collections if each.type == "collection")

    def find(self, name: str) -> StoredCollection | None:
        """The collection of that name."""
        return next((each for each in self.collections if each.name == name), None)


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """All that one server holds."""

    databases: tuple[StoredDatabase, ...] = ()
    ransom: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """Database names in the server's order: sorted by bytes."""
        return tuple(each.name for each in self.databases)

    @property
    def total_size(self) -> int:
        """Sum of all sizes on disk, in bytes."""
        return sum(each.size_on_disk for each in self.databases)

    @property
    def user_databases(self) -> tuple[StoredDatabase, ...]:
        """Those that are not the server's own."""
        return tuple(each for each in self.databases if each.name not in _SYSTEM)

    @property
    def user_size(self) -> int:
        """Bytes on disk outside admin, config and local."""
        return sum(each.size_on_disk for each in self.user_databases)

    @property
    def documents(self) -> int:
        """Documents outside admin, config and local."""
        return sum(each.documents for each in self.user_databases)

    def newest(self, now: datetime) -> datetime | None:
        """The latest plausible time in any ObjectId outside admin, config and local: 2009 to tomorrow."""
        times = [
            each.generation_time
            for database in self.user_databases
            for collection in database.collections
            for each in collection.top_ids
            if isinstance(each, ObjectId)
        ]
        plausible = (each for each in times if FIRST_RELEASE <= each <= now + timedelta(days=1))
        return max(plausible, default=None)

    def find(self, name: str) -> StoredDatabase | None:
        """The database of that name."""
        return next((each for each in self.databases if each.name == name), None)


def data_set(*databases: StoredDatabase, ransom: tuple[str, ...] = (), system: bool = True) -> DataSet:
    """A data set with the server's own databases added, in byte order of names."""
    own = system_databases() if system else ()
    ordered = sorted((*databases, *own), key=lambda each: each.name.encode())
    return DataSet(databases=tuple(ordered), ransom=ransom)


def system_databases() -> tuple[StoredDatabase, ...]:
    """What every mongod of 3.6 and later has after its first start."""
    return (
        StoredDatabase(
            name="admin", collections=(StoredCollection(name="system.version", count=1, size=59),)
        ),
        StoredDatabase(
            name="config",
            collections=(StoredCollection(name="system.sessions", count=0, size=0, index_size=8192),),
        ),
        StoredDatabase(name="local", collections=(StoredCollection(name="startup_log", count=3, size=8000),)),
    )


def note(database: str, collection: str, visited: datetime) -> StoredDatabase:
    """An extortionist's database: one collection, one document."""
    only = StoredCollection(
        name=collection, count=1, size=412, top_ids=(object_id(visited),), made=visited, writes=1
    )
    return StoredDatabase(name=database, collections=(only,))


def magazine(now: datetime) -> DataSet:
    """60 GB, 693,000 readers, written to until yesterday, and extortionists were there before.

    They left their note twelve days ago, and somebody restored everything a few hours later.
    """
    day, hour = timedelta(days=1), timedelta(hours=1)
    yesterday = now - day
    restored = now - 12 * day + 4 * hour

    def filled(
        name: str, count: int, size: int, storage: int, index: int, ago: timedelta
    ) -> StoredCollection:
        ids = (object_id(yesterday - ago), object_id(yesterday - ago - hour))
        return StoredCollection(
            name=name,
            count=count,
            size=size,
            storage=storage,
            index_size=index,
            top_ids=ids,
            made=restored + timedelta(milliseconds=17 * len(name)),
            writes=count // 14,
            reads=count // 3,
            indexes=(StoredIndex(name="email_1", fields=("email",), served=12_040),)
            if name == "readers"
            else (),
        )

    database = StoredDatabase(
        name="magazine",
        collections=(
            filled("comments", 402_771, 310 * MIB, 160 * MIB, 30 * MIB, 3 * hour),
            filled("fs.chunks", 214_320, 51 * GIB, 45 * GIB, 12 * MIB, 5 * hour),
            filled("fs.files", 21_118, 6 * MIB, 3 * MIB, MIB, 5 * hour),
            filled("newsletter_emails", 204_559, 190 * MIB, 90 * MIB, 24 * MIB, day),
            StoredCollection(
                name="password_resets", count=18_204, size=6 * MIB, storage=3 * MIB, made=restored, writes=901
            ),
            filled("readers", 693_000, 9 * GIB, 8 * GIB, 512 * MIB, timedelta(0)),
            StoredCollection(
                name="sessions",
                count=94_112,
                size=60 * MIB,
                storage=31 * MIB,
                top_ids=("zzGq1", "zzB04"),
                made=restored,
                writes=188_001,
            ),
            StoredCollection(name="subscribers_by_town", type="view", storage=0, index_size=0),
            filled("subscriptions", 212_886, 300 * MIB, 140 * MIB, 40 * MIB, 7 * hour),
            StoredCollection(name="system.views", count=1, size=180),
        ),
    )
    payments = StoredDatabase(
        name="payments",
        collections=(filled("invoices", 240_218, 2 * GIB, GIB + 300 * MIB, 90 * MIB, 2 * day),),
    )
    return data_set(
        database,
        payments,
        note("READ__ME_TO_RECOVER_YOUR_DATA", "README", now - timedelta(days=12)),
        ransom=("READ__ME_TO_RECOVER_YOUR_DATA", "README"),
    )


def shop(now: datetime, age: timedelta = timedelta(days=40), count: int = 12_000) -> DataSet:
    """A small shop: a plain database whose last order is `age` old."""
    last = now - age
    return data_set(
        StoredDatabase(
            name="shop",
            collections=(
                StoredCollection(name="carts", count=310, size=90_000, storage=40_960),
                StoredCollection(
                    name="customers",
                    count=count,
                    size=count * 410,
                    storage=count * 190,
                    index_size=count * 30,
                    top_ids=(object_id(last), object_id(last - timedelta(days=1))),
                ),
                StoredCollection(
                    name="orders",
                    count=count * 3,
                    size=count * 900,
                    storage=count * 400,
                    index_size=count * 60,
                    top_ids=(object_id(last - timedelta(hours=5)),),
                ),
                StoredCollection(name="request_log", count=5_000, size=500_000, storage=500_000, capped=True),
            ),
        )
    )


def clinic(now: datetime) -> DataSet:
    """Names that hint at people in other languages, one id from the far future, one from 1970."""
    last = now - timedelta(days=6)
    return data_set(
        StoredDatabase(
            name="abonnés",
            collections=(
                StoredCollection(name="utilisateurs", count=880, size=90_000, top_ids=(object_id(last),)),
            ),
        ),
        StoredDatabase(
            name="krankenhaus",
            collections=(
                StoredCollection(
                    name="patienten",
                    count=41_200,
                    size=52 * MIB,
                    storage=20 * MIB,
                    top_ids=(ObjectId("ffffffff0000000000000001"), object_id(last - timedelta(days=1))),
                ),
                StoredCollection(
                    name="rezepte", count=5, size=900, top_ids=(ObjectId("000000010000000000000001"),)
                ),
            ),
        ),
    )


def wiped(now: datetime) -> DataSet:
    """Nothing left but the note."""
    return data_set(
        note("READ_ME_TO_RECOVER_YOUR_DATA", "README", now - timedelta(days=200)),
        ransom=("READ_ME_TO_RECOVER_YOUR_DATA", "README"),
    )


def many(now: datetime, databases: int = 300, collections: int = 450) -> DataSet:
    """Many databases, and one whose collections need several cursor batches."""
    big = StoredDatabase(
        name="warehouse",
        collections=tuple(
            StoredCollection(name=f"events.{day:04d}", count=1_000, size=80_000, top_ids=(object_id(now),))
            for day in range(collections)
        ),
    )
    small = (
        StoredDatabase(
            name=f"tenant_{number:04d}", collections=(StoredCollection(name="users", count=10, size=900),)
        )
        for number in range(databases)
    )
    return data_set(big, *small)


EPOCH_2013 = datetime(2013, 11, 5, 9, 30, tzinfo=UTC)


def old_forum() -> DataSet:
    """A forgotten forum on a server of its time: files allocated in powers of two, no config database."""
    forum = StoredDatabase(
        name="forum",
        collections=(
            StoredCollection(
                name="posts", count=88_410, size=61 * MIB, storage=80 * MIB, top_ids=(object_id(EPOCH_2013),)
            ),
            StoredCollection(name="system.indexes", count=4, size=400),
            StoredCollection(
                name="users",
                count=9_112,
                size=4 * MIB,
                storage=8 * MIB,
                top_ids=(object_id(EPOCH_2013 - timedelta(days=2)),),
            ),
        ),
    )
    local = StoredDatabase(
        name="local",
        collections=(StoredCollection(name="startup_log", count=9, size=9000, storage=83_886_080),),
    )
    admin = StoredDatabase(name="admin")
    return data_set(forum, local, admin, system=False)
