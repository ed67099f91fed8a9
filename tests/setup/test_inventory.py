"""Inventories before a sweep: what their commands may do, and what they leave of a scope. Every command here
is a small script of the test's own."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time
from pathlib import Path

import pytest

from scanner.cli import main
from scanner.clock import SystemClock
from scanner.errors import RefusedError
from scanner.setup import inventory_command
from scanner.setup.doctor import diagnose
from scanner.setup.inventory import Inventories, asked_anew, names_in, require_known
from scanner.setup.inventory_command import run_command
from scanner.setup.request import SweepRequest, load
from scanner.setup.scope_settings import InventorySettings
from scanner.sweep.begin import make_manifest
from targets.entries import Entry
from targets.errors import ScopeError
from targets.scope import Scope
from tests.support.settable import SetClock

AGE = 60.0


def script(folder: Path, body: str, name: str = "inventory") -> str:
    """A program of Python at a path in `folder`."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, sys, time, json, subprocess, signal\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def said(folder: Path, body: str, timeout: float = 20.0) -> str:
    """Why a command's output is no answer; "" when it is one."""
    return run_command("cloud", [script(folder, body)], timeout).trouble


INTERFACES = json.dumps(
    {"NetworkInterfaces": [{"NetworkInterfaceId": f"eni-{n}", "InterfaceType": "interface",
                            "PrivateIpAddress": f"127.9.0.{n}"} for n in (1, 2)]}
)  # fmt: skip


def test_what_a_command_lists(tmp_path: Path) -> None:
    found = run_command("cloud", [script(tmp_path, f"print({INTERFACES!r})")], 20.0)
    assert not found.trouble
    assert found.what == "AWS network interfaces"
    assert [(span.first & 255, span.size) for span in found.listed.spans()] == [(1, 2)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("print('127.9.0.1'); sys.stderr.write('one\\nUnable to locate credentials\\n'); sys.exit(254)",
         "its command ended with exit code 254: Unable to locate credentials"),
        ("print('127.9.0.1', flush=True); os.kill(os.getpid(), 9)", "its command was ended by signal 9"),
        (f"print({INTERFACES[:-40]!r})", "inventory cloud:1: the last record is torn; what comes before"),
        ("print('[]')", "it lists no address"),
        ("pass", "it lists no address"),
        ("print('<html>sign in</html>')", "inventory cloud:1: "),
        ("print('An error occurred')", "inventory cloud:1: 'An error occurred' has blanks inside"),
        ("sys.stdout.buffer.write(b'\\x1f\\x8b')", "inventory cloud: is compressed by gzip"),
        ("sys.stderr.write('\\x1b[31mred\\r\\n'); sys.exit(1)",
         "its command ended with exit code 1: \\x1b[31mred"),
    ],
)  # fmt: skip
def test_what_is_no_answer(tmp_path: Path, body: str, why: str) -> None:
    assert said(tmp_path, body).startswith(why)


@pytest.mark.parametrize("body", ["time.sleep(600)", "print('127.9.0.1', flush=True); time.sleep(600)",
                                  "os.close(1); os.close(2); time.sleep(600)"])  # fmt: skip
def test_a_command_that_hangs(tmp_path: Path, body: str) -> None:
    began = time.monotonic()
    assert said(tmp_path, body, timeout=1.0) == "its command took longer than 1 s"
    assert time.monotonic() - began < 20


def test_its_whole_group_ends_with_it(tmp_path: Path) -> None:
    """A child that it leaves behind, which holds its output open."""
    note = tmp_path / "pid"
    child = f"c = subprocess.Popen(['sleep', '600']); open({str(note)!r}, 'w').write(str(c.pid))"
    assert said(tmp_path, f"{child}; print('127.9.0.1')", timeout=2.0) == "its command took longer than 2 s"
    pid = int(note.read_text())
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _runs(pid):
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_output_without_end_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_command, "MAX_OUTPUT", 4 * 1024 * 1024)
    endless = "\nwhile True: sys.stdout.write('127.9.0.1\\n' * 10000)"
    assert said(tmp_path, endless, 60.0) == "it wrote more than 4,194,304 bytes"
    assert said(tmp_path, "\nwhile True: sys.stderr.write('x' * 10000)", 1.0) == (
        "its command took longer than 1 s"
    )


