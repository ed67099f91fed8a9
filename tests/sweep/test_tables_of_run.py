"""A sweep judges by the newest tables, in its workers too, and writes down which they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace as replace_fields

from results.run import load_manifest
from scanner.mongo.tables import FILES, built_in, digest, digest_in_use, given
from scanner.setup.settings import Settings, SweepOptions
from scanner.sweep.sweep import run
from tests.support.slow_servers import slow_servers
from tests.support.sweeps import FAST, Watcher, found, scope_of

if TYPE_CHECKING:
    from results.manifest import Manifest


def with_a_word() -> dict[str, Any]:
    """The built-in telling names with one more, of a later day, which slow servers use."""
    table = json.loads(json.dumps(built_in("telling_names")))
    table["as_of"] = "2999-01-01"
    row = {"language": "en", "category": "people", "source": "s", "words": ["c"]}
    table["words"].append(row)
    return {"telling_names": table}


def start_of(run_dir: str, number: int) -> dict[str, str]:
    manifest: Manifest = load_manifest(Path(run_dir))[0]
    return {table.name: f"{table.as_of} {table.sha256}" for table in manifest.starts[number].tables}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_is_judged_by_the_tables_that_it_was_given(tmp_path: Path, port: int, workers: int) -> None:
    """Slow servers, so that with workers each has some of them."""
    newer = with_a_word()
    settings = Settings(sweep=replace_fields(FAST, reply_timeout=4.0, host_timeout=15.0))
    options = SweepOptions(output=tmp_path, workers=workers, tables=newer)
    with slow_servers(port, 6, 0.02):
        summary = run(settings, scope_of(port, "127.91.0.0/29"), options, Watcher())
    lines = found(summary.run_dir).values()
    assert summary.outcomes == {"open": 8}
    for line in lines:
        assert line.exposure is not None
        assert {hint.word for hint in line.exposure.hints} == {"c"}
    tables = start_of(summary.run_dir, 0)
    assert tables.keys() == set(FILES)
    assert tables["telling_names"] == f"2999-01-01 {digest(newer['telling_names'])}"

    run(settings, scope_of(port, "127.91.0.0/29"), replace(options, tables=None), Watcher())
    assert given() == {}
    assert tables["versions"].endswith(digest_in_use("versions"))
