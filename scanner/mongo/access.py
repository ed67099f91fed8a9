"""How much of an open server answers: which questions that need a privilege were answered, which refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from scanner.mongo.answers import (
    ATLAS_ERROR,
    ErrorKind,
    databases,
    error_code,
    error_kind,
    names_in,
    succeeded,
)
from scanner.mongo.commands import Command
from scanner.mongo.values import count

if TYPE_CHECKING:
    from scanner.mongo.commands import Request
    from scanner.mongo.facts import Facts, Reply

Level = Literal["full", "partial", "not_told"]

_QUESTIONS: Final = {
    Command.LIST_DATABASES: "listDatabases",
    Command.DB_STATS: "dbStats",
    Command.LIST_COLLECTIONS: "listCollections",
    Command.GET_MORE: "listCollections",
    Command.LEGACY_NAMESPACES: "listCollections",
    Command.COLL_STATS: "collStats",
    Command.COLL_STATS_STAGE: "collStats",
    Command.COUNT: "count",
    Command.NEWEST_DATE: "find",
    Command.NEWEST_ID: "find",
    Command.LEGACY_NEWEST_ID: "find",
    Command.OLDEST_DATE: "find",
    Command.OLDEST_ID: "find",
    Command.LEGACY_OLDEST_ID: "find",
}


def note_answer(facts: Facts, request: Request, reply: Reply, *, told: bool) -> None:
    """Keep what one answer of the metadata says of access. `told`: it held what was asked for."""
    question = _QUESTIONS.get(request.command)
    if question is None:
        return
    if told:
        facts.answered.add(question)
    elif _wants_login(reply):
        facts.refused.add(question)


def access(facts: Facts) -> tuple[Level, list[str], list[str]]:
    """How far access goes; the questions that were answered, and those that were refused (sorted)."""
    asked_again = facts.confirm_list or facts.confirm_privilege or facts.confirm_counts
    if not asked_again and not facts.refused and databases(facts.list_databases):
        answered = sorted({"listDatabases", *facts.answered})
        return "full" if len(answered) > 1 else "not_told", answered, []
    return access_by_all(facts)


def access_by_all(facts: Facts) -> tuple[Level, list[str], list[str]]:
    """What `access` says, by all replies of the opening and after it."""
    answered, refused = set(facts.answered), set(facts.refused)
    if databases(facts.list_databases) or databases(facts.confirm_list):
        answered.add("listDatabases")
    if names_in(facts.confirm_privilege) is not None:
        answered.add("listCollections")
    stats = facts.confirm_counts
    if succeeded(stats) and stats is not None and count((stats.document or {}).get("objects")) is not None:
        answered.add("dbStats")
    for question, reply in (
        ("listDatabases", facts.list_databases),
        ("listCollections", facts.confirm_privilege),
        ("dbStats", stats),
    ):
        if _wants_login(reply):
            refused.add(question)
    if answered and refused:
        level: Level = "partial"
    else:
        level = "full" if len(answered) > 1 else "not_told"
    return level, sorted(answered), sorted(refused)


def _wants_login(reply: Reply | None) -> bool:
    if reply is None or error_kind(reply) is not ErrorKind.AUTH:
        return False
    return error_code(reply.document or {}) != ATLAS_ERROR  # which refuses an argument with it
