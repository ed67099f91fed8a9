"""What can be configured: one frozen `Settings`, read once, and the options of one sweep.

Each field carries its range, a description and an example; errors and the manual are made from them.
Reading the file is `config_file.py`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct, field

from results.verdict import Verdict
from scanner.mongo.weights import Weights
from scanner.setup.choices import MAX_RATE, MAX_WORKERS, VANTAGE, DepthName, EngineName, LoopName, WorkerCount
from scanner.setup.data_settings import DataSettings
from scanner.setup.fleet_settings import FleetSettings
from scanner.setup.notify_settings import (
    DeadlineSettings,
    NotifySettings,
    RecipientSettings,
    SmtpSettings,
    WebhookSettings,
)
from scanner.setup.scope_settings import (
    DnsSettings,
    InventorySettings,
    Ipv6Settings,
    NetboxSettings,
    Ownership,
    ScopeSettings,
)
from scanner.setup.service_settings import ScheduleSettings, ServiceSettings
from scanner.setup.sink_settings import AnySink, ForwardSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scanner.network.guard import Wanted
    from scanner.setup.inventory import Inventories
    from targets.scope import Scope
    from targets.signatures import Signature

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Table = dict[str, Any]

Purpose = Literal["", "verify", "confirm"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_Port = Annotated[int, Meta(ge=1, le=65535)]
_LINE = r"^[^\x00-\x1f\x7f]*\Z"  # it is sent in a protocol field and shown in logs: one line, no controls


class Organisation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks. Both go into the client metadata document, so that a server's log says who it was."""

    name: Annotated[
        str, Meta(max_length=128, pattern=_LINE, description="the organisation's name", examples=["Example"])
    ] = ""
    contact: Annotated[
        str,
        Meta(
            max_length=128,
            pattern=_LINE,
            description="an address that reaches the people who run the sweep",
            examples=["soc@example.com"],
        ),
    ] = ""


class SweepSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How hard and how deep a sweep asks. Seconds, and new connections a second."""

    ports: Annotated[
        tuple[_Port | Literal["mongodb"], ...],
        Meta(
            min_length=1,
            max_length=64,
            description='port numbers from 1 to 65535, at most 64, and the word "mongodb" for the usual ones',
            examples=[[27017]],
        ),
    ] = (27017,)
    ports_from: Annotated[
        tuple[str, ...],
        Meta(
            max_length=64,
            description="lists of open ports that another scanner found: what of them is in the scope is "
            "asked too; paths are relative to this file",
            examples=[["open-ports.xml"]],
        ),
    ] = ()
    rate: Annotated[
        float,
        Meta(
            gt=0,
            le=MAX_RATE,
            description="new connections a second, above 0 and at most 20000000",
            examples=[1000],
        ),
    ] = 1000.0
    per_prefix_rate: Annotated[
        float,
        Meta(gt=0, le=MAX_RATE, description="new connections a second into any one prefix", examples=[20]),
    ] = 20.0
    per_prefix_length: Annotated[
        int, Meta(ge=8, le=32, description="the length of such an IPv4 prefix, 8 to 32", examples=[24])
    ] = 24
    per_prefix_length_v6: Annotated[
        int, Meta(ge=16, le=128, description="the length of such an IPv6 prefix, 16 to 128", examples=[64])
    ] = 64
    connect_timeout: Annotated[
        float,
        Meta(
            ge=0.05,
            le=120,
            description="seconds until a connect counts as unanswered, 0.05 to 120",
            examples=[3.5],
        ),
    ] = 3.5
    reply_timeout: Annotated[
        float,
        Meta(ge=0.05, le=120, description="seconds to wait for each answer, 0.05 to 120", examples=[3.0]),
    ] = 3.0
    host_timeout: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description="seconds that one host may take in all, over all its connections, 0.1 to 3600; "
            "what it waits for us before its verdict or its metadata does not count; "
            "a second opinion (--confirm) has up to 7 seconds of its own",
            examples=[20],
        ),
    ] = 20.0
    concurrency: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="connections at the same time, 1 to 1000000; fewer where descriptors are short",
            examples=[4096],
        ),
    ] = 4096
    half_open_limit: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="unanswered connects at the same time, 1 to 1000000 (what state tables bear)",
            examples=[4096],
        ),
    ] = 4096
    engine: Annotated[EngineName, Meta(description='"connect" or "syn"', examples=["connect"])] = "connect"
    loop: Annotated[LoopName, Meta(description='"uvloop" or "asyncio"', examples=["uvloop"])] = "uvloop"
    depth: Annotated[
        DepthName, Meta(description='"verdict", "databases" or "collections"', examples=["collections"])
    ] = "collections"
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_WORKERS)] | Literal["auto"],
        Meta(
            description="processes that talk to servers which have much to say, 1 to 15 (1: the main process "
            'itself), or "auto": one for each processor, as soon as there are many such servers',
            examples=["auto"],
        ),
    ] = "auto"
    vantage: Annotated[
        str,
        Meta(
            pattern=VANTAGE,
            description="where the sweep looks from, in a word of small letters, digits and dashes; what is "
            'open to "internet" is graver',
            examples=["internet"],
        ),
    ] = ""
    max_targets: Annotated[
        int,
        Meta(
            ge=1,
            le=2**40,
            description="addresses that a scope may hold before it is refused",
            examples=[16777216],
        ),
    ] = 2**24


class LimitSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is taken from one server. What was cut says so in the record."""

    host_bytes: Annotated[
        int,
        Meta(ge=65536, le=2**30, description="bytes that one host may send in all", examples=[67108864]),
    ] = 64 * 1024 * 1024
    databases_kept: Annotated[
        int, Meta(ge=1, le=1_000_000, description="database names kept in a record", examples=[10000])
    ] = 10_000
    databases_asked: Annotated[
        int, Meta(ge=0, le=1_000_000, description="databases asked for their collections", examples=[1000])
    ] = 1_000
    collections_kept: Annotated[
        int, Meta(ge=1, le=1_000_000, description="collection names kept in a record", examples=[50000])
    ] = 50_000
    collections_asked: Annotated[
        int, Meta(ge=0, le=1_000_000, description="collections asked for counts and sizes", examples=[500])
    ] = 500
    newest_asked: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="of these, collections asked for their newest id: the large and the telling first",
            examples=[100],
        ),
    ] = 100
    indexes_asked: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="of these, collections asked when they were made and how their indexes served",
            examples=[100],
        ),
    ] = 100


class CanarySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server known to answer. When it is silent, silence elsewhere proves nothing: the run is degraded."""

    address: Annotated[str, Meta(description="an address inside the scope", examples=["10.20.0.5"])]
    port: Annotated[_Port, Meta(description="a port number from 1 to 65535", examples=[27017])] = 27017
    expect: Annotated[Verdict, Meta(description="the verdict expected", examples=["auth_required"])] = (
        Verdict.AUTH_REQUIRED
    )


class Blackout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours in which a prefix is not touched, in a named time zone. `to` before `from` ends the next day."""

    cidr: Annotated[str, Meta(description="the prefix left alone", examples=["10.20.0.0/16"])]
    start: Annotated[
        str,
        Meta(
            pattern=r"^([01]\d|2[0-3]):[0-5]\d\Z",
            description="hours and minutes in quotes, 00:00 to 23:59",
            examples=["08:00"],
        ),
    ] = field(name="from")
    to: Annotated[
        str,
        Meta(
            pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)\Z",
            description="hours and minutes in quotes, 00:00 to 24:00",
            examples=["18:00"],
        ),
    ]
    zone: Annotated[str, Meta(description="a zone's name", examples=["Europe/Paris"])] = "UTC"
    days: Annotated[
        tuple[Day, ...],
        Meta(
            min_length=1,
            description="days on which it begins",
            examples=[["mon", "tue", "wed", "thu", "fri"]],
        ),
    ] = DAYS
    reason: Annotated[str, Meta(description="why, in a few words", examples=["trading hours"])] = ""


