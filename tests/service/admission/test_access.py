"""Users, tokens and sessions in their file: what lasts how long, what is kept, and who may read it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher

from scanner.service.admission import passwords
from scanner.service.admission.access import (
    ABSOLUTE,
    FIRST_USE,
    IDLE,
    MOST_SESSIONS,
    Access,
    RefusedAccessError,
)
from scanner.service.admission.file import ACCESS_FILE, AccessError
from scanner.service.admission.passwords import matches, password_problem
from scanner.service.admission.roles import Role
from tests.support.set_clock import SetClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "a sentence is a good one"


@pytest.fixture(autouse=True)
def cheap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 at a hundredth of its cost, but where the cost is what is tested."""
    if "hashes" not in request.node.name:
        cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        monkeypatch.setattr(passwords, "_hasher", lambda: cheap)
        monkeypatch.setattr(passwords, "_of_nobody", lambda: cheap.hash("of nobody"))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def access(tmp_path: Path, clock: SetClock) -> Iterator[Access]:
    opened = Access(tmp_path, clock)
    yield opened
    opened.close()


def test_a_session_ends_unused_and_at_all(access: Access, clock: SetClock) -> None:
    access.add_user("web-oncall", Role.VIEW)
    idle, used = access.open_session("web-oncall"), access.open_session("web-oncall")
    for _ in range(4):
        clock.pass_(IDLE * 0.9)
        assert (access.session(used) is not None) == (clock.at - 1000 < ABSOLUTE)
        access.note_use(used)
    assert access.session(idle) is None
    assert access.session(used) is None, "however much it is used"


def test_a_clock_set_back_does_not_make_a_session_last(access: Access, clock: SetClock) -> None:
    access.add_user("web-oncall", Role.VIEW)
    session = access.open_session("web-oncall")
    clock.set_wall(-30)
    assert access.session(session) is not None, "clocks are corrected by seconds all the time"
    clock.set_wall(-ABSOLUTE)
    assert access.session(session) is None


def test_what_is_taken_away_is_gone_at_once(access: Access) -> None:
    """By another process, too: the page asks the file each time."""
    access.add_user("web-oncall", Role.OPERATE, PASSWORD)
    access.add_user("db-oncall", Role.VIEW)
    web, db = access.open_session("web-oncall"), access.open_session("db-oncall")
    token = access.add_token("t", Role.VIEW, 60)
    with contextlib.closing(Access(access.path.parent, SetClock())) as other:
        other.set_role("db-oncall", Role.ACKNOWLEDGE)
        found = access.session(db)
        assert found is not None
        assert found.role is Role.ACKNOWLEDGE
        other.set_password("web-oncall", PASSWORD + "!")
        assert access.session(web) is None, "another password ends the sessions"
        other.remove_user("db-oncall")
        assert access.session(db) is None
        other.revoke_token("t")
        assert access.token(token) is None


def test_signing_out_ends_one_session(access: Access) -> None:
    access.add_user("web-oncall", Role.VIEW)
    one, other = access.open_session("web-oncall"), access.open_session("web-oncall")
    access.close_session(one)
    assert access.session(one) is None
    assert access.session(other) is not None


def test_sessions_of_one_user_are_bounded(access: Access, clock: SetClock) -> None:
    access.add_user("web-oncall", Role.VIEW)
    sessions = []
    for _ in range(MOST_SESSIONS + 3):
        clock.pass_(1)
        sessions.append(access.open_session("web-oncall"))
    assert [access.session(each) is not None for each in sessions] == [False] * 3 + [True] * MOST_SESSIONS


def test_a_token_expires(access: Access, clock: SetClock) -> None:
    token = access.add_token("grafana", Role.VIEW, 3600)
    clock.pass_(3599)
    assert access.token(token) is not None
    clock.pass_(1)
    assert access.token(token) is None


def test_only_hashes_are_kept(access: Access, tmp_path: Path) -> None:
    """Whoever reads the file, or a backup of it, signs in with nothing of it."""
    code = access.first_use_code()
    access.add_user("web-oncall", Role.VIEW, PASSWORD)
    secrets = [PASSWORD, access.open_session("web-oncall"), access.add_token("t", Role.VIEW, 60), code]
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"web-oncall" in held
    assert b"$argon2id$v=19$m=65536,t=3,p=4$" in held
    assert not [each for each in secrets if each.encode() in held]