def test_it_is_ended_with_the_sweep(tmp_path: Path) -> None:
    over = threading.Event()
    threading.Timer(0.5, over.set).start()
    found = run_command("cloud", [script(tmp_path, "time.sleep(600)")], 600.0, over)
    assert found.trouble == "the sweep is over"


def test_no_shell_no_input_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGOSWEEP_NETBOX_TOKEN", "x")
    body = (
        "assert sys.stdin.read() == '' and sys.argv[1] == '$HOME; exit 1'\n"
        "assert not [key for key in os.environ if key.startswith('MONGOSWEEP_')] and 'PATH' in os.environ\n"
        "print('127.9.0.1')"
    )
    assert not run_command("cloud", [script(tmp_path, body), "$HOME; exit 1"], 20.0).trouble


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    assert run_command("cloud", [missing], 1.0).trouble.endswith("cannot be run: No such file or directory")
    assert "cannot be run" in run_command("cloud", ["a\0b"], 1.0).trouble


def test_records_that_cannot_be_used_cost_no_other(tmp_path: Path) -> None:
    found = run_command("cloud", [script(tmp_path, "print('127.9.0.1\\n10.1\\n127.9.0.2')")], 20.0)
    assert not found.trouble
    assert found.what == "plain list, 1 record of it cannot be used"
    assert found.listed.size == 2


def test_a_container_confirms_nothing(tmp_path: Path) -> None:
    vpc = {"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/8", "State": "available"}]}
    assert said(tmp_path, f"print({json.dumps(vpc)!r})") == "it lists no address"


# --- what is left of a scope ---------------------------------------------------------------------------


def settings(command: str, name: str = "cloud", **more: object) -> InventorySettings:
    return InventorySettings(name=name, command=(command,), **{"max_age": "1m", "timeout": 20.0, **more})  # type: ignore[arg-type]


def scope() -> Scope:
    return Scope(
        [
            Entry.of("127.9.0.0/24", kind="lab", inventory="cloud", owner="cloud"),
            Entry.of("127.9.1.0/30", kind="lab"),
            Entry.of("127.9.0.2", kind="lab", owner="ours"),  # the most specific entry: of no inventory
        ]
    )


def test_only_what_is_listed_is_left(tmp_path: Path) -> None:
    inventories = Inventories([settings(script(tmp_path, "print('127.9.0.1\\n127.9.0.8/30\\n10.0.0.1')"))])
    left, told = asked_anew(scope(), inventories)
    assert [str(left.pick(index)).split(":")[0] for index in range(len(left))] == [
        *("127.9.0.1", "127.9.0.2", "127.9.0.8", "127.9.0.9", "127.9.0.10", "127.9.0.11"),
        *("127.9.1.0", "127.9.1.1", "127.9.1.2", "127.9.1.3"),
    ]
    assert told[0] == (
        "inventory cloud lists 6 addresses (plain list), 5 of them in the scope; 250 of 255 addresses"
        " withdrawn"
    )
    (excluded,) = left.excluded
    assert (excluded.addresses, excluded.deny.reason) == (250, "not listed by inventory cloud")
    assert left.explain(4, 0x7F090003) == "denied by 127.9.0.0/24 (not listed by inventory cloud)"
    assert names_in(left) == ("cloud",)


def test_without_an_answer_its_addresses_are_withdrawn(tmp_path: Path) -> None:
    left, told = asked_anew(scope(), Inventories([settings(script(tmp_path, "sys.exit(3)"))]))
    assert len(left) == 5
    why = "inventory cloud confirms nothing: its command ended with exit code 3"
    assert told == (f"{why}; 255 of 255 addresses withdrawn",)
    assert [(each.addresses, each.deny.reason) for each in left.excluded] == [(255, why)]


def test_an_answer_that_is_too_old(tmp_path: Path) -> None:
    clock = SetClock("2026-01-01T00:00:00Z")
    inventories = Inventories([settings(script(tmp_path, "print('127.9.0.1')"))], clock)
    inventories.ask("cloud")
    clock.wait(AGE - 1)
    assert inventories.left("cloud") == pytest.approx(1.0)
    assert len(inventories.confirmed(scope())) == 6
    assert inventories.unlists("cloud", 4, 0x7F090003)
    clock.wait(1)
    assert len(inventories.confirmed(scope())) == 5
    assert inventories.why_not("cloud") == "its newest answer is older than 1m"
    assert not inventories.unlists("cloud", 4, 0x7F090003)


