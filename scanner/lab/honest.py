"""The MongoDB servers of the estate, in every state that a sweep must tell apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from results.verdict import Verdict
from scanner.lab import data
from scanner.lab.mongod import Mongod
from scanner.lab.personality import Group, Personality, Truth
from scanner.lab.profile import Access, Profile, Role, utc_now
from scanner.lab.security import CertificateSpec, ClientCertificate, Demand, Security
from scanner.lab.versions import (
    V2_4,
    V2_6,
    V3_2,
    V3_6,
    V4_0,
    V4_4,
    V6_0,
    V7_0,
    V7_1,
    V8_0,
    V8_2,
    V9_0,
)

_TOPOLOGY = {
    Role.PRIMARY: "primary",
    Role.SECONDARY: "secondary",
    Role.ARBITER: "arbiter",
    Role.RECOVERING: "recovering",
    Role.UNINITIATED: "uninitiated",
    Role.MONGOS: "mongos",
    Role.CONFIG: "config_server",
}


def expected(profile: Profile) -> Verdict:
    """What a sweep must say of a server with this profile, asked in the clear or inside TLS."""
    if profile.access is Access.LOCKED:
        return Verdict.AUTH_REQUIRED
    if profile.access is Access.EXCEPTION and profile.version.at_least(3, 0):
        return Verdict.AUTH_REQUIRED
    if profile.role in (Role.ARBITER, Role.UNINITIATED):
        return Verdict.OPEN_NO_DATA
    if profile.role is Role.RECOVERING and profile.version.at_least(4, 4):
        return Verdict.OPEN_NO_DATA
    return Verdict.OPEN


def truth(profile: Profile, *, tls: bool) -> Truth:
    """What a sweep can find out about a server with this profile."""
    verdict = expected(profile)
    hidden = profile.access is Access.LOCKED and profile.version.at_least(8, 1)
    known = Truth(
        product="mongodb",
        version="" if hidden else profile.version.text,
        topology=_TOPOLOGY.get(profile.role, "standalone"),
        tls=tls,
    )
    visible = profile.visible
    if verdict is Verdict.OPEN_NO_DATA and not profile.version.at_least(4, 4):
        return replace(known, databases=visible.names)  # an old arbiter lists its own `local`
    if verdict is not Verdict.OPEN:
        return known
    some = bool(visible.user_databases)
    return replace(
        known,
        databases=visible.names,
        total_size=visible.user_size if some else None,
        documents=visible.documents if some else None,
        newest=visible.newest(profile.now()),
        ransom=profile.data.ransom,
    )


def mongod(name: str, description: str, *, security: Security | None = None, **profile: Any) -> Personality:
    """A personality from a profile's fields; verdict and truth follow from them."""
    described = Profile(**{"directory": name, **profile})
    verdict = expected(described)
    wants_certificate = security is not None and security.demand is Demand.REQUIRE
    if wants_certificate and security and security.client_certificate is ClientCertificate.REQUIRED:
        verdict = Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED
    in_tls = security is not None and security.demand is Demand.REQUIRE
    known = truth(described, tls=in_tls)
    if verdict is Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED:
        known = Truth(tls=True)
    return Personality(
        name=name,
        description=description,
        verdict=verdict,
        talk=Mongod(described).talk,
        group=Group.MAIN,
        truth=known,
        security=security,
    )


def _security(name: str, **more: Any) -> Security:
    certificate = CertificateSpec(common_name=name, names=(name, "localhost"))
    return Security(**{"certificate": certificate, **more})


def personalities() -> list[Personality]:
    """All MongoDB servers of the estate; dates are computed from the clock now."""
    return [*_famous(), *_releases(), *_members(), *_locked(), *_tls(), *_odd_data()]


def _famous() -> list[Personality]:
    now = utc_now()
    small = data.shop(now)
    return [
        mongod(
            "magazine",
            "60 GB and 693,000 readers, written to until yesterday",
            data=data.magazine(now),
            version=V4_0,
            up=timedelta(days=18, hours=3),
        ),
        mongod("empty", "nothing but admin, config and local", version=V7_0),
        mongod("wiped", "nothing left but the note", data=data.wiped(now), version=V3_6),
        mongod(
            "slow", "open, on a slow line: answers come a second late", data=small, version=V7_0, delay=1.0
        ),
    ]


def _releases() -> list[Personality]:
    now = utc_now()
    fresh = data.shop(now, timedelta(minutes=20))
    forum = data.old_forum()
    return [
        mongod("old_2_4", "2.4: no wire version, no error codes", data=forum, version=V2_4),
        mongod("old_2_6", "2.6: silent on OP_MSG, system.namespaces", data=forum, version=V2_6),
        mongod("old_3_2", "3.2: OP_QUERY only, listCollections by cursor", data=data.shop(now), version=V3_2),
        mongod("open_3_6", "3.6: the first with OP_MSG", data=data.shop(now), version=V3_6),
        mongod("open_4_4", "4.4: hello, both message forms", data=data.shop(now), version=V4_4),
        mongod("open_8_0", "8.0: refuses OP_QUERY", data=fresh, version=V8_0),
        mongod("open_9_0", "9.0: the newest", data=fresh, version=V9_0),
    ]


