"""How a fleet stands, as its scheduler says: who works where, and who is given no work and why.

`settings.configure` comes before this is imported.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
from distributed.comm.core import connect
from distributed.core import send_recv
from msgspec import Struct

from results.text import visible
from scanner.errors import RefusedError
from scanner.fleet.dask.known import KnownWorkers
from scanner.fleet.dask.reaching import reach
from scanner.fleet.dask.scheduler import STATUS
from scanner.fleet.dask.settings import security
from scanner.fleet.dask.task import SAID
from scanner.fleet.messages import Description, MessageError, decode_description

if TYPE_CHECKING:
    from collections.abc import Collection

    from scanner.fleet.authority import Own

_PATIENCE = 10.0  # seconds for the scheduler's answer
_UNHEARD = 15.0  # seconds without a word, of which one comes every few, that are worth telling
_DAY = 86400.0
_REFUSALS = 50


class Standing(Struct, frozen=True, kw_only=True):
    """A worker. `unfit`: why it is given nothing; "" for one that may work. `clock_skew`: seconds that its
    clock is ahead of this machine's. `heard`: seconds ago. `certificate_days`: until it ends."""

    name: str
    site: str
    host: str
    address: str
    busy: bool
    unfit: str
    version: str
    python: str
    clock_skew: float | None
    heard: float
    scope_sha256: str
    scope_differs: bool
    certificate_days: float


class Refusal(Struct, frozen=True, kw_only=True):
    """What the scheduler did not do: when (RFC 3339), for whom, and why."""

    at: str
    who: str
    why: str


class FleetStanding(Struct, frozen=True, kw_only=True):
    """The whole of it. `certificate_days` until that of the scheduler ends; workers by site and name.
    `without`: sites of this machine's scope that have no worker, fit or not."""

    scheduler: str
    version: str
    certificate_days: float
    coordinators: int
    workers: list[Standing]
    without: list[str]
    refused: list[Refusal]


class _Said(Struct):
    """What a worker's row in the scheduler's answer has."""

    not_after: float
    last_seen: float
    metrics: dict[str, Any]


class _Answer(Struct):
    version: str
    clock: float
    not_after: float
    coordinators: int
    workers: dict[str, dict[str, Any]]
    refused: list[Refusal]


async def standing(
    address: str, own: Own, scope_sha256: str = "", sites: Collection[str] = ()
) -> FleetStanding:
    """Ask the scheduler at `tls://HOST:PORT`. `scope_sha256`: the digest of this machine's copy of the scope,
    with which those of workers are compared; "" compares those of a site with each other. `sites` of it.

    Raises RefusedError for a scheduler that cannot be reached, or is none of a fleet.
    """
    await reach(address, own)
    asked = time.time()
    try:
        comm = await connect(address, **security(own).get_connection_args("client"))
        try:
            said = await asyncio.wait_for(send_recv(comm, op=STATUS), _PATIENCE)
        finally:
            comm.abort()
        answer = msgspec.convert(said, _Answer, strict=False)
    except (OSError, TimeoutError) as error:
        raise RefusedError(
            f"the scheduler at {address} does not answer ({visible(str(error), 200)}); look into its log"
        ) from None
    except msgspec.ValidationError:
        raise RefusedError(
            f"what listens at {address} is no scheduler of this version; start `mongosweep fleet scheduler` "
            "of the same version there"
        ) from None
    return _read(address, answer, asked, time.time(), scope_sha256, sites)


def _read(
    address: str, answer: _Answer, asked: float, answered: float, scope: str, sites: Collection[str]
) -> FleetStanding:
    known = KnownWorkers()
    known.look(answer.workers)
    rows = []
    for at, state in answer.workers.items():
        said = msgspec.convert(state, _Said, strict=False)
        heard = max(answer.clock - said.last_seen, 0.0)
        words = said.metrics.get(SAID)
        known.described(at, words, asked - heard - 1.0, answered - heard)  # a second on its way, at most
        rows.append((at, said, heard, _description(words)))
    digests: dict[str, set[str]] = {}
    for *_, words in rows:
        digests.setdefault(words.site, set()).add(words.scope_sha256)
    workers = []
    for at, said, heard, words in rows:
        worker = known.at(at)
        assert worker is not None
        late = "" if heard < _UNHEARD else f"nothing was heard of it for {heard:.0f} s"
        differs = words.scope_sha256 != scope if scope else len(digests[words.site]) > 1
        workers.append(
            Standing(
                name=worker.name,
                site=worker.site,
                host=worker.host,
                address=visible(at, 100),
                busy=worker.busy,
                unfit=worker.unfit or late,
                version=worker.version,
                python=visible(words.python, 40),
                clock_skew=worker.clock_skew,
                heard=round(heard, 1),
                scope_sha256=visible(words.scope_sha256, 64),
                scope_differs=differs,
                certificate_days=_days(said.not_after, answered),
            )
        )
    return FleetStanding(
        scheduler=address,
        version=visible(answer.version, 40),
        certificate_days=_days(answer.not_after, answered),
        coordinators=answer.coordinators,
        workers=sorted(workers, key=lambda each: (each.site, each.name)),
        without=sorted(set(sites) - {each.site for each in workers}),
        refused=[
            Refusal(at=visible(each.at, 40), who=visible(each.who, 120), why=visible(each.why, 300))
            for each in answer.refused[-_REFUSALS:]
        ],
    )


_NOTHING = Description(version="", clock=0.0)


def _description(words: object) -> Description:
    """What a worker says of itself; nothing where that cannot be read, for which `KnownWorkers` has words."""
    try:
        return decode_description(words) if isinstance(words, bytes) else _NOTHING
    except MessageError:
        return _NOTHING


def _days(not_after: float, now: float) -> float:
    return round((not_after - now) / _DAY, 1)
