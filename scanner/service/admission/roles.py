"""What somebody may do with the page and the API."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """What somebody may do; each includes those before it."""

    METRICS = 0  # read /metrics alone: for a token, never for a person
    VIEW = 1  # read everything
    ACKNOWLEDGE = 2  # and acknowledge, accept and note
    OPERATE = 3  # and start, stop and pause what the configuration names

    @property
    def word(self) -> str:
        """As it is written on the command line and in files."""
        return self.name.lower()


def role_of(word: str) -> Role:
    """The role of this name. Raises ValueError."""
    try:
        return Role[word.upper()]
    except KeyError:
        raise ValueError(
            f"there is no role {word!r}; write {', '.join(each.word for each in Role)}"
        ) from None
