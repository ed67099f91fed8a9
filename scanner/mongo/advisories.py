"""Versions, support and advisories: what the dated tables say of a version. Never applied to look-alikes."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from results.record import EndOfLife, Vulnerabilities
from scanner.mongo.tables import derived, table

Certainty = Literal["version_in_range", "possible", "check_vendor"]
Key = tuple[int, int, int, int, int]

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,6})(?:-(.+))?", re.ASCII | re.DOTALL)
_PRERELEASE = re.compile(r"(alpha|beta|rc)\.?(\d{0,6})(?![a-z0-9])", re.ASCII)
_STAGES = {"alpha": 0, "beta": 1, "rc": 2}
_RELEASE = 3
REMEMBERED = 2048  # answers kept for each question: an estate runs few versions, a liar may claim many


class Version(NamedTuple):
    """A version. `key` sorts pre-releases before the release; `derived`: it has a vendor's suffix."""

    key: Key
    derived: bool

    @property
    def series(self) -> str:
        """Major and minor, such as "4.0"."""
        return f"{self.key[0]}.{self.key[1]}"

    @property
    def prerelease(self) -> bool:
        """True for -alpha, -beta and -rcN."""
        return self.key[3] != _RELEASE


class Situation(NamedTuple):
    """What else decides whether an advisory speaks of this server."""

    open: bool  # no login was asked for
    replica_set: bool
    mongos: bool
    tls: bool


class WireRow(NamedTuple):
    """What a wire version says: the series, if older ones say the same, and if the row is only derived."""

    series: str
    open_below: bool
    derived: bool


@lru_cache(REMEMBERED)
def parse(version: str) -> Version | None:
    """`4.0.3`, `2.6.0-rc1`, `7.1.0-alpha`, `7.0.12-7` (a vendor's build); None for anything else."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return None
    major, minor, patch = (int(part) for part in match.groups()[:3])
    suffix = match.group(4) or ""
    stage = _PRERELEASE.match(suffix)
    if stage is not None:
        return Version((major, minor, patch, _STAGES[stage.group(1)], int(stage.group(2) or 0)), False)
    return Version((major, minor, patch, _RELEASE, 0), bool(suffix))


@derived
@lru_cache(REMEMBERED)
def of_wire(wire: int | None) -> WireRow | None:
    """The release series of a maxWireVersion; absent means 2.4 or older. None for one beyond the table."""
    number = 0 if wire is None else wire
    for row in table("versions")["wire"]:
        if row["wire"] == number:
            return WireRow(row["series"], row.get("open_below", False), row["source"].startswith("derived"))
    return None


def wire_of(series: str) -> int | None:
    """The maxWireVersion of a release series; None for one that the table does not know."""
    return next((row["wire"] for row in table("versions")["wire"] if row["series"] == series), None)


def newest_series() -> str:
    """The newest release series in the table."""
    return str(table("versions")["wire"][-1]["series"])


@derived
@lru_cache(REMEMBERED)
def end_of_life(series: str, today: date | None) -> EndOfLife | None:
    """Whether the vendor still supports a series on `today`; None for one that the table does not know."""
    for row in table("versions")["series"]:
        if row["series"] == series:
            ended = row.get("ended", "")
            over = bool(row.get("development")) or bool(ended and today and date.fromisoformat(ended) < today)
            return EndOfLife(series=series, ended=over, date=ended)
    return None


@derived
@lru_cache(REMEMBERED)
def matching(version: Version, situation: Situation, check_vendor: bool = False) -> Vulnerabilities | None:
    """Advisories whose range holds an exact version, in the table's order; None where there are none."""
    found: dict[str, tuple[Certainty, bool]] = {}
    for row in _applicable(situation):
        certainty = _certainty(row, version)
        if certainty is None:
            continue
        if certainty == "version_in_range" and (check_vendor or version.derived):
            certainty = "check_vendor"
        found.setdefault(row["id"], (certainty, row.get("known_exploited", False)))
    return _by_certainty(found)


@derived
@lru_cache(REMEMBERED)
def possible(series: str, situation: Situation) -> Vulnerabilities | None:
    """Advisories that touch a series, for a server that told its wire version and no more."""
    parsed = parse(f"{series}.0")
    if parsed is None:
        return None
    first: Key = (parsed.key[0], parsed.key[1], 0, 0, 0)
    last: Key = (parsed.key[0], parsed.key[1] + 1, 0, 0, 0)
    found: dict[str, tuple[Certainty, bool]] = {}
    for row in _applicable(situation):
        ranges = _ranges(row, "ranges") + _ranges(row, "possible")
        if any(low < last and first < high for low, high in ranges):
            found.setdefault(row["id"], ("possible", row.get("known_exploited", False)))
    return _by_certainty(found)


def _applicable(situation: Situation) -> list[dict[str, Any]]:
    return [
        row
        for row in table("advisories")["advisory"]
        if (situation.open or not row.get("needs_login"))
        and (situation.tls or row.get("transport") != "tls")
        and {"replica_set": situation.replica_set, "mongos": situation.mongos}.get(
            row.get("role", "any"), True
        )
    ]


def _certainty(row: dict[str, Any], version: Version) -> Certainty | None:
    for low, high in _ranges(row, "ranges"):
        if low <= version.key < high:
            return "possible" if row.get("certainty") == "possible" else "version_in_range"
        if version.prerelease and version.key < low and version.key[:3] == low[:3] and low[3] == _RELEASE:
            return "possible"  # a pre-release of the first affected release: the record does not speak of it
    if any(low <= version.key < high for low, high in _ranges(row, "possible")):
        return "possible"
    return None


def _ranges(row: dict[str, Any], name: str) -> list[tuple[Key, Key]]:
    return [(_key(low), _key(high)) for low, high in row.get(name, [])]


def _key(written: str) -> Key:
    version = parse(written)
    if version is None:
        raise ValueError(f"advisories.toml: {written!r} is no version")
    return version.key


def _by_certainty(found: dict[str, tuple[Certainty, bool]]) -> Vulnerabilities | None:
    if not found:
        return None

    def of(certainty: Certainty) -> list[str]:
        return [name for name, (how, _) in found.items() if how == certainty]

    return Vulnerabilities(
        known_exploited=[name for name, (_, exploited) in found.items() if exploited],
        version_in_range=of("version_in_range"),
        possible=of("possible"),
        check_vendor=of("check_vendor"),
    )
