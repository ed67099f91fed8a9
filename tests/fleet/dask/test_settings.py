"""Which addresses are taken, and that nothing but our settings counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.errors import RefusedError
from scanner.fleet.dask.settings import SETTINGS, address_of


@pytest.mark.parametrize(
    "text",
    ["tls://127.0.0.1:8786", "tls://scheduler.example.com:1", "tls://[2001:db8::1]:65535", "tls://a:9"],
)
def test_an_address_is_taken_as_it_was_written(text: str) -> None:
    assert address_of(text) == text


@pytest.mark.parametrize(
    "text", ["tcp://127.0.0.1:8786", "ws://a:1", "http://a:1", "inproc://a:1", "ucx://a:1"]
)
def test_nothing_without_tls_is_taken(text: str) -> None:
    with pytest.raises(RefusedError, match=r"only tls:// is taken, .*; write tls://"):
        address_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "127.0.0.1:8786", "tls://", "tls://a", "tls://a:", "tls://a:0", "tls://a:65536", "tls://:8786",
        "tls://2001:db8::1:8786", "tls://a b:1", "tls://a:1/x", "tls://u@a:1", "tls://a:1\n", "tls://\x1b[31m:1",
    ],
)  # fmt: skip
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(RefusedError, match="is no address; write tls://HOST:PORT") as refused:
        address_of(text)
    assert str(refused.value).isprintable()


def test_files_and_variables_of_dask_count_for_nothing(tmp_path: Path) -> None:
    """In a process of its own: whoever may set these runs code in it (`distributed.worker.preload`)."""
    (tmp_path / "own.yaml").write_text(
        "distributed:\n  worker:\n    preload: [mean]\n  comm: {compression: x}\n"
    )
    code = """
from scanner.fleet.dask.settings import SETTINGS, configure
configure("worker")
import dask, distributed
assert distributed
print([key for key, value in SETTINGS.items() if dask.config.get(key) != value])
print(dask.config.get("distributed.comm.compression"), dask.config.get("distributed.nanny.preload"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
            "DASK_CONFIG": str(tmp_path),
            "DASK_DISTRIBUTED__NANNY__PRELOAD": "mean",
            "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "false",
        },
    )
    assert (done.stdout, done.returncode) == ("[]\nFalse []\n", 0), done.stderr


def test_a_worker_that_is_lost_is_so_before_its_lease_could_be_mistaken() -> None:
    """A lease ends 20 s after the scheduler was heard of last; a worker is given up later than that."""
    from scanner.fleet.shard_process import LEASE

    assert float(str(SETTINGS["distributed.scheduler.worker-ttl"]).removesuffix("s")) > 2 * LEASE
