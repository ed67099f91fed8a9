"""Every code that can stand in a record is explained, and every explanation is of a code that can."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

from results.codes import KINDS, codes, methods, words
from results.confirm.answer import Answer
from results.events.event import RunKind
from results.ledger.tracked import ChangeKind, ReachWord
from results.verdict import Verdict
from scanner.cli.explain_text import explained, known_codes, meanings
from scanner.contact import Refusal
from scanner.mongo import activity, past
from scanner.mongo.judge import RULES

SCANNER = Path(__file__).parents[1] / "scanner"
PROOF = Path(__file__).parents[1] / "results" / "ledger" / "proof.py"
BY_TABLE = {rule.name for rule in RULES} | {
    verdict.value for verdict in Verdict if verdict.is_connection_outcome
}
CAUTIONS = {"implausible", "future", "clock-skew", "arbiter"}  # plain strings where they are made
CHOSEN = {  # out of several, where `Reason(code=...)` is no literal
    *("ransomed-and-wiped", "ransom-note-beside-data", "ransom-note"),
    *("known-note-name", "frequent-note-name", "seen-note-name", "like-a-note-name"),
    *("tls", "tls-only"),
    *(refusal.value for refusal in Refusal),
    *("not-told", "unsendable-name", "no-id-index"),
    *(past.NOTE_LEFT, past.RESTORED, past.MADE),
}
LEDGER = {  # what the ledger derives
    "aware-noted",
    "actions-unproven",
    "not-covered-before",
    "not-covered-now",
    "coverage-not-told",
    "not-told-before",
    "another-server",
    "another-service-twice",
    "answered-not-open",
    "asks-for-a-certificate",
    "asks-for-a-login",
    "bound-by-silence",
    "look-in-the-future",
    "certificate",
    "collection-made",
    "collection-sizes",
    "collection-uuids",
    "collections-came",
    "collections-made",
    "collections-made-anew",
    "collections-went",
    "counters-rose",
    "database-names",
    "databases-came",
    "databases-gone",
    "databases-went",
    "document-counts",
    "documents-gone",
    "first-seen-open",
    "grew",
    "made-anew",
    "names-came-back",
    "newer-id",
    "no-line",
    "not-found",
    "not-open-from",
    "note-left",
    "open-from",
    "reachable-again",
    "refused",
    "refused-twice",
    "renamed",
    "runs-overlap",
    "set-members",
    "severity",
    "shrank",
    "version",
    "write-operations-rose",
}


def written() -> set[str]:
    """The literals that the source passes as a code, or to `add_note` as its first argument."""
    found: set[str] = set()
    for path in (*SCANNER.rglob("*.py"), PROOF):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = [word.value for word in node.keywords if word.arg == "code"] if name == "Reason" else []
            given += node.args[:1] if name == "add_note" else node.args[1:2] if name == "Ground" else []
            found |= {str(value.value) for value in given if isinstance(value, ast.Constant)}
    return found


def test_every_code_is_explained_and_every_explanation_is_of_a_code() -> None:
    assert written() | BY_TABLE | CAUTIONS | CHOSEN | LEDGER == codes().keys()


def test_every_method_is_explained() -> None:
    assert methods().keys() == {
        *(activity.NEWEST_ID, activity.REPLICA_SET, activity.PROCESS_START),
        *(activity.COLLECTION_MADE, activity.WRITE_OPERATIONS, activity.INDEX_USE),
    }


def test_a_clause_goes_before_a_detail_and_more_is_a_sentence() -> None:
    for held in codes().values():
        for code in held:
            assert code.kind in KINDS.values()
            assert not code.clause.endswith(".")
            assert code.more.endswith(".")


def test_everything_that_is_known_has_a_text_of_its_own() -> None:
    for code in known_codes():
        assert meanings(code), code
        for meaning in meanings(code):
            assert len(explained(meaning)) >= 2, code
    assert {verdict.value for verdict in Verdict} <= set(known_codes())
    assert "CVE-2025-14847" in known_codes()


def test_every_kind_of_event_and_every_answer_is_explained() -> None:
    explained_as = {
        "what an event tells": RunKind,
        "what happened to an exposure": ChangeKind,
        "from where an exposure is open": ReachWord,
        "what a row of an outside report is answered": Answer,
    }
    for what, kinds in explained_as.items():
        assert set(get_args(kinds)) <= {word for word, meaning in words() if meaning.kind == what}
    assert "reminder" in dict(words())
