"""The cookie: a true SipHash, the same for SYN and answer, and of no use to a forger."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.network.syn.cookie import Cookies, siphash24
from tests.network.syn import independent
from tests.network.syn.columns import columns

KEY = bytes(range(16))
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


def test_the_vector_of_the_paper() -> None:
    message = bytes(range(15))  # appendix A: the 15 bytes 00 … 0e
    words = [int.from_bytes(message[:8], "little"), int.from_bytes(message[8:], "little") | 15 << 56]

    digest = siphash24(KEY, [np.array([word], dtype=np.uint64) for word in words])

    assert digest.tolist() == [0xA129CA6149BE45E5]
    assert independent.siphash24(KEY, message) == 0xA129CA6149BE45E5


@given(addresses, st.integers(0, 65535), st.binary(min_size=16, max_size=16))
def test_columns_equal_the_scalar_definition(
    address: IPv4Address | IPv6Address, port: int, key: bytes
) -> None:
    sequence, source = Cookies(key, 20000, 64).make(columns(address), np.array([port], dtype=np.uint16))

    assert (int(sequence[0]), int(source[0])) == independent.cookie(key, address, port, 20000, 64)


@given(addresses, st.integers(1, 65535))
def test_an_answer_to_our_syn_is_believed(address: IPv4Address | IPv6Address, port: int) -> None:
    cookies = Cookies(KEY, 40000, 256)
    ports = np.array([port], dtype=np.uint16)
    sequence, source = cookies.make(columns(address), ports)

    assert cookies.valid(columns(address), ports, source, sequence + np.uint32(1)).all()


@given(addresses, st.integers(1, 65535), st.integers(0, 2**32 - 1), st.integers(40000, 40255))
def test_a_guess_is_not_believed(
    address: IPv4Address | IPv6Address, port: int, acknowledged: int, our_port: int
) -> None:
    cookies = Cookies(KEY, 40000, 256)
    sequence, source = independent.cookie(KEY, address, port, 40000, 256)

    believed = cookies.valid(
        columns(address),
        np.array([port], dtype=np.uint16),
        np.array([our_port], dtype=np.uint16),
        np.array([acknowledged], dtype=np.uint32),
    )

    assert bool(believed[0]) == ((acknowledged, our_port) == ((sequence + 1) % 2**32, source))


def test_another_host_another_port_or_another_run_has_another_cookie() -> None:
    port = np.array([27017], dtype=np.uint16)
    here = Cookies(KEY, 40000, 256)
    sequence, source = here.make(columns(IPv4Address("10.0.0.1")), port)
    echo = (source, sequence + np.uint32(1))

    assert not here.valid(columns(IPv4Address("10.0.0.2")), port, *echo).any()
    assert not here.valid(columns(IPv4Address("10.0.0.1")), port + np.uint16(1), *echo).any()
    assert not Cookies(bytes(16), 40000, 256).valid(columns(IPv4Address("10.0.0.1")), port, *echo).any()


@pytest.mark.parametrize(("base", "spread"), [(0, 64), (20000, 0), (20000, 48), (65500, 64)])
def test_ports_that_make_no_sense_are_refused(base: int, spread: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Cookies(KEY, base, spread)
