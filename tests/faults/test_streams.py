"""Streams and signals of a sweep as a process: a reader that is slow, Ctrl-C, SIGHUP, a dead resolver."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from results.reading import read_run
from results.run import load_manifest
from tests.netns.oracle import until
from tests.support.processes import command, signals, wait_for_run

if TYPE_CHECKING:
    from pathlib import Path


def seconds_of(text: str) -> float:
    """Seconds since 1970 of a record's time."""
    return datetime.fromisoformat(text).timestamp()


class TestStreamsAndSignals:
    @pytest.fixture
    def config(self, tmp_path: Path, port: int) -> Path:
        path = tmp_path / "mongosweep.toml"
        path.write_text(
            '[[allow]]\ncidr = "127.91.0.0/22"\nowner = "x"\nkind = "lab"\n'
            f"[sweep]\nports = [{port}]\nrate = 1000\nper_prefix_rate = 9000\nhost_timeout = 9\n"
        )
        return path

    @pytest.mark.fault("F75", "nobody reads stdout until the run is over")
    def test_a_reader_that_does_not_read_holds_nothing_up(self, config: Path) -> None:
        """The run ends in its directory; who reads late still gets every line."""
        with subprocess.Popen(
            command(config, "--all"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            run_dir = wait_for_run(process, config, 0)
            end = time.monotonic() + 30
            while load_manifest(run_dir)[0].state == "running":
                assert time.monotonic() < end
                time.sleep(0.1)
            assert process.poll() is None
            said, _ = process.communicate(timeout=20)
        assert len(said.splitlines()) == len(list(read_run(run_dir))) == 1024
        assert load_manifest(run_dir)[0].state == "complete"

    @pytest.mark.fault("F73", "SIGINT twice while conversations hang")
    def test_a_second_interrupt_waits_for_nobody(self, config: Path, port: int) -> None:
        with socket.socket() as mute:
            mute.bind(("127.91.0.9", port))
            mute.listen(64)
            process = subprocess.Popen(
                command(config, "--rate", "200"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            run_dir = wait_for_run(process, config, 1.0)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
            until(lambda: signal.SIGINT not in signals(process, "ShdPnd", set()))  # two, and not one
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        assert time.monotonic() - began < 3
        assert process.returncode == 3
        assert b"Traceback" not in said
        manifest, _ = load_manifest(run_dir)
        assert manifest.state == "interrupted"

    @pytest.mark.fault("F40", "SIGHUP with a file that is broken, then with one that is wider")
    def test_a_broken_reload_pauses_and_a_wider_one_adds_nothing(self, config: Path) -> None:
        said = config.parent / "said"
        with said.open("wb") as stderr:
            process = subprocess.Popen(
                command(config, "--rate", "150", "--all"), stdout=subprocess.DEVNULL, stderr=stderr
            )
        run_dir = wait_for_run(process, config, 0.5)
        whole = config.read_text()
        config.write_text("[[allow]]\ncidr = nonsense\n")
        process.send_signal(signal.SIGHUP)
        until(lambda: b"could not be reloaded, paused" in said.read_bytes())
        time.sleep(1.0)  # for what was under way
        segment = run_dir / "observations-0001.jsonl"
        then = segment.stat().st_size
        time.sleep(1.0)
        assert segment.stat().st_size == then
        config.write_text(whole.replace("127.91.0.0/22", "127.91.0.0/16"))
        process.send_signal(signal.SIGHUP)
        until(lambda: segment.stat().st_size > then)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        assert b"0 targets fewer, none more" in said.read_bytes()
        manifest, _ = load_manifest(run_dir)
        assert manifest.coverage is not None
        assert manifest.coverage.planned == 1024

    @pytest.fixture
    def deaf(self, tmp_path: Path) -> dict[str, str]:
        """The environment of a process in which every look-up of a name hangs."""
        folder = tmp_path / "broken"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(
            "import socket, time\nsocket.getaddrinfo = lambda *a, **k: time.sleep(600)\n"
            "socket.gethostbyaddr = socket.getfqdn = lambda *a, **k: time.sleep(600)\n"
        )
        return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}

    @pytest.mark.fault("F78", "every look-up of a name hangs")
    def test_a_dead_resolver_is_never_asked(self, config: Path, deaf: dict[str, str]) -> None:
        done = subprocess.run(command(config), env=deaf, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    @pytest.mark.fault("F78", "look-ups hang, and a reload has a name to resolve")
    @pytest.mark.fault("F40", "SIGHUP with a deny and a name that nobody resolves")
    def test_a_deny_does_not_wait_for_a_resolver(self, config: Path, deaf: dict[str, str]) -> None:
        said = config.parent / "said"
        with said.open("wb") as stderr:
            process = subprocess.Popen(
                command(config, "--rate", "60", "--all"), env=deaf, stdout=subprocess.DEVNULL, stderr=stderr
            )
        run_dir = wait_for_run(process, config, 0.5)
        named = '[[allow]]\ncidr = "db.example.com"\nowner = "x"\n[[deny]]\ncidr = "127.91.2.0/23"\n'
        config.write_text(named + config.read_text())
        process.send_signal(signal.SIGHUP)
        until(lambda: signal.SIGHUP not in signals(process, "ShdPnd", set()))
        at = time.time()
        # The resolver's own deadline is five seconds; with it everything is paused.
        until(lambda: b"could not be reloaded, paused" in said.read_bytes())
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        lines = [
            line for line in read_run(run_dir, lambda _: None) if seconds_of(line.observed_at) > at + 1.0
        ]
        assert len(lines) > 20  # the others went on meanwhile
        assert {line.target.ip.rsplit(".", 1)[0] for line in lines} == {"127.91.0", "127.91.1"}
        assert b"'db.example.com' does not resolve" in said.read_bytes()
