"""The answer to hello and isMaster, field by field and in the order of the release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import Int64, ObjectId, Timestamp

from scanner.lab.profile import PRIMARIES, Profile, Role

if TYPE_CHECKING:
    from datetime import datetime

    from scanner.lab.wire import Document

NO_SIGNATURE: Document = {"hash": bytes(20), "keyId": Int64(0)}


def hello(
    profile: Profile,
    *,
    legacy: bool,
    hello_ok: bool,
    connection: int,
    process: ObjectId,
) -> Document:
    """What the server says of itself to anyone. `legacy`: asked as isMaster."""
    version = profile.version
    document: Document = {}
    topology = {"processId": process, "counter": Int64(6 if profile.is_member else 0)}
    role = _role(profile, "ismaster" if legacy else "isWritablePrimary")
    echo: Document = {"helloOk": True} if hello_ok and version.knows_hello else {}
    if version.level < 9:
        document = {**echo, **role}
    elif profile.role is Role.STANDALONE:
        document = {**echo, **role, "topologyVersion": topology}
    elif profile.role is Role.MONGOS:
        document = {**role, "topologyVersion": topology, **echo}
    else:
        document = {**echo, "topologyVersion": topology, **role}
    return {**document, **_limits(profile, connection), "ok": 1.0}


def _limits(profile: Profile, connection: int) -> Document:
    version = profile.version
    document: Document = {"maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000}
    if version.wire is not None:
        document["maxWriteBatchSize"] = 100_000 if version.level >= 6 else 1_000
    document["localTime"] = profile.now()
    if version.level >= 6:
        document["logicalSessionTimeoutMinutes"] = 30
    if version.level >= 8:
        document["connectionId"] = connection
    if version.wire is None:
        return document
    if version.level < 3 or profile.role is Role.MONGOS:
        return {**document, "maxWireVersion": version.wire, "minWireVersion": 0}
    return {**document, "minWireVersion": 0, "maxWireVersion": version.wire, "readOnly": False}


def _role(profile: Profile, primary_field: str) -> Document:
    primary = profile.role in PRIMARIES
    if profile.role is Role.STANDALONE:
        return {primary_field: True}
    if profile.role is Role.MONGOS:
        return {primary_field: True, "msg": "isdbgrid"}
    if profile.role is Role.UNINITIATED:
        info = "Does not have a valid replica set config"
        return {primary_field: False, "secondary": False, "info": info, "isreplicaset": True}
    members: Document = {"hosts": list(profile.hosts)}
    if profile.arbiters:
        members["arbiters"] = list(profile.arbiters)
    name: Document = {"setName": profile.set_name, "setVersion": 3}
    state: Document = {primary_field: primary, "secondary": profile.role is Role.SECONDARY}
    rest: Document = {"primary": profile.hosts[0]}
    if profile.role is Role.ARBITER:
        rest["arbiterOnly"] = True
    rest["me"] = _me(profile)
    if primary and profile.version.level >= 3:
        rest["electionId"] = ObjectId("7fffffff0000000000000001")
    if profile.version.level >= 5:
        rest["lastWrite"] = last_write(profile)
    if profile.role is Role.CONFIG and profile.version.level >= 5:
        rest["configsvr"] = 2
    if profile.version.level < 3:
        return {**name, **state, **members, **rest}
    return {**members, **name, **state, **rest}


def _me(profile: Profile) -> str:
    if profile.role is Role.ARBITER:
        return profile.arbiters[0]
    return profile.hosts[0 if profile.role in PRIMARIES else -1]


def written_at(profile: Profile) -> datetime:
    """When the set's newest oplog entry was made, in whole seconds."""
    return (profile.now() - profile.last_write_ago).replace(microsecond=0)


def last_write(profile: Profile) -> Document:
    """`lastWrite` of hello (3.4 and later)."""
    moment = written_at(profile)
    stamp = {"ts": Timestamp(int(moment.timestamp()), 1), "t": Int64(11)}
    return {
        "opTime": stamp,
        "lastWriteDate": moment,
        "majorityOpTime": stamp,
        "majorityWriteDate": moment,
    }


def cluster_time(profile: Profile) -> Document:
    """`$clusterTime`, unsigned."""
    zero = profile.role is Role.UNINITIATED
    seconds = 0 if zero else int(written_at(profile).timestamp())
    return {"clusterTime": Timestamp(seconds, 0 if zero else 1), "signature": NO_SIGNATURE}


def metadata_fault(client: Any) -> str | None:
    """The field that is missing in the client metadata document; None when it is complete."""
    if not isinstance(client, dict):
        return "client"
    for section, key in (("driver", "name"), ("driver", "version"), ("os", "type")):
        part = client.get(section)
        if not isinstance(part, dict) or not isinstance(part.get(key), str):
            return f"{section}.{key}"
    return None