def _members() -> list[Personality]:
    now = utc_now()
    small = data.shop(now, timedelta(minutes=3))  # a cluster is something that is in use
    hidden = timedelta(seconds=7)
    return [
        mongod("primary", "primary of a replica set", role=Role.PRIMARY, data=small, version=V7_0),
        mongod(
            "secondary",
            "secondary: answers who asks for it",
            role=Role.SECONDARY,
            data=small,
            version=V7_0,
            last_write_ago=hidden,
        ),
        mongod("arbiter", "arbiter of 7.1: passes the gate, has nothing", role=Role.ARBITER, version=V7_1),
        mongod("arbiter_4_0", "arbiter of 4.0: lists local", role=Role.ARBITER, version=V4_0),
        mongod("recovering", "member in recovery", role=Role.RECOVERING, data=small, version=V7_1),
        mongod(
            "recovering_4_0",
            "member in recovery, 4.0: lists all",
            role=Role.RECOVERING,
            data=small,
            version=V4_0,
        ),
        mongod("uninitiated", "--replSet and no configuration yet", role=Role.UNINITIATED, version=V7_1),
        mongod("mongos", "router of a sharded cluster", role=Role.MONGOS, data=small, version=V6_0),
        mongod(
            "config_server",
            "config server of a sharded cluster",
            role=Role.CONFIG,
            set_name="cfg",
            arbiters=(),
            version=V6_0,
        ),
    ]


def _locked() -> list[Personality]:
    small = data.shop(utc_now())

    def locked(name: str, description: str, **more: Any) -> Personality:
        return mongod(name, description, **{"access": Access.LOCKED, "data": small, **more})

    return [
        locked("auth_2_4", "login required, in 2.4's words: no code", version=V2_4),
        locked("auth_2_6", "login required, in 2.6's words", version=V2_6),
        locked("auth_4_0", "login required, in 4.0's words", version=V4_0),
        locked("auth_7_1", "login required, in 7.1's words", version=V7_1),
        locked("auth_8_2", "login required even for buildInfo", version=V8_2),
        locked("auth_member", "replica-set member with a key file", role=Role.PRIMARY, version=V7_0),
        locked("auth_mongos", "router with a key file", role=Role.MONGOS, version=V7_0),
        locked(
            "exception_4_0",
            "localhost exception: ok 1 and an empty list",
            access=Access.EXCEPTION,
            version=V4_0,
        ),
        locked("exception_7_1", "localhost exception of 7.1", access=Access.EXCEPTION, version=V7_1),
        mongod("api_version", "requireApiVersion, open", data=small, version=V7_0, require_api=True),
    ]


def _tls() -> list[Personality]:
    now = utc_now()
    small, used = data.shop(now), data.shop(now, timedelta(days=3))
    required = ClientCertificate.REQUIRED
    return [
        mongod(
            "tls_open",
            "requireTLS, open inside",
            data=used,
            version=V7_0,
            security=_security("tls-open.db.example.com"),
        ),
        mongod(
            "tls_auth",
            "requireTLS, login required inside",
            access=Access.LOCKED,
            version=V8_0,
            security=_security("tls-auth.db.example.com"),
        ),
        mongod(
            "tls_client_certificate",
            "requireTLS and a client certificate",
            version=V7_0,
            security=_security("mtls.db.example.com", client_certificate=required),
        ),
        mongod(
            "tls_optional_certificate",
            "requireTLS, a client certificate is asked for and not needed",
            data=used,
            version=V7_0,
            security=_security("opt.db.example.com", client_certificate=ClientCertificate.OPTIONAL),
        ),
        mongod(
            "tls_prefer",
            "preferTLS: plain is served, though TLS would need a certificate",
            data=used,
            version=V4_4,
            security=_security("prefer.db.example.com", demand=Demand.ALLOW, client_certificate=required),
        ),
        mongod(
            "tls_expired",
            "requireTLS with a certificate that expired a year ago and a short RSA key",
            data=small,
            version=V6_0,
            security=Security(
                certificate=CertificateSpec(common_name="old.db.example.com", valid_days=-365, rsa_bits=1024)
            ),
        ),
    ]


def _odd_data() -> list[Personality]:
    now = utc_now()
    psmdb = replace(V6_0, text="6.0.11-8", extra=(("psmdbVersion", "6.0.11-8"), ("proFeatures", [])))
    return [
        mongod(
            "clinic",
            "telling names in other languages, ids from 1970 and 2106",
            data=data.clinic(now),
            version=V8_0,
        ),
        mongod("crowded", "303 databases, one of 450 collections", data=data.many(now), version=V7_0),
        mongod("percona", "Percona Server for MongoDB", data=data.shop(now), version=psmdb),
    ]
