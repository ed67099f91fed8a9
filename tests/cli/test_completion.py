"""What a shell completes: by the real bash, and value by value in this process."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from results.verdict import MEANING
from scanner.cli import main
from scanner.cli.completion import SHELLS
from scanner.cli.group import VARIABLE
from tests.cli.programs import ROOT
from tests.support.two_runs import TwoRuns, new, old

if TYPE_CHECKING:
    from pathlib import Path

Captured = pytest.CaptureFixture[str]

SCOPE = """\
[scope]
files = ["more.csv"]

[[allow]]
cidr = ["127.93.0.0/28", "db.example.com"]
kind = "lab"
owner = "web platform"
site = "paris"

[[sink]]
kind = "file"
name = "shipper"
path = "/var/log/mongosweep/findings.jsonl"
"""


@pytest.fixture
def home(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Path:
    """A configuration whose entries have owners and sites, and two runs that the ledger holds."""
    (here / "mongosweep.toml").write_text(SCOPE, encoding="utf-8")
    (here / "more.csv").write_text("cidr,owner,kind\n127.94.0.0/28,shop's,lab\n", encoding="utf-8")
    TwoRuns(here / "runs").write([old("192.0.2.1")], [new("192.0.2.1")])
    assert main(["exposures", "--fail-on", "never"]) == 0
    capsys.readouterr()
    return here


def completed(capsys: Captured, line: str) -> list[str]:
    """The values with which a line of a shell can go on, by the way of bash."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "bash_complete")
        patch.setenv("COMP_WORDS", line)
        patch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        assert main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    pairs = (line.split(",", 1) for line in out.splitlines() if line)
    return [value for kind, value in pairs if kind == "plain"]


GOES_ON = {
    "mongosweep sw": ["sweep"],
    "mongosweep scope im": ["import"],
    "mongosweep sweep --owner ": ["shop's", "web platform"],
    "mongosweep plan --site p": ["paris"],
    "mongosweep notify --owner w": ["web platform"],
    "mongosweep sweep --scope more.csv --owner ": ["shop's"],
    "mongosweep forward --restart ": ["shipper"],
    "mongosweep exposures --format ce": ["cef", "cef-src"],
    "mongosweep help verd": ["verdicts"],
    "mongosweep help verify": ["verify", "verify.md"],
    "mongosweep help scope pr": ["prove"],
    "mongosweep completion ": list(SHELLS),
    "mongosweep note --by x ": ["mx_"],
}


def test_what_a_line_can_go_on_with(home: Path, capsys: Captured) -> None:
    for line, values in GOES_ON.items():
        shown = completed(capsys, line)
        assert [value[:3] if value.startswith("mx_") else value for value in shown] == values, line


def test_runs_and_exposures(home: Path, capsys: Captured) -> None:
    names = sorted((path.name for path in (home / "runs").iterdir() if path.is_dir()), reverse=True)
    assert len(names) == 2
    for line in ("audit ", "sweep --resume ", "diff ", "leads "):
        assert completed(capsys, f"mongosweep {line}") == ["last", *names]
    exposure = completed(capsys, "mongosweep verify ")
    assert completed(capsys, "mongosweep show ") == ["last", *names, *exposure]
    assert completed(capsys, "mongosweep report --exposure mx") == exposure
    (home / "runs").rename(home / "elsewhere")
    assert completed(capsys, "mongosweep show ") == []
    assert completed(capsys, "mongosweep show -o elsewhere ") == ["last", *names, *exposure]


def test_every_verdict_is_a_code(capsys: Captured) -> None:
    assert {verdict.value for verdict in MEANING} <= set(completed(capsys, "mongosweep explain "))


def test_files_are_left_to_the_shell(here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "bash_complete")
    for words, kind in (("sweep -c ", "file"), ("plan --picture x", "file"), ("runs -o ", "dir")):
        monkeypatch.setenv("COMP_WORDS", f"mongosweep {words}")
        monkeypatch.setenv("COMP_CWORD", "3")
        assert main([]) == 0
        assert capsys.readouterr().out == f"{kind},{words.split(' ')[2]}\n"


def files(folder: Path) -> dict[Path, int]:
    """When each was written last; but for what SQLite needs to read."""
    there = (
        path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    )
    return {path: path.stat().st_mtime_ns for path in there}


def test_nobody_is_asked_and_nothing_is_written(
    home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    for name in ("getaddrinfo", "gethostbyname", "socket"):
        monkeypatch.setattr(socket, name, lambda *words, **_: asked.append(words))
    (home / "runs" / "ledger.sqlite").chmod(0o400)
    before = files(home)
    for line in ("sweep --owner ", "show ", "verify ", "sweep --site ", "forward --sink "):
        assert completed(capsys, f"mongosweep {line}")
    assert asked == []
    assert files(home) == before


@pytest.mark.parametrize("damage", ["[[allow]\n", '[[allow]]\ncidr = 3\nowner = "a"\n', "\x00"])
def test_a_damaged_configuration_completes_nothing(home: Path, damage: str, capsys: Captured) -> None:
    (home / "mongosweep.toml").write_text(damage, encoding="utf-8")
    (home / "runs" / "ledger.sqlite").write_bytes(b"no ledger")
    assert completed(capsys, "mongosweep sweep --site ") == []
    assert completed(capsys, "mongosweep verify ") == []


def test_a_name_with_control_characters_is_not_offered(here: Path, capsys: Captured) -> None:
    text = '[[allow]]\ncidr = "127.93.0.0/28"\nkind = "lab"\nowner = "a\\u001b[2Jb"\n'
    (here / "mongosweep.toml").write_text(text + text.replace("a\\u001b[2Jb", "good").replace("93", "94"))
    assert completed(capsys, "mongosweep sweep --owner ") == ["good"]


@pytest.mark.parametrize("said", [{}, {"COMP_WORDS": "mongosweep", "COMP_CWORD": "x"}])
def test_what_is_no_question_of_a_shell_is_no_error(
    said: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv(VARIABLE, "bash_complete")
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert main([]) == 2
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv(VARIABLE, "")
    assert main(["explain", "open"]) == 0
    assert "open" in capsys.readouterr().out


def test_each_script_says_how_it_is_installed(capsys: Captured) -> None:
    for shell in SHELLS:
        assert main(["completion", shell]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert f"# mongosweep completion {shell} > ~/" in out
        assert f"{VARIABLE}={shell}_complete" in out
        assert out.startswith("#compdef mongosweep\n") == (shell == "zsh"), "zsh reads it from the first line"
    assert main(["completion", "tcsh"]) == 2


@pytest.mark.skipif(not shutil.which("bash"), reason="bash completes")
def test_bash_itself_completes_and_quotes(home: Path) -> None:
    program = home / "mongosweep"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m scanner "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = """
source <(mongosweep completion bash)
complete -p mongosweep
t() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _mongosweep_completion mongosweep
    printf '%s\n' "${COMPREPLY[@]}"
}
t mongosweep sweep --owner ''
t mongosweep sweep --owner '"web'
t mongosweep swe
"""
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=home,
        env={"PATH": f"{home}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "complete -o nosort -F _mongosweep_completion mongosweep",
        "shop\\'s",
        "web\\ platform",
        "web platform",
        "sweep",
    ]
