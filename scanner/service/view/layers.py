"""What a snapshot is made of, kept from one to the next: exposures as the ledger has them, and as they are
with the clock and people laid over. Only what changed is read, laid over and put in order again.
"""

from __future__ import annotations

import heapq
from hashlib import blake2b
from typing import TYPE_CHECKING

from msgspec.structs import replace

from results.durations import between
from results.ledger.overlay import Deeds, at_most, ids_of, lay_one, next_turn
from scanner.service.view.snapshot import Snapshot, gravity, words_of

if TYPE_CHECKING:
    from results.ledger.actions import ActionRecord, Actions
    from results.ledger.overlay import Deadlines
    from results.ledger.store import Ledger, LedgerRun
    from results.ledger.tracked import TrackedExposure


class Layers:
    """Exposures by their ids. Each `take` notes which of them are to be laid over again, `lay` does it."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._digests: dict[str, bytes] = {}
        self._bare: dict[str, TrackedExposure] = {}
        self._names: dict[str, set[str]] = {}
        self._laid: dict[str, TrackedExposure] = {}
        self._order: dict[str, tuple[int | str, ...]] = {}
        self._words: dict[str, str] = {}
        self._runs: list[LedgerRun] = []
        self._newest: tuple[object, ...] = ()
        self._turns: list[tuple[str, str]] = []
        self._turn: dict[str, str] = {}
        self._again: set[str] = set()
        self._now = self._grown = ""
        self.forget_actions()

    def use(self, deadlines: Deadlines) -> None:
        """The deadlines in force."""
        if deadlines != self._deadlines:
            self._deadlines = deadlines
            self._again.update(self._bare)

    # --- what people did ------------------------------------------------------------------------------

    def forget_actions(self) -> None:
        """They are taken from the beginning."""
        self._deeds = Deeds()
        self._taken = 0
        self._actions: list[ActionRecord] = []
        self._places: dict[str, list[int]] = {}
        self._unproven: frozenset[str] = frozenset()
        self._doubted = 0
        self._doubt = ""
        self._again.update(self._bare)

    def take_actions(self, actions: Actions) -> bool:
        """Those that are not taken yet. True when there are any."""
        doubt = str(actions.broken) if actions.broken is not None else ""
        new = actions.proven[self._taken :]
        if not new and (doubt, len(actions.unproven)) == (self._doubt, self._doubted):
            return False
        touched: set[str] = set()
        for record in new:
            touched.update(self._deeds.take(record))
        unproven = frozenset(each for record in actions.unproven for each in record.exposure_ids)
        touched |= unproven | self._unproven
        self._note(new)
        self._taken, self._doubt, self._unproven = len(actions.proven), doubt, unproven
        self._doubted = len(actions.unproven)
        self._actions = actions.all()
        self._again.update(self._named(touched))
        return True

    def _note(self, new: list[ActionRecord]) -> None:
        """Their places by exposure, without changing what an older snapshot has."""
        found = dict(self._places)
        fresh: set[str] = set()
        for place, record in enumerate(new, start=self._taken):
            for each in dict.fromkeys(record.exposure_ids):
                if each in fresh:
                    found[each].append(place)
                else:
                    found[each] = [*found.get(each, ()), place]
                    fresh.add(each)
        self._places = found

    def _named(self, ids: set[str]) -> set[str]:
        """The exposures that have or had these ids."""
        return {now for each in ids for now in self._names.get(each, ())}

    # --- the ledger -----------------------------------------------------------------------------------

    def forget_ledger(self) -> bool:
        """There is none. True when there was one."""
        had = bool(self._bare or self._runs)
        for each in list(self._bare):
            self._drop(each)
        self._runs, self._newest = [], ()
        return had

    def take_ledger(self, ledger: Ledger) -> bool:
        """What is another one there than it was. True when anything is."""
        digests, read = {}, []
        for exposure_id, body in ledger.bodies():
            digest = blake2b(body, digest_size=16).digest()
            digests[exposure_id] = digest
            if self._digests.get(exposure_id) != digest:
                read.append(ledger.parsed(body))
        gone = self._digests.keys() - digests.keys()
        for each in gone:
            self._drop(each)
        newest, runs = ledger.newest_sweep(), ledger.runs()
        if newest != self._newest:  # what it covered is told of every exposure
            fresh = {each.exposure_id for each in read}
            read += [each for each in self._bare.values() if each.exposure_id not in fresh]
        for exposure in ledger.beside_last_sweep(read):
            self._put(exposure)
        changed = bool(read or gone) or runs != self._runs
        self._digests, self._newest, self._runs = digests, newest, runs
        return changed

    def _put(self, exposure: TrackedExposure) -> None:
        exposure_id = exposure.exposure_id
        if self._bare.get(exposure_id) == exposure:
            return
        self._forget_names(exposure_id)
        self._bare[exposure_id] = exposure
        for each in ids_of(exposure):
            self._names.setdefault(each, set()).add(exposure_id)
        self._words[exposure_id] = words_of(exposure)
        self._again.add(exposure_id)

    def _drop(self, exposure_id: str) -> None:
        self._forget_names(exposure_id)
        for table in (self._digests, self._bare, self._laid, self._order, self._words, self._turn):
            table.pop(exposure_id, None)
        self._again.discard(exposure_id)

    def _forget_names(self, exposure_id: str) -> None:
        old = self._bare.get(exposure_id)
        for each in ids_of(old) if old is not None else ():
            self._names[each].discard(exposure_id)

    # --- laid over ------------------------------------------------------------------------------------

    def lay(self, now: str) -> bool:
        """Everything that changed, or that the clock changes at `now`. True when anything is otherwise."""
        if now < self._now:  # a clock that was put back: everything may be otherwise
            self._again.update(self._bare)
        self._now = now
        while self._turns and self._turns[0][0] < now:
            moment, exposure_id = heapq.heappop(self._turns)
            if self._turn.get(exposure_id) == moment:
                del self._turn[exposure_id]
                self._again.add(exposure_id)
        changed = [self._lay_one(each, now) for each in self._again]
        self._again.clear()
        return any(changed)

    def is_old(self, now: str, seconds: int) -> bool:
        """Whether the upper bounds of how long something is open are older than that."""
        return not self._grown or between(self._grown, now) >= seconds

    def grow(self, now: str) -> bool:
        """Bring those bounds up to now: nothing else of an exposure changes with it, nor its place in the
        order. True when there is any."""
        self._grown = now
        changed = False
        for exposure_id, bare in self._bare.items():
            if bare.opened_after and bare.is_open:
                laid, most = self._laid[exposure_id], at_most(bare, now)
                if laid.open_at_most_seconds != most:
                    self._laid[exposure_id] = replace(laid, open_at_most_seconds=most)
                    changed = True
        return changed

    def _lay_one(self, exposure_id: str, now: str) -> bool:
        bare = self._bare[exposure_id]
        doubt = self._doubt if self._unproven.intersection(ids_of(bare)) else ""
        laid = lay_one(bare, self._deeds, doubt, now, self._deadlines)
        turn = next_turn(bare, laid, now)
        if turn and turn != self._turn.get(exposure_id):
            heapq.heappush(self._turns, (turn, exposure_id))
            self._turn[exposure_id] = turn
        if laid == self._laid.get(exposure_id):
            return False
        self._laid[exposure_id] = laid
        self._order[exposure_id] = gravity(laid)
        return True

    def snapshot(self, now: str, version: str) -> Snapshot:
        """All of it, as it is laid over."""
        return Snapshot(
            now,
            version,
            sorted(self._laid.values(), key=lambda each: self._order[each.exposure_id]),
            self._runs,
            self._actions,
            unproven=self._doubted,
            doubt=self._doubt,
            places=self._places,
            words=self._words,
        )
