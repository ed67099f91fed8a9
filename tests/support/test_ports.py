"""Ports for tests: shares that do not meet, nothing that is taken, and nothing twice."""

from __future__ import annotations

import socket

import pytest

from tests.support.ports import BEHIND, FIRST, free_address, free_port, is_free, share

LINUX = "32768\t60999"


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 16])
def test_the_shares_of_workers_do_not_meet(workers: int) -> None:
    shares = [share(f"gw{number}", workers, LINUX) for number in range(workers)]
    ports = [port for one in shares for port in one]
    assert len(set(ports)) == len(ports)
    assert FIRST <= min(ports) <= max(ports) < BEHIND
    assert all(len(one) >= 1000 for one in shares)


def test_a_run_without_workers_has_everything() -> None:
    assert share("", 1, LINUX) == range(FIRST, BEHIND)


def test_no_share_where_the_kernel_gives_away_the_same_ports() -> None:
    assert not share("gw0", 2, "1024 65535")


def test_no_port_comes_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)


def test_what_is_taken_is_not_free() -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.96.0.1", port))
        assert not is_free(port)
        assert not is_free(port, "127.96.0.1")
        assert is_free(port, "127.96.0.2")
        assert is_free(port, free_address("127.96", port))
