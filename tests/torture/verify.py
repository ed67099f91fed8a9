"""An independent reader of a run directory: what the files themselves prove, by their description alone.

It imports nothing of ours, so that a mistake shared by the writer and its own reader shows.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import json
import os
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Place = tuple[str, int]
MAX_OBSERVATION, MAX_LINE = 8192, 16384
MUTABLE = {
    *("state", "reasons", "coverage", "withdrawn", "loss", "outcomes", "starts", "ended_at", "chain_head"),
}


@dataclass(frozen=True)
class Truth:
    """What stands where. `places`: every planned target, in the order of the scope, with the verdicts that
    are right for it.

    `answering`: those that must have a line at the end. `at(position)`: the target at a step of the order;
    `positions`: how many steps it has.
    """

    places: Mapping[Place, frozenset[str]]
    answering: frozenset[Place]
    at: Callable[[int], Place | None]


@dataclass
class Report:
    """What was found. `violations` must be empty after any death, `lost` at the end."""

    violations: list[str] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    seen: dict[Place, str] = field(default_factory=dict)
    owed: tuple[str, int, int] = ("", 1, 0)  # event, next line of a database, how many
    torn: int = 0
    duplicates: int = 0
    lost: int = 0
    state: str = ""

    def blame(self, text: str) -> None:
        """Something that no death may leave behind."""
        self.violations.append(text)


def verify(run: Path, truth: Truth, *, ended: bool, walked: bool = True) -> Report:
    """Read a run directory as it stands. With `ended` it must be complete and hold all that answers.

    `walked`: its checkpoint tells of a walk through targets, and not of a fleet's shards."""
    report = Report()
    if _is_locked(run):
        report.blame("the lock of a dead process is held")
    segments = sorted(run.glob("observations-*.jsonl"))
    manifest_file = run / "manifest.json"
    if not manifest_file.exists():
        if segments:
            report.blame("segments without a manifest")
        return report
    manifest = _load(manifest_file, report)
    if manifest is None:
        return report
    report.state = manifest["state"]
    links = _check_chain(run, manifest, segments, report)
    for number, path in enumerate(segments, start=1):
        if path.name != f"observations-{number:04}.jsonl":
            report.blame(f"{path.name} where number {number} belongs")
        _read_segment(path, links.get(path.name), manifest["run_id"], truth, report)
    for name in ("checkpoint.json", "checkpoint.json.prev"):
        if walked and (run / name).exists():
            _check_checkpoint(run / name, segments, manifest, truth, report)
    _check_end(manifest, truth, report, ended=ended)
    return report


