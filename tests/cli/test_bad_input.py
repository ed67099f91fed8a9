"""Bad input: one or two lines on stderr with place and remedy, the right code, nothing probed."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import scanner.sweep.sweep
from scanner.cli import main
from tests.cli.programs import CONFIGURATION, mongosweep

if TYPE_CHECKING:
    from pathlib import Path

BAD_FILES: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "empty", "mongosweep init"),
    "not UTF-8": (b"[sweep]\n# \xe9\n", ":2: byte 0xe9", "UTF-8"),
    "NUL": (b"[sweep]\n\0\n", ":2:", "text file"),
    "malformed": (b"[sweep]\nrate 5\n", ":2: not valid TOML", "correct this line"),
    "unknown section": (b"[organization]\n", ":1: unknown key", "did you mean organisation?"),
    "unknown key": (b"[sweep]\nraet = 1\n", ":2: unknown key", "did you mean rate?"),
    "rate of 0": (b"[sweep]\nrate = 0\n", ":2:", "rate = 1000"),
    "vantage of two words": (b'[sweep]\nvantage = "The Internet"\n', ":2:", 'vantage = "internet"'),
    "port 70000": (b"[sweep]\nports = [70000]\n", ":2:", "1 to 65535"),
    "empty scope": (b"[sweep]\nrate = 5\n", "nothing may be probed", "[[allow]]"),
    "unknown key of an entry": (
        CONFIGURATION.replace("owner", "onwer").encode(),
        ":8: unknown key",
        "did you mean owner?",
    ),
    "public space": (b'[[allow]]\ncidr = "8.8.8.0/24"\n', ":2:", "authorised_by"),
    "expired": (
        b'[[allow]]\ncidr = "8.8.8.0/24"\nauthorised_by = "C"\nexpires = 2001-01-01\n',
        "expired",
        "later expires",
    ),
    "host bits": (b'[[allow]]\ncidr = "10.0.0.1/8"\n', ":2:", "10.0.0.0/8"),
    "loopback that is no lab": (b'[[allow]]\ncidr = "127.0.0.1"\n', ":2:", 'kind = "lab"'),
    "too wide": (b'[[allow]]\ncidr = "10.0.0.0/8"\n[sweep]\nmax_targets = 10\n', ":2:", ""),
    "contact too long": (
        b'[organisation]\nname = "Example"\ncontact = "' + b"x" * 128 + b'"\n[[allow]]\ncidr = "10.0.0.1"\n',
        ":3: organisation name and contact are too long",
        "shorter contact",
    ),
    "canary outside": (
        (CONFIGURATION + '[[canary]]\naddress = "127.94.0.1"\n').encode(),
        ":17: [[canary]] 127.94.0.1:27017 is outside the scope",
        "allow it",
    ),
}

BAD_WORDS: list[tuple[list[str], str, str]] = [
    (["--port", "0"], "0 is not in the range", "or 27017-27020, or mongodb"),
    (["--ports", "65536"], "65536 is not in the range", "write numbers from 1 to 65535"),
    (["--port", "99999999999999999999"], "is not in the range", "write numbers from 1 to 65535"),
    (["--ports", "27020-27017"], "27020-27017 runs backwards", "write 27017-27020"),
    (["--ports", "27017-"], "'27017-' is no list of ports", "such as 27017,27018"),
    (["--ports", "27017,,27018"], "'27017,,27018' is no list of ports", "such as 27017,27018"),
    (["--port", "mongo"], "'mongo' is no list of ports", "or mongodb"),
    (["--ports", "²7017"], "is no list of ports", "or mongodb"),
    (["--ports", ""], "'' is no list of ports", "or mongodb"),
    (["--ports", "1-10000"], "1-10000 is 10,000 ports, more than 64", "--ports-from"),
    (["--ports", "1-40", "--ports", "41-80"], "80 ports are named, more than 64", "--ports-from"),
    (["--ports-from", "nothing.xml"], "there is no nothing.xml", "write the path of a list"),
    (["--ports-from", "."], ". is a directory", "write the path of a list"),
    (["--ports-from", "mongosweep.toml"], "mongosweep.toml is TOML", "name an allow-list in [scope] files"),
    (["--rate", "0"], "0.0 is not in the range", "sweep --help"),
    (["--rate", "nan"], "--rate", "sweep --help"),
    (["--rate", "inf"], "--rate", "sweep --help"),
    (["--shard", "3/2"], "'3/2' does not exist", "1/2 to 2/2"),
    (["--shard", "0/2"], "'0/2' does not exist", "1/2 to 2/2"),
    (["--shard", "1"], "'1' is not i/n", "1/3"),
    (["--shard", "1/9999999"], "is not i/n", "1/3"),
    (["--seed", "-1"], "--seed", "sweep --help"),
    (["--engine", "warp"], "'warp'", "'connect', 'syn'"),
    (["--vantage", "The Internet"], "'The Internet' is not a word", "such as internet or office"),
    (["--vantage", "INTERNET"], "'INTERNET' is not a word", "such as internet or office"),
    (["--ssh", "a", "--from", "par\x1b[2Jis"], "is no name of a site", "letters, digits, dots"),
    (["--nonsense"], "--nonsense", "sweep --help"),
    (["127.94.0.1"], "outside the scope of mongosweep.toml", "allow it there first"),
    (["127.93.0.9"], "denied by 127.93.0.8/29 (medical devices)", "allow it there first"),
    (["127.93.0.0/24"], "240 of its 256 addresses", "allow it there first"),
    (["127.93.0.1:27018"], "port 27018 is not asked there", "allow it there first"),
    (["127.093.0.1"], "leading zero", "write 127.93.0.1"),
    (["example.com"], "not an address", "write its addresses"),
    (["127.93.0.1\x1b[2J"], "TARGET", "write"),
    (["--scope", "nothing.txt"], "nothing.txt: there is no such file", "write the path"),
    (["-c", "nothing.toml"], "nothing.toml does not exist", "mongosweep init"),
    (["-c", "."], "not a regular file", "name that"),
]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What would have been swept."""
    calls: list[object] = []

    def run(*arguments: Any, **_: Any) -> None:
        calls.append(arguments)
        raise AssertionError("a sweep began")

    monkeypatch.setattr(scanner.sweep.sweep, "run", run)
    for name in [name for name in os.environ if name.startswith("MONGOSWEEP_")]:
        monkeypatch.delenv(name)
    return calls


