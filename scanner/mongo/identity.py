"""What answered: product, version and its source, role, support and advisories, for the record."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from results import record
from results.record import STATUS_PAGE, Build, Server, Vulnerabilities
from scanner.mongo import activity, advisories, console, lookalikes
from scanner.mongo.builds import ByBuild
from scanner.mongo.tables import derived
from scanner.mongo.values import clean_name, count, number, sub, text

if TYPE_CHECKING:
    from datetime import datetime

    from scanner.mongo.console import StatusPage
    from scanner.mongo.facts import Document, Facts

VERSION_LENGTH = 64
MODULES_KEPT = 16
MEMBERS_KEPT = 64  # a set has at most 50
HOST_LENGTH = 262  # a host's name of 255 characters and a port
_OF_SET = ("setName", "hosts", "passives", "arbiters", "me", "primary")
_TEST_ENGINES = {"devnull", "ephemeralForTest", "biggie"}


def identify(facts: Facts, *, is_open: bool) -> Server:
    """Everything that can be said of the server itself. Versions are as the server claims them.

    `is_open`: the verdict was that it answers without a login, so advisories that need none apply.

    A look-alike's version is that of the MongoDB which it imitates; its own stands in `product_evidence`.
    Support and advisories are told of MongoDB alone, and advisories of a vendor's build with `check_vendor`.
    """
    page = console.read(facts.console_page)
    if page is not None:
        return _of_status_page(facts, page)
    product = lookalikes.recognise(facts)
    hello = activity.hello_of(facts)
    there = activity.clock(facts)
    build = _ABOUT_BUILD(facts.build_info)
    row = advisories.of_wire(facts.max_wire_version) if hello else None
    version, source = build.version, "buildInfo"
    if not version:
        version, source = _version_of_wire(row) if hello else ("", "")
    parsed = build.parsed
    series = parsed.series if parsed is not None else row.series if row is not None else ""
    known = product.name in lookalikes.GENUINE
    role = topology(hello)
    today = facts.observed_at.date() if facts.observed_at is not None else None
    return Server(
        product=product.name,
        product_evidence=product.evidence,
        version=version,
        version_source=source,
        topology=role,
        **own_fields(*map(hello.get, _OF_SET)),
        shard=True if "$configServerState" in hello and role != "mongos" else None,
        compressors=_texts(hello.get("compression")),
        build=build.record,
        min_wire_version=facts.min_wire_version,
        max_wire_version=facts.max_wire_version,
        modules=build.modules,
        storage_engine=build.storage_engine if known else "",
        started_at=activity.process_start(facts, there),
        counters=facts.counters,
        clock_skew_seconds=there.skew_seconds,
        honeypot_suspected=product.honeypot,
        vulnerabilities=_vulnerabilities(facts, product.name, parsed, series, is_open=is_open)
        if known and series
        else None,
        end_of_life=advisories.end_of_life(series, today)
        if product.name == lookalikes.MONGODB and series
        else None,
    )


def _of_status_page(facts: Facts, page: StatusPage) -> Server:
    """The server behind a status page, by the page's head; what its database says is not known."""
    parsed = advisories.parse(page.version)
    series, seen = parsed.series if parsed is not None else "", facts.observed_at
    told = page.git_version or page.openssl
    return Server(
        product=lookalikes.MONGODB,
        version=page.version,
        version_source="status page" if page.version else "",
        topology=STATUS_PAGE,
        build=Build(git_version=page.git_version, openssl=page.openssl) if told else None,
        started_at=_ago(seen, page.uptime),
        vulnerabilities=_vulnerabilities(facts, lookalikes.MONGODB, parsed, series, is_open=False)
        if series
        else None,
        end_of_life=advisories.end_of_life(series, seen.date() if seen else None) if series else None,
        status_page=record.StatusPage(shown=page.shown, host=clean_name(page.host, console.HOST_LENGTH)[0]),
    )


def _ago(seen: datetime | None, seconds: int | None) -> datetime | None:
    if seen is None or seconds is None:
        return None
    try:
        return seen.replace(microsecond=0) - timedelta(seconds=seconds)
    except OverflowError:
        return None


