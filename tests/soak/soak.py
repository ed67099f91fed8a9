"""A long sweep against servers good and hostile, watched: memory, descriptors, threads, tasks, lag.

    make soak MINUTES=30            or: python -m tests.soak.soak --minutes 30 --output DIR

The scope is mostly closed ports, as real ones are, with every personality of the lab among them, and the rate
is such that one sweep takes the time asked for. Everything is on 127.0.0.0/8. The figures go to
DIR/figures.json; the exit code is 1 when anything grows or the sweep does not end as it should.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scanner.sweep.judgement import NOT_UNDERSTOOD
from tests.support.ports import free_port
from tests.support.processes import workers_of

WARM_UP = 0.2  # of the time: sockets are made
MEMORY_WARM_UP = 0.5  # of the time: bounded memories of names, versions and reasons fill, more slowly
FLEET = "127.80.0.0/20"
QUIET = "127.96.0.0/12"  # nobody listens there; as many of its addresses as the time allows
RATE = 300.0  # connects a second
GROWTH = 4.0  # MiB an hour that memory may seem to grow by
GRAIN = 0.5  # MiB; less proves no growth, however short the soak: half an hour allows 1 MiB after its warm-up
BLOCK = 100  # bytes of one of Python's, about: what GROWTH and GRAIN are of these
NOTED = 1  # byte of each target, until the end (scanner/engine/unanswered.py)
# What the silent and the talkative of the fleet are there for.
MEANT = (NOT_UNDERSTOOD, "lines that would only have repeated others were left out")
LAG = 0.25  # seconds; the lag of the loop that 95 % of all samples stay below (the lab shares the cores)

Sample = dict[str, float]


def configuration(path: Path, port: int, closed: int, quiet: int, rate: float, workers: int) -> None:
    """Write the scope: the fleet, and `quiet` addresses with a port on which nobody listens."""
    first = int.from_bytes(bytes(map(int, QUIET.split("/")[0].split("."))), "big")
    last = ".".join(map(str, (first + quiet - 1).to_bytes(4, "big")))
    path.write_text(
        f"[sweep]\nports = [{port}]\nrate = {rate}\nper_prefix_rate = 100000\nconcurrency = 1024\n"
        f"workers = {workers}\n"
        "reply_timeout = 2.0\nhost_timeout = 8.0\n"
        f'[[allow]]\ncidr = "{FLEET}"\nkind = "lab"\nowner = "fleet"\n'
        f'[[allow]]\ncidr = "{QUIET.split("/")[0]}-{last}"\nkind = "lab"\nports = [{closed}]\n'
    )


def outside(pid: int) -> Sample | None:
    """What the kernel says of a process: resident MiB, descriptors, threads. None when it has ended."""
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except (OSError, ValueError):
        return None
    if "VmRSS" not in status:
        return None
    return {
        "at": time.time(),
        "rss": int(status["VmRSS"].split()[0]) / 1024,
        "descriptors": descriptors,
        "threads": int(status["Threads"]),
    }


def with_workers(pid: int) -> Sample | None:
    """The sweep's own process, and what its workers take together."""
    own = outside(pid)
    if own is not None:
        seen = [sample for worker in workers_of(pid) if (sample := outside(worker)) is not None]
        own["workers_rss"] = sum(sample["rss"] for sample in seen)
        own["workers_descriptors"] = sum(sample["descriptors"] for sample in seen)
    return own


