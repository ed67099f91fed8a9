"""Certificates that tests of a fleet have, and hosts behind a real sshd."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support import sshd
from tests.support.fleet_certificates import fleet
from tests.support.listening import Listener
from tests.support.ssh_hosts import HOSTS, World, forced_commands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def two_fleets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fleets, of which each test has copies."""
    folder = tmp_path_factory.mktemp("fleets")
    fleet(folder / "fleet")
    fleet(folder / "other")
    return folder


@pytest.fixture
def made(two_fleets: Path, tmp_path: Path) -> Path:
    """A fleet's certificates, of `tests.support.fleet_certificates.NOW`."""
    return shutil.copytree(two_fleets / "fleet", tmp_path / "fleet")


@pytest.fixture
def other(two_fleets: Path, tmp_path: Path) -> Path:
    """Another fleet, where the same names are used."""
    return shutil.copytree(two_fleets / "other", tmp_path / "other")


@pytest.fixture(scope="module")
def running_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every host of `ssh_hosts`."""
    sshd.needed()
    folders, listener = tmp_path_factory.mktemp("hosts"), Listener()
    with sshd.sshd(tmp_path_factory.mktemp("sshd"), forced_commands(folders, listener.port)) as server:
        yield World(server, folders, listener)
    listener.close()


@pytest.fixture
def world(running_hosts: World) -> World:
    """Every host, nothing of which befell anybody yet."""
    for name in HOSTS:
        for left in running_hosts.of(name).iterdir():
            left.unlink()
    return running_hosts
