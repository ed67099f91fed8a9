"""Who is let in: users with their passwords, tokens of programs, and sessions of browsers, in
`access.sqlite`.

A token and the secret of a session have 256 random bits, so a plain SHA-256 of them is kept; a password is
kept by Argon2id. Whatever is taken away here (a user, a role, a token, a session) is gone with the next
request: nothing is remembered elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from results.files import ResultsError
from scanner.service.admission.file import ACCESS_FILE, AccessError, connect, translating
from scanner.service.admission.passwords import hashed, matches, password_problem
from scanner.service.admission.roles import Role, role_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from scanner.clock import Clock

IDLE, ABSOLUTE = 8 * 3600.0, 24 * 3600.0  # seconds that a session lasts unused, and at all
MOST_SESSIONS = 20  # of one user; one more ends the oldest
FIRST_USE = 24 * 3600.0  # seconds that the one-time code of a new installation is good for
_SEEN_EVERY = 60.0  # seconds between two notes that a session or a token is in use
_AHEAD = 60.0  # seconds; a session begun later than now is one from before the clock was set back
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
TOKEN_BEGINS: Final = "mongosweep_"  # noqa: S105 - what scanners of leaked secrets look for


class RefusedAccessError(ResultsError):
    """A user or a token that cannot be as asked; nothing was changed."""

    exit_code = 2


class User(Struct, frozen=True, kw_only=True):
    """Somebody who may sign in; without a password only by a proxy that says who it is."""

    name: str
    role: Role
    has_password: bool


class Token(Struct, frozen=True, kw_only=True):
    """What a program shows. Times are seconds since 1970; `used_at` is 0 for never."""

    name: str
    role: Role
    made_at: float
    expires_at: float
    used_at: float


class Session(Struct, frozen=True, kw_only=True):
    """A browser that signed in, with the role that its user has now."""

    user: str
    role: Role
    csrf: str


class Access:
    """The file of one output directory. Reading is one look-up; each change is on the disk when it returns.

    Raises `AccessError` where the file cannot be used. Passwords are compared in `verify`, which takes a
    tenth of a second and may run in another thread, as every method that changes something may.
    """

    def __init__(self, output: Path, clock: Clock) -> None:
        self.path = output / ACCESS_FILE
        self._clock = clock
        self._reading = connect(output, write=False)
        self._lock = threading.Lock()
        self._seen: dict[bytes, float] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._reading.close()

    # --- users -------------------------------------------------------------------------------------------

    def users(self) -> list[User]:
        """All, by name."""
        rows = self._all("SELECT name, role, password != '' FROM users ORDER BY name")
        return [User(name=name, role=role_of(role), has_password=bool(has)) for name, role, has in rows]

    def user(self, name: str) -> User | None:
        """The user of this name."""
        if not _NAME.fullmatch(name):
            return None
        rows = self._all("SELECT name, role, password != '' FROM users WHERE name = ?", name)
        return (
            User(name=rows[0][0], role=role_of(rows[0][1]), has_password=bool(rows[0][2])) if rows else None
        )

    def add_user(self, name: str, role: Role, password: str = "") -> None:
        """A new one; without a password for a proxy alone. Raises `RefusedAccessError`."""
        kept = self._hashed(name, password) if password else ""
        with self._changing() as connection:
            self._insert_user(connection, name, role, kept)

    def remove_user(self, name: str) -> None:
        """End the sessions and take the user away. Raises `RefusedAccessError`."""
        self._change_user("DELETE FROM users WHERE name = ?", name)

    def set_role(self, name: str, role: Role) -> None:
        """From the next request on. Raises `RefusedAccessError`."""
        self._require_role_of_person(role)
        self._change_user("UPDATE users SET role = ? WHERE name = ?", role.word, name)

    def set_password(self, name: str, password: str) -> None:
        """Another one; ends the sessions. Raises `RefusedAccessError`."""
        kept = self._hashed(name, password)
        with self._changing() as connection:
            changed = connection.execute(
                "UPDATE users SET password = ?, changed_at = ? WHERE name = ?",
                (kept, self._clock.wall(), name),
            )
            self._require_found(changed.rowcount, "user", name)
            connection.execute("DELETE FROM sessions WHERE user = ?", (name,))

    def verify(self, name: str, password: str) -> User | None:
        """The user whose password this is. Takes as long for a name that is nobody's."""
        connection = connect(self.path.parent, write=False)
        found = "SELECT name, role, password FROM users WHERE name = ?"
        with closing(connection), translating(self.path):
            row = connection.execute(found, (name if _NAME.fullmatch(name) else "",)).fetchone()
        if not matches(row[2] if row else "", password):
            return None
        return User(name=row[0], role=role_of(row[1]), has_password=True)

    # --- the first user ----------------------------------------------------------------------------------

    def first_use_code(self) -> str:
        """A new one-time code, with which a person makes the first user; "" where there is a user."""
        code = secrets.token_urlsafe(16)
        with self._changing() as connection:
            if connection.execute("SELECT 1 FROM users").fetchone():
                return ""
            connection.execute(
                "INSERT OR REPLACE INTO secrets VALUES ('first use', ?, ?)",
                (_digest(code), self._clock.wall() + FIRST_USE),
            )
        return code

    def waits_for_first_user(self) -> bool:
        """Whether there is no user, and a code that is still good."""
        return bool(
            self._all(
                "SELECT 1 FROM secrets WHERE name = 'first use' AND expires_at > ?"
                " AND NOT EXISTS (SELECT 1 FROM users)",
                self._clock.wall(),
            )
        )

    def add_first_user(self, code: str, name: str, password: str) -> bool:
        """The first user, who may do everything; False where the code is not the one. Raises
        `RefusedAccessError` for a name or a password that is not taken."""
        kept = self._hashed(name, password)
        with self._changing() as connection:
            row = connection.execute(
                "SELECT value, expires_at FROM secrets WHERE name = 'first use'"
            ).fetchone()
            is_good = (
                row is not None and self._clock.wall() < row[1] and hmac.compare_digest(row[0], _digest(code))
            )
            if not is_good or connection.execute("SELECT 1 FROM users").fetchone():
                return False
            connection.execute("DELETE FROM secrets WHERE name = 'first use'")
            self._insert_user(connection, name, Role.OPERATE, kept)
        return True

    # --- sessions ----------------------------------------------------------------------------------------

    def open_session(self, user: str) -> str:
        """The secret of a new session, for a cookie."""
        secret, now = secrets.token_urlsafe(32), self._clock.wall()
        with self._changing() as connection:
            connection.execute(
                "DELETE FROM sessions WHERE seen_at < ? OR begun_at < ?", (now - IDLE, now - ABSOLUTE)
            )
            connection.execute(
                "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE user = ?"
                " ORDER BY begun_at DESC LIMIT -1 OFFSET ?)",
                (user, MOST_SESSIONS - 1),
            )
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
                (_digest(secret), user, secrets.token_urlsafe(32), now, now),
            )
        return secret

    def session(self, secret: str) -> Session | None:
        """The session with this secret, if it still lasts."""
        rows = self._all(
            "SELECT name, role, csrf, begun_at, seen_at FROM sessions JOIN users ON name = user"
            " WHERE hash = ?",
            _digest(secret),
        )
        if not rows:
            return None
        name, role, csrf, begun_at, seen_at = rows[0]
        now = self._clock.wall()
        if not (now - ABSOLUTE < begun_at < now + _AHEAD and now - IDLE < seen_at):
            return None
        return Session(user=name, role=role_of(role), csrf=csrf)

    def close_session(self, secret: str) -> None:
        """Sign out."""
        with self._changing() as connection:
            connection.execute("DELETE FROM sessions WHERE hash = ?", (_digest(secret),))

    # --- tokens ------------------------------------------------------------------------------------------

    def tokens(self) -> list[Token]:
        """All, by name; those that expired too."""
        rows = self._all("SELECT name, role, made_at, expires_at, used_at FROM tokens ORDER BY name")
        return [_token(row) for row in rows]

    def add_token(self, name: str, role: Role, seconds: float) -> str:
        """The secret of a new token, which is good for so long; it is told this once. Raises
        `RefusedAccessError`."""
        _require_name(name)
        secret, now = TOKEN_BEGINS + secrets.token_urlsafe(32), self._clock.wall()
        with self._changing() as connection:
            if connection.execute("SELECT 1 FROM tokens WHERE name = ?", (name,)).fetchone():
                raise RefusedAccessError(
                    f"token {name}", "there is one of this name", "revoke it first, or write another name"
                )
            connection.execute(
                "INSERT INTO tokens (name, role, hash, made_at, expires_at) VALUES (?, ?, ?, ?, ?)",
                (name, role.word, _digest(secret), now, now + seconds),
            )
        return secret

    def revoke_token(self, name: str) -> None:
        """From the next request on. Raises `RefusedAccessError`."""
        with self._changing() as connection:
            changed = connection.execute("DELETE FROM tokens WHERE name = ?", (name,))
            self._require_found(changed.rowcount, "token", name)

    def token(self, secret: str) -> Token | None:
        """The token with this secret, if it has not expired."""
        found = (
            "SELECT name, role, made_at, expires_at, used_at FROM tokens WHERE hash = ? AND expires_at > ?"
        )
        rows = self._all(found, _digest(secret), self._clock.wall())
        return _token(rows[0]) if rows else None

    # --- what is in use ----------------------------------------------------------------------------------

    def must_note(self, secret: str) -> bool:
        """Whether `note_use` is due, which a session needs to go on; at most once a minute for each."""
        now = self._clock.monotonic()
        digest = _digest(secret)
        if now < self._seen.get(digest, float("-inf")) + _SEEN_EVERY:
            return False
        if len(self._seen) > 10_000:
            self._seen.clear()
        self._seen[digest] = now
        return True

    def note_use(self, secret: str) -> None:
        """Write down that a session or a token was used now."""
        now = (self._clock.wall(), _digest(secret))
        with self._changing() as connection:
            connection.execute("UPDATE sessions SET seen_at = max(seen_at, ?) WHERE hash = ?", now)
            connection.execute("UPDATE tokens SET used_at = ? WHERE hash = ?", now)

    def key(self) -> bytes:
        """A key of this installation, made at the first call."""
        with self._changing() as connection:
            fresh = (secrets.token_bytes(32),)
            connection.execute("INSERT OR IGNORE INTO secrets VALUES ('key', ?, 0)", fresh)
            (value,) = connection.execute("SELECT value FROM secrets WHERE name = 'key'").fetchone()
        return bytes(value)

    # --- beneath -----------------------------------------------------------------------------------------

    def _all(self, query: str, *values: object) -> list[Any]:
        with translating(self.path):
            return self._reading.execute(query, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction on a connection of its own, whatever thread this is."""
        with self._lock, closing(connect(self.path.parent, write=True)) as connection, translating(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _change_user(self, statement: str, *values: object) -> None:
        with self._changing() as connection:
            changed = connection.execute(statement, values)
            self._require_found(changed.rowcount, "user", str(values[-1]))

    def _insert_user(self, connection: sqlite3.Connection, name: str, role: Role, kept: str) -> None:
        _require_name(name)
        self._require_role_of_person(role)
        if connection.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchone():
            remedy = "write another name; `mongosweep users password` changes a password"
            raise RefusedAccessError(f"user {name}", "there is one of this name", remedy)
        row = (name, role.word, kept, self._clock.wall())
        connection.execute("INSERT INTO users VALUES (?, ?, ?, ?)", row)

    @staticmethod
    def _require_role_of_person(role: Role) -> None:
        if role is Role.METRICS:
            raise RefusedAccessError(
                f"role {role.word}", "it is for tokens", "write view, acknowledge or operate"
            )

    @staticmethod
    def _require_found(count: int, what: str, name: str) -> None:
        if not count:
            raise RefusedAccessError(
                f"{what} {name!a}", "there is none of this name", f"`mongosweep {what}s list` shows them"
            )

    @staticmethod
    def _hashed(name: str, password: str) -> str:
        _require_name(name)
        if problem := password_problem(password, name):
            raise RefusedAccessError(f"user {name}", *problem.split("; ", 1))
        return hashed(password)


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        remedy = "write up to 64 letters, digits and . _ @ + -, such as web-oncall or a@example.com"
        raise RefusedAccessError(f"name {name[:80]!a}", "it cannot be a name", remedy)


def _token(row: tuple[str, str, float, float, float]) -> Token:
    name, role, made_at, expires_at, used_at = row
    return Token(name=name, role=role_of(role), made_at=made_at, expires_at=expires_at, used_at=used_at)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


__all__ = ["Access", "AccessError", "RefusedAccessError", "Session", "Token", "User"]