def own_fields(
    set_name: object, hosts: object, passives: object, arbiters: object, me: object, primary: object
) -> dict[str, Any]:
    """What a member of a set says of it in its handshake, as fields of the record."""
    return {
        "set_name": text(set_name, 128),
        "hosts": _members(hosts),
        "passives": _members(passives),
        "arbiters": _members(arbiters),
        "me": clean_name(me, HOST_LENGTH)[0],
        "primary": clean_name(primary, HOST_LENGTH)[0],
    }


def topology(hello: Document) -> str:
    """The server's role by its handshake (server discovery and monitoring specification); "" without one."""
    if not hello:
        return ""
    if hello.get("msg") == "isdbgrid":
        return "mongos"
    if number(hello.get("configsvr")) is not None:
        return "config_server"
    if hello.get("isreplicaset") is True:
        return "uninitiated"
    if "setName" not in hello:
        return "standalone"
    if hello.get("hidden") is True:
        return "hidden"
    if hello.get("isWritablePrimary") is True or hello.get("ismaster") is True:
        return "primary"
    if hello.get("secondary") is True:
        return "secondary"
    return "arbiter" if hello.get("arbiterOnly") is True else "recovering"


class _AboutBuild(NamedTuple):
    """What buildInfo says. `storage_engine` is that of MongoDB's own source."""

    version: str
    parsed: advisories.Version | None
    record: Build | None
    modules: list[str]
    storage_engine: str


def _about(build: Document) -> _AboutBuild:
    version = text(build.get("version"), VERSION_LENGTH)
    parsed = advisories.parse(version)
    return _AboutBuild(
        version,
        parsed,
        _built(build) if build else None,
        _texts(build.get("modules")),
        _storage_engine(build, parsed),
    )


def _version_of_wire(row: advisories.WireRow | None) -> tuple[str, str]:
    if row is None:
        newest = advisories.newest_series()
        return f"newer than {newest}", "maxWireVersion"
    return f"{row.series} or older" if row.open_below else f"{row.series}.x", "maxWireVersion"


def _texts(listed: object) -> list[str]:
    if not isinstance(listed, list):
        return []
    names = [text(item, VERSION_LENGTH) for item in listed[:MODULES_KEPT]]
    return [name for name in names if name]


def _members(listed: object) -> list[str]:
    """Hosts as the server advertises them. They are kept, and never asked."""
    if not isinstance(listed, list):
        return []
    cleaned = [clean_name(host, HOST_LENGTH)[0] for host in listed[:MEMBERS_KEPT]]
    return [name for name in cleaned if name]


def _built(build: Document) -> Build:
    openssl = build.get("openssl")  # before 3.2 a field of its own
    running = sub(openssl, "running") if isinstance(openssl, dict) else build.get("OpenSSLVersion")
    return Build(
        git_version=text(build.get("gitVersion"), VERSION_LENGTH),
        allocator=text(build.get("allocator"), VERSION_LENGTH),
        javascript_engine=text(build.get("javascriptEngine"), VERSION_LENGTH),
        openssl=text(running, VERSION_LENGTH),
        bits=count(build.get("bits")),
        debug=build.get("debug") is True,
        max_bson_object_size=count(build.get("maxBsonObjectSize")),
        storage_engines=_texts(build.get("storageEngines")),
    )


def _storage_engine(build: Document, version: advisories.Version | None) -> str:
    """The engine where the version leaves no choice: buildInfo lists what is built in, not what is in use."""
    if version is not None and version.key[:2] < (3, 0):
        return "mmapv1"
    listed: Any = build.get("storageEngines")
    engines = (
        {text(item) for item in listed[:MODULES_KEPT]} - _TEST_ENGINES if isinstance(listed, list) else set()
    )
    return "wiredTiger" if engines == {"wiredTiger"} else ""


def _vulnerabilities(
    facts: Facts, product: str, version: advisories.Version | None, series: str, *, is_open: bool
) -> Vulnerabilities | None:
    hello = activity.hello_of(facts)
    in_set = "setName" in hello or hello.get("isreplicaset") is True
    tls = [True for attempt in facts.attempts if attempt.tls is not None and attempt.tls.established]
    situation = advisories.Situation(is_open, in_set, hello.get("msg") == "isdbgrid", bool(tls))
    if version is None:
        return advisories.possible(series, situation)
    return advisories.matching(version, situation, product == lookalikes.PERCONA)


_ABOUT_BUILD = derived(ByBuild(_about))
