"""How one simulated MongoDB is set up: release, place in a cluster, access control, data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from scanner.lab.data import DataSet, data_set
from scanner.lab.versions import V7_0, Release

if TYPE_CHECKING:
    from scanner.lab.wire import Document

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class Role(StrEnum):
    """A server's place in its cluster, as hello tells it."""

    STANDALONE = "standalone"
    PRIMARY = "primary"
    SECONDARY = "secondary"
    ARBITER = "arbiter"
    RECOVERING = "recovering"
    UNINITIATED = "uninitiated"
    MONGOS = "mongos"
    CONFIG = "config"


class Access(StrEnum):
    """Who may ask."""

    OPEN = "open"
    LOCKED = "locked"  # --auth, and the caller has not logged in
    EXCEPTION = "localhost exception"  # --auth, no user yet, and the caller counts as local


MEMBERS = frozenset({Role.PRIMARY, Role.SECONDARY, Role.ARBITER, Role.RECOVERING, Role.CONFIG})
UNREADABLE = frozenset({Role.ARBITER, Role.RECOVERING, Role.UNINITIATED})
PRIMARIES = frozenset({Role.STANDALONE, Role.PRIMARY, Role.MONGOS, Role.CONFIG})


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One MongoDB. Nothing in it changes while it runs, but for what `now` says."""

    version: Release = V7_0
    role: Role = Role.STANDALONE
    access: Access = Access.OPEN
    data: DataSet = field(default_factory=data_set)
    require_api: bool = False
    delay: float = 0.0  # seconds by which the answers to each burst of questions are late
    set_name: str = "rs0"
    hosts: tuple[str, ...] = ("db-a.example:27017", "db-b.example:27017")
    arbiters: tuple[str, ...] = ("db-c.example:27017",)
    last_write_ago: timedelta = timedelta(seconds=4)
    up: timedelta = timedelta(0)  # for how long its process had run when the server was made
    now: Now = utc_now
    directory: str = ""  # of its data: what is told apart by it has other UUIDs
    host: str = "db-a.example:27017"  # what the server calls itself

    @cached_property
    def started(self) -> datetime:
        """When its process started."""
        return self.now() - self.up

    @property
    def is_member(self) -> bool:
        """True for an initiated member of a set."""
        return self.role in MEMBERS

    @property
    def tells_cluster_time(self) -> bool:
        """Members and routers of 3.6 and later add `operationTime` and `$clusterTime`; arbiters do not.

        Nor do, on 7.1, members in recovery (all recorded on 4.0.3 and 7.1).
        """
        silent = {Role.STANDALONE, Role.ARBITER}
        if self.version.at_least(4, 4):
            silent |= {Role.RECOVERING, Role.UNINITIATED}
        return self.version.level >= 6 and self.role not in silent

    @property
    def visible(self) -> DataSet:
        """The data that this role shows: an arbiter has `local` only, a router everything but `local`."""
        if self.role in (Role.ARBITER, Role.UNINITIATED):
            return DataSet(databases=tuple(each for each in self.data.databases if each.name == "local"))
        if self.role is Role.MONGOS:
            return DataSet(databases=tuple(each for each in self.data.databases if each.name != "local"))
        return self.data


def decorate(profile: Profile, document: Document, cluster_time: Document) -> Document:
    """`document` with the cluster's times where this release puts them (recorded on 4.0.3 and 7.1)."""
    if not profile.tells_cluster_time:
        return document
    times = {"operationTime": cluster_time["clusterTime"], "$clusterTime": cluster_time}
    if profile.version.at_least(4, 4):
        return {**document, "$clusterTime": times["$clusterTime"], "operationTime": times["operationTime"]}
    thrown = next(iter(document)) == "ok" and not document["ok"]
    if thrown and profile.role is not Role.MONGOS:
        return {"operationTime": times["operationTime"], **document, "$clusterTime": times["$clusterTime"]}
    return {**document, **times}
