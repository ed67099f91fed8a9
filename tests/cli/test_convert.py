"""`mongosweep convert` as a process: a filter that streams, and that says where its input is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from results.formats.registry import FORMATS
from results.lines import json_line
from tests.cli.programs import ROOT, mongosweep
from tests.support.text_formats import read_cef
from tests.support.told import change, ordinary, run_event, seen_open

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = b"".join(json_line(event) for event in ordinary())


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(EVENTS)
    return path


def test_each_line_becomes_a_document(events: Path, tmp_path: Path) -> None:
    done = mongosweep("convert", "--to", "cef", cwd=tmp_path, shell="< events.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    kinds = [read_cef(line).class_id for line in done.stdout.splitlines()]
    assert kinds == ["opened", "closed", "ended", "observation", "exposure"]


def test_a_reader_that_has_enough_is_no_error(events: Path, tmp_path: Path) -> None:
    events.write_bytes(json_line(change()) * 20_000)
    line = "{} < events.jsonl | head -1; echo ${PIPESTATUS[0]}"
    done = mongosweep("convert", "--to", "cef", cwd=tmp_path, shell=line)
    first, code = done.stdout.splitlines()
    assert read_cef(first).class_id == "opened"
    assert (code, done.stderr) == ("0", "")


def test_a_closed_stdin_is_an_empty_one(tmp_path: Path) -> None:
    for name, told in (("cef", ""), ("native", "")):
        done = mongosweep("convert", "--to", name, cwd=tmp_path, shell="<&-")
        assert (done.returncode, done.stdout, done.stderr) == (0, told, "")


BAD = {
    b"{not json}\n": "JSON is malformed",
    b"\xff\xfe\x00\n": "",
    b'{"schema":"mongosweep.change/9"}\n': "",
    b'{"schema":"\\u001b[2J"}\n': "",
    b"x" * 10_000_000 + b"\n": "it is longer than 1,048,576 bytes",
    b"[" * 100_000 + b"\n": "",
}


@pytest.mark.parametrize("bad", BAD, ids=["json", "utf-8", "schema", "escape", "10 MB", "nested"])
def test_a_bad_line_is_named_and_what_came_before_it_is_written(
    bad: bytes, events: Path, tmp_path: Path
) -> None:
    events.write_bytes(EVENTS + bad + EVENTS)
    done = mongosweep("convert", "--to", "leef", cwd=tmp_path, shell="< events.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: standard input, line 6: no event: {BAD[bad]}")
    assert "--keep-going" in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stdout.splitlines()) == 5


def test_bad_lines_can_be_passed_over(events: Path, tmp_path: Path) -> None:
    events.write_bytes(b"".join(bad + EVENTS for bad in BAD))
    done = mongosweep("convert", "--to", "leef", "--keep-going", cwd=tmp_path, shell="< events.jsonl")
    assert done.returncode == 3
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        f"standard input, line {number}" for number in range(1, 6 * 6, 6)
    ]
    assert len(done.stdout.splitlines()) == 5 * 6


def test_many_bad_lines_are_counted(events: Path, tmp_path: Path) -> None:
    events.write_bytes(b"{}\n" * 1000 + EVENTS)
    done = mongosweep("convert", "--to", "leef", "--keep-going", cwd=tmp_path, shell="< events.jsonl")
    assert done.stderr.splitlines()[-1] == "1,000 lines were passed over in all"
    assert len(done.stderr.splitlines()) == 21
    assert len(done.stdout.splitlines()) == 5


def test_what_has_no_place_is_said(events: Path, tmp_path: Path) -> None:
    done = mongosweep("convert", "--to", "shadowserver", cwd=tmp_path, shell="< events.jsonl")
    assert done.returncode == 0
    assert done.stderr == "left out: 2 of what has no place in shadowserver\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rfc5242", "did you mean rfc5424?"),
        ("syslog", "did you mean rfc5424?"),
        ("jsonl", "did you mean native?"),
        ("CEF", "did you mean"),
        ("xml", "write one of native, ecs, "),
    ],
)
def test_an_unknown_format_is_told_which_was_meant(name: str, said: str, tmp_path: Path) -> None:
    done = mongosweep("convert", "--to", name, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_full_disk_is_said_once(events: Path, tmp_path: Path) -> None:
    done = mongosweep("convert", "--to", "cef", cwd=tmp_path, shell="< events.jsonl > /dev/full")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_documents_come_as_their_events_come(tmp_path: Path) -> None:
    """It is a filter behind `tail -F`: nothing waits for more input."""
    words = [sys.executable, "-P", "-m", "scanner", "convert", "--to", "cef"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0, cwd=tmp_path
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for event in (change(), run_event(), seen_open()):
            process.stdin.write(json_line(event))
            assert process.stdout.readline().startswith(b"CEF:0|")
        process.stdin.close()
        assert process.wait(20) == 0


def test_completion_and_help_name_the_formats(tmp_path: Path) -> None:
    said = mongosweep("convert", "--help", cwd=tmp_path).stdout
    told = " ".join(said.replace(",", " ").replace(".", " ").split())
    assert all(f" {name} " in told for name in FORMATS)
    asked = {"_MONGOSWEEP_COMPLETE": "bash_complete", "COMP_WORDS": "mongosweep convert --to c"}
    done = mongosweep(cwd=tmp_path, env={**asked, "COMP_CWORD": "3"})
    assert done.stdout.split() == ["plain,cef", "plain,cef-src", "plain,csv"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_memory_stays_flat(tmp_path: Path) -> None:
    """64 MB in, and no more held than for 64 kB."""
    program = (
        "import re, sys; from scanner.cli import main; code = main(['convert', '--to', 'native']);"
        "print(code, re.search('VmHWM: *([0-9]+)', open('/proc/self/status').read().replace(chr(9), ' '))[1],"
        " file=sys.stderr)"
    )
    peaks = []
    for count in (100, 40_000):
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=json_line(change()) * count,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            check=True,
        )
        code, peak = done.stderr.split()
        assert code == b"0"
        peaks.append(int(peak))
    assert peaks[1] < peaks[0] + 4096


def test_native_reads_back_as_what_went_in(events: Path, tmp_path: Path) -> None:
    done = mongosweep("convert", "--to", "native", cwd=tmp_path, shell="< events.jsonl")
    assert done.stdout.encode() == EVENTS
    assert all(json.loads(line) for line in done.stdout.splitlines())
