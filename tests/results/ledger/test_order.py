"""The ledger is a function of the runs alone: any order of taking in, any cut and any repetition give the
same rows, and so does making it anew."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results.ids import event_id
from results.ledger.derive import Derived
from results.ledger.intake import catch_up, rebuild
from results.ledger.store import Ledger
from results.lines import to_lines
from results.record import Certificate, Endpoint, Owner, Reason, Server, Tls
from results.verdict import Verdict
from tests.results.examples import database, observation, open_server, packed
from tests.support.ledgers import RunOnDisk, dump

if TYPE_CHECKING:
    from results.ledger.visit import PlaceKey, RunFacts, Visit
    from results.record import Database, Observation

PLACES = 11  # more than may share a value of identity
STATES = ("complete", "complete", "complete", "degraded", "interrupted", "failed")
VERDICTS = (*Verdict, *[Verdict.OPEN] * 6, *[Verdict.REFUSED] * 2)


@dataclass(frozen=True)
class Told:
    """One observation of a story: of which place, and what it shows of identity."""

    place: int
    verdict: Verdict
    minute: int
    data: int
    certificate: int
    members: int

    def seen(self, run: int) -> Observation:
        ip, port = f"192.0.2.{self.place % 7 + 1}", 27017 + self.place // 7
        fields: dict[str, Any] = {
            "run_id": f"run-{run}",
            "observed_at": f"2026-03-{run + 1:02}T04:{self.minute:02}:00.000Z",
            "verdict": self.verdict,
            "evidence": [Reason(code=self.verdict.value)],
        }
        if self.verdict is not Verdict.OPEN:
            made = observation(ip, **fields)
        else:
            held = [self._held(number) for number in range(self.data)]
            made = open_server(ip, *(held or [database("none")]), **fields)
        tls = Tls(certificate=Certificate(sha256=f"{self.certificate:064x}")) if self.certificate else None
        hosts = ["a.example:27017", "b.example:27017"]
        server = Server(product="mongodb", set_name="rs", hosts=hosts) if self.members else made.server
        return msgspec.structs.replace(
            made,
            target=Endpoint(ip=ip, port=port, tls=tls),
            server=server,
            event_id=event_id(f"run-{run}", packed(ip), port),
        )

    def _held(self, number: int) -> Database:
        found = database(f"d{number}", documents=10 * (1 + self.minute))
        uuids = [f"{self.data:08x}-0000-4000-8000-{number * 16 + nth:012x}" for nth in range(9)]
        collections = [
            msgspec.structs.replace(item, uuid=uuid)
            for item, uuid in zip(found.collections, uuids, strict=False)
        ]
        return msgspec.structs.replace(found, collections=collections)


told = st.builds(
    Told,
    place=st.integers(0, PLACES - 1),
    verdict=st.sampled_from(VERDICTS),
    minute=st.integers(0, 59),
    data=st.integers(0, 3),
    certificate=st.sampled_from((0, 0, 1, 2)),
    members=st.sampled_from((0, 0, 0, 1)),
)
runs = st.lists(st.tuples(st.sampled_from(STATES), st.lists(told, max_size=14)), min_size=1, max_size=4)


@dataclass(frozen=True)
class Feeding:
    """How the runs come: in which order, cut where (in thousandths of each journal), and taken in when."""

    order: list[int]
    cuts: list[list[int]]
    again: list[bool]


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[tuple[str, list[Told]]], Feeding]:
    story = draw(runs)
    count = len(story)
    cuts = st.lists(st.integers(0, 1000), max_size=3)
    return story, Feeding(
        draw(st.permutations(range(count))),
        draw(st.lists(cuts, min_size=count, max_size=count)),
        draw(st.lists(st.booleans(), min_size=count, max_size=count)),
    )


def feed(output: Path, story: list[tuple[str, list[Told]]], feeding: Feeding) -> None:
    for number in feeding.order:
        state, seen = story[number]
        data = b"".join(line for item in seen for line in to_lines(item.seen(number)))
        run = RunOnDisk(output, f"run-{number}", f"2026-03-{number + 1:02}T04:00:00.000Z").begin()
        at = 0
        for cut in sorted(feeding.cuts[number]):
            run.write(data[at : len(data) * cut // 1000])
            at = len(data) * cut // 1000
            catch_up(output)
        run.write(data[at:])
        run.end(state)  # type: ignore[arg-type]
        if feeding.again[number]:
            catch_up(output)
            catch_up(output)
    catch_up(output)


def at_once(output: Path, story: list[tuple[str, list[Told]]]) -> None:
    feed(output, story, Feeding(list(range(len(story))), [[] for _ in story], [False] * len(story)))


def check(story: list[tuple[str, list[Told]]], feeding: Feeding) -> None:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        at_once(Path(first), story)
        expected = dump(Path(first))
        feed(Path(second), story, feeding)
        assert dump(Path(second)) == expected
        rebuild(Path(second))
        assert dump(Path(second)) == expected


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=15, suppress_health_check=SLOW)
@given(stories())
def test_order_cuts_and_repetition_change_nothing(
    drawn: tuple[list[tuple[str, list[Told]]], Feeding],
) -> None:
    check(*drawn)


@pytest.mark.exhaustive
@settings(max_examples=120, suppress_health_check=SLOW)
@given(stories())
def test_order_cuts_and_repetition_change_nothing_at_length(
    drawn: tuple[list[tuple[str, list[Told]]], Feeding],
) -> None:
    check(*drawn)


def same_as_at_once(output: Path, story: list[tuple[str, list[Told]]]) -> None:
    with tempfile.TemporaryDirectory() as fresh:
        at_once(Path(fresh), story)
        assert dump(output) == dump(Path(fresh))


def opened(place: int, *, data: int = 1, certificate: int = 0, minute: int = 7) -> Told:
    return Told(place, Verdict.OPEN, minute, data, certificate, members=0)


def components(output: Path) -> int:
    return len(dump(output)["components"])


def test_what_too_many_places_show_joins_nobody(tmp_path: Path) -> None:
    seen = [opened(place, data=0, certificate=1) for place in range(10)]
    growing = RunOnDisk(tmp_path, "run-0", "2026-03-01T04:00:00.000Z").begin()
    for count in range(1, 11):
        growing.see(seen[count - 1].seen(0))
        catch_up(tmp_path)
        assert components(tmp_path) == (1 if count <= 8 else count)
    growing.end()
    catch_up(tmp_path)
    same_as_at_once(tmp_path, [("complete", seen)])


def test_an_answer_that_is_taken_back_takes_its_evidence_along(tmp_path: Path) -> None:
    story = [
        ("complete", [opened(0, data=2, certificate=1)]),
        ("complete", [opened(1, data=3, certificate=1), opened(1, data=3, certificate=2)]),
    ]
    first_line = b"".join(to_lines(story[1][1][0].seen(1)))
    feed(tmp_path, story[:1], Feeding([0], [[]], [False]))
    growing = RunOnDisk(tmp_path, "run-1", "2026-03-02T04:00:00.000Z").begin()
    growing.write(first_line)
    catch_up(tmp_path)
    assert components(tmp_path) == 1
    growing.write(b"".join(to_lines(story[1][1][1].seen(1))))
    growing.end()
    catch_up(tmp_path)
    assert components(tmp_path) == 2
    same_as_at_once(tmp_path, story)


def test_who_answers_later_in_a_run_is_known_to_what_is_derived(tmp_path: Path) -> None:
    counted: list[int] = []

    def derive_counting(visits: dict[PlaceKey, list[Visit]], runs: dict[str, RunFacts]) -> Derived:
        counted.extend(runs["run-1"].companions(place) for place in visits)
        return Derived([], [], [])

    feed(tmp_path, [("complete", [opened(0)])], Feeding([0], [[]], [False]))
    growing = RunOnDisk(tmp_path, "run-1", "2026-03-02T04:00:00.000Z").begin()
    for place, verdict in ((0, Verdict.REFUSED), (1, Verdict.AUTH_REQUIRED), (2, Verdict.UNKNOWN)):
        growing.see(Told(place, verdict, 1, 0, 0, 0).seen(1))
        catch_up(tmp_path, derive=derive_counting)
    growing.let_go()
    assert counted == [0, 1, 1]


def test_a_site_that_was_renamed_is_no_look_before_and_no_second_exposure(tmp_path: Path) -> None:
    for number, site in ((1, "paris"), (2, "Paris")):
        run = RunOnDisk(tmp_path, f"run-{number}", f"2026-03-{number + 1:02}T04:00:00.000Z").begin()
        with_data = opened(0).seen(number)
        bare = opened(1, data=0).seen(number)
        run.see(*[msgspec.structs.replace(seen, owner=Owner(site=site)) for seen in (with_data, bare)]).end()
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        found = ledger.exposures()
    assert sorted((exposure.place.ip, exposure.place.site) for exposure in found) == [
        ("192.0.2.1", "Paris"),
        ("192.0.2.2", "Paris"),
        ("192.0.2.2", "paris"),
    ]
    assert [exposure.opened_after for exposure in found] == ["", "", ""]
