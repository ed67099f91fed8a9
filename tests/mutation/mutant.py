"""What a deliberate error is: one change of text, and the fast tests that must notice it."""

from __future__ import annotations

from typing import Final, NamedTuple

CORE: Final = "scanner/mongo/"
_SUITES: Final = {
    "wire": ("wire_frames", "dialogue_hostile"),
    "bson_check": ("bson_check",),
    "values": ("metadata", "metadata_trouble", "activity"),
    "answers": ("judge_golden", "judge_rules", "dialogue_hostile", "second_answer"),
    "judge": ("judge_golden", "judge_rules", "dialogue_hostile", "second_answer"),
    "commands": ("commands",),
    "command_bodies": ("commands",),
    "command_forms": ("metadata", "metadata_trouble", "counters"),
    "names": ("commands",),
    "request_templates": ("request_templates",),
    "reply_shapes": ("reply_shapes",),
    "name_lists": ("name_lists",),
    "sizes_by_kind": ("sizes_by_kind",),
    "agenda": ("metadata", "metadata_trouble", "agenda", "not_told", "odd_servers", "counters"),
    "questions": ("dialogue", "dialogue_hostile", "dialogue_tls", "dialogue_plans"),
    "channel": ("dialogue", "dialogue_hostile", "dialogue_plans"),
    "dialogue": ("dialogue", "dialogue_hostile", "dialogue_tls", "dialogue_plans"),
    "metadata": ("metadata", "metadata_trouble", "not_told", "odd_servers", "counters"),
    "ids": ("metadata", "metadata_trouble", "not_told", "odd_servers"),
    "statistics": ("metadata", "metadata_trouble", "counters"),
    "counters": ("counters",),
    "past": ("past",),
    "exposure": ("counters",),
    "inventory": ("metadata", "metadata_trouble", "metadata_recorded", "not_told"),
    "access": ("second_answer", "not_told"),
    "ransom": ("ransom",),
    "severity": ("severity", "second_answer", "not_told"),
    "lookalikes": ("identity", "odd_servers"),
    "activity": ("activity", "metadata", "counters", "past"),
}


class Mutant(NamedTuple):
    """`old`, which stands once in `module` of scanner/mongo/, becomes `new`."""

    name: str
    module: str
    old: str
    new: str

    @property
    def path(self) -> str:
        """The file, from the root of the project."""
        return f"{CORE}{self.module}.py"

    @property
    def tests(self) -> tuple[str, ...]:
        """The test files that must catch it."""
        return tuple(f"tests/mongo/test_{name}.py" for name in _SUITES[self.module])
