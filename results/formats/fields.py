"""One event in one flat shape, whichever kind it is: what every format is made from.

So each fact is looked up once, and a format says only where it goes. Nothing is escaped here: names are as
the server gave them, and each format escapes by its own rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct

from results.durations import as_text
from results.events.event import ChangeEvent, RunEvent
from results.manifest import PURPOSES
from results.record import Observation
from results.text import human_bytes, plural
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from results.events.event import Event
    from results.ledger.tracked import TrackedExposure
    from results.record import LastWrite


class Sender(Struct, frozen=True, kw_only=True):
    """Who sends it on: the version of the tool, the name of the machine, and the organisation where the
    event does not name one."""

    version: str
    host: str
    organisation: str = ""


class Technique(NamedTuple):
    """A technique of MITRE ATT&CK, by its id and name, and its tactic."""

    id: str
    name: str
    tactic_id: str
    tactic: str


# An open server is a weakness and no technique. What extortionists did to it is one: attack.mitre.org.
_DESTRUCTION: Final = Technique("T1485", "Data Destruction", "TA0040", "Impact")
_THEFT: Final = Technique("T1657", "Financial Theft", "TA0040", "Impact")  # extortion is part of it
TECHNIQUES: Final[dict[str, tuple[Technique, ...]]] = {
    "wiped": (_DESTRUCTION,),
    "ransomed": (_DESTRUCTION, _THEFT),
}

TITLES: Final[dict[str, str]] = {
    "opened": "MongoDB answers without a password",
    "reopened": "MongoDB answers without a password again",
    "changed": "Open MongoDB changed",
    "wiped": "Open MongoDB was wiped",
    "ransomed": "Open MongoDB holds a ransom note",
    "restored": "Open MongoDB was restored after a wipe",
    "moved": "Open MongoDB moved to another place",
    "reach_changed": "Open MongoDB is reached from elsewhere than before",
    "unreachable": "Open MongoDB is out of reach",
    "closed": "MongoDB is closed",
    "reminder": "MongoDB still answers without a password",
    "exposure": "MongoDB exposure",
    "observation": "Server was observed",
    "started": "Run started",
    "resumed": "Run resumed",
    "degraded": "Run degraded",
    "ended": "Run ended",
    "test": "Test of a sink",
}
"""The name of each kind of event, constant text: what a rule in a SIEM is called."""

SERVER_KINDS: Final = frozenset(TITLES) - {"started", "resumed", "degraded", "ended", "test"}


class Fields(Struct, frozen=True, kw_only=True):
    """The flat shape. `kind` is one of `TITLES`; "", null and empty lists are not known or do not apply.

    Times are RFC 3339 in UTC with milliseconds; `size` is in bytes. `state` is that of the exposure, or of
    the run. `id` is the event's own id, which is the same at every delivery. `reach` is "" where it is
    unknown.
    """

    id: str
    kind: str
    at: str
    title: str
    severity: Severity
    severity_number: int
    score: int | None = None
    state: str = ""
    organisation: str = ""
    host: str
    version: str
    vantage: str = ""
    reach: str = ""
    open_from: list[str] = []
    not_open_from: list[str] = []
    run_id: str = ""
    exposure_id: str = ""
    finding_id: str = ""
    observation_id: str = ""
    ip: str = ""
    port: int | None = None
    site: str = ""
    tls: bool | None = None
    hostnames: list[str] = []
    owner: str = ""
    contact: str = ""
    labels: dict[str, str] = {}
    verdict: str = ""
    reasons: list[str] = []
    product: str = ""
    server_version: str = ""
    topology: str = ""
    database_count: int | None = None
    collection_count: int | None = None
    documents: int | None = None
    size: int | None = None
    databases: list[str] = []
    names: list[str] = []
    hints: list[str] = []
    ransom_names: list[str] = []
    newest_write: str = ""
    newest_write_method: str = ""
    first_seen: str = ""
    last_seen: str = ""
    closed_before: str = ""
    closed_how: str = ""
    after: str = ""
    dated: str = ""
    due_at: str = ""
    techniques: tuple[Technique, ...] = ()
    run: RunEvent | None = None

    @property
    def about_server(self) -> bool:
        """Whether it is about one server, and not about a run."""
        return self.kind in SERVER_KINDS

    @property
    def message(self) -> str:
        """One sentence of constant words and our own figures: no name that a server gave stands in it."""
        return _server_message(self) if self.run is None else _run_message(self)

    @property
    def place(self) -> str:
        """Address and port in one text, IPv6 in brackets; "" of a run."""
        if self.port is None:
            return ""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


def fields_of(event: Event, sender: Sender) -> Fields:
    """The event in its flat shape."""
    if isinstance(event, ChangeEvent):
        told = _of_change(event)
    elif isinstance(event, RunEvent):
        told = _of_run(event)
    elif isinstance(event, Observation):
        told = _of_observation(event)
    else:
        told = _of_exposure(event)
    told.setdefault("title", TITLES[told["kind"]])
    told["organisation"] = told.get("organisation") or sender.organisation
    told.setdefault("version", sender.version)
    told.setdefault("host", sender.host)
    told["techniques"] = TECHNIQUES.get(told["kind"], ())
    return Fields(**told)


def _of_change(change: ChangeEvent) -> dict[str, Any]:
    then = change.snapshot
    # Closing is good news, for which no receiver should page anybody. The event keeps the exposure's own.
    severity = Severity.INFO if change.kind == "closed" else change.severity
    return {
        "id": change.event_id,
        "kind": change.kind,
        "at": change.at,
        "after": change.after,
        "dated": change.dated,
        "severity": severity,
        "severity_number": severity.number,
        "score": None if change.kind == "closed" else change.score,
        "vantage": change.vantage,
        **_reach(change),
        "run_id": change.run_id,
        "exposure_id": change.exposure_id,
        "finding_id": change.finding_id,
        "observation_id": change.observation_id,
        "reasons": [reason.code for reason in change.reasons],
        "names": change.names,
        "state": then.state,
        "organisation": then.organisation,
        "ip": then.place.ip,
        "port": then.place.port,
        "site": then.place.site or then.owner.site,
        "hostnames": then.hostnames,
        "owner": then.owner.owner,
        "contact": then.owner.contact,
        "labels": then.owner.labels,
        "verdict": then.verdict.value,
        "product": then.product,
        "server_version": then.version,
        "topology": then.topology,
        "database_count": then.database_count,
        "collection_count": then.collection_count,
        "documents": then.documents,
        "size": then.bytes,
        "databases": then.databases,
        "hints": then.hints,
        "ransom_names": then.ransom_names,
        "newest_write": then.newest_write,
        "newest_write_method": then.newest_write_method,
        "first_seen": then.first_seen_open,
        "last_seen": then.last_seen_open,
        "closed_before": then.closed_before,
        "closed_how": then.closed_how,
    }


def _reach(told: ChangeEvent | TrackedExposure) -> dict[str, Any]:
    return {
        "reach": "" if told.reach == "unknown" else told.reach,
        "open_from": told.open_from,
        "not_open_from": told.not_open_from,
    }


def _of_exposure(exposure: TrackedExposure) -> dict[str, Any]:
    return {
        "id": exposure.exposure_id,
        "kind": "exposure",
        "at": exposure.last_look,
        "severity": exposure.severity,
        "severity_number": exposure.severity_number,
        "score": exposure.score,
        "state": exposure.state,
        **_reach(exposure),
        "run_id": exposure.last_run_id,
        "exposure_id": exposure.exposure_id,
        "finding_id": exposure.finding_id,
        "observation_id": exposure.last_event_id,
        "ip": exposure.place.ip,
        "port": exposure.place.port,
        "site": exposure.place.site or exposure.owner.site,
        "hostnames": exposure.hostnames,
        "owner": exposure.owner.owner,
        "contact": exposure.owner.contact,
        "labels": exposure.owner.labels,
        "verdict": Verdict.OPEN.value,
        "reasons": [reason.code for reason in exposure.severity_reasons],
        "product": exposure.product,
        "server_version": exposure.version,
        "topology": exposure.topology,
        "database_count": exposure.database_count,
        "collection_count": exposure.collection_count,
        "documents": exposure.documents,
        "size": exposure.bytes,
        "databases": exposure.databases,
        "hints": exposure.hints,
        "ransom_names": exposure.ransom_names,
        "newest_write": exposure.newest_write,
        "newest_write_method": exposure.newest_write_method,
        "first_seen": exposure.first_seen_open,
        "last_seen": exposure.last_seen_open,
        "closed_before": exposure.closed_before,
        "closed_how": exposure.closed_how,
        "due_at": exposure.due_at,
    }


def _of_observation(seen: Observation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": seen.event_id,
        "kind": "observation",
        "at": seen.observed_at,
        "severity": seen.severity,
        "severity_number": seen.severity_number,
        "score": seen.score,
        "state": "open" if seen.verdict.is_open else "",
        "vantage": seen.vantage,
        "run_id": seen.run_id,
        "finding_id": seen.finding_id,
        "observation_id": seen.event_id,
        "ip": seen.target.ip,
        "port": seen.target.port,
        "tls": seen.target.tls is not None,
        "site": seen.owner.site,
        "hostnames": seen.target.hostnames,
        "owner": seen.owner.owner,
        "contact": seen.owner.contact,
        "labels": seen.owner.labels,
        "verdict": seen.verdict.value,
        "reasons": [reason.code for reason in seen.severity_reasons or seen.evidence],
        "first_seen": seen.observed_at if seen.verdict.is_open else "",
        "last_seen": seen.observed_at if seen.verdict.is_open else "",
    }
    if (server := seen.server) is not None:
        told |= {
            "product": server.product,
            "server_version": server.version,
            "topology": server.topology,
        }
    if (open_to := seen.exposure) is not None:
        told |= {
            "database_count": open_to.database_count,
            "collection_count": open_to.collection_count,
            "documents": open_to.documents,
            "size": open_to.total_size_bytes,
            "databases": [each.name for each in open_to.databases if not each.system],
            "hints": [hint.name for hint in open_to.hints],
            "ransom_names": open_to.ransom.names,
            "newest_write": _moment(open_to.last_write),
            "newest_write_method": open_to.last_write.method if open_to.last_write else "",
        }
    return told


def _of_run(event: RunEvent) -> dict[str, Any]:
    return {
        "id": event.event_id,
        "kind": event.kind,
        "at": event.at,
        "severity": event.severity,
        "severity_number": event.severity_number,
        "state": event.state,
        "organisation": event.organisation,
        "vantage": event.vantage,
        "run_id": event.run_id,
        "reasons": event.reasons,
        "run": event,
        **({"host": event.host} if event.host else {}),
        **({"version": event.tool_version} if event.tool_version else {}),
    }


def _moment(write: LastWrite | None) -> str:
    return as_text(write.at) if write is not None else ""


def _server_message(fields: Fields) -> str:
    about = f"{fields.title}: {fields.place}"
    if fields.kind == "observation":
        about = f"{fields.title}: {fields.place} is {fields.verdict}"
    told = []
    if fields.database_count is not None:
        told.append(plural(fields.database_count, "database"))
    if fields.size is not None:
        told.append(human_bytes(fields.size))
    return f"{about} ({', '.join(told)})" if told else about


def _run_message(fields: Fields) -> str:
    run = fields.run
    assert run is not None
    if run.kind == "test":
        return "Test of a sink: nothing was swept, and nothing was found"
    what = PURPOSES.get(run.purpose, run.purpose).capitalize()
    if run.kind in ("started", "resumed"):
        return f"{what} {run.run_id} {run.kind}: {plural(run.planned, 'target')}"
    if run.kind == "degraded":
        return f"{what} {run.run_id} is degraded: it cannot end complete"
    if run.open is None:
        return f"{what} {run.run_id} ended: {run.state}"
    if run.open:
        found = f"{plural(run.open, 'server')} open"
    else:
        # Only a complete sweep can say so of its scope; another one has not asked all of it.
        whole = run.state == "complete" and not run.purpose
        found = "nothing is open" if whole else "nothing was seen open"
        found += f" among {plural(run.planned, 'target')}" + (f" (shard {run.shard})" if run.shard else "")
    return f"{what} {run.run_id} ended: {run.state}, {found}"
