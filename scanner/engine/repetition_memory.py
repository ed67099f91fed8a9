"""What a checkpoint keeps of who is asked again, and why (`repetition.py`)."""

from __future__ import annotations

from msgspec import Struct


class RepetitionMemory(Struct, frozen=True, kw_only=True):
    """What a checkpoint keeps: counts, and some of the targets."""

    answered: int
    late: int
    asked: int
    recovered: dict[str, int]
    silent: list[int]
    refused: list[int]
    unreachable: list[int]
    whole: bool  # no target that did not answer is missing in these lists
    witnesses: list[tuple[int, str, bool]]
    asked_again: list[tuple[int, int]]  # tokens in flight that had an outcome, and their mark
    unheard: list[int]  # targets that answered the SYN stage alone
