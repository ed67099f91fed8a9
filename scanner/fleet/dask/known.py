"""The workers of a scheduler as a coordinator knows them: who came, who went, and who may be given work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from results.text import visible
from scanner import __version__
from scanner.fleet.carrier import MOST_SKEW, Worker
from scanner.fleet.dask.task import DASK
from scanner.fleet.messages import MessageError, decode_description

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scanner.fleet.messages import Description

_RESOURCE = "site:"
_NAMED = 5  # workers that are named in one line
_UNHEARD = "it has not yet said what it is"


@dataclass(slots=True)
class _Entry:
    worker: Worker
    told: str = ""  # the reason that was told last


class _Site(NamedTuple):
    """Addresses of a site's workers."""

    fit: list[str]
    unfit: list[str]


_NOBODY = _Site([], [])


class KnownWorkers:
    """Workers by their address. What is told of them comes back as lines for people."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._workers: tuple[Worker, ...] = ()
        self._sites: dict[str, _Site] = {}
        self._changed = False  # since these two were made; they are asked for far more often

    def all(self) -> tuple[Worker, ...]:
        """Everybody, by site and name."""
        self._arrange()
        return self._workers

    def at(self, address: str) -> Worker | None:
        """The worker with an address of Dask's, `tls://HOST:PORT`."""
        entry = self._entries.get(address)
        return entry.worker if entry is not None else None

    def fit(self, site: str) -> Sequence[str]:
        """Addresses of the site's workers that may be given work."""
        self._arrange()
        return self._sites.get(site, _NOBODY).fit

    def unfit(self, site: str) -> Sequence[str]:
        """Addresses of the others."""
        self._arrange()
        return self._sites.get(site, _NOBODY).unfit

    def _arrange(self) -> None:
        if not self._changed:
            return
        self._changed = False
        workers = (entry.worker for entry in self._entries.values())
        self._workers = tuple(sorted(workers, key=lambda each: (each.site, each.name)))
        self._sites = {}
        for address, entry in self._entries.items():
            site = self._sites.setdefault(entry.worker.site, _Site([], []))
            (site.unfit if entry.worker.unfit else site.fit).append(address)

    def clear(self) -> None:
        """Nobody is known any more: the scheduler is lost."""
        self._entries.clear()
        self._changed = True

    def look(self, found: Mapping[str, Mapping[str, object]]) -> list[str]:
        """Take in who is there, by address, as Dask writes it (`distributed/scheduler.py:
        WorkerState.identity`). Returns what changed, in lines."""
        gone = [self._entries.pop(address) for address in self._entries.keys() - found.keys()]
        came = []
        for address, state in found.items():
            busy = _is_busy(state)
            entry = self._entries.get(address)
            if entry is not None:
                entry.worker = entry.worker._replace(busy=busy)
                continue
            name, host = visible(str(state.get("name")), 100), visible(str(state.get("host")), 100)
            worker = Worker(name, _site_of(state), host, busy, _UNHEARD)
            self._entries[address] = _Entry(worker)
            came.append(worker)
        self._changed = True
        told = [_line("came", came)] if came else []
        return told + ([_line("gone", [entry.worker for entry in gone])] if gone else [])

    def described(self, address: str, said: object, asked: float, answered: float) -> list[str]:
        """Take in what a worker said of itself between two times of our own clock (seconds since 1970).
        Returns lines for people: why it is not used, or that it is now."""
        entry = self._entries.get(address)
        if entry is None:
            return []
        try:
            if not isinstance(said, bytes):
                raise MessageError("no bytes")
            description = decode_description(said)
        except MessageError:
            return self._judge(entry, "what it says of itself cannot be read; install the same mongosweep")
        skew = min(description.clock - asked, 0.0) or max(description.clock - answered, 0.0)
        entry.worker = entry.worker._replace(
            host=visible(description.host, 100), version=visible(description.version, 100), clock_skew=skew
        )
        return self._judge(entry, _unfit(description, entry.worker, skew))

    def _judge(self, entry: _Entry, unfit: str) -> list[str]:
        before, entry.told = entry.told, unfit
        entry.worker = entry.worker._replace(unfit=unfit)
        self._changed = True
        name, site = entry.worker.name, entry.worker.site or "no site"
        if unfit:
            return [f"worker {name} ({site}) is not used: {unfit}"] if unfit != before else []
        return [f"worker {name} ({site}) is used from now on"] if before else []


def _unfit(description: Description, worker: Worker, skew: float) -> str:
    if description.version != __version__:
        return (
            f"it is version {visible(description.version, 40)}, this one is {__version__}; install the same"
        )
    if description.dask != DASK:
        return f"its Dask is version {visible(description.dask, 40)}, here it is {DASK}; install the same"
    if not worker.site or description.site != worker.site:
        return (
            f"it offers work for site {worker.site or '(none)'} and is set up for "
            f"{visible(description.site, 100) or '(none)'}; start it again"
        )
    if abs(skew) > MOST_SKEW:
        side = "ahead of" if skew > 0 else "behind"
        return f"its clock is {abs(skew):,.0f} s {side} the coordinator's; set both by NTP"
    return visible(description.problem, 300)


def _site_of(state: Mapping[str, object]) -> str:
    resources = state.get("resources")
    names = [str(each) for each in resources] if isinstance(resources, dict) else []
    sites = [each.removeprefix(_RESOURCE) for each in names if each.startswith(_RESOURCE)]
    return visible(sites[0], 100) if len(sites) == 1 else ""


def _is_busy(state: Mapping[str, object]) -> bool:
    metrics = state.get("metrics")
    counts = metrics.get("task_counts") if isinstance(metrics, dict) else None
    return isinstance(counts, dict) and bool(counts.get("executing"))


def _line(what: str, workers: list[Worker]) -> str:
    names = [f"{each.name} ({each.site or 'no site'})" for each in workers[:_NAMED]]
    more = f" and {len(workers) - _NAMED:,} more" if len(workers) > _NAMED else ""
    return f"{'worker' if len(workers) == 1 else 'workers'} {what}: {', '.join(names)}{more}"