class OptOut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A prefix that its owner has taken out, for 90 days at most. It wins over every allow entry, and its
    addresses are counted in each plan and manifest."""

    cidr: Annotated[str, Meta(description="the prefix left alone", examples=["10.20.40.0/24"])]
    owner: Annotated[
        str,
        Meta(
            min_length=1, max_length=256, pattern=_LINE, description="who asked", examples=["medical devices"]
        ),
    ]
    reason: Annotated[
        str,
        Meta(
            min_length=1, max_length=256, pattern=_LINE, description="why", examples=["fragile; see CHG-2201"]
        ),
    ]
    since: Annotated[date, Meta(description="the day on which the owner asked", examples=[date(2026, 9, 1)])]
    expires: Annotated[
        date,
        Meta(
            description="the day on which it is over, 90 days later at the latest",
            examples=[date(2026, 11, 30)],
        ),
    ]


class Pause(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stop file: while the file exists, nothing new is sent."""

    stop_file: Annotated[str, Meta(description="a path in quotes", examples=["/run/mongosweep/stop"])] = ""


class Audit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Under which authorisation a sweep runs; kept in the manifest of every run."""

    authorisation: Annotated[
        str, Meta(max_length=256, pattern=_LINE, description="a change or ticket", examples=["CHG-1234"])
    ] = ""
    operator: Annotated[
        str,
        Meta(
            max_length=256,
            pattern=_LINE,
            description="who answers for it; the user of the process when left out",
            examples=["network security"],
        ),
    ] = ""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of mongosweep.toml. `allow` and `deny` are read by `targets.load`."""

    organisation: Organisation = field(default_factory=Organisation)
    allow: tuple[Table, ...] = ()
    deny: tuple[Table, ...] = ()
    scope: ScopeSettings = field(default_factory=ScopeSettings)
    netbox: NetboxSettings = field(default_factory=NetboxSettings)
    inventory: tuple[InventorySettings, ...] = ()
    ipv6: Ipv6Settings = field(default_factory=Ipv6Settings)
    dns: DnsSettings = field(default_factory=DnsSettings)
    sweep: SweepSettings = field(default_factory=SweepSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    canary: tuple[CanarySettings, ...] = ()
    blackout: tuple[Blackout, ...] = ()
    optout: tuple[OptOut, ...] = ()
    pause: Pause = field(default_factory=Pause)
    audit: Audit = field(default_factory=Audit)
    ownership: Ownership = field(default_factory=Ownership)
    severity: Weights = field(default_factory=Weights)
    deadlines: DeadlineSettings = field(default_factory=DeadlineSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    recipient: tuple[RecipientSettings, ...] = ()
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
    forward: ForwardSettings = field(default_factory=ForwardSettings)
    sink: tuple[AnySink, ...] = ()
    data: DataSettings = field(default_factory=DataSettings)
    fleet: FleetSettings = field(default_factory=FleetSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)
    schedule: tuple[ScheduleSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """What one sweep was asked to do beyond its settings. `shard` is (i, n) with 1 <= i <= n."""

    output: Path = Path("runs")
    engine: EngineName = "connect"
    depth: DepthName = "collections"
    loop: LoopName = "uvloop"
    workers: WorkerCount = 1
    confirm: bool = False
    everything: bool = False
    shard: tuple[int, int] = (1, 1)
    seed: int | None = None
    resume: str | None = None
    fail_on: Literal["open", "never"] = "open"
    stdout_lines: bool = False
    stdout_format: str = "native"
    quiet: bool = False
    watched: frozenset[tuple[str, int]] = frozenset()  # places of which a line is wanted, whatever it says
    purpose: Purpose = ""  # why, where it is no sweep
    events: bool = False  # whether it tells the log of events that it goes on
    stop_after: float | None = None  # seconds after which it is stopped
    whole_scope: Scope | None = None  # of which TARGETs name a part; canaries are held against it
    signatures: tuple[Signature, ...] = ()  # of the allow-lists that it was read from, where asked for
    tables: Mapping[str, Table] | None = None  # dated ones in place of those that are built in, by name
    inventories: Inventories | None = None  # are asked again while it goes on
    reload_scope: Callable[[float, bool], Scope] | None = None  # reads the files again: when, with names
    run_id: str = ""  # of a run that others do parts of, too; instead of a new one
    wanted: Wanted | None = None  # by whom it was given; nothing is sent once they are not heard any more
