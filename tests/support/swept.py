"""An output directory and a configuration with some weeks behind them: sweeps that are complete and some that
are not, open servers, a sink, and all that pages about coverage, scope and runs have to tell.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from results.durations import instant
from results.ids import event_id, finding_id
from results.ledger.intake import catch_up
from results.ledger.overlay import Deadlines
from results.ledger.view import read
from results.manifest import encode, parse
from results.record import Owner
from results.summary import Coverage, Loss
from results.verdict import Severity, Verdict
from scanner.service.view.reader import Snapshot
from scanner.setup.config_file import read_config
from scanner.setup.scope_request import full_scope
from tests.results.examples import database, observation, open_server, packed
from tests.support.ledgers import RunOnDisk

if TYPE_CHECKING:
    from pathlib import Path

    from results.record import Observation
    from scanner.setup.config_file import ConfigFile
    from targets.scope import Scope

AT = "2026-03-20T12:00:00.000Z"
PARIS = "10.20.0.0-10.20.255.255:27017"
LYON = "10.30.0.0-10.30.15.255:27017,27018"
RUNS = {
    "20260201T040000Z-a1": (2, 1, (PARIS, LYON), "complete"),
    "20260301T040000Z-a2": (3, 1, (PARIS, LYON), "complete"),
    "20260308T040000Z-a3": (3, 8, (PARIS,), "complete"),
    "20260315T040000Z-a4": (3, 15, (PARIS, LYON), "interrupted"),
    "20260319T040000Z-a5": (3, 19, ("10.20.0.0-10.20.127.255:27017",), "complete"),
}
"""By id: month, day, what it covers, how it ended."""
CONFIG = """\
[organisation]
name = "Example Estates"
contact = "security@example.com"

[[allow]]
cidr = "10.20.0.0/16"
owner = "web platform"
contact = "web-oncall@example.com"
site = "paris"
authorised_by = "head of infrastructure"
expires = 2099-01-01

[[allow]]
cidr = "10.30.0.0/20"
owner = "shop"
site = "lyon"
ports = [27017, 27018]
authorised_by = "CHG-2201"
expires = 2099-06-01

[[allow]]
cidr = "10.40.0.0/24"
owner = "labs"
contact = "labs@example.com"
site = "oslo"

[[deny]]
cidr = "10.20.9.0/24"
reason = "ventilators"

[[schedule]]
name = "paris-nightly"
cron = "0 2 * * *"
sites = ["paris"]

[[sink]]
kind = "file"
name = "archive"
path = "/var/log/mongosweep/findings.jsonl"
"""


def write_config(folder: Path, text: str = CONFIG) -> Path:
    """The configuration's file."""
    path = folder / "mongosweep.toml"
    path.write_text(text, encoding="utf-8")
    return path


def scope_of(config: ConfigFile) -> Scope:
    """The scope of a configuration, as it is at `AT`."""
    wall = instant(AT).timestamp()
    return full_scope(None, config, config.settings, wall, names=False)[0]


def swept(folder: Path, config_text: str = CONFIG, *, name: str = "") -> tuple[Path, ConfigFile]:
    """The output directory, with everything taken into its ledger, and the configuration. `name` is where a
    run looked from, one of its reasons and the name of a database."""
    output = folder / "results"
    for run_id, (month, day, covers, state) in RUNS.items():
        began = datetime(2026, month, day, 4, tzinfo=UTC)
        _write_run(output, run_id, began, covers, state, name)
    catch_up(output)
    return output, read_config(write_config(folder, config_text))


def _write_run(
    output: Path, run_id: str, began: datetime, covers: tuple[str, ...], state: str, name: str
) -> None:
    run = RunOnDisk(
        output,
        run_id,
        f"{began:%Y-%m-%dT%H:%M:%S}.000Z",
        organisation="Example Estates",
        covers=covers,
        vantage=name,
    ).begin()
    seen = _servers(run_id, began, name)
    run.see(*seen)
    run.end(state, f"{began:%Y-%m-%d}T05:12:30.000Z")  # type: ignore[arg-type]  # a state
    assert run.covered is not None
    planned = run.covered.targets
    missing = 1_500 if state == "interrupted" else 0
    path = run.path / "manifest.json"
    manifest = parse(path.read_bytes())
    changed = replace(
        manifest,
        planned=replace(manifest.planned, targets=planned, addresses=planned),
        coverage=Coverage(planned=planned, outcomes=planned - missing, not_reached=missing),
        outcomes={
            "open": sum(each.verdict.is_open for each in seen),
            "auth_required": sum(not each.verdict.is_open for each in seen),
            "filtered": planned - missing - len(seen),
        },
        reasons=[f"{missing} targets were not reached: {name or 'stopped'}"] if missing else [],
        loss=Loss(missed_at_most=None if missing else 0, answered=len(seen)),
    )
    path.write_bytes(encode(changed))


def _servers(run_id: str, began: datetime, name: str) -> list[Observation]:
    """Two that are open all the time, one that was closed in March, and one that came in March."""
    web = Owner(owner="web platform", contact="web-oncall@example.com", site="paris", allow="10.20.0.0/16")
    shop = Owner(owner="shop", site="lyon", allow="10.30.0.0/20")
    march = began >= datetime(2026, 3, 8, tzinfo=UTC)
    told: list[tuple[str, Owner, bool]] = [("10.20.1.17", web, True), ("10.20.200.4", web, not march)]
    told += [("10.20.3.30", web, True)] if march else []
    told += [("10.30.2.9", shop, True)] if began.day in (1, 15) else []
    at = f"{began:%Y-%m-%d}T04:20:00.000Z"
    return [_seen(ip, run_id, at, owner, is_open=is_open, name=name or "shop") for ip, owner, is_open in told]


def _seen(ip: str, run_id: str, at: str, owner: Owner, *, is_open: bool, name: str) -> Observation:
    ids = {
        "event_id": event_id(run_id, packed(ip), 27017),
        "finding_id": finding_id(owner.site, packed(ip), 27017),
        "observed_at": at,
        "owner": owner,
    }
    if not is_open:
        return observation(ip, run_id, verdict=Verdict.AUTH_REQUIRED, **ids)
    size = 40_000_000 * int(ip.rpartition(".")[2])
    held = database(name, 12_000, size)
    return open_server(ip, held, run_id=run_id, severity=Severity.HIGH, severity_number=4, **ids)


def snapshot(output: Path, at: str = AT) -> Snapshot:
    """What the reader gives of it at a moment."""
    view = read(output, at, Deadlines())
    with view.ledger:
        return Snapshot(at, at, view.exposures, view.ledger.runs(), view.actions.all())