def check(capsys: pytest.CaptureFixture[str], code: int, place: str, remedy: str) -> None:
    """Code 2, nothing on stdout, at most two lines on stderr that say where and what to write."""
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert place in err
    assert remedy in err
    assert len(err.splitlines()) <= 2
    assert "Traceback" not in err
    assert "\x1b" not in err


@pytest.mark.parametrize("command", ["sweep", "plan"])
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_configuration(
    name: str,
    command: str,
    sent: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content, place, remedy = BAD_FILES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mongosweep.toml").write_bytes(content)
    check(capsys, main([command]), place, remedy)
    assert not sent
    assert sorted(tmp_path.iterdir()) == [tmp_path / "mongosweep.toml"]


@pytest.mark.parametrize(("words", "place", "remedy"), BAD_WORDS)
def test_a_bad_command_line(
    words: list[str],
    place: str,
    remedy: str,
    sent: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    check(capsys, main(["sweep", *words]), place, remedy)
    assert not sent


def test_no_configuration_at_all(
    sent: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    check(capsys, main(["sweep"]), "no mongosweep.toml here", "mongosweep init")
    assert not sent


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("10.0.0.0/8\n10.0.0.300\n", "scope.txt:2:"),
        ("", "scope.txt: is empty"),
        ("# nothing\n", "nothing may be probed"),
    ],
)
def test_a_bad_scope_file(
    content: str,
    place: str,
    sent: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scope.txt").write_text(content, encoding="utf-8")
    check(capsys, main(["sweep", "--scope", "scope.txt"]), place, "")
    assert not sent


@pytest.mark.parametrize(
    ("listed", "place"),
    [
        ("", "holds no TARGET"),
        ("# nothing\n\n", "holds no TARGET"),
        ("127.94.0.1\n", "the one it lists lies outside, such as 127.94.0.1 (standard input:1): it is "),
        ("127.93.0.9\n127.94.0.1\n", "such as 127.93.0.9 (standard input:1): denied by 127.93.0.8/29"),
        ("127.93.0.1:22\n", "port 22 is not one of 27017"),
        ("ключ\nключ\n", "standard input:1: "),
        ("x" * 300, "standard input:1: "),
        ("<html></html>", "XML of another kind"),
        (
            "# one\nfd00::1:9001\n",
            "standard input:2: 'fd00::1:9001' may be an address, or fd00::1 with port ",
        ),
        ("Starting Nmap 7.93\nNmap scan report for 127.93.0.1\n", "nmap's normal output"),
        ('[\n{"ip": "127.93.0.1", "ports": [{"port": 53, "proto": "udp"}]}\n]', "none with an open TCP port"),
        (
            '{"ip": "127.93.0.1", "po',
            "(standard input:1: the last record is torn; what comes before it is used)",
        ),
    ],
)
def test_a_bad_list_on_standard_input(listed: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    done = mongosweep("plan", "-", cwd=tmp_path, input=listed)
    assert done.returncode == 2
    assert done.stdout == ""
    assert place in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_bad_line_of_a_list_is_told_and_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    listed = "127.93.0.1\nключ\n127.93.0.2\nfd00::1:9001\n"
    done = mongosweep("plan", "--json", "-", cwd=tmp_path, input=listed)
    assert done.returncode == 0
    assert json.loads(done.stdout)["targets"] == 2
    lines = done.stderr.splitlines()
    assert lines[0].startswith("standard input:2: 'ключ' has characters outside ASCII; write ")
    assert lines[1].startswith("standard input:4: 'fd00::1:9001' may be an address, or fd00::1 with port ")
    assert lines[2] == "standard input is read as plain list; 2 lines or records of it cannot be used"
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("output", "shell", "place"),
    [
        ("mongosweep.toml", "", "a file stands where a directory is needed"),
        ("mongosweep.toml/runs", "", "a file stands where a directory is needed"),
        ("/proc/runs", "", "/proc/runs"),
        ("runs", "ulimit -f 0; {}", "runs"),
        ("runs", "ulimit -n 64; {}", "only 64 open files are allowed"),
        ("runs", "ulimit -n 8; {}", "only 8 open files are allowed"),
    ],
)
def test_a_place_that_cannot_hold_a_run(output: str, shell: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    done = mongosweep("sweep", "-o", output, cwd=tmp_path, shell=shell)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert place in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list((tmp_path / "runs").glob("*Z-*"))


@pytest.mark.parametrize(
    "command", [["runs", "-o", "nowhere"], ["audit", "nothing"], ["sweep", "--resume", "no"]]
)
def test_a_run_that_is_not_there(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    check(capsys, main(command), "no", "")


def test_a_list_that_nobody_would_read(tmp_path: Path) -> None:
    """`sweep < list.txt` asked the whole scope. What a script has read from already is no list."""
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    listed = tmp_path / "list.txt"
    listed.write_text("127.93.0.1\n", encoding="utf-8")
    with listed.open() as stdin:
        done = mongosweep("plan", "--json", cwd=tmp_path, stdin=stdin)
        assert done.returncode == 2
        assert done.stdout == ""
        assert "standard input is a file, and no TARGET is -" in done.stderr
        assert json.loads(mongosweep("plan", "--json", "-", cwd=tmp_path, stdin=stdin).stdout)["targets"] == 1
        stdin.seek(1)
        assert json.loads(mongosweep("plan", "--json", cwd=tmp_path, stdin=stdin).stdout)["targets"] == 8
    for nothing in (subprocess.DEVNULL, subprocess.PIPE):
        empty = mongosweep("plan", cwd=tmp_path, stdin=nothing)
        assert (empty.returncode, empty.stderr) == (0, "")


def test_a_list_in_a_pipe_that_nobody_would_read_is_said(tmp_path: Path) -> None:
    """It may as well be the input of a script that runs us, so that it is not refused."""
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    done = mongosweep("plan", "--json", cwd=tmp_path, input="127.93.0.1\n")
    assert (done.returncode, json.loads(done.stdout)["targets"]) == (0, 8)
    assert done.stderr.startswith("nothing is read from standard input, where something waits; write - ")
    assert mongosweep("plan", "-", cwd=tmp_path, input="127.93.0.1\n").stderr == ""


def test_a_uri_is_no_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And its password is not repeated."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    assert main(["plan", "mongodb://root:secret@127.93.0.1:27017/admin"]) == 2
    told = "error: TARGET a mongodb:// URI is no target; write 127.93.0.1:27017 alone\n"
    assert capsys.readouterr() == ("", told)


def test_a_file_is_no_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    (tmp_path / "list.txt").write_text("127.93.0.1\n", encoding="utf-8")
    check(
        capsys,
        main(["plan", "list.txt"]),
        "list.txt is a file; write - and pipe it in, as in: - < list.txt",
        "",
    )


def test_the_name_of_a_file_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever stands in it: a list may come from whoever may write into a folder."""
    monkeypatch.chdir(tmp_path)
    name = "a\nerror: b\x1b[31m.toml"
    (tmp_path / name).write_text("x", encoding="utf-8")
    assert main(["plan", "--scope", name]) == 2
    assert capsys.readouterr().err.startswith("error: a\\nerror: b\\x1b[31m.toml:1: ")


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    check(capsys, main(["swep"]), "no command 'swep'; did you mean sweep?", "mongosweep --help")
    check(
        capsys,
        main(["xyz"]),
        "no command 'xyz'; write one of init, scope, doctor, plan, sweep, lab",
        "mongosweep --help",
    )
