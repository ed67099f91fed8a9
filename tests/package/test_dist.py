"""What `make dist` makes beside the archives: the bill of materials and the checksums."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.deploy_programs import load

if TYPE_CHECKING:
    from pathlib import Path

DIST = load("package/dist.py")


def test_the_bill_of_materials_says_what_we_are_and_what_we_use_ourselves() -> None:
    bom = {
        "metadata": {"component": {"bom-ref": "root-component", "name": "mongosweep"}},
        "components": [
            {"bom-ref": "requirements-L1", "name": "aiohttp", "version": "3.14.5", "description": "a line"},
            {"bom-ref": "requirements-L9", "name": "Prometheus_Client", "version": "0.26.0"},
            {"bom-ref": "requirements-L5", "name": "frozenlist", "version": "1.8.0"},
        ],
        "dependencies": [{"ref": "root-component"}, {"ref": "requirements-L1"}],
    }
    made = DIST.complete(bom, "1.2.3")
    ours = made["metadata"]["component"]
    assert (ours["version"], ours["purl"]) == ("1.2.3", "pkg:pypi/mongosweep@1.2.3")
    assert made["dependencies"][0] == {
        "ref": "root-component",
        "dependsOn": ["requirements-L1", "requirements-L9"],
    }
    assert [each["ref"] for each in made["dependencies"]] == ["root-component", "requirements-L1"]
    assert not any("description" in each for each in made["components"])


def test_the_checksums_are_for_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "b.whl").write_bytes(b"b")
    (tmp_path / "a.tar.gz").write_bytes(b"a")
    (tmp_path / "SHA256SUMS").write_text(DIST.sums_of(tmp_path))
    assert DIST.sums_of(tmp_path) == (tmp_path / "SHA256SUMS").read_text()
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("a.tar.gz: OK\nb.whl: OK\n", 0)


def test_a_tool_that_fails_releases_nothing_and_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(DIST.DistError, match=r"(?s)^twine ended with 1:.*InvalidDistribution"):
        DIST.run("twine", "check", "--strict", tmp_path / "no-such-file.whl", epoch="1764000000")
