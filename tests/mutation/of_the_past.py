"""Deliberate errors in reading a server's counters, and in what is made of them."""

from __future__ import annotations

from typing import Final

from tests.mutation.mutant import Mutant

OF_THE_PAST: Final = (
    Mutant("the start of a process makes its collections", "activity", "> MADE_AFTER", "> -MADE_AFTER"),
    Mutant(
        "what a slow start opens late was made then",
        "activity",
        "max(self.started, self.opened or self.started)",
        "self.started",
    ),
    Mutant("our own queries are counted", "counters", "max(0, queries - ours)", "queries"),
    Mutant(
        "the latest of all shards dates a collection",
        "counters",
        "min(when, earliest)",
        "max(when, earliest)",
    ),
    Mutant("of several shards the last one counts", "counters", "served + (before or 0)", "served"),
    Mutant("a list without a collection tells nothing of it", "counters", ", _UNUSED)", ", {})"),
    Mutant("any indexes are kept", "counters", "len(found) >= INDEXES_KEPT", "len(found) < 0"),
    Mutant("any time makes a restore", "past", "whole and max(times) - min(times) <= TOGETHER", "whole"),
    Mutant("a part of a database is restored", "past", " > 1 and database.collections_known", " > 1"),
    Mutant("one collection is a restore", "past", "len(rest) > 1 and", "len(rest) and"),
    Mutant("a member that copies is silent about writes", "exposure", "if activity.copies(facts):", "if 0:"),
    Mutant(
        "who does not tell UUIDs tells no names",
        "metadata",
        "if not reply.error and self._forms.give_up_uuids(request):",
        "if 0:",
    ),
    Mutant(
        "who does not tell operations tells no statistics",
        "metadata",
        "(code not in command_forms.NOT_ABOUT_FORM and self._forms.give_up_operations(request))",
        "False",
    ),
    Mutant(
        "a list of all operations is always asked", "metadata", "return lacks_operations(", "return bool("
    ),
    Mutant(
        "indexes that are not asked about are not told",
        "agenda",
        "self.leave_out(TaskKind.INDEXES, len(self._counted) - len(chosen))",
        "pass",
    ),
    Mutant("why a question has no answer is not told", "agenda", "{f' ({why})' if why else ''}", ""),
)
