"""An output directory as use leaves one, small: five weekly sweeps over two sites, with people at work beside
them, and every hostile name in every place that a server, a file or a person can fill.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from results.ids import event_id, finding_id
from results.ledger.actions import Actions
from results.ledger.intake import catch_up
from results.ledger.store import Ledger
from results.record import Endpoint, Hint, Owner, Ransom, Reason, Server
from results.verdict import Severity
from tests.results.examples import database, exposure, magazine, observation, open_server, packed
from tests.support.ledgers import RunOnDisk
from tests.support.pages import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

    from results.manifest import State
    from results.record import Observation

WEEKS = 5
NAMES = [name.replace("\ud800", "\ufffd") for name in HOSTILE]
"""As they are once a reader of BSON took in bytes that are no UTF-8."""
CONFIGURATION = """
[organisation]
name = "Example"
contact = "soc@example.com"

[[allow]]
cidr = "10.20.0.0/24"
owner = "web platform"
contact = "web-oncall@example.com"
site = "paris"

[[allow]]
cidr = "10.30.0.0/24"
owner = "shop"
contact = "shop@example.com"
site = "lyon"

[[deny]]
cidr = "10.20.0.240/28"
reason = "medical devices"

[[schedule]]
name = "paris-nightly"
cron = "0 2 * * *"
zone = "Europe/Paris"
sites = ["paris"]

[[sink]]
kind = "file"
path = "{folder}/findings.jsonl"
"""


def write_watched(folder: Path) -> tuple[Path, Path]:
    """Write it; the configuration and the output directory. Its times lie before now, so that the newest
    sweep is of today or yesterday, and what is overdue is so on every day."""
    config, output = folder / "mongosweep.toml", folder / "runs"
    config.write_text(CONFIGURATION.format(folder=folder))
    for week in range(WEEKS):
        _sweep(output, week)
    catch_up(output)
    _people(output)
    return config, output


def _at(week: int, **spans: float) -> str:
    today = datetime.fromtimestamp(time.time() - 86_400, UTC).replace(
        hour=4, minute=0, second=0, microsecond=0
    )
    moment = today - timedelta(weeks=WEEKS - 1 - week) + timedelta(**spans)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def _sweep(output: Path, week: int) -> None:
    states: dict[int, State] = {2: "interrupted"}
    created = _at(week)
    run_id = f"{created[:10].replace('-', '')}T040000Z-000{week}"
    seen = [_in_run(each, run_id, _at(week, minutes=7)) for each in _found(week)]
    outcomes = {"open": sum(each.verdict == "open" for each in seen), "auth_required": 2, "filtered": 200}
    covers = ("10.20.0.0-10.20.0.239:27017", "10.30.0.0-10.30.0.255:27017")
    run = RunOnDisk(output, run_id, created, organisation="Example", covers=covers, outcomes=outcomes)
    run.begin().see(*seen).end(states.get(week, "complete"))


def _in_run(seen: Observation, run_id: str, at: str) -> Observation:
    """An observation as one of this run, with the ids that follow from it."""
    address, port = packed(seen.target.ip), seen.target.port
    return replace(
        seen,
        run_id=run_id,
        observed_at=at,
        event_id=event_id(run_id, address, port),
        finding_id=finding_id(seen.owner.site, address, port),
    )


def _found(week: int) -> list[Observation]:
    """Servers that stay open and grow, one that comes, one that is closed, one that is ransomed."""
    found = [
        open_server(f"10.20.0.{number}", database("shop", 1000 + 50 * week, 40_000_000 * number))
        for number in (11, 12, 13)
    ]
    shop = Owner(owner="shop", contact="shop@example.com", site="lyon", allow="10.30.0.0/24")
    if week >= 1:
        found.append(open_server("10.30.0.5", database("orders", 9000, 7_000_000_000), owner=shop))
    if week < 3:
        found.append(open_server("10.20.0.20"))
    else:
        found.append(observation("10.20.0.20"))
    found.append(magazine("10.20.0.9") if week >= 2 else open_server("10.20.0.9"))
    if week >= 1:
        found.append(_hostile())
    return found


def _hostile() -> Observation:
    """A server that bears each hostile name, whose owner in a foreign allow-list did so, too."""
    name = HOSTILE[0]
    databases = [database(text, 10, 4096) for text in NAMES]
    held = exposure(
        *databases,
        hints=[Hint(name=name, word=HOSTILE[3], category=name, language="en")],
        ransom=Ransom(
            level="likely", names=HOSTILE[:3], reasons=[Reason(code="known-note-name", detail=name)]
        ),
    )
    return open_server(
        "10.30.0.66",
        exposure=held,
        severity=Severity.CRITICAL,
        target=Endpoint(ip="10.30.0.66", port=27017, hostnames=NAMES),
        owner=Owner(
            owner="\u202e" + HOSTILE[3], contact=HOSTILE[4], site=HOSTILE[1], allow=name, labels={name: name}
        ),
        server=Server(product=name, version=HOSTILE[3], topology=name, set_name=name),
        evidence=[
            Reason(code="databases-listed", detail=text.replace("\ud800", "\ufffd")) for text in HOSTILE
        ],
        severity_reasons=[Reason(code="telling-names", detail=name)],
    )


def _people(output: Path) -> None:
    with Ledger.open(output) as ledger:
        by_ip = {each.place.ip: each.exposure_id for each in ledger.exposures()}
    actions = Actions.open(output, write=True)
    late = _at(WEEKS - 1, hours=6)
    actions.append("warned", [by_ip["10.20.0.11"]], at=_at(1), by="", to=["web-oncall@example.com"])
    actions.append("acknowledged", [by_ip["10.20.0.12"]], at=late, by="web on-call", detail="we are at it")
    actions.append(
        "accepted", [by_ip["10.20.0.13"]], at=late, by="soc", detail="a honeypot", until=_at(WEEKS + 3)
    )
    hostile = by_ip["10.30.0.66"]
    for text in HOSTILE:
        actions.append("noted", [hostile], at=late, by=text, detail=text)
