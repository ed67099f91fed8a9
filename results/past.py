"""What a server's own counters tell of the time before the look, as types: the parts of a record that say so.

Counters begin with the process, or with the making of a collection that came later.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Instant = Annotated[datetime, Meta(tz=True)]


class Counters(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the server counted since its process started (`server.started_at`), at `read_at` by its own clock
    (ms). Questions of this look are taken off; those of earlier looks are not, and none of them writes.

    `documents_*` are documents. `insert_operations` counts documents too, as the server does; the other
    operations are operations, of many documents each. `copied_operations`: inserts, updates and deletes that
    a member of a replica set took over from another one; they are in none of the others. The server's own
    bookkeeping in its own databases is counted with the rest. `other_connections`: open ones besides ours.
    """

    read_at: Instant | None = None
    documents_inserted: Count | None = None
    documents_updated: Count | None = None
    documents_deleted: Count | None = None
    insert_operations: Count | None = None
    update_operations: Count | None = None
    delete_operations: Count | None = None
    query_operations: Count | None = None
    copied_operations: Count | None = None
    other_connections: Count | None = None


class Index(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One index: its name, the names of its fields in their order, and how many operations it served since
    `counted_since` (ms), or since that of its collection where this is left out."""

    name: str
    fields: list[str] = []
    operations: Count | None = None
    counted_since: Instant | None = None


class Past(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one look tells of the time before it: a code, and the values of its sentence.

    `where`: a database or a namespace. `at` and `until` (ms, the server's clock): the first and the last
    moment, `until` only where there are several. `collections`: of how many. `after_start_seconds`: how long
    after the start of the process it began.
    """

    code: str
    where: str
    at: Instant
    until: Instant | None = None
    collections: Count | None = None
    after_start_seconds: Count | None = None
