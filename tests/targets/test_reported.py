"""The rows of an outside report beside the scope: what is asked of them, and what is kept of the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.claims import Claim, Said
from targets.entries import Deny, Entry
from targets.errors import ScopeError
from targets.grammar import Span, parse_endpoint
from targets.reported import KEPT, LINES, MOST, Reported, addresses_outside, sort_rows, targets_of
from targets.scope import Scope

SCOPE = Scope(
    [Entry.of("10.0.0.0/16"), Entry.of("10.0.9.0/24", ports=(27018, 27019)), Entry.of("fd00::/120")],
    [Deny.of("10.0.1.0/24", reason="medical devices")],
    ports=(27017,),
)


def claim(text: str, line: int = 1, seen_at: str = "") -> Claim:
    return Claim(*parse_endpoint(text), f"report:{line}", said=Said(seen_at=seen_at))


def sort(*texts: str, scope: Scope = SCOPE, warned: list[str] | None = None) -> Reported:
    heard: list[str] = [] if warned is None else warned
    found = sort_rows(map(claim, texts), scope, "report", heard.append)
    assert warned is not None or not heard
    return found


def asked(found: Reported) -> list[str]:
    return [str(target) for row in found.asked for target in targets_of(row, SCOPE, 0.0)[0]]


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("10.0.0.1:27017", ["10.0.0.1:27017"]),
        ("10.0.0.1", ["10.0.0.1:27017"]),
        ("10.0.9.1", ["10.0.9.1:27018", "10.0.9.1:27019"]),
        ("10.0.9.1:27019", ["10.0.9.1:27019"]),
        ("[fd00::1]:27017", ["[fd00::1]:27017"]),
        ("[::ffff:10.0.0.1]:27017", ["10.0.0.1:27017"]),
        ("10.0.0.254-10.0.1.1", ["10.0.0.254:27017", "10.0.0.255:27017"]),
        ("9.255.255.255-10.0.0.0", ["10.0.0.0:27017"]),
    ],
)
def test_a_row_that_is_ours_is_asked_where_the_scope_holds_it(text: str, targets: list[str]) -> None:
    found = sort(text)
    assert asked(found) == targets
    assert (len(found.asked), len(found.kept_out), len(found.foreign)) == (1, 0, 0)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("10.0.1.7:27017", "kept_out"),
        ("10.0.1.7", "kept_out"),
        ("10.1.0.1:27017", "foreign"),
        ("[fd00::1:1]:27017", "foreign"),
    ],
)
def test_a_row_that_is_not_asked_is_ours_or_not(text: str, kind: str) -> None:
    found = sort(text)
    (row,) = getattr(found, kind)
    assert row.named == text
    assert (found.count, len(found.asked)) == (1, 0)


def test_a_port_that_a_report_names_is_learned_and_an_entry_with_ports_forbids() -> None:
    scope = Scope([Entry.of("10.0.0.0/30"), Entry.of("10.0.0.2", ports=(27018,))])
    found = sort("10.0.0.1:27117", "10.0.0.2:27117", "10.0.0.2:27018", "10.0.0.1", scope=scope)
    assert [row.named for row in found.asked] == ["10.0.0.2:27018", "10.0.0.1", "10.0.0.1:27117"]
    assert [row.named for row in found.kept_out] == ["10.0.0.2:27117"]
    assert list(found.learned) == [(4, 0x0A000001, 27117)]
    assert scope.with_learned(found.learned).target("10.0.0.1", 27117)


def test_other_services_of_a_host_are_no_findings() -> None:
    """A report that tells MongoDB from them means only MongoDB."""
    scope = Scope([Entry.of("10.0.0.0/30")])
    said = Said(finding="open MongoDB 4.0.3")
    claims = [claim("10.0.0.1:22"), claim("10.0.0.1:27117")._replace(said=said), claim("10.0.0.1:443")]
    found = sort_rows(claims, scope, "report", print)
    assert [row.named for row in found.asked] == ["10.0.0.1:27117"]
    assert [row.named for row in found.kept_out] == ["10.0.0.1:22", "10.0.0.1:443"]
    assert (found.count, list(found.learned)) == (3, [(4, 0x0A000001, 27117)])


def test_rows_that_name_the_same_are_one_with_the_first_and_the_last_time() -> None:
    days = ["2026-03-03", "2026-03-01", "2026-03-02", "", *["2026-03-02"] * LINES]
    told = (claim("10.0.0.1:27017", line, f"{day}T00:00:00Z" if day else "") for line, day in enumerate(days))
    (row,) = sort_rows(told, SCOPE, "report", pytest.fail).asked
    assert (row.times, row.seen_first, row.seen_last) == (
        len(days),
        "2026-03-01T00:00:00Z",
        "2026-03-03T00:00:00Z",
    )
    assert row.lines == [f"report:{line}" for line in range(LINES)]


def test_a_row_that_names_a_network_is_no_finding() -> None:
    warned: list[str] = []
    found = sort("10.0.0.0/22", "10.0.0.0/21", *["fd00::/64"] * 20, warned=warned)
    assert (found.count, found.too_wide) == (1, 21)
    assert warned[0].startswith(
        "report:1: 10.0.0.0/21 names 2,048 addresses, which is no finding; name at most"
    )
    assert len(warned) == 11
    assert addresses_outside(next(iter(found.asked)), SCOPE) == 256


def test_what_is_not_asked_is_kept_within_bounds_and_counted() -> None:
    def many() -> object:
        for number in range(3 * KEPT):
            for base in (0x0A01_0000, 0x0A00_0100):
                yield Claim(Span(4, base + number % 2500, base + number % 2500), 80, "report:1")

    scope = Scope([Entry.of("10.0.0.0/16", ports=(27017,))])
    found = sort_rows(many(), scope, "report", pytest.fail)  # type: ignore[arg-type]  # it never returns
    for rows in (found.foreign, found.kept_out):
        assert (rows.count, len(rows)) == (3 * KEPT, KEPT)
        assert rows.left_out == 3 * KEPT - sum(row.times for row in rows) > 0


def test_a_report_that_names_too_much_of_the_scope_is_refused_as_it_is_read() -> None:
    scope = Scope([Entry.of("10.0.0.0/8")])
    read = 0

    def many() -> object:
        nonlocal read
        for read in range(10 * MOST):
            yield Claim(Span(4, 0x0A00_0000 + read, 0x0A00_0000 + read), 27017, "report:1")

    with pytest.raises(ScopeError, match=r"more than 65,536 places of the scope.*sweep"):
        sort_rows(many(), scope, "report", pytest.fail)  # type: ignore[arg-type]  # it never returns
    assert read <= MOST + 1


def test_an_expired_entry_gives_no_target_and_says_so() -> None:
    scope = Scope([Entry.of("10.0.0.0/24", expires=100.0)])
    (row,) = sort("10.0.0.1", scope=scope).asked
    assert len(targets_of(row, scope, 99.0)[0]) == 1
    found, why = targets_of(row, scope, 100.0)
    assert (found, why) == ([], "the entry 10.0.0.0/24 has expired")


_ADDRESS = st.integers(0x09FF_FF00, 0x0A01_00FF)


@given(
    st.lists(st.tuples(_ADDRESS, st.integers(0, 300), st.sampled_from([None, 80, 27017, 27018])), max_size=20)
)
def test_no_row_puts_a_target_outside_the_scope(named: list[tuple[int, int, int | None]]) -> None:
    claims = [Claim(Span(4, first, first + more), port, "report:1") for first, more, port in named]
    found = sort_rows(claims, SCOPE, "report", pytest.fail)
    spans = {(claim.span, claim.port) for claim in claims}
    scope = SCOPE.with_learned(found.learned)
    for row in found.asked:
        targets, why = targets_of(row, scope, 0.0)
        assert targets
        assert not why
        assert (row.span, row.port) in spans
        for target in targets:
            assert scope.permits(target, 0.0)
            assert SCOPE.owner_of(target.address, target.version).ports in (None, (27018, 27019))
            assert row.span.first <= target.address <= row.span.last
            assert row.port in (None, target.port)
    assert found.count == len(claims)
