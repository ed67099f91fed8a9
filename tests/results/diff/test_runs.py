"""What changed between two runs: by the ledger's rules, and silence is never called closed."""

from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from results.diff.difference import NEW, ORDER, WORSE, Comparison
from results.diff.pick import NothingToCompareError, last_comparable, load_run, newest
from results.diff.places import happened, stayed_open
from results.diff.runs import diff_runs
from results.diff.stream import NotOpen, Reader, observations
from results.files import CorruptError, NotARunError
from results.record import Collection, Database, Exposure, Observation, Ransom, Reason, Server
from results.verdict import Severity, Verdict
from tests.results.examples import database
from tests.results.examples import exposure as held
from tests.support.ledgers import RunOnDisk
from tests.support.two_runs import NEW_AT, NEW_RUN, OLD_AT, OLD_RUN, TwoRuns, new, old, shut

if TYPE_CHECKING:
    from results.manifest import State

IP = "192.0.2.7"
SHOP = database("shop", documents=1000, size=10_000)
NOTE = Database(name="READ_ME", size_bytes=10, documents=1, collections_known=True)
LIKELY = Ransom(level="likely", names=["READ_ME"])


def exposure(*databases: Database, **changes: Any) -> Exposure:
    """What a server lists itself, so that a name that is missing is not there."""
    return held(*databases, **{"answered": ["listDatabases"]} | changes)


def uuids(generation: int, *names: str) -> Database:
    """A database whose collections have UUIDs, others for each generation."""
    return Database(
        name="shop",
        size_bytes=10_000,
        documents=100 * len(names),
        collections=[
            Collection(
                name=name,
                documents=100,
                size_bytes=1000,
                uuid=f"{generation:08x}-0000-4000-8000-{number:012x}",
            )
            for number, name in enumerate(names)
        ],
        collections_known=True,
    )


