"""Giving up privileges for good, and proving it. Linux only; no library does this without compiling.

A raw socket that is already open keeps its full power, so this limits what else a taken-over process could
do: no new raw socket, no other user's file, no new descriptor at all."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from pathlib import Path

CAP_NET_RAW = 13
NOBODY = 65534
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 1, 4, 8, 23, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_LOWER, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 3, 4
_CAPABILITY_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class StillPrivileged(Exception):  # noqa: N818 — the name says what is so
    """Something could not be given up: the process must not go on."""


def _prctl(option: int, *arguments: int) -> int:
    values = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    result: int = _libc.prctl(ctypes.c_int(option), *values)
    return result


def _header() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0), 8)


def _capabilities() -> list[int]:
    """Six words: effective, permitted, inheritable of bits 0-31, then of bits 32-63."""
    data = ctypes.create_string_buffer(24)
    if _libc.capget(_header(), data) != 0:
        raise StillPrivileged(f"capget: {os.strerror(ctypes.get_errno())}")
    return list(struct.unpack("6I", data.raw))


def _set_capabilities(words: list[int]) -> None:
    if _libc.capset(_header(), ctypes.create_string_buffer(struct.pack("6I", *words), 24)) != 0:
        raise StillPrivileged(f"capset: {os.strerror(ctypes.get_errno())}")


def _empty_bounding_set() -> None:
    """Where we may (CAP_SETPCAP); without it the set limits nothing that NO_NEW_PRIVS does not stop as
    well."""
    capability = 0
    while _prctl(_PR_CAPBSET_READ, capability) >= 0:
        _prctl(_PR_CAPBSET_DROP, capability)
        capability += 1


def drop_everything() -> None:
    """Give up user, groups, capabilities, new privileges and new descriptors. Raises StillPrivileged."""
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise StillPrivileged("other threads run already, and capabilities belong to each thread")
    _empty_bounding_set()
    _prctl(_PR_SET_KEEPCAPS, 0)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _empty_this_thread()
    _prctl(_PR_SET_DUMPABLE, 0)
    if any(_capabilities()) or os.geteuid() == 0 or os.getuid() == 0:
        raise StillPrivileged("a capability or the user root is still there")
    # No open file is affected; poll and select go on working on the low descriptors they already have.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def drop_capabilities() -> None:
    """Give up every capability and the way to new ones, in a process that keeps its user and opens no socket
    itself. Raises StillPrivileged."""
    _empty_bounding_set()
    _empty_this_thread()


def _empty_this_thread() -> None:
    """No capability is left, and no program that is run gives one back."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _set_capabilities([0] * 6)
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1) != 0:
        raise StillPrivileged(f"PR_SET_NO_NEW_PRIVS: {os.strerror(ctypes.get_errno())}")


def hide_memory() -> None:
    """No core file, and no other process of this user may read our memory or environment."""
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent(parent: int) -> None:
    """End at once, by SIGKILL, when the thread that started this process ends; now if it has already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def has_net_raw() -> bool:
    """Whether this thread may open a packet socket now."""
    return bool(_capabilities()[0] & (1 << CAP_NET_RAW))


def lay_down_net_raw() -> None:
    """Make CAP_NET_RAW ineffective in this thread, which can then open no raw socket, and leave it to the
    programs that it runs: for a service whose children are sweeps."""
    words = _capabilities()
    words[0] &= ~(1 << CAP_NET_RAW) & 0xFFFFFFFF
    _set_capabilities(words)


def renounce_net_raw() -> None:
    """Give up CAP_NET_RAW alone, in this thread and in what it starts from now on: for the parent of the
    stage.

    The parent got it only to hand it on. Call it early, in the main thread, and in each thread that runs
    already, which would keep its own."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_LOWER, CAP_NET_RAW)
    _prctl(_PR_CAPBSET_DROP, CAP_NET_RAW)  # else a child of root would get it again
    keep = ~(1 << CAP_NET_RAW) & 0xFFFFFFFF
    words = _capabilities()
    _set_capabilities([word & keep for word in words[:3]] + words[3:])
