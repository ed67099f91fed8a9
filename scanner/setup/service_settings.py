"""What can be configured about `serve`: `[service]`, `[[schedule]]`, and what is contradictory in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Struct

from scanner.setup.listen import listen_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scanner.setup.fleet_settings import FleetSettings

_NAME = r"^[a-z0-9][a-z0-9-]{0,62}\Z"
_DURATION = r"^([1-9][0-9]{0,4}[smhdw])?\Z"


class ServiceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the page listens, who is let in, and what goes on between sweeps."""

    listen: Annotated[
        str,
        Meta(
            description="address and port of the page; any but a loopback address needs `certificate` and "
            "`key`, or `proxies`",
            examples=["127.0.0.1:8017"],
        ),
    ] = "127.0.0.1:8017"
    names: Annotated[
        tuple[str, ...],
        Meta(
            description="host names by which browsers reach the page, besides the address itself; a request "
            "for any other name is refused",
            examples=[["mongosweep.example.com"]],
        ),
    ] = ()
    certificate: Annotated[
        str, Meta(description="a PEM file with the page's certificate", examples=["/etc/mongosweep/page.pem"])
    ] = ""
    key: Annotated[
        str, Meta(description="a PEM file with its key", examples=["/etc/mongosweep/page.key"])
    ] = ""
    proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="addresses of reverse proxies, whose identity header is believed; nobody else's is",
            examples=[["127.0.0.1"]],
        ),
    ] = ()
    identity_header: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}\Z",
            description="the header in which a proxy says who a person is",
            examples=["X-Forwarded-User"],
        ),
    ] = "X-Forwarded-User"
    sweeps_at_once: Annotated[
        int,
        Meta(
            ge=1,
            le=16,
            description="sweeps of different prefixes that go on at once, 1 to 16, each at its own `rate`",
            examples=[1],
        ),
    ] = 1
    verify_every: Annotated[
        str,
        Meta(
            pattern=_DURATION,
            description="how often every open exposure is asked again; empty: never",
            examples=["15m"],
        ),
    ] = "15m"
    notify_every: Annotated[
        str,
        Meta(
            pattern=_DURATION,
            description="how often owners are told what is due, where there is a [[recipient]]; empty: never",
            examples=["1h"],
        ),
    ] = "1h"
    keep_runs: Annotated[
        str,
        Meta(
            pattern=_DURATION,
            description="how long run directories are kept that the ledger holds; empty: for ever",
            examples=["90d"],
        ),
    ] = ""


class ScheduleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a part of the scope is swept: the addresses of the allow entries of these sites and owners."""

    name: Annotated[
        str,
        Meta(
            pattern=_NAME,
            description="a name of its own, in small letters, digits and dashes",
            examples=["paris-nightly"],
        ),
    ]
    cron: Annotated[
        str,
        Meta(
            description="minute, hour, day of month, month and day of week, as in a crontab",
            examples=["0 2 * * *"],
        ),
    ]
    zone: Annotated[
        str,
        Meta(max_length=64, description="the time zone in which that is meant", examples=["Europe/Paris"]),
    ] = "UTC"
    sites: Annotated[
        tuple[str, ...], Meta(description="sites of allow entries; none: all", examples=[["paris"]])
    ] = ()
    owners: Annotated[
        tuple[str, ...], Meta(description="owners of allow entries; none: all", examples=[["web shop"]])
    ] = ()
    jitter: Annotated[
        str,
        Meta(
            pattern=_DURATION,
            description="up to how long each start is put off, another amount each time",
            examples=["15m"],
        ),
    ] = ""
    catch_up: Annotated[
        str,
        Meta(
            pattern=_DURATION,
            description="how long a missed start is still made up for, once; empty: never",
            examples=["12h"],
        ),
    ] = "12h"
    stop_after: Annotated[
        str,
        Meta(
            pattern=_DURATION,
            description="how long a sweep may take before it is stopped, and not complete; empty: for ever",
            examples=["6h"],
        ),
    ] = ""
    fleet: Annotated[
        bool,
        Meta(
            description="whether a fleet sweeps it, each site by its own workers; [fleet] says where the "
            "scheduler is",
        ),
    ] = False


def service_problems(
    service: ServiceSettings, schedules: Sequence[ScheduleSettings], fleet: FleetSettings
) -> Iterator[tuple[tuple[Any, ...], str]]:
    """What one field alone cannot tell: (place, reason with remedy) for each contradiction."""
    yield from listen_problems(service)
    if schedules:
        yield from _schedule_problems(schedules)
        yield from _fleet_problems(schedules, fleet)


def _schedule_problems(schedules: Sequence[ScheduleSettings]) -> Iterator[tuple[tuple[Any, ...], str]]:
    from scanner.setup.cron_check import cron_problem  # both are slow to import: only when there is one
    from scanner.setup.zones import zone_named

    names: set[str] = set()
    for number, schedule in enumerate(schedules):
        where = f"[[schedule]] {schedule.name!r}"
        if schedule.name in names:
            reason = f"two [[schedule]] are called {schedule.name!r}; write a name of its own"
            yield ("schedule", number, "name"), reason
        names.add(schedule.name)
        if reason := cron_problem(schedule.cron):
            yield ("schedule", number, "cron"), f"{where} cron: {reason}"
        try:
            zone_named(schedule.zone)
        except ValueError as error:
            yield ("schedule", number, "zone"), f"{where} zone: {error}"
        for key, chosen in (("sites", schedule.sites), ("owners", schedule.owners)):
            if "" in chosen:
                at = chosen.index("")
                yield (
                    ("schedule", number, key, at),
                    f"{where} {key}: one is empty; write a name, or leave it out",
                )


def _fleet_problems(
    schedules: Sequence[ScheduleSettings], fleet: FleetSettings
) -> Iterator[tuple[tuple[Any, ...], str]]:
    """What a sweep over a fleet, which nobody starts by hand, would be refused for each time."""
    for number, schedule in enumerate(schedules):
        if not schedule.fleet:
            continue
        reason = ""
        if not fleet.scheduler.startswith("tls://"):
            reason = 'wants [fleet] scheduler = "tls://HOST:8786"'
        elif not fleet.certificates:
            reason = 'wants [fleet] certificates = "DIR", the folder of this machine\'s certificate'
        if reason:
            text = f"[[schedule]] {schedule.name!r} fleet = true {reason}; write that, or leave fleet out"
            yield ("schedule", number, "fleet"), text
