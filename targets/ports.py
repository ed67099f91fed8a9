"""Which ports are asked, as people write them: numbers, ranges, and one word for those that MongoDB uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from targets.grammar import GrammarError

if TYPE_CHECKING:
    from collections.abc import Iterable

PortChoice = int | Literal["mongodb"]
MONGODB: Final = "mongodb"
USUAL: Final = (27017, 27018, 27019, 27020, 28017)
"""What `mongodb` stands for. MongoDB's manual, "Default MongoDB Port": 27017 (mongod, mongos), 27018 (a
member of a shard), 27019 (a config server), 27020 (mongocryptd, and by habit the next server of a host), and
up to 3.4 28017, the status page of a mongod at 27017."""
MOST: Final = 64  # ports of one scope, or of one entry


def read_ports(text: str) -> tuple[PortChoice, ...]:
    """`27017`, `27017,27018`, `27017-27020`, `mongodb`, and these with commas between them.

    Raises GrammarError for anything else, and for more than MOST.
    """
    found: dict[PortChoice, None] = {}
    for part in text.split(","):
        word = part.strip()
        if word == MONGODB:
            found[MONGODB] = None
            continue
        begin, dash, end = word.partition("-")
        first = _number(text, begin)
        last = _number(text, end) if dash else first
        if last < first:
            raise GrammarError(f"{word} runs backwards", f"write {last}-{first}")
        if last - first >= MOST:
            raise _too_many(f"{word} is {last - first + 1:,} ports")
        found |= dict.fromkeys(range(first, last + 1))
    check_number(found)
    return tuple(found)


def check_number(ports: Iterable[PortChoice]) -> None:
    """Refuse more ports than one scope has. Raises GrammarError."""
    count = len(numbers(ports))
    if count > MOST:
        raise _too_many(f"{count:,} ports are named")


def numbers(ports: Iterable[PortChoice]) -> tuple[int, ...]:
    """The ports themselves, each once, in the order in which they were named."""
    found: dict[int, None] = {}
    for port in ports:
        found |= dict.fromkeys(USUAL) if isinstance(port, str) else {port: None}
    return tuple(found)


def _number(text: str, digits: str) -> int:
    digits = digits.strip()
    if not (digits.isascii() and digits.isdigit()):
        raise GrammarError(f"{text!r} is no list of ports", _REMEDY)
    port = int(digits) if len(digits) < 10 else 1 << 16
    if not 1 <= port <= 65535:
        raise GrammarError(f"{digits[:20]} is not in the range 1 to 65535", _REMEDY)
    return port


def _too_many(reason: str) -> GrammarError:
    return GrammarError(
        f"{reason}, more than {MOST}",
        "name those on which MongoDB may be, or let another scanner look for open ports and give its output "
        "with --ports-from",
    )


_REMEDY: Final = "write numbers from 1 to 65535, such as 27017,27018 or 27017-27020, or mongodb"