def slope(samples: list[Sample], key: str) -> float:
    """Growth an hour: the median of the slopes between points far apart (Theil and Sen), deaf to spikes."""
    points = [(sample["at"], sample[key]) for sample in samples][:: max(1, len(samples) // 300)]
    far = [
        (b[1] - a[1]) / (b[0] - a[0])
        for a, b in itertools.combinations(points, 2)
        if b[0] - a[0] > (points[-1][0] - points[0][0]) / 4
    ]
    return statistics.median(far) * 3600 if far else 0.0


def floor(samples: list[Sample], key: str) -> list[Sample]:
    """The lowest sample of each minute: what stays when a large reply has come and gone. Without the last
    minute, in which workers end."""
    minutes: dict[int, Sample] = {}
    for sample in samples:
        minute = int(sample["at"] // 60)
        if minute not in minutes or sample[key] < minutes[minute][key]:
            minutes[minute] = sample
    return list(minutes.values())[:-1] or samples


def after_warm_up(samples: list[Sample], share: float = WARM_UP) -> list[Sample]:
    """The samples that count."""
    start, end = samples[0]["at"], samples[-1]["at"]
    return [sample for sample in samples if sample["at"] >= start + share * (end - start)]


def beside_slots(seen: list[Sample], told: list[Sample]) -> list[Sample]:
    """Descriptors without the connector's own sockets, which are kept for as many as were ever needed."""
    slots = {int(sample["at"]): sample["slots"] for sample in told}
    return [
        {"at": sample["at"], "others": sample["descriptors"] - slots[int(sample["at"])]}
        for sample in seen
        if int(sample["at"]) in slots
    ]


def figures(seen: list[Sample], told: list[Sample]) -> dict[str, Any]:
    """First, last, highest and slope of everything, after the warm-up."""
    found: dict[str, Any] = {"seconds": round(seen[-1]["at"] - seen[0]["at"]), "samples": len(seen)}
    others = beside_slots(seen, told)
    for samples, key in (
        *((seen, "rss"), (seen, "descriptors"), (seen, "threads")),
        *((seen, "workers_rss"), (seen, "workers_descriptors")),
        *((told, "blocks"), (told, "given_out")),
        *((told, "tasks"), (told, "slots"), (others, "others")),
    ):
        kept = after_warm_up(samples)
        if key in ("rss", "workers_rss", "blocks", "given_out"):
            kept = floor(after_warm_up(samples, MEMORY_WARM_UP), key)
        half = len(kept) // 2
        found[key] = {
            "first": round(kept[0][key], 2),
            "last": round(kept[-1][key], 2),
            "highest": round(max(sample[key] for sample in samples), 2),
            "per_hour": round(slope(kept, key), 3),
            "halves": [
                round(statistics.median(sample[key] for sample in part), 2)
                for part in (kept[:half] or kept, kept[half:])
            ],
        }
    first_half = seen[: len(seen) // 2]
    found["rss"]["highest_of_first_half"] = round(max(sample["rss"] for sample in first_half), 2)
    lags = sorted(sample["lag"] for sample in told)
    found["lag"] = {
        name: round(lags[int(len(lags) * share)], 4)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    } | {"highest": round(lags[-1], 4)}
    return found


def meant_to_grow(manifest: dict[str, Any], seconds: float) -> float:
    """By how many MiB an hour the process that connects grows until the first asking is over."""
    return float(NOTED * manifest["coverage"]["planned"] / (1 << 20) * 3600 / seconds)


def verdicts(found: dict[str, Any], manifest: dict[str, Any]) -> list[str]:
    """What is wrong, a sentence each; empty when the soak has passed."""
    wrong = []
    meant = meant_to_grow(manifest, found["seconds"])
    of_blocks = (1 << 20) / BLOCK / 1000  # thousands of them in a MiB
    for key, what, allowed, grain in (
        ("blocks", "thousand blocks of Python's", GROWTH * of_blocks, GRAIN * of_blocks),
        ("given_out", "MiB given out by the C library", GROWTH + meant, GRAIN),
        ("workers_rss", "MiB resident in the workers", GROWTH, GRAIN),
    ):
        grown = found[key]["last"] - found[key]["first"]
        if found[key]["per_hour"] > allowed and grown > grain:
            wrong.append(f"{found[key]['per_hour']} more {what} an hour; {allowed:.1f} may be")
    # What is free in between stays resident, up to what was needed at once before.
    before, after = found["rss"]["highest_of_first_half"], found["rss"]["last"]
    if after > before + GRAIN:
        wrong.append(f"at the end {after} MiB stay resident; in the first half {before} were at most")
    for key, room in (("others", 1), ("threads", 1), ("tasks", 4)):
        before, after = found[key]["halves"]
        if after > before + room:
            wrong.append(f"{key} grow: {before} in the first half, {after} in the second")
    if found["lag"]["p95"] > LAG:
        wrong.append(f"the loop lags: p95 {found['lag']['p95']} s")
    coverage = manifest["coverage"]
    unmeant = [reason for reason in manifest["reasons"] if not reason.endswith(MEANT)]
    if manifest["state"] == "interrupted" or unmeant or coverage["not_reached"]:
        wrong.append(f"the run is {manifest['state']}: {manifest['reasons']}")
    if coverage["planned"] != coverage["outcomes"] + coverage["excluded"] + coverage["not_reached"]:
        wrong.append(f"the accounts do not balance: {coverage}")
    return wrong


def soak(minutes: float, output: Path, rate: float = RATE, workers: int = 1) -> list[str]:
    """Run it. Returns what is wrong."""
    output.mkdir(parents=True, exist_ok=True)
    port = free_port()
    quiet = max(256, int(minutes * 60 * rate) - 4096)
    configuration(output / "mongosweep.toml", port, free_port(), quiet, rate, workers)
    fleet = subprocess.Popen(
        [sys.executable, "-m", "tests.soak.fleet", FLEET, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(output / "fleet.err").open("w"),
    )
    assert fleet.stdout is not None
    assert fleet.stdin is not None
    assert fleet.stdout.readline() == b"ready\n", "the fleet did not start"
    sweep = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.soak.inside", str(output / "inside.jsonl"), "sweep", "--quiet"),
            *("-c", str(output / "mongosweep.toml"), "-o", str(output / "runs")),
        ],
        stdout=subprocess.DEVNULL,
        stderr=(output / "sweep.err").open("w"),
    )
    seen: list[Sample] = []
    try:
        with (output / "outside.jsonl").open("w") as file:
            while sweep.poll() is None and (sample := with_workers(sweep.pid)):
                seen.append(sample)
                file.write(json.dumps(sample) + "\n")
                file.flush()
                time.sleep(1.0)
        code = sweep.wait()
    finally:
        sweep.kill()
        fleet.stdin.close()
        fleet.wait(timeout=30)
    told = [json.loads(line) for line in (output / "inside.jsonl").read_text().splitlines()]
    newest = max((output / "runs").glob("2*/manifest.json"))
    manifest = json.loads(newest.read_text())
    found = figures(seen, told) | {
        "exit": code,
        "state": manifest["state"],
        "reasons": manifest["reasons"],
        "coverage": manifest["coverage"],
        "outcomes": manifest["outcomes"],
    }
    wrong = verdicts(found, manifest)
    (output / "figures.json").write_text(json.dumps(found | {"wrong": wrong}, indent=1) + "\n")
    print(json.dumps(found, indent=1))  # noqa: T201 - the program's output
    return wrong


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--output", type=Path, default=Path("runs/soak"))
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    wrong = soak(asked.minutes, asked.output, asked.rate, asked.workers)
    for sentence in wrong:
        print(f"WRONG: {sentence}", file=sys.stderr)  # noqa: T201 - the program's output
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
