"""Simulated servers on loopback, and the files by which a program may sweep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from scanner.lab.thread import LabThread
from tests.support.ports import free_port
from tests.support.sweeps import estate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Estate(NamedTuple):
    """Where the servers are: two that are open and one that asks for a login, in 32 addresses."""

    config: Path
    scope: Path
    port: int
    open: frozenset[str]


@pytest.fixture(scope="package")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """The servers, as long as the tests of this folder run."""
    folder, port = tmp_path_factory.mktemp("library"), free_port()
    allow = '[[allow]]\ncidr = "127.91.0.0/27"\nowner = "web platform"\nsite = "paris"\nkind = "lab"\n'
    scope, config = folder / "scope.toml", folder / "mongosweep.toml"
    scope.write_text(allow)
    fast = "rate = 5000\nper_prefix_rate = 5000\nconnect_timeout = 0.5\nworkers = 1\n"
    config.write_text(f"[sweep]\nports = [{port}]\n{fast}{allow}")
    chosen = estate({"magazine", "empty", "auth_7_1"})
    found = frozenset(ip for ip, personality in chosen.items() if personality.verdict.is_open)
    with LabThread({(ip, port): personality for ip, personality in chosen.items()}):
        yield Estate(config, scope, port, found)
