"""Which runs may go on at once in one output directory."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from results.files import REAL, DirectoryBusyError
from results.going_on import going_on, process_of
from scanner.clock import SystemClock
from scanner.setup.settings import Settings, SweepOptions
from scanner.sweep.begin import begin
from targets.load import load_scope

if TYPE_CHECKING:
    from pathlib import Path

    from results.run import RunDirectory
    from scanner.setup.settings import Purpose


def begun(output: Path, cidr: str, purpose: Purpose = "", resume: str | None = None) -> RunDirectory:
    listed = output / f"{cidr.replace('/', '-')}.txt"
    listed.write_text(cidr + "\n")
    scope = load_scope(str(listed), ports=(27017,), now=0.0)
    options = SweepOptions(output=output, purpose=purpose, resume=resume)
    return begin(Settings(), scope, options, SystemClock(), REAL).directory


def test_sweeps_over_different_prefixes_go_on_at_once_and_over_one_never(tmp_path: Path) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(begun(tmp_path, "10.1.1.0/25"))
        other = stack.enter_context(begun(tmp_path, "10.1.2.0/24"))
        assert {path.name for path in going_on(tmp_path)} == {one.run_id, other.run_id}
        assert process_of(one.path) == os.getpid()
        with pytest.raises(DirectoryBusyError, match=rf"{one.run_id}, .*: it asks 10\.1\.1\.0/24, too"):
            begun(tmp_path, "10.1.1.200/32")
        assert len(list(tmp_path.glob("*/manifest.json"))) == 2
    with begun(tmp_path, "10.1.1.200/32") as third:
        assert [path.name for path in going_on(tmp_path)] == [third.run_id]
        with pytest.raises(DirectoryBusyError, match="it asks"):
            begun(tmp_path, "10.1.1.0/25", resume=one.run_id)


def test_a_verification_goes_on_beside_a_sweep_and_not_beside_another(tmp_path: Path) -> None:
    with begun(tmp_path, "10.1.1.0/24"), begun(tmp_path, "10.1.1.7/32", "verify"):
        with pytest.raises(DirectoryBusyError, match="a verification goes on already"):
            begun(tmp_path, "10.1.3.1/32", "verify")
        begun(tmp_path, "10.1.4.0/24").close()


def test_a_confirmation_goes_on_beside_a_sweep_and_a_verification_and_not_beside_another(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        for purpose in ("", "verify", "confirm"):
            stack.enter_context(begun(tmp_path, "10.1.1.0/24", purpose))
        with pytest.raises(DirectoryBusyError, match="a confirmation goes on already"):
            begun(tmp_path, "10.1.3.1/32", "confirm")
        begun(tmp_path, "10.1.4.0/24").close()
