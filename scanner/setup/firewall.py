"""A second fence outside the process, made from the scope: what stops a packet when our own check is wrong.

Three kinds, as text to read and install by hand. A rule that answers EACCES or EPERM is best: the sweep then
knows at once, whereas a silent drop looks like a filtered target and a reject looks like a refusal. The
nftables table therefore only drops and counts, behind the routing rule that refuses.
"""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from scanner.clock import SystemClock
from scanner.errors import RefusedError
from targets.planning import prefixes_of

if TYPE_CHECKING:
    from targets.scope import Scope

KINDS = ("nftables", "iproute", "systemd")
TABLE_NUMBER = 27017
PRIORITY = 100


def fence(kind: str, scope: Scope, user: int) -> str:
    """The text of one fence. `user` is the numeric uid under which sweeps run, and nothing else does."""
    return {"nftables": _nftables, "iproute": _iproute, "systemd": _systemd}[kind](scope, user)


def _split(scope: Scope) -> tuple[list[str], list[str]]:
    prefixes = prefixes_of(scope.ranges())
    return [p for p in prefixes if ":" not in p], [p for p in prefixes if ":" in p]


def _nftables(scope: Scope, user: int) -> str:
    """https://wiki.nftables.org: sets of prefixes, matched by the sending socket's uid, with counters."""
    v4, v6 = _split(scope)
    ports = ", ".join(map(str, scope.ports))
    sets = [_nft_set("allowed4", "ipv4_addr", v4), _nft_set("allowed6", "ipv6_addr", v6)]
    return f"""\
# nft -f FILE; read the counters with: nft list table inet mongosweep
# Only packets of uid {user} are judged; its DNS is dropped too, so keep host names out of the allow-list.
# Raw sockets of the SYN engine pass by this hook: fence them on the interface's egress hook or upstream.
# Scope {scope.digest}
table inet mongosweep
delete table inet mongosweep
table inet mongosweep {{
  counter inside {{ }}
  counter outside {{ }}
{"".join(sets)}
  chain judged {{
    oif lo accept
    ip daddr @allowed4 tcp dport {{ {ports} }} counter name inside accept
    ip6 daddr @allowed6 tcp dport {{ {ports} }} counter name inside accept
    counter name outside drop
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    meta skuid {user} jump judged
  }}
}}
"""


def _nft_set(name: str, kind: str, prefixes: list[str]) -> str:
    elements = f"    elements = {{ {_wrapped(prefixes, ', ', 14)} }}\n" if prefixes else ""
    return f"  set {name} {{\n    type {kind}; flags interval\n{elements}  }}\n"


def _iproute(scope: Scope, user: int) -> str:
    """ip-rule(8) uidrange and a table whose default is `prohibit`: connect() fails with EACCES at once."""
    v4, v6 = _split(scope)
    lines = [
        "#!/bin/sh",
        "# Routes for one user: the scope by the way that the main table knows, everything else prohibited.",
        f"# Takes effect for uid {user}; loopback keeps working (the local table comes first). Run as root;",
        f"# undo with: ip rule del priority {PRIORITY}; ip -6 rule del priority {PRIORITY}",
        f"# Scope {scope.digest}",
        "set -eu",
    ]
    for family, prefixes in (("-4", v4), ("-6", v6)):
        lines += ["", f"ip {family} route flush table {TABLE_NUMBER} 2>/dev/null || true"]
        # `throw` ends the look-up in this table, so that the rules after it find the way as ever.
        lines += [f"ip {family} route add throw {prefix} table {TABLE_NUMBER}" for prefix in prefixes]
        lines += [
            f"ip {family} route add prohibit default table {TABLE_NUMBER}",
            f"ip {family} rule del priority {PRIORITY} 2>/dev/null || true",
            f"ip {family} rule add priority {PRIORITY} uidrange {user}-{user} lookup {TABLE_NUMBER}",
        ]
    return "\n".join(lines) + "\n"


def _systemd(scope: Scope, user: int) -> str:
    """systemd.resource-control(5): both lists filter by cgroup; an address in IPAddressAllow= passes."""
    prefixes = prefixes_of(scope.ranges())
    allow = "".join(f"IPAddressAllow={prefix}\n" for prefix in prefixes)
    return f"""\
# A drop-in: /etc/systemd/system/mongosweep.service.d/fence.conf, then: systemctl daemon-reload
# It is ignored without cgroup v2 and BPF: check with `systemctl show mongosweep -p IPAddressAllow`.
# Scope {scope.digest}
[Service]
User={user}
IPAddressDeny=any
IPAddressAllow=localhost
{allow}"""


def _wrapped(items: list[str], separator: str, indent: int) -> str:
    """Items in lines of eight."""
    rows = [separator.join(items[start : start + 8]) for start in range(0, len(items), 8)]
    return (separator.rstrip() + "\n" + " " * indent).join(rows)


def fence_text(kind: str, config: str | None, scope_file: str | None, user: str | None) -> str:
    """The text of a fence for the whole scope."""
    # Imports that the help of `doctor` can do without.
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.request import SweepRequest, load

    now = require_clock(SystemClock(), witnesses(config, scope_file))
    scope = load(SweepRequest(config=config, scope_file=scope_file), now).scope
    return fence(kind, scope, _uid(user))


def _uid(user: str | None) -> int:
    if user is None:
        uid = os.geteuid()
    elif user.isascii() and user.isdigit():
        uid = int(user)
    else:
        try:
            uid = pwd.getpwnam(user).pw_uid
        except KeyError:
            raise RefusedError(f"there is no account {user!r}; write the one that runs sweeps") from None
    if uid == 0:
        raise RefusedError(
            "a fence around root would cut off the whole machine; name the account of sweeps with --user"
        )
    return uid
