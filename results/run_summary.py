"""The summary of a command that made runs, for programs: what `--summary` writes, and its JSON Schema.

`python -m results.run_summary FILE` writes the committed copy of the schema.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from results.chain import load_chain
from results.durations import between
from results.files import ResultsError
from results.run import load_manifest
from results.schema import as_text, write

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "mongosweep.summary/1"

_Count = Annotated[int, Meta(ge=0)]
Ended = Literal["complete", "degraded", "interrupted", "failed", "refused", "nothing to ask"]


class Targets(Struct, frozen=True, kw_only=True):
    """Targets, (address, port) pairs: planned = outcomes + excluded + not_reached."""

    planned: _Count = 0
    outcomes: _Count = 0
    excluded: _Count = 0
    not_reached: _Count = 0


class Driver(Struct, frozen=True, kw_only=True):
    """How often the official driver agreed with our own reader, could not speak, and disagreed."""

    agrees: _Count = 0
    cannot_speak: _Count = 0
    disagrees: _Count = 0


def driver_of(agreed: tuple[int, int, int] | None) -> Driver | None:
    """From how often it agreed, could not speak, and disagreed; None where it was not asked."""
    return None if agreed is None else Driver(agrees=agreed[0], cannot_speak=agreed[1], disagrees=agreed[2])


class CommandSummary(Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """How a command ended. Fields may be added; none changes its meaning.

    `state`: of the run, or of the last one where a command makes several; `failed`: storage or our own code
    failed in the middle of it; `refused`: nothing was sent; `nothing to ask`: no run was made, and none was
    called for. `reasons` say why a run is not complete, or what a reader should know of one that is. `error`:
    what stderr says of a command that failed or was refused. `exit_code`: that of the process.

    `run_id` and `run_dir` are "" where no run was made. `runs`: the ids of all runs, oldest first. Times are
    RFC 3339 in UTC, and `elapsed` is in seconds, those before a resume included.

    `outcomes`: targets by their verdict or by what became of the connection. `open`: servers that answered
    without a password, `severities` the same by severity. `new`: exposures that the run opened, or opened
    again, by the ledger, or else open servers that were not open in the last comparable run; None where
    nobody can tell. `chain_head`: what `audit --head` compares with. `removed`: run directories that `--keep`
    took away.

    `exposures` (of `verify`): exposures by how they stand now. `rows` (of `confirm`): rows of the report by
    their answer.
    """

    command: Literal["sweep", "verify", "confirm"]
    tool_version: str
    state: Ended
    exit_code: Annotated[int, Meta(ge=0, le=255)]
    reasons: list[str] = []
    error: str = ""
    run_id: str = ""
    run_dir: str = ""
    runs: list[str] = []
    began_at: str = ""
    ended_at: str = ""
    elapsed: Annotated[float, Meta(ge=0)] = 0.0
    targets: Targets | None = None
    outcomes: dict[str, _Count] = {}
    open: _Count | None = None
    severities: dict[str, _Count] = {}
    new: _Count | None = None
    driver: Driver | None = None
    chain_head: str = ""
    removed: list[str] = []
    exposures: dict[str, _Count] | None = None
    rows: dict[str, _Count] | None = None


def of_run(summary: CommandSummary, run: Path) -> CommandSummary:
    """The same with what a run directory says of its run, which has ended or failed. What cannot be read is
    left out."""
    try:
        manifest = load_manifest(run)[0]
        chain = load_chain(run)
    except ResultsError:
        return msgspec.structs.replace(summary, run_id=run.name, run_dir=str(run))
    coverage = manifest.coverage
    told = None
    if coverage is not None:
        told = Targets(
            planned=coverage.planned,
            outcomes=coverage.outcomes,
            excluded=coverage.excluded,
            not_reached=coverage.not_reached,
        )
    return msgspec.structs.replace(
        summary,
        run_id=manifest.run_id,
        run_dir=str(run),
        reasons=manifest.reasons,
        began_at=manifest.created_at,
        ended_at=manifest.ended_at,
        elapsed=float(between(manifest.created_at, manifest.ended_at or manifest.created_at)),
        targets=told,
        outcomes=manifest.outcomes,
        chain_head=chain.head if chain is not None else "",
    )


def text_of(summary: CommandSummary) -> str:
    """One object in ASCII over several lines, as people read it too."""
    return as_text(msgspec.to_builtins(summary))


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the object. Fields that it does not name are allowed."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mongosweep:schema:summary:1",
        "title": SCHEMA,
        **msgspec.json.schema(CommandSummary),
    }


def text() -> str:
    """The schema as it is committed."""
    return as_text(json_schema())


if __name__ == "__main__":
    raise SystemExit(write(text(), sys.argv[1:]))
