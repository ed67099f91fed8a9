"""Addresses and ports as the columns that the SYN stage works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scanner.network.syn.cookie import Addresses

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address


def columns(address: IPv4Address | IPv6Address, rows: int = 1) -> Addresses:
    number = int(address)
    low = np.full(rows, number & (2**64 - 1), dtype=np.uint64)
    return Addresses(low, None if address.version == 4 else np.full(rows, number >> 64, dtype=np.uint64))
