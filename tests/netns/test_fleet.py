"""A fleet between namespaces, as real processes: who asked whom is what the kernel of each estate counted."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.netns.arrivals import Timestamps, most_in
from tests.netns.oracle import serving, until
from tests.support import netns, sites
from tests.support.fleets import Fleet, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.sites import Ground

pytestmark = [pytest.mark.timeout(170), pytest.mark.xdist_group("dask"), pytest.mark.slow]
BESIDE = pytest.mark.xdist_group(
    "beside"
)  # rows beside the others, with a fleet of their own: most is waiting

PREFIXES = {"paris": ["10.1.0.0/21"], "lyon": ["10.2.0.0/22"]}
SERVERS = {
    "paris": {"10.1.0.5": "open_8_0", "10.1.3.77": "auth_7_1", "10.1.7.250": "open_3_6"},
    "lyon": {"10.2.0.9": "open_8_0", "10.2.3.1": "auth_7_1"},
}
VERDICTS = {"open_8_0": "open", "open_3_6": "open", "auth_7_1": "auth_required"}
TRUTH = {ip: VERDICTS[name] for each in SERVERS.values() for ip, name in each.items()}
TARGETS = 2048 + 1024
HASTE = 0.4


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """Paris with two workers, Lyon with one, servers behind both."""
    posts = {"paris-1": "paris", "paris-2": "paris", "lyon-1": "lyon"}
    with (
        sites.laid(PREFIXES, posts) as made,
        serving(made.estates["paris"], *(f"{ip}={name}" for ip, name in SERVERS["paris"].items())),
        serving(made.estates["lyon"], *(f"{ip}={name}" for ip, name in SERVERS["lyon"].items())),
    ):
        yield made


@pytest.fixture(scope="module")
def shared(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Its scheduler and workers, which run on from test to test."""
    with running(Fleet(ground, tmp_path_factory.mktemp("fleet"), haste=HASTE)) as fleet:
        yield fleet


@pytest.fixture
def fleet(shared: Fleet, tmp_path: Path) -> Fleet:
    """The same for another sweep."""
    shared.begin_again(tmp_path / "runs")
    return shared


def require_honest(fleet: Fleet) -> None:
    """Everything was found and asked, by those who may; no event id is in the journal twice."""
    ground, manifest = fleet.ground, fleet.manifest
    assert manifest["state"] == "complete", (manifest["reasons"], fleet.parts["coordinator"].said)
    assert manifest["coverage"]["planned"] == manifest["coverage"]["outcomes"] == TARGETS
    assert sum(manifest["outcomes"].values()) == TARGETS
    lines = fleet.lines
    assert {line["target"]["ip"]: line["verdict"] for line in lines} == TRUTH
    assert len({line["event_id"] for line in lines}) == len(lines)
    assert ground.strays() == {}
    for site, number, blocks in (("paris", 1, 8), ("lyon", 2, 4)):
        asked = set[str]().union(*(post.asked() for post in ground.at(site)))
        assert asked == {f"10.{number}.{block}.{host}" for block in range(blocks) for host in range(256)}


