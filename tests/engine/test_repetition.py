"""Who is asked again, and what a sweep says of whom it missed, in networks whose truth the test knows."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from results.verdict import Verdict
from scanner.contact import is_witness, witness
from scanner.engine.accounts import Accounts
from scanner.engine.repetition import Repetition
from scanner.engine.unanswered import SILENT, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TRIES = 3
SERVER, CLOSED, NOBODY = "server", "closed", "nobody"
DROP, RESET, PROHIBIT = "drop", "reset", "prohibit"


@dataclass
class Network:
    """Hosts by token, and what happens on the way. Time passes as askings are made."""

    hosts: list[str]
    seed: int = 1
    lost: float = 0.0  # chance that a SYN, or its answer, is lost
    ban_after: int = 0  # askings after which everything is treated as `how` says, for good
    limit: float = 0.0  # askings a second that pass
    grey: int = 0  # askings of each host that are dropped first
    how: str = DROP
    lone: bool = False  # each host in a prefix of its own
    asked: int = 0
    credit: float = 5.0
    seen: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def ask(self, token: int, pace: float) -> tuple[str, bool]:
        """What one asking brings: a server's acceptance, a refusal, `unreachable` or silence; and whether it
        came late."""
        self.asked += 1
        self.credit = min(5.0, self.credit + self.limit / pace)
        passes = not self.limit or self.credit >= 1
        self.credit -= passes
        if not passes or (self.ban_after and self.asked > self.ban_after):
            return {DROP: "silence", RESET: CLOSED, PROHIBIT: "unreachable"}[self.how], False
        self.seen[token] = self.seen.get(token, 0) + 1
        if self.hosts[token] == NOBODY or self.seen[token] <= self.grey:
            return "silence", False
        for attempt in range(TRIES):
            if self.chance.random() >= self.lost:
                return self.hosts[token], attempt > 0
        return "silence", False

    def on_the_way(self, tokens: Iterator[int], pace: float) -> Iterable[int]:
        """The tokens of one asking of many, as they are to be asked."""
        return tokens

    def prefix(self, token: int) -> int:
        return token if self.lone else token // 256


@dataclass
class Burst(Network):
    """A limit that drops, by the clock: five SYNs pass at once. All that were dropped are repeated after a
    second, in the same order."""

    passed: Iterator[int] = field(default_factory=lambda: iter(()))

    def on_the_way(self, tokens: Iterator[int], pace: float) -> Iterable[int]:
        asked = list(tokens)
        passed = [0] * len(asked)  # the number of the SYN that did
        self.credit, before = 5.0, 0.0
        for at, place, again in sorted((n / pace + a, n, a) for n in range(len(asked)) for a in range(2)):
            if passed[place] and (is_witness(asked[place]) or self.hosts[asked[place]] != NOBODY):
                continue
            self.credit, before = min(5.0, self.credit + (at - before) * self.limit), at
            if self.credit >= 1:
                self.credit -= 1
                passed[place] = passed[place] or 1 + again
        self.passed = iter(passed)
        return asked

    def ask(self, token: int, pace: float) -> tuple[str, bool]:
        passed = next(self.passed)
        said = self.hosts[token] if passed else NOBODY
        return ("silence" if said == NOBODY else said), passed > 1


class Sweep:
    """What the engine does with a repetition, without a network."""

    def __init__(self, network: Network, rate: float = 600.0) -> None:
        self.network = network
        self.rate = rate
        self.accounts = Accounts(planned=len(network.hosts))
        self.repetition = Repetition(self.accounts, network.seed, TRIES)
        self.found: set[int] = set()
        self.seconds = 0.0

    def asking(self, token: int, pace: float) -> None:
        said, late = self.network.ask(witness(token) if is_witness(token) else token, pace)
        self.seconds += 1 / pace
        repetition = self.repetition
        if is_witness(token):
            told = {CLOSED: Verdict.REFUSED, "unreachable": Verdict.UNREACHABLE, "silence": Verdict.FILTERED}
            repetition.witness_told(token, told.get(said))
            return
        prefix = self.network.prefix(token)
        outcome: Verdict
        if said == SERVER:
            self.found.add(token)
            repetition.answered(token, prefix, late)
            outcome = Verdict.AUTH_REQUIRED
        elif said == CLOSED:
            repetition.refused_many([token], [prefix], [prefix] * late)
            outcome = Verdict.REFUSED
        else:
            outcome = repetition.not_accepted(token, prefix, SILENT if said == "silence" else UNREACHABLE)
        self.accounts.outcomes[outcome] += 1

    def first(self, tokens: Iterable[int] | None = None) -> Sweep:
        """The first asking, in a random order."""
        order = list(range(len(self.network.hosts)) if tokens is None else tokens)
        random.Random(self.network.seed).shuffle(order)
        for token in self.network.on_the_way(iter(order), self.rate):
            self.asking(token, self.rate)
        return self

    def rounds(self) -> Sweep:
        """All rounds."""
        lasted = self.seconds
        while (asking := self.repetition.next_round(self.seconds, lasted, self.rate)) is not None:
            pace = self.rate / asking.slower
            for token in self.network.on_the_way(iter(self.repetition.take, None), pace):
                self.asking(token, pace)
            self.seconds += 3.5
        assert self.accounts.done == self.accounts.planned, "each target has one outcome"
        return self

    @property
    def missed(self) -> int:
        return self.network.hosts.count(SERVER) - len(self.found)

    @property
    def doubtful(self) -> bool:
        return self.repetition.doubtful


def hosts(servers: int, closed: int = 0, nobody: int = 0, seed: int = 1) -> list[str]:
    every = [SERVER] * servers + [CLOSED] * closed + [NOBODY] * nobody
    random.Random(seed).shuffle(every)
    return every


def swept(network: Network, rate: float = 600.0) -> Sweep:
    return Sweep(network, rate).first().rounds()


@pytest.mark.parametrize("lone", [False, True])
@pytest.mark.parametrize("size", [1, 5, 40, 300, 3000])
def test_a_clean_network_is_never_doubted(size: int, lone: bool) -> None:
    for seed in range(20):
        made = hosts(max(1, size // 20), size // 3, size - size // 3 - max(1, size // 20), seed)
        sweep = swept(Network(made, seed, lone=lone))
        assert (sweep.missed, sweep.doubtful, sweep.repetition.words) == (0, False, [])
        assert sweep.repetition.missed_at_most == 0


@pytest.mark.parametrize("lone", [False, True])
@pytest.mark.parametrize("percent", [5, 10, 20, 30, 50])
def test_lost_packets_lead_to_every_server_or_to_doubt(percent: int, lone: bool) -> None:
    found = 0
    for seed in range(12):
        sweep = swept(Network(hosts(400, 60, 200, seed), seed, lost=percent / 100, lone=lone))
        assert sweep.doubtful or not sweep.missed
        found += not sweep.missed and not sweep.doubtful
    assert found >= 9 or percent > 30, "asking again is worth it"


@pytest.mark.parametrize("how", [DROP, RESET, PROHIBIT])
@pytest.mark.parametrize("limit", [5, 20, 100, 300])
def test_a_firewall_that_lets_few_pass_is_seen(limit: int, how: str) -> None:
    for seed in range(10):
        sweep = swept(Network(hosts(60, 200, 100, seed), seed, limit=limit, how=how))
        assert sweep.doubtful or not sweep.missed
        if limit >= 20:
            assert not sweep.missed


@pytest.mark.parametrize("lone", [False, True])
@pytest.mark.parametrize("limit", [20, 60, 200])
def test_a_limit_does_not_meet_every_round_as_a_burst(limit: int, lone: bool) -> None:
    """A few targets, of which the first asking and each round would be over within a tenth of a second."""
    for servers, closed, nobody in ((5, 5, 10), (1, 20, 10), (20, 20, 0), (40, 40, 0)):
        for seed in range(10):
            made = hosts(servers, closed, nobody, seed)
            sweep = swept(Burst(made, seed, limit=limit, lone=lone), rate=2400.0)
            assert not sweep.missed


@pytest.mark.parametrize("lost", [False, True])
def test_a_round_takes_two_seconds_at_least_where_packets_were_lost(lost: bool) -> None:
    sweep = Sweep(Network(hosts(10, 10, 20)), rate=2400.0).first()
    if lost:
        sweep.repetition.answered(sweep.network.hosts.index(SERVER), 0, late=True)
    asking = sweep.repetition.next_round(1.0, 1.0, 2400.0)
    assert asking is not None
    asked = len(list(sweep.network.on_the_way(iter(sweep.repetition.take, None), 1.0)))
    assert (asked * asking.slower / 2400.0 >= 2.0) is lost


@pytest.mark.parametrize("how", [DROP, PROHIBIT])
@pytest.mark.parametrize("after", [1, 30, 200])
def test_being_shut_out_is_seen_by_those_that_had_answered(after: int, how: str) -> None:
    for seed in range(10):
        sweep = swept(Network(hosts(5, 136, 0, seed), seed, ban_after=after, how=how))
        assert sweep.doubtful
        assert sweep.repetition.missed_at_most is None


@pytest.mark.parametrize("after", [30, 200])
def test_being_refused_for_good_is_seen_by_a_server_that_had_accepted(after: int) -> None:
    for seed in range(10):
        sweep = swept(Network(hosts(100, 200, 0, seed), seed, ban_after=after, how=RESET))
        assert sweep.missed
        assert sweep.doubtful


def test_a_server_that_hears_only_the_third_connection_is_found() -> None:
    sweep = swept(Network(hosts(1, 0, 255), grey=2))
    assert (sweep.missed, sweep.doubtful) == (0, False)


def test_each_round_is_slower_than_the_one_before_and_none_takes_for_ever() -> None:
    sweep = Sweep(Network(hosts(30, 900, 5000), lost=0.4)).first()
    slower = []
    while (asking := sweep.repetition.next_round(sweep.seconds, 10.0, 600.0)) is not None:
        while (token := sweep.repetition.take()) is not None:
            sweep.asking(token, 600.0)
        slower.append(asking.slower)
    assert 1 < slower[0] <= slower[1] < slower[-1]
    assert slower[-1] * sweep.repetition.unanswered.count((SILENT,)) / 600.0 <= 60.5


def test_a_large_sweep_is_sampled_until_a_loss_shows() -> None:
    clean = swept(Network(hosts(400, 0, 99_600)))
    assert clean.repetition.asked == 2 * 100_000 // 20
    lossy = swept(Network(hosts(400, 0, 99_600), lost=0.3))
    assert lossy.repetition.asked > 99_600
    assert lossy.doubtful or not lossy.missed


def test_on_this_machine_a_refusal_is_believed_and_nothing_is_slow() -> None:
    sweep = Sweep(Network(hosts(0, 40, 20)))
    sweep.repetition = Repetition(sweep.accounts, 1, TRIES, ours=True)
    sweep.first()
    asking = sweep.repetition.next_round(0.0, 1.0, 600.0)
    assert asking is not None
    assert asking.slower == 1.0
    taken = iter(sweep.repetition.take, None)
    assert sorted(token for token in taken if not is_witness(token)) == [
        token for token, host in enumerate(sweep.network.hosts) if host == NOBODY
    ]


def test_one_host_that_left_is_no_wall() -> None:
    network = Network(hosts(0, 100, 150))
    sweep = Sweep(network).first()
    network.hosts[network.hosts.index(CLOSED)] = NOBODY
    sweep.rounds()
    assert not sweep.doubtful


def test_a_prefix_that_has_shut_is_seen_among_many_that_have_not() -> None:
    network = Network(hosts(0, 1400, 1400))
    sweep = Sweep(network).first()
    network.hosts[256:512] = [NOBODY] * 256
    sweep.rounds()
    assert sweep.doubtful
    assert any("shut this machine out" in words for words in sweep.repetition.words)


def test_a_target_that_answered_the_stage_alone_is_a_doubt_until_it_accepts() -> None:
    for answers in (True, False):
        network = Network([NOBODY] * 50)
        sweep = Sweep(network).first()
        sweep.repetition.not_connected(7)
        network.hosts[7] = SERVER if answers else NOBODY
        sweep.rounds()
        assert sweep.doubtful is not answers


def test_seeded_weathers_are_never_called_complete_while_a_server_is_missed() -> None:
    """600 combinations of loss, limits, bans and greylists over small and large, dense and sparse estates."""
    wrong = []
    for seed in range(600):
        chance = random.Random(seed)
        network = Network(
            hosts(
                chance.choice((1, 3, 20, 150)), chance.choice((0, 10, 150)), chance.choice((0, 30, 300)), seed
            ),
            seed,
            lost=chance.choice((0, 0, 0.02, 0.1, 0.2, 0.35, 0.5)),
            limit=chance.choice((0, 0, 0, 10, 60, 200)),
            ban_after=chance.choice((0, 0, 0, 0, 20, 120)),
            grey=chance.choice((0, 0, 0, 1, 2)),
            how=chance.choice((DROP, DROP, RESET, PROHIBIT)),
            lone=chance.random() < 0.5,
        )
        sweep = swept(network)
        heard = bool(sweep.repetition.loss.answered)
        if sweep.missed and heard and not sweep.doubtful:
            wrong.append((seed, network.how, network.ban_after, network.limit, network.lost, sweep.missed))
    assert wrong == []


class TestResume:
    """What a checkpoint keeps."""

    def resumed(self, sweep: Sweep, in_flight: Iterable[int] = ()) -> Sweep:
        again = Sweep(sweep.network)
        again.found = sweep.found
        again.accounts.outcomes.update(sweep.accounts.outcomes)
        again.repetition.restore(sweep.repetition.memory(), in_flight)
        return again

    @pytest.mark.parametrize("lost", [0.0, 0.3])
    def test_what_did_not_answer_before_is_asked_again(self, lost: float) -> None:
        sweep = Sweep(Network(hosts(200, 50, 100), lost=lost)).first()
        before = sweep.missed
        again = self.resumed(sweep).rounds()
        assert again.missed == 0
        assert again.repetition.asked >= before
        assert not again.doubtful or lost

    def test_too_many_for_a_checkpoint_are_a_gap_once_a_loss_shows(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scanner.engine.repetition.KEPT", 20)
        for lost in (0.0, 0.3):
            again = self.resumed(Sweep(Network(hosts(100, 0, 300), lost=lost)).first()).rounds()
            assert again.repetition.gaps
            assert again.repetition.signs is bool(lost)
            assert again.repetition.missed_at_most == (None if lost else 0)

    def test_targets_in_flight_keep_what_they_were(self) -> None:
        sweep = Sweep(Network(hosts(0, 30, 30))).first()
        assert sweep.repetition.next_round(0.0, 1.0, 600.0) is not None
        taken = [token for _ in range(20) if (token := sweep.repetition.take()) is not None]
        again = self.resumed(sweep, taken)
        for token in taken:
            again.asking(token, 600.0)
        assert again.accounts.outcomes == Sweep(Network(hosts(0, 30, 30))).first().accounts.outcomes
        assert again.rounds().doubtful is False

    def test_a_checkpoint_that_tells_nothing_is_a_gap(self) -> None:
        repetition = Repetition(Accounts(planned=1), 1, TRIES)
        repetition.restore(None, [])
        assert repetition.gaps