def said(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Kinds and codes of each difference."""
    return [
        (",".join(each.kinds), [reason.code for reason in each.reasons]) for each in comparison.differences
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, new(IP), ("opened", ["not-found"])),
        (shut(old(IP)), new(IP), ("opened", ["answered-not-open"])),
        (shut(old(IP), verdict=Verdict.REFUSED), new(IP), ("opened", ["refused"])),
        (shut(old(IP), verdict=Verdict.UNKNOWN), new(IP), ("opened", ["not-told-before"])),
        (old(IP), shut(new(IP)), ("closed", ["asks-for-a-login"])),
        (
            old(IP),
            shut(new(IP), verdict=Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED),
            ("closed", ["asks-for-a-certificate"]),
        ),
        # One refusal, or one answer of something else, may be a restart or a box in the way.
        (old(IP), shut(new(IP), verdict=Verdict.REFUSED), ("unreachable", ["refused"])),
        (old(IP), shut(new(IP), verdict=Verdict.NOT_MONGODB), ("unreachable", ["not_mongodb"])),
        (old(IP), shut(new(IP), verdict=Verdict.FILTERED), ("unreachable", ["filtered"])),
        (old(IP), shut(new(IP), verdict=Verdict.UNKNOWN), ("unreachable", ["unknown"])),
        (old(IP), shut(new(IP), evidence=[Reason(code="masked-prefix")]), ("unreachable", ["auth_required"])),
        (old(IP), None, ("unreachable", ["no-line"])),
        (shut(old(IP)), shut(new(IP)), None),
        (shut(old(IP)), None, None),
        (old(IP), new(IP), None),
    ],
    ids=range(15),
)
def test_opened_closed_and_silent(
    tmp_path: Path,
    before: Observation | None,
    after: Observation | None,
    expected: tuple[str, list[str]] | None,
) -> None:
    runs = TwoRuns(tmp_path).write([before] if before else [], [after] if after else [])
    assert said(runs.compare()) == ([expected] if expected else [])


@pytest.mark.parametrize("state", ["degraded", "interrupted", "failed"])
@pytest.mark.parametrize("after", [shut(new(IP)), shut(new(IP), verdict=Verdict.REFUSED), None])
def test_a_run_that_is_not_complete_closes_nothing(
    tmp_path: Path, state: State, after: Observation | None
) -> None:
    runs = TwoRuns(tmp_path, new_state=state).write([old(IP)], [after] if after else [])
    comparison = runs.compare()
    assert [each.kind for each in comparison.differences] == ["unreachable"]
    assert not comparison.whole
    assert comparison.scopes is not None
    assert f"the new run is {state}" in comparison.scopes.cautions[0]


def test_what_the_new_run_did_not_ask_is_no_longer_covered(tmp_path: Path) -> None:
    runs = TwoRuns(tmp_path, new_covers=("192.0.2.0-192.0.2.3:27017", "192.0.2.8-192.0.2.255:27017"))
    comparison = runs.write([old(IP), old("192.0.2.9")], [new("192.0.2.9")]).compare()
    assert said(comparison) == [("no_longer_covered", ["not-covered-now"])]
    assert comparison.scopes is not None
    assert (comparison.scopes.both, comparison.scopes.only_old, comparison.scopes.only_new) == (252, 4, 0)
    assert comparison.scopes.only_old_examples == ["192.0.2.4-192.0.2.7:27017"]
    assert not comparison.whole


def test_what_the_old_run_did_not_ask_is_new_and_says_so(tmp_path: Path) -> None:
    runs = TwoRuns(tmp_path, old_covers=("192.0.2.100:27017",))
    comparison = runs.write([], [new(IP)]).compare()
    assert said(comparison) == [("opened", ["not-covered-before"])]
    assert comparison.whole, "the new run covers all that the old one did"


def test_a_run_that_does_not_tell_what_it_covered_proves_nothing_by_silence(tmp_path: Path) -> None:
    runs = TwoRuns(tmp_path, old_covers=(), new_covers=()).write([old(IP)], [new("192.0.2.8")])
    comparison = runs.compare()
    assert said(comparison) == [("opened", ["coverage-not-told"]), ("unreachable", ["coverage-not-told"])]
    assert comparison.scopes is not None
    assert comparison.scopes.both is None
    assert comparison.scopes.cautions == [
        "the old run does not tell what it covered",
        "the new run does not tell what it covered",
    ]
    assert not comparison.whole


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        (exposure(SHOP), exposure(database("shop", 1001, 10_000)), "grew"),
        (exposure(SHOP), exposure(SHOP, database("b", 0, 0)), "grew,changed"),
        (exposure(SHOP), exposure(database("shop", 500, 9_000)), "shrank"),
        (exposure(SHOP), exposure(database("shop", 1000, 9_000)), "shrank"),
        (exposure(SHOP), exposure(database("shop", 90, 9_000)), "shrank"),
        (exposure(SHOP), exposure(database("shop", 0, 9_000)), "wiped"),
        (exposure(SHOP), exposure(NOTE, ransom=LIKELY), "ransomed,wiped"),
        (exposure(SHOP), exposure(SHOP, NOTE, ransom=LIKELY), "ransomed"),
        (exposure(SHOP), exposure(), "wiped"),
        (exposure(NOTE, ransom=LIKELY), exposure(NOTE, ransom=LIKELY), None),
        (exposure(uuids(1, "a", "b")), exposure(uuids(2, "a", "b")), "wiped,restored"),
        (exposure(SHOP), None, None),
        (None, exposure(SHOP), None),
        # A list that was cut: what it does not name may be there.
        (
            exposure(SHOP, database("b", 10, 10)),
            exposure(
                SHOP,
                database_count=2,
                documents=1010,
                total_size_bytes=10_010,
                truncated=["databases: 1 of 9"],
            ),
            None,
        ),
    ],
    ids=range(14),
)
def test_what_became_of_the_data(
    tmp_path: Path, before: Exposure | None, after: Exposure | None, kinds: str | None
) -> None:
    runs = TwoRuns(tmp_path).write([old(IP, exposure=before)], [new(IP, exposure=after)])
    assert [each for each, _ in said(runs.compare())] == ([kinds] if kinds else [])
    loaded = [load_run(tmp_path / name) for name in (OLD_RUN, NEW_RUN)]
    visits = []
    for run in loaded:
        with Reader(Path(run.side.path), "") as reader:
            visits += [reader.visit(spot) for _, spot in observations(Path(run.side.path), NotOpen())]
    facts = {run.side.run_id: run.facts() for run in loaded}
    assert happened(visits[:1], visits[1:], facts) == stayed_open(visits[0], visits[1], facts), (
        "as the ledger derives it"
    )


def test_a_line_without_change_is_counted_and_listed_only_when_asked_for(tmp_path: Path) -> None:
    runs = TwoRuns(tmp_path).write([old(IP), old("192.0.2.8")], [new(IP), new("192.0.2.8")])
    counted, listed = runs.compare(), runs.compare(unchanged=True)
    assert counted.counts == listed.counts
    assert counted.counts["unchanged"] == 2
    assert (len(counted.differences), [each.kind for each in listed.differences]) == (0, ["unchanged"] * 2)


def test_another_version_or_severity_is_a_change_though_the_data_are_the_same(tmp_path: Path) -> None:
    servers = [Server(product="mongodb", version=version) for version in ("4.0.3", "4.0.4")]
    runs = TwoRuns(tmp_path).write(
        [old(IP, server=servers[0]), old("192.0.2.8", severity=Severity.HIGH)],
        [new(IP, server=servers[1]), new("192.0.2.8", severity=Severity.CRITICAL)],
    )
    comparison = runs.compare()
    assert said(comparison) == [("changed", ["severity"]), ("changed", ["version"])]
    assert comparison.has_any_of(WORSE, graver=True)
    assert not comparison.has_any_of(WORSE)


def test_a_server_at_another_address_moved_and_was_not_closed(tmp_path: Path) -> None:
    there = uuids(1, "a", "b")
    runs = TwoRuns(tmp_path).write(
        [old(IP, there), old("192.0.2.50", SHOP)], [new("192.0.2.8", there), new("192.0.2.51", database("x"))]
    )
    comparison = runs.compare()
    assert said(comparison) == [
        ("opened", ["not-found"]),
        ("moved", ["collection-uuids"]),
        ("unreachable", ["no-line"]),
    ]
    moved = comparison.differences[1]
    assert (moved.place.ip, moved.moved_from and moved.moved_from.ip) == ("192.0.2.8", IP)
    assert [each.place.ip for each in comparison.differences] == ["192.0.2.51", "192.0.2.8", "192.0.2.50"]


def test_the_same_data_at_both_places_are_no_move(tmp_path: Path) -> None:
    there = uuids(1, "a", "b")
    runs = TwoRuns(tmp_path).write([old(IP, there)], [new(IP, there), new("192.0.2.8", there)])
    assert said(runs.compare()) == [("opened", ["not-found"])]


def test_another_server_at_the_same_place_is_opened_and_the_other_one_not_closed_yet(tmp_path: Path) -> None:
    first, second = (Server(product="mongodb", version="7.0.1", set_name=name) for name in ("rs1", "rs2"))
    runs = TwoRuns(tmp_path).write([old(IP, SHOP, server=first)], [new(IP, database("x"), server=second)])
    assert sorted(said(runs.compare())) == [("opened", ["open"]), ("unreachable", ["another-server"])]


def test_a_place_that_was_asked_twice_counts_once_and_an_open_answer_stays(tmp_path: Path) -> None:
    runs = TwoRuns(tmp_path).write(
        [old(IP), shut(old(IP)), shut(old("192.0.2.8")), old("192.0.2.8")],
        [shut(new(IP)), new(IP), new(IP), new("192.0.2.8"), shut(new("192.0.2.8"))],
    )
    comparison = runs.compare()
    assert said(comparison) == []
    assert comparison.counts["unchanged"] == 2


def test_each_stands_once_the_gravest_first(tmp_path: Path) -> None:
    runs = TwoRuns(tmp_path).write(
        [old(f"192.0.2.{n}", SHOP) for n in (1, 2, 3, 4)],
        [
            shut(new("192.0.2.1")),
            new("192.0.2.2", exposure=exposure(NOTE, ransom=LIKELY)),
            new("192.0.2.3", database("shop", 2000)),
            new("192.0.2.5"),
            shut(new("192.0.2.6")),
        ],
    )
    comparison = runs.compare()
    assert [(each.kind, each.place.ip) for each in comparison.differences] == [
        ("ransomed", "192.0.2.2"),
        ("opened", "192.0.2.5"),
        ("grew", "192.0.2.3"),
        ("unreachable", "192.0.2.4"),
        ("closed", "192.0.2.1"),
    ]
    assert list(comparison.counts) == list(ORDER)
    assert comparison.has_any_of(NEW)


def test_lines_of_databases_are_read_with_their_observation(tmp_path: Path) -> None:
    """The lines that follow one hold names that it does not."""
    many = [database(f"d{n:03}", documents=n + 1) for n in range(60)]
    runs = TwoRuns(tmp_path).write(
        [old(IP, exposure=exposure(*many))], [new(IP, exposure=exposure(*many[:-1]))]
    )
    ((kinds, codes),) = said(runs.compare())
    assert (kinds, codes) == ("shrank,changed", ["databases-went"])


def test_damage_is_named_and_nothing_is_compared(tmp_path: Path) -> None:
    runs = TwoRuns(tmp_path).write([old(IP)], [new(IP)])
    segment = tmp_path / NEW_RUN / "observations-0001.jsonl"
    segment.write_bytes(b'{"schema":"mongosweep.observation/9"}\n' + segment.read_bytes())
    with pytest.raises(CorruptError, match=r"byte 0 is damaged: written as mongosweep\.observation/9"):
        runs.compare()


def test_a_file_of_observations_is_compared_and_closes_nothing(tmp_path: Path) -> None:
    TwoRuns(tmp_path).write([old(IP)], [shut(new(IP))])
    copy = tmp_path / "new.jsonl"
    shutil.copy(tmp_path / NEW_RUN / "observations-0001.jsonl", copy)
    comparison = diff_runs(load_run(tmp_path / OLD_RUN), load_run(copy))
    assert [each.kind for each in comparison.differences] == ["unreachable"]


def test_memory_grows_with_what_is_open_and_hardly_with_what_was_asked(tmp_path: Path) -> None:
    def peak(closed: int) -> int:
        output = tmp_path / str(closed)
        olds, news = (
            [shut(each) for n in range(closed) for each in (seen(f"10.1.{n >> 8}.{n & 255}"),)]
            for seen in (old, new)
        )
        runs = TwoRuns(output).write([old(IP), *olds], [new(IP, SHOP), *news])
        tracemalloc.start()
        try:
            assert [each.kind for each in runs.compare().differences] == ["grew"]
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    few, many = peak(100), peak(3000)
    assert many < few + 3000 * 40, "16 bytes a line in arrays that grow by an eighth, and copies of them"


def test_the_last_comparable_run_is_of_the_same_people_and_has_targets_in_common(tmp_path: Path) -> None:
    def run(day: int, state: State = "complete", **told: Any) -> None:
        RunOnDisk(tmp_path, f"r{day}", f"2026-03-{day:02}T04:00:00.000Z", **told).begin().end(state)

    run(1)
    run(2, "degraded")
    run(3, organisation="Other")
    run(4, covers=("198.51.100.0-198.51.100.255:27017",))
    RunOnDisk(tmp_path, "r5", "2026-03-05T04:00:00.000Z").begin(hold=True)
    run(6)
    end = newest(tmp_path)
    assert end.side.run_id == "r6"
    assert last_comparable(end, tmp_path).side.run_id == "r2"
    with pytest.raises(NothingToCompareError, match="no run before r1 is of the same organisation"):
        last_comparable(load_run(tmp_path / "r1"), tmp_path)
    with pytest.raises(NotARunError, match="no run that has ended"):
        newest(tmp_path / "r1")


def test_runs_that_look_from_elsewhere_or_of_others_are_compared_with_a_caution(tmp_path: Path) -> None:
    RunOnDisk(tmp_path, OLD_RUN, OLD_AT, organisation="A").begin().see(old(IP)).end()
    RunOnDisk(tmp_path, NEW_RUN, NEW_AT, organisation="B").begin().see(new(IP)).end()
    runs = [load_run(tmp_path / name) for name in (OLD_RUN, NEW_RUN)]
    scopes = diff_runs(*runs).scopes
    assert scopes is not None
    assert scopes.cautions == ["the runs are of different organisations (A and B): places may be others"]
