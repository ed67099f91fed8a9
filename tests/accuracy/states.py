"""MongoDB in every state of its own: roles in a set or cluster, access control, the localhost exception."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.lab.hostile.base import base_profile
from scanner.lab.others import Changed
from scanner.lab.profile import Access, Role
from scanner.lab.security import ClientCertificate, Security
from tests.accuracy.situation import LIST, REFUSED, Situation, lab_server, made_server, recorded_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.lab.wire import ClientMessage, Document

OPEN, NO_DATA, AUTH = Verdict.OPEN, Verdict.OPEN_NO_DATA, Verdict.AUTH_REQUIRED


def states() -> list[Situation]:
    """All of them, fresh."""
    return [*_members(), *_locked(), *_exceptions()]


def _members() -> list[Situation]:
    listed = "databases-listed"
    return [
        recorded_server(
            "standalone, 7.1, no access control", OPEN, listed, LIST, "7.1.0/open_data", "standalone"
        ),
        recorded_server("standalone, 4.0", OPEN, listed, LIST, "4.0.3/open_data", "standalone"),
        recorded_server(
            "standalone, 2.6",
            OPEN,
            listed,
            "listDatabases by OP_QUERY: ok 1 and a list; silence to OP_MSG",
            "2.6.0-rc1/open_data",
            "standalone",
            local=False,
        ),
        lab_server("standalone, 2.4: no wire version, no codes", OPEN, listed, LIST, "old_2_4", "standalone"),
        lab_server("standalone, 3.2", OPEN, listed, LIST, "old_3_2", "standalone"),
        lab_server("standalone, 8.0: refuses OP_QUERY", OPEN, listed, LIST, "open_8_0", "standalone"),
        recorded_server(
            "standalone without data of users", OPEN, listed, LIST, "7.1.0/open_empty", "standalone"
        ),
        recorded_server(
            "primary of a replica set", OPEN, listed, LIST, "7.1.0/rs_members/primary", "primary"
        ),
        recorded_server(
            "secondary",
            OPEN,
            listed,
            "listDatabases with secondaryPreferred: ok 1 and a list",
            "7.1.0/rs_members/secondary",
            "secondary",
        ),
        made_server(
            "hidden member",
            OPEN,
            listed,
            f"{LIST}; hello: hidden",
            Changed(replace(base_profile(), role=Role.SECONDARY), _hidden).talk,
            topology="hidden",
        ),
        recorded_server(
            "primary that lost its majority", OPEN, listed, LIST, "7.1.0/rs_members/lonely", "secondary"
        ),
        recorded_server(
            "recovering member, 4.0: lists all",
            OPEN,
            listed,
            LIST,
            "4.0.3/rs_members/recovering",
            "recovering",
        ),
        recorded_server(
            "recovering member, 7.1",
            NO_DATA,
            "not-readable-state",
            "listDatabases: 13436, raised behind the gate",
            "7.1.0/rs_members/recovering",
            "recovering",
            local=False,
        ),
        recorded_server(
            "arbiter, 4.0: lists local",
            NO_DATA,
            "no-data-member",
            f"{LIST}; hello: arbiterOnly",
            "4.0.3/rs_members/arbiter",
            "arbiter",
        ),
        recorded_server(
            "arbiter, 7.1",
            NO_DATA,
            "not-readable-state",
            "listDatabases: 13436, raised behind the gate",
            "7.1.0/rs_members/arbiter",
            "arbiter",
            local=False,
        ),
        recorded_server(
            "replica set without a configuration, 4.0",
            NO_DATA,
            "no-data-member",
            f"{LIST}; hello: isreplicaset",
            "4.0.3/rs_uninitiated",
            "uninitiated",
        ),
        lab_server(
            "replica set without a configuration, 7.1",
            NO_DATA,
            "not-readable-state",
            "listDatabases: 13436; listCollections on local: 13436 as well",
            "uninitiated",
            "uninitiated",
        ),
        recorded_server(
            "mongos", OPEN, listed, f"{LIST}; hello: isdbgrid", "7.1.0/mongos_open/router", "mongos"
        ),
        recorded_server("shard", OPEN, listed, LIST, "7.1.0/mongos_open/shard", "primary"),
        recorded_server(
            "config server",
            OPEN,
            listed,
            f"{LIST}; hello: configsvr",
            "7.1.0/mongos_open/config",
            "config_server",
        ),
    ]


def _hidden(request: ClientMessage, document: Document) -> Document:
    return {**document, "hidden": True} if "setName" in document else document


def _locked() -> list[Situation]:
    rule = "auth-required"
    return [
        recorded_server("--auth, 7.1", AUTH, rule, REFUSED, "7.1.0/auth_user", "standalone"),
        recorded_server("--auth, 4.0", AUTH, rule, REFUSED, "4.0.3/auth_user", "standalone"),
        recorded_server(
            "--auth, 2.6",
            AUTH,
            rule,
            "listDatabases by OP_QUERY: code 13 without a name",
            "2.6.0-rc1/auth_user",
            "standalone",
        ),
        lab_server(
            "--auth, 2.4",
            AUTH,
            rule,
            'listDatabases: "unauthorized" without a code',
            "auth_2_4",
            "standalone",
        ),
        lab_server("--auth, 8.2: buildInfo locked as well", AUTH, rule, REFUSED, "auth_8_2", "standalone"),
        recorded_server(
            "key file, primary", AUTH, rule, REFUSED, "2.6.0-rc1/rs_members_auth/primary", "primary"
        ),
        recorded_server(
            "key file, arbiter", AUTH, rule, REFUSED, "2.6.0-rc1/rs_members_auth/arbiter_as_remote", "arbiter"
        ),
        recorded_server("key file, mongos", AUTH, rule, REFUSED, "7.1.0/mongos_auth/router", "mongos"),
        recorded_server("key file, shard", AUTH, rule, REFUSED, "7.1.0/mongos_auth/shard", "primary"),
        recorded_server(
            "key file, config server", AUTH, rule, REFUSED, "7.1.0/mongos_auth/config", "config_server"
        ),
        made_server(
            "LDAP only (PLAIN mechanism): the face of --auth",
            AUTH,
            rule,
            REFUSED,
            Changed(replace(base_profile(), access=Access.LOCKED), _mechanisms("PLAIN")).talk,
            topology="standalone",
        ),
        made_server(
            "x.509 only, certificates optional on the port",
            AUTH,
            rule,
            f"inside TLS, {REFUSED}",
            Changed(replace(base_profile(), access=Access.LOCKED), _mechanisms("MONGODB-X509")).talk,
            security=Security(client_certificate=ClientCertificate.OPTIONAL),
            topology="standalone",
        ),
        lab_server(
            "requireApiVersion",
            OPEN,
            "databases-listed",
            "listDatabases: 498870, then with apiVersion ok 1 and a list",
            "api_version",
            "standalone",
        ),
        made_server(
            "requireApiVersion and --auth",
            AUTH,
            rule,
            "listDatabases: 498870, then with apiVersion code 13",
            Changed(replace(base_profile(), access=Access.LOCKED), _needs_version).talk,
            topology="standalone",
        ),
    ]


def _mechanisms(*names: str) -> Callable[[ClientMessage, Document], Document]:
    """Tells its login mechanisms unasked, as some do."""
    return lambda request, document: (
        {**document, "saslSupportedMechs": list(names)} if "maxWireVersion" in document else document
    )


def _needs_version(request: ClientMessage, document: Document) -> Document:
    if request.command in ("isMaster", "hello") or "apiVersion" in request.document:
        return document
    text = "The apiVersion parameter is required, please configure your MongoClient's API version"
    return {"ok": 0.0, "errmsg": text, "code": 498870, "codeName": "Location498870"}


def _exceptions() -> list[Situation]:
    rule = "localhost-exception"
    return [
        recorded_server(
            "localhost exception, 4.0",
            AUTH,
            rule,
            "listDatabases: ok 1 and an empty list, twice; listCollections on local: 13",
            "4.0.3/auth_no_user/from_127.0.0.1",
            "standalone",
        ),
        lab_server(
            "localhost exception, 7.1",
            AUTH,
            rule,
            "listDatabases: ok 1 and an empty list; with authorizedDatabases false: 13",
            "exception_7_1",
            "standalone",
        ),
        recorded_server(
            "localhost exception, no configuration yet",
            AUTH,
            rule,
            "listDatabases passes the gate; listCollections on local: 13",
            "7.1.0/rs_uninitiated_auth/from_127.0.0.1",
            "uninitiated",
        ),
        recorded_server(
            "no configuration and a key file, asked from another host",
            AUTH,
            "auth-required",
            REFUSED,
            "7.1.0/rs_uninitiated_auth/as_remote",
            "uninitiated",
            local=False,
        ),
        recorded_server(
            "localhost exception, 2.6: shows everything",
            OPEN,
            "databases-listed",
            f"{LIST}, with the note that from loopback it may be the exception",
            "2.6.0-rc1/auth_no_user/from_127.0.0.1",
            "standalone",
        ),
    ]
