"""Passwords: which are taken, how they are kept (Argon2id), and how one is compared at a cost that tells
nobody whether its user exists.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 12, 1024  # characters


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)  # 64 MiB, three passes


@cache
def _of_nobody() -> str:
    return _hasher().hash("of nobody")


def password_problem(password: str, name: str) -> str:
    """Why a password is not taken, and what to write; "" when it is. It is never repeated in the text."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"a password has {SHORTEST} to {LONGEST} characters; write a longer one, such as a sentence"
    if password.casefold() in (name.casefold(), name.casefold() * 2) or len(set(password)) < 4:
        return "this password is guessed at once; write another one, such as a sentence"
    return ""


def hashed(password: str) -> str:
    """The text to keep. Costs 64 MiB and about a tenth of a second of processor time."""
    return _hasher().hash(_text(password))


def matches(kept: str, password: str) -> bool:
    """Whether this is the password; `kept` is "" for a user without one, or for nobody. The answer takes as
    long then."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        _hasher().verify(kept or _of_nobody(), _text(password))
    except (VerificationError, InvalidHashError):
        return False
    return bool(kept)


def _text(password: str) -> bytes:
    return password[: LONGEST + 1].encode("utf-8", "surrogatepass")
