"""`mongosweep users` and `tokens`: what is changed, what is said, and that no secret is on a command line."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from results.ledger.actions import Actions
from scanner.cli import main
from scanner.clock import SystemClock
from scanner.service.admission.access import Access
from scanner.service.admission.roles import Role

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "a sentence is a good one"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    return tmp_path


def test_a_user_from_first_to_last(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["users", "list"]) == 0
    assert "`mongosweep users add NAME --role operate` adds the first one" in capsys.readouterr().err
    assert main(["users", "add", "web-oncall", "--role", "acknowledge", "--password-file", "password"]) == 0
    assert main(["users", "add", "z-proxied", "--no-password"]) == 0
    assert main(["users", "role", "web-oncall", "operate"]) == 0
    capsys.readouterr()
    assert main(["users", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "web-oncall", "role": "operate", "has_password": True},
        {"name": "z-proxied", "role": "view", "has_password": False},
    ]
    assert main(["users", "list"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()][-1] == ["z-proxied", "view", "no"]
    assert main(["users", "remove", "web-oncall"]) == 0
    assert main(["users", "remove", "web-oncall"]) == 2
    assert "there is none of this name; `mongosweep users list` shows them" in capsys.readouterr().err
    written = Actions.open(folder / "runs").all()
    assert {each.kind for each in written} == {"access-changed"}
    assert [each.detail for each in written][::3] == [
        "user web-oncall added, role acknowledge",
        "user web-oncall removed",
    ]
    assert all(each.by.endswith("(command line)") for each in written)


def test_a_password_from_standard_input(folder: Path) -> None:
    words = [sys.executable, "-m", "scanner", "users", "add", "web-oncall", "--password-file", "-"]
    done = subprocess.run(words, input=f"{PASSWORD}\nmore".encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    access = Access(folder / "runs", SystemClock())
    assert access.verify("web-oncall", PASSWORD) is not None
    access.close()


def test_a_password_is_asked_for_on_a_terminal(folder: Path) -> None:
    """And is not shown there."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "scanner", "users", "add", "web-oncall"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    for word in (b"Password: ", b"Repeat for confirmation: "):
        while word not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, PASSWORD.encode() + b"\n")
    assert process.wait(60) == 0
    shown += os.read(ours, 4096)
    os.close(ours)
    assert b"web-oncall may view" in shown
    assert PASSWORD.encode() not in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["users", "add", "web-oncall"], "write --password-file FILE, or - and pipe it in"),
        (["users", "add", "web-oncall", "--password-file", "nowhere"], "nowhere cannot be read"),
        (
            ["users", "add", "web-oncall", "--password-file", "open"],
            "open can be read by others; run: chmod 600 open",
        ),
        (
            ["users", "add", "web-oncall", "--password-file", "poor"],
            "12 to 1024 characters; write a longer one",
        ),
        (["users", "add", "a b", "--no-password"], "such as web-oncall or a@example.com"),
        (["users", "add", "web-oncall", "--no-password", "--password-file", "password"], "leave one out"),
        (["users", "add", "web-oncall", "--role", "metrics"], "'metrics' is not one of"),
        (["users", "password", "web-oncall", "--password-file", "password"], "there is none of this name"),
        (
            ["users", "add", "web-oncall", "--no-password", "-o", "nowhere"],
            "no such directory; name the directory",
        ),
        (["tokens", "add", "a/b"], "it cannot be a name"),
        (["tokens", "add", "t", "--expires", "never"], "write one such as 36h, 14d or 2w"),
        (["tokens", "revoke", "t"], "`mongosweep tokens list` shows them"),
    ],
)
def test_refusals(
    folder: Path,
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (folder / "open").write_text(PASSWORD)
    (folder / "open").chmod(0o644)
    (folder / "poor").write_text("hunter2")
    (folder / "poor").chmod(0o600)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "hunter2" not in error
    assert PASSWORD not in error


def test_a_token_is_shown_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokens", "add", "prometheus", "--role", "metrics", "--expires", "52w"]) == 0
    secret = capsys.readouterr().out.strip()
    access = Access(folder / "runs", SystemClock())
    token = access.token(secret)
    assert token is not None
    assert (token.name, token.role) == ("prometheus", Role.METRICS)
    access.note_use(secret)
    access.close()
    assert main(["tokens", "add", "prometheus"]) == 2
    for words in (["tokens", "list"], ["tokens", "list", "--json"]):
        assert main(words) == 0
        shown = capsys.readouterr().out
        assert "prometheus" in shown
        assert secret not in shown
    held = b"".join(path.read_bytes() for path in (folder / "runs").iterdir())
    assert secret.encode() not in held
    assert main(["tokens", "revoke", "prometheus"]) == 0