@netns.required
class TestTwoSites:
    @pytest.mark.exhaustive
    def test_each_site_is_asked_from_there_and_all_is_in_one_run(self, fleet: Fleet) -> None:
        assert fleet.sweep().wait(100) == 1, fleet.parts["coordinator"].said
        require_honest(fleet)

    def test_a_widened_scope_is_refused_and_a_site_without_workers_not_waited_for(self, fleet: Fleet) -> None:
        """It asks for twice what the workers of Paris may ask, and for what nobody is there to ask."""
        fleet.patience = 3
        for name in ("paris-1", "paris-2"):
            fleet.configure(name, fleet.allow("paris", ["10.1.0.0/22"]))
        oslo = fleet.allow("oslo", ["10.3.0.0/22"])
        fleet.configure("coordinator", fleet.allow("paris") + fleet.allow("lyon") + oslo)
        coordinator = fleet.sweep()
        assert coordinator.wait(100) == 3, coordinator.said
        manifest = fleet.manifest
        assert manifest["state"] == "degraded"
        refused, abandoned = sorted(manifest["reasons"], key=lambda reason: "oslo" in reason)
        assert "site paris: 1,024 targets were refused by a worker" in refused
        assert "site oslo: 1,024 targets were not reached: it had no worker for 3 s" in abandoned
        coverage = manifest["coverage"]
        assert (coverage["planned"], coverage["not_reached"]) == (TARGETS + 1024, 2048)
        assert coverage["outcomes"] == TARGETS - 1024
        assert "refused a shard: nothing of it is in this worker's own scope" in coordinator.said
        asked = set[str]().union(*(post.asked() for post in fleet.ground.at("paris")))
        assert asked == {f"10.1.{block}.{host}" for block in range(4) for host in range(256)}
        assert fleet.ground.strays() == {}


@netns.required
class TestDeath:
    """What befalls one process in the middle of a sweep of a few seconds."""

    @pytest.mark.parametrize(
        ("victim", "number"),
        [
            ("paris-1", signal.SIGKILL),
            pytest.param("scheduler", signal.SIGKILL, marks=pytest.mark.exhaustive),
            pytest.param("paris-1", signal.SIGSTOP, marks=pytest.mark.exhaustive),
            pytest.param("scheduler", signal.SIGSTOP, marks=[pytest.mark.exhaustive, BESIDE]),
            pytest.param("coordinator", signal.SIGSTOP, marks=[pytest.mark.exhaustive, BESIDE]),
        ],
    )
    def test_the_sweep_goes_on(self, fleet: Fleet, victim: str, number: signal.Signals) -> None:
        """A unit is started again after its death; a worker stays frozen, all others thaw."""
        fleet.begin_again(fleet.output, rate=300.0)
        coordinator, before = fleet.sweep(), fleet.ground.posts["paris-1"].syns()
        until(lambda: fleet.ground.posts["paris-1"].syns() > before + 200, 60)
        fleet.parts[victim].send(number)
        if number == signal.SIGKILL:
            fleet.parts[victim].start()
        elif victim != "paris-1":
            time.sleep(4)
            fleet.parts[victim].send(signal.SIGCONT)
        try:
            assert coordinator.wait(150) == 1, coordinator.said
        finally:
            fleet.parts[victim].send(signal.SIGCONT)
        require_honest(fleet)

    def test_a_coordinator_that_was_killed_is_resumed(self, fleet: Fleet) -> None:
        fleet.begin_again(fleet.output, rate=300.0)
        coordinator, before = fleet.sweep(), fleet.ground.posts["lyon-1"].syns()
        until(lambda: fleet.ground.posts["lyon-1"].syns() > before + 700, 60)
        coordinator.send(signal.SIGKILL)
        found = {line["event_id"] for line in fleet.lines}
        again = fleet.sweep("--resume", fleet.run_dir.name)
        assert again.wait(120) == 1, again.said
        require_honest(fleet)
        assert found <= {line["event_id"] for line in fleet.lines}
        assert len(fleet.manifest["starts"]) == 2


@netns.required
class TestCaps:
    @BESIDE
    @pytest.mark.exhaustive
    def test_two_workers_of_a_site_keep_the_cap_of_a_prefix_together(self, fleet: Fleet) -> None:
        fleet.begin_again(fleet.output, rate=600.0, per_prefix_rate=60.0)
        before = {post.name: post.syns() for post in fleet.ground.at("paris")}
        with Timestamps(fleet.ground.estates["paris"]) as syns:
            assert fleet.sweep().wait(150) == 1
        assert all(post.syns() > before[post.name] + 200 for post in fleet.ground.at("paris"))
        for prefix in {address >> 8 for _, address in syns.seen}:
            own = [moment for moment, address in syns.seen if address >> 8 == prefix]
            assert most_in(own, 1.0) <= (60 + 6) * 1.2