def _load(path: Path, report: Report) -> Any:
    """A small file, which is whole at any time: it is replaced in one step."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        report.blame(f"{path.name} is torn: {error}")
        return None


def _is_locked(run: Path) -> bool:
    try:
        descriptor = os.open(run / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _canonical(value: object, **options: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), **options).encode()


def _check_chain(
    run: Path, manifest: dict[str, Any], segments: list[Path], report: Report
) -> dict[str, dict[str, Any]]:
    """Every link follows from the one before and from the file that it names; returns those of segments."""
    if not (run / "chain.json").exists():
        if segments:
            report.blame("segments without a chain")
        return {}
    chain = _load(run / "chain.json", report)
    if chain is None:
        return {}
    fixed = {key: value for key, value in manifest.items() if key not in MUTABLE}
    head = hashlib.sha256(_canonical(fixed, sort_keys=True)).hexdigest()
    if chain["genesis"] != head:
        report.blame("the chain does not begin with this manifest")
    for link in chain["links"]:
        parts = [link[key] for key in ("kind", "name", "lines", "bytes", "sha256")]
        parts += [link.get("ended", "sealed"), link.get("torn_bytes", 0)]
        head = hashlib.sha256(_canonical([head, *parts])).hexdigest()
        if link["hash"] != head:
            report.blame(f"the link of {link['name']} does not follow")
    links = {link["name"]: link for link in chain["links"] if link["kind"] == "segment"}
    report.violations += [f"{name} is sealed and gone" for name in links if not (run / name).exists()]
    return links


def _read_segment(path: Path, link: dict[str, Any] | None, run_id: str, truth: Truth, report: Report) -> None:
    data = path.read_bytes()
    if link is not None and hashlib.sha256(data).hexdigest() != link["sha256"]:
        report.blame(f"{path.name} is not what was sealed")
    hole = data.find(b"\0")
    whole = data if hole < 0 else data[:hole]  # what never reached the medium reads as zeros
    *lines, torn = whole.split(b"\n")
    if torn or hole >= 0:
        report.torn += 1
        if link is not None and link.get("ended", "sealed") == "sealed":
            report.blame(f"{path.name} was sealed whole and ends in a torn line")
    if link is not None and link["lines"] != len(lines):
        report.blame(f"{path.name}: {len(lines)} lines, {link['lines']} are sealed")
    for line in lines:
        _read_line(path.name, line, run_id, truth, report)
    _, following, owed = report.owed
    if following <= owed and link is not None and link.get("ended", "sealed") == "sealed":
        report.blame(f"{path.name} was sealed before the last {owed + 1 - following} lines of a server")
    report.owed = "", 1, 0


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _read_line(name: str, line: bytes, run_id: str, truth: Truth, report: Report) -> None:
    try:
        if len(line) >= MAX_LINE or not line.isascii() or any(byte < 0x20 for byte in line):
            raise ValueError("too long, or not plain ASCII")
        record = json.loads(line, parse_constant=_no_constant)
        if record["schema"] == "mongosweep.database/1":
            _read_database(name, record, report)
            report.lines.append(line + b"\n")
            return
        if len(line) >= MAX_OBSERVATION:
            raise ValueError("too long for an observation")
        place = record["target"]["ip"], record["target"]["port"]
        verdict, event, run = record["verdict"], record["event_id"], record["run_id"]
    except (ValueError, KeyError, TypeError) as error:
        report.blame(f"{name}: a whole line that is no observation ({error}): {line[:60]!r}")
        return
    if run != run_id or event != event_of(run_id, place):
        report.blame(f"{name}: {place} has an event_id that does not follow from run and target")
    if verdict not in truth.places.get(place, frozenset()):
        report.blame(f"{name}: {place} is said to be {verdict}")
    if report.owed[1] <= report.owed[2]:
        report.blame(f"{name}: lines of databases are missing before {place}")
    report.owed = event, 1, (record.get("exposure") or {}).get("database_lines", 0)
    report.duplicates += place in report.seen
    report.seen[place] = verdict
    report.lines.append(line + b"\n")


def _read_database(name: str, record: dict[str, Any], report: Report) -> None:
    """It is the next line of the server before it."""
    event, following, owed = report.owed
    if (record["event_id"], record["line"], record["lines"]) != (event, following, owed):
        report.blame(
            f"{name}: line {record['line']} of {record['lines']} of {record['event_id']} is out of place"
        )
    report.owed = event, following + 1, owed


def event_of(run_id: str, place: Place) -> str:
    """SHA-256 over schema, run, mapped address and port, each with its length before it; 32 hex digits."""
    address = ipaddress.ip_address(place[0])
    packed = address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
    parts = [b"mongosweep.event/1", run_id.encode(), packed, place[1].to_bytes(2, "big")]
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()[:32]


def _check_checkpoint(
    path: Path, segments: list[Path], manifest: dict[str, Any], truth: Truth, report: Report
) -> None:
    """It is whole, its evidence is on the disk, and it counts each covered target exactly once."""
    body, _, check = path.read_bytes().partition(b"\n")
    if check != b"%08x\n" % zlib.crc32(body):
        report.blame(f"{path.name} is torn")
        return
    point = json.loads(body)
    position = point["journal"]
    by_name = {segment.name: segment for segment in segments}
    if position["segment"] not in by_name:
        report.blame(f"{path.name} rests on {position['segment']}, which is missing")
        return
    held = by_name[position["segment"]].read_bytes()[: position["bytes"]]
    if len(held) != position["bytes"] or hashlib.sha256(held).hexdigest() != position["sha256"]:
        report.blame(f"{path.name} is ahead of the journal")
        return
    evidence = b"".join(s.read_bytes() for s in segments if s.name < position["segment"]) + held
    marks = (point.get("stage") or {}).get("marks")
    if marks and manifest["state"] == "complete" and not (path.parent / marks["name"]).exists():
        return  # they are taken away when nobody will go on from there
    covered = (
        _covered_by_a_stage(path, point, truth, report)
        if point.get("stage")
        else {truth.at(step) for step in range(point["after"] + 1) if step not in set(point["in_flight"])}
    ) - {None}
    counted = sum(point["outcomes"].values()) + point["excluded_later"]
    if counted != len(covered):
        report.blame(f"{path.name} counts {counted} outcomes for {len(covered)} targets")
    must = covered if manifest["configuration"]["all"] else covered & truth.answering
    missing = [
        place for place in must if place and b'"%s","port":%d' % (place[0].encode(), place[1]) not in evidence
    ]
    if missing:
        report.blame(f"{path.name} covers {len(missing)} targets without evidence, {missing[0]} among them")


def _covered_by_a_stage(path: Path, point: dict[str, Any], truth: Truth, report: Report) -> set[Place | None]:
    """With a SYN stage: who was announced to the engine by then, without those that have no outcome yet."""
    stage, places = point["stage"], list(truth.places)
    direct = [index for begin, count in stage["direct"] for index in range(begin, begin + count)]
    announced = set(direct[: stage["fed"]])
    if stage["last_word"]:
        announced = set(range(len(places)))
    else:
        marks = _marks_of(path.parent, stage["marks"], path.name, report)
        announced |= marks[b"l"]
        for index in marks[b"l"] - marks[b"r"]:
            if places[index] not in truth.answering:
                report.blame(f"{path.name} has {places[index]} as live")
        for index in marks[b"r"]:
            if "refused" not in truth.places[places[index]]:
                report.blame(f"{path.name} has {places[index]} as refused")
    if strangers := set(point["in_flight"]) - announced:
        report.blame(f"{path.name} has in flight whom nobody announced: {sorted(strangers)}")
    return {places[index] for index in announced - set(point["in_flight"])}


def _marks_of(run: Path, file: dict[str, Any], of: str, report: Report) -> dict[bytes, set[int]]:
    """The two bitmaps of a stage, as sets of indices."""
    found: dict[bytes, set[int]] = {b"l": set(), b"r": set(), b"w": set()}
    if not (run / file["name"]).exists():
        report.blame(f"{of} names {file['name']}, which is missing")
        return found
    data = (run / file["name"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != file["sha256"]:
        report.blame(f"{of} names {file['name']}, which is not that one")
        return found
    pieces, at = zlib.decompress(data), 0
    while at < len(pieces):
        which, begin, length = struct.unpack_from("<cQI", pieces, at)
        at += 13
        for place, byte in enumerate(pieces[at : at + length] if which != b"w" else b""):
            found[which].update((begin + place) * 8 + bit for bit in range(8) if byte >> bit & 1)
        at += length
    return found


def _words(place: Place) -> bytes:
    """How a line names its target."""
    return b'"ip":"%s","port":%d' % (place[0].encode(), place[1])


def _check_end(manifest: dict[str, Any], truth: Truth, report: Report, *, ended: bool) -> None:
    coverage = manifest["coverage"]
    if manifest["ended_at"] and coverage is not None:
        parts = [coverage.get(key, 0) for key in ("outcomes", "excluded", "not_reached")]
        if coverage["planned"] != sum(parts) or coverage["planned"] != len(truth.places):
            report.blame(f"planned {coverage['planned']} is not {' + '.join(map(str, parts))}")
    if not ended:
        return
    if report.state != "complete":
        report.blame(f"it ended {report.state}: {manifest['reasons']}")
    if sum(manifest["outcomes"].values()) != len(truth.places):
        report.blame(f"{manifest['outcomes']} for {len(truth.places)} targets")
    if not (manifest["configuration"]["all"] or set(report.seen) <= truth.answering):
        report.blame("a line for a target that does not answer")
    must = truth.places.keys() if manifest["configuration"]["all"] else truth.answering
    report.lost = len(must - report.seen.keys())