def test_entries_and_inventories_that_do_not_meet() -> None:
    known = [settings("x"), settings("x", name="spare")]
    entries = [Entry.of("10.0.0.0/8", inventory="cloud", source="a.toml", line=7)]
    require_known(entries, known)
    with pytest.raises(
        ScopeError, match=r"a.toml:7: 10.0.0.0/8 is of inventory 'cloud'.*did you mean clouds\?"
    ):
        require_known(entries, [settings("x", name="clouds")])
    with pytest.raises(ScopeError, match=r'write \[\[inventory\]\] name = "cloud"'):
        require_known(entries, [])


# --- the whole way -------------------------------------------------------------------------------------


def configuration(folder: Path, body: str, more: str = "") -> Path:
    path = folder / "mongosweep.toml"
    path.write_text(
        f"""[[allow]]
cidr = "127.9.0.0/24"
kind = "lab"
owner = "cloud"
inventory = "cloud"

[[inventory]]
name = "cloud"
command = ["{script(folder, body)}"]
{more}"""
    )
    path.chmod(0o600)
    return path


def test_the_plan_says_what_was_listed_and_withdrawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(tmp_path, "print('127.9.0.1\\n127.9.0.2')")
    assert main(["plan", "-c", str(path)]) == 0
    ran = capsys.readouterr()
    assert "2 addresses, port 27017: 2 targets" in ran.out
    assert "127.9.0.0/24  not listed by inventory cloud        254" in ran.out
    assert "inventory cloud lists 2 addresses (plain list), 2 of them in the scope" in ran.err


def test_a_sweep_of_nothing_that_is_confirmed_is_refused(tmp_path: Path) -> None:
    path = configuration(tmp_path, "sys.stderr.write('not signed in'); sys.exit(1)")
    with pytest.raises(
        RefusedError, match=r"nothing is left to ask: .*exit code 1: not signed in; 256 of 256"
    ):
        load(SweepRequest(config=str(path)), time.time(), os.environ)


def test_parts_of_a_sweep_are_refused(tmp_path: Path) -> None:
    path = configuration(tmp_path, "print('127.9.0.1')")
    with pytest.raises(RefusedError, match="--shard: entries of the scope are of an"):
        load(SweepRequest(config=str(path), shard=(1, 2)), time.time(), os.environ)


def test_a_canary_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    canary = '[[canary]]\naddress = "127.9.0.9"\nexpect = "open"\n'
    path = configuration(tmp_path, "print('127.9.0.1')", canary)
    with pytest.raises(RefusedError, match="not listed by inventory cloud"):
        load(SweepRequest(config=str(path)), time.time(), os.environ)


def test_a_reload_runs_no_command(tmp_path: Path) -> None:
    path = configuration(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'a').write('x'); print('127.9.0.1')")
    loaded = load(SweepRequest(config=str(path)), time.time(), os.environ)
    reload = loaded.options.reload_scope
    assert reload is not None
    assert len(loaded.scope) == len(reload(time.time(), False)) == len(reload(time.time(), True)) == 1
    assert (tmp_path / "ran").read_text() == "x"


@pytest.mark.parametrize(("body", "level"), [("print('127.9.0.1')", "ok"), ("sys.exit(7)", "failure")])
def test_doctor_says_whether_it_answers(tmp_path: Path, body: str, level: str) -> None:
    more = '[[allow]]\ncidr = "127.9.1.1"\nkind = "lab"\n'
    found = diagnose(str(configuration(tmp_path, body, more)), None, str(tmp_path))
    (check,) = (check for check in found.checks if check.name == "inventory cloud")
    assert check.level == level


def test_the_manifest_says_what_was_withdrawn_and_why(tmp_path: Path) -> None:
    more = '[[allow]]\ncidr = "127.9.1.1"\nkind = "lab"\n'
    for body, why, left in (
        ("print('127.9.0.1')", "not listed by inventory cloud", 255),
        ("sys.exit(7)", "inventory cloud confirms nothing: its command ended with exit code 7", 256),
    ):
        path = configuration(tmp_path, body, more)
        loaded = load(SweepRequest(config=str(path)), time.time(), os.environ)
        manifest = make_manifest("R", 1, loaded.settings, loaded.scope, loaded.options, SystemClock())
        assert f"inventory 127.9.0.0/24 {why}" in manifest.scope.entries
        assert manifest.planned.excluded == left