def test_the_file_is_for_its_owner_alone(access: Access, tmp_path: Path) -> None:
    access.add_user("web-oncall", Role.VIEW)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys((ACCESS_FILE, f"{ACCESS_FILE}-wal", f"{ACCESS_FILE}-shm"), 0o600)
    access.close()
    (tmp_path / ACCESS_FILE).chmod(0o640)
    with pytest.raises(AccessError, match="others may read who is let in; run: chmod 600"):
        Access(tmp_path, SetClock())


def test_the_first_user_is_made_once(access: Access, clock: SetClock) -> None:
    code = access.first_use_code()
    assert access.waits_for_first_user()
    assert not access.add_first_user("another", "stranger", PASSWORD)
    assert access.add_first_user(code, "web-oncall", PASSWORD)
    assert not access.add_first_user(code, "stranger", PASSWORD), "it is for one time"
    assert [(each.name, each.role) for each in access.users()] == [("web-oncall", Role.OPERATE)]
    assert access.first_use_code() == ""
    assert not access.waits_for_first_user()


def test_the_code_of_the_first_user_expires(access: Access, clock: SetClock) -> None:
    code = access.first_use_code()
    clock.pass_(FIRST_USE)
    assert not access.waits_for_first_user()
    assert not access.add_first_user(code, "web-oncall", PASSWORD)


def test_a_second_code_makes_the_first_one_worthless(access: Access) -> None:
    first, second = access.first_use_code(), access.first_use_code()
    assert not access.add_first_user(first, "web-oncall", PASSWORD)
    assert access.add_first_user(second, "web-oncall", PASSWORD)


def test_two_who_are_first_at_once_are_one(access: Access) -> None:
    code, made = access.first_use_code(), []
    threads = [
        threading.Thread(target=lambda name=name: made.append(access.add_first_user(code, name, PASSWORD)))
        for name in ("web-oncall", "db-oncall")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, True]


@pytest.mark.parametrize("name", ["", " web", "web\n", "a" * 65, "web:x", "../x", "\ud800", "ja\x00ne", "名"])
def test_names_that_cannot_be(access: Access, name: str) -> None:
    """Also where somebody merely says that this is the name."""
    with pytest.raises(RefusedAccessError, match="it cannot be a name; write up to 64 letters"):
        access.add_user(name, Role.VIEW)
    assert access.user(name) is None
    assert access.verify(name, PASSWORD) is None


def test_a_name_is_one_however_it_is_written(access: Access) -> None:
    access.add_user("Web-OnCall", Role.VIEW)
    with pytest.raises(RefusedAccessError, match="there is one of this name"):
        access.add_user("web-oncall", Role.OPERATE)


def test_passwords(access: Access) -> None:
    access.add_user("web-oncall", Role.VIEW, PASSWORD)
    access.add_user("proxied", Role.VIEW)
    assert access.verify("web-oncall", PASSWORD) is not None
    assert access.verify("web-oncall", PASSWORD + " ") is None
    assert access.verify("proxied", "") is None, "one without a password cannot sign in with none"
    assert not matches("no hash at all", PASSWORD)
    for poor in ("short", "web-oncallx" * 100, "aaaaaaaaaaaaaaa"):
        assert "password" in password_problem(poor, "web-oncall")
    with pytest.raises(RefusedAccessError, match="12 to 1024 characters") as refused:
        access.add_user("db-oncall", Role.VIEW, "hunter2")
    assert "hunter2" not in str(refused.value)
    assert access.user("db-oncall") is None


def test_a_person_cannot_have_the_role_of_a_scraper(access: Access) -> None:
    with pytest.raises(RefusedAccessError, match="it is for tokens"):
        access.add_user("web-oncall", Role.METRICS)


def test_a_file_that_another_process_holds_is_read_all_the_same(access: Access, tmp_path: Path) -> None:
    """And who would write says so."""
    access.add_user("web-oncall", Role.VIEW)
    session = access.open_session("web-oncall")
    with contextlib.closing(sqlite3.connect(tmp_path / ACCESS_FILE, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert access.session(session) is not None


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / ACCESS_FILE).write_bytes(b"something else, and long enough to be looked at" * 9)
    (tmp_path / ACCESS_FILE).chmod(0o600)
    with pytest.raises(AccessError, match="move it away, and add the users again"):
        Access(tmp_path, SetClock())
    with pytest.raises(AccessError, match="no such directory"):
        Access(tmp_path / "nowhere", SetClock())
