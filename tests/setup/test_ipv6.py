"""Wide prefixes of IPv6: only what somebody names is asked, and the plan says what was considered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from scanner.errors import RefusedError
from scanner.setup.request import SweepRequest, load
from targets.errors import ScopeError
from targets.grammar import format_span
from tests.cli.programs import mongosweep

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.setup.request import LoadedRequest

NOW = 1_795_521_600.0  # 2026-11-24 12:00 UTC
CONFIGURATION = """\
[organisation]
contact = "soc@example.com"

[[allow]]
cidr = "fd00:1::/48"
owner = "web platform"

[[allow]]
cidr = "10.0.0.0/30"

[[deny]]
cidr = "fd00:1::66"
reason = "medical devices"

[ipv6]
candidates = ["neighbours.txt", "reverse.zone"]
low = 3
"""
NEIGHBOURS = """\
fd00:1::77 dev eth0 lladdr 52:54:00:12:34:56 REACHABLE
fd00:1::66 dev eth0 lladdr 52:54:00:12:34:57 STALE
fe80::1 dev eth0 lladdr 52:54:00:12:34:56 router STALE
fd00:9::1 dev eth0 lladdr 52:54:00:12:34:58 STALE
"""
ZONE = f"7.7.{'0.' * 14}5.{'0.' * 7}1.{'0.' * 5}d.f.ip6.arpa. 3600 IN PTR db7.example.net.\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with two lists of candidates."""
    (tmp_path / "neighbours.txt").write_text(NEIGHBOURS, encoding="utf-8")
    (tmp_path / "reverse.zone").write_text(ZONE, encoding="utf-8")
    path = tmp_path / "mongosweep.toml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    return path


def loaded(config: Path, *targets: str, **more: Any) -> LoadedRequest:
    """What is asked of it."""
    return load(SweepRequest(config=str(config), targets=targets, **more), NOW, {})


def six(found: LoadedRequest) -> list[str]:
    """Its runs of IPv6."""
    return [format_span(span) for span in found.scope.ranges().spans() if span.version == 6]


def test_candidates_alone_are_asked(config: Path) -> None:
    found = loaded(config)
    assert six(found) == [
        "fd00:1::1-fd00:1::3",
        "fd00:1::77",
        "fd00:1:0:5::1-fd00:1:0:5::3",
        "fd00:1:0:5::77",
    ]
    assert len(found.scope) == 8 + 4
    assert [(each.format, each.addresses, each.outside) for each in found.considered] == [
        ("iproute2 neighbours", 2, 1),
        ("DNS zone", 1, 0),
        ("", 6, 0),
    ]


@pytest.mark.parametrize("target", ["fd00:1::99", "[fd00:1::99]:27017", "fd00:1::98-fd00:1::99"])
def test_who_names_an_address_asks_it(config: Path, target: str) -> None:
    found = loaded(config, target)
    assert "fd00:1::99" in six(found)[0] or "fd00:1::98/127" in six(found)[0]
    assert found.considered == ()


def test_a_wide_target_is_its_candidates(config: Path) -> None:
    assert six(loaded(config, "fd00:1:0:5::/64")) == ["fd00:1:0:5::1-fd00:1:0:5::3", "fd00:1:0:5::77"]
    with pytest.raises(RefusedError, match="no candidate lies in the scope, and its prefixes are too wide"):
        loaded(config, "fd00:1:0:6::/64")


@pytest.mark.parametrize("target", ["fd00:9::1", "fd00:1::66"])
def test_a_candidate_is_no_permission(config: Path, target: str) -> None:
    with pytest.raises(RefusedError, match="is outside the scope"):
        loaded(config, target)


def test_without_candidates_the_entry_is_refused_with_what_to_write(config: Path) -> None:
    text = CONFIGURATION[: CONFIGURATION.index("[ipv6]")]
    config.write_text(text, encoding="utf-8")
    with pytest.raises(ScopeError, match=r"too many to sweep; .*\[ipv6\] candidates"):
        loaded(config)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.txt", r"mongosweep.toml:\d+: there is no .*gone.txt; write the path of a list"),
        (".", r"is a directory; write the path of a list"),
    ],
)
def test_a_list_that_cannot_be_read(config: Path, name: str, reason: str) -> None:
    config.write_text(CONFIGURATION.replace("neighbours.txt", name), encoding="utf-8")
    with pytest.raises(RefusedError, match=reason):
        loaded(config)


def test_too_many_for_the_scope(config: Path) -> None:
    text = CONFIGURATION.replace("low = 3", "low = 65536") + "\n[sweep]\nmax_targets = 1000\n"
    config.write_text(text, encoding="utf-8")
    with pytest.raises(RefusedError, match=r"with the candidates of IPv6 the scope has 131,\d+ addresses"):
        loaded(config)


def test_a_running_sweep_is_reloaded_against_the_whole_prefix(config: Path) -> None:
    """What was a candidate at the start stays one; a deny that came later takes it away."""
    found = loaded(config)
    assert found.options.reload_scope is not None
    config.write_text(CONFIGURATION.replace("fd00:1::66", "fd00:1::77"), encoding="utf-8")
    narrowed = found.scope.intersect(found.options.reload_scope(NOW, False))
    left = [format_span(span) for span in narrowed.ranges().spans() if span.version == 6]
    assert left == ["fd00:1::1-fd00:1::3", "fd00:1:0:5::1-fd00:1:0:5::3", "fd00:1:0:5::77"]


def test_the_plan_says_what_was_considered(config: Path) -> None:
    done = mongosweep("plan", cwd=config.parent)
    assert done.returncode == 0, done.stderr
    assert "IPv6 prefixes too wide to sweep, asked at these addresses alone:" in done.stdout
    assert "neighbours.txt (iproute2 neighbours): 2 addresses inside, 1 outside" in done.stdout
    told = json.loads(mongosweep("plan", "--json", cwd=config.parent).stdout)
    assert [each["addresses"] for each in told["considered"]] == [2, 1, 6]


def test_a_list_on_standard_input_names_addresses(config: Path) -> None:
    done = mongosweep("plan", "-", "--json", cwd=config.parent, input="fd00:1::aa\nfd00:9::1\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["targets"] == 1
    assert "fd00:9::1" in done.stderr
