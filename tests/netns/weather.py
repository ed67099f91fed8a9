"""Firewalls and lossy links of the usual kinds, as nft rules of the namespace that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.netns import Namespace

SYN = "tcp flags & (syn | ack) == syn"
REJECTIONS = {
    "reset": "reject with tcp reset",
    "prohibited": "reject with icmpx type admin-prohibited",
    "unreachable": "reject with icmpx type host-unreachable",
    "dropped": "drop",
}


@dataclass(frozen=True)
class Weather:
    """What happens to packets on their way. Percentages of all TCP packets, each way; counts of SYNs."""

    lost: int = 0
    limit: int = 0  # SYNs a second that pass; the others are treated as `how` says
    quota: int = 0  # SYNs that pass in all
    ban_after: int = 0  # SYNs of one source after which everything of it is treated so, for good
    how: str = "dropped"
    grey: int = 0  # connections to one address (SYNs with a new source port) that are dropped first

    def __str__(self) -> str:
        told = [f"{name} {value}" for name, value in vars(self).items() if value and name != "how"]
        shut = self.limit or self.quota or self.ban_after
        return ", ".join(told + [self.how] * bool(shut)) or "clear"

    def install(self, corp: Namespace) -> None:
        """Load the rules."""
        lossy = f"meta l4proto tcp numgen random mod 100 < {self.lost} drop\n" if self.lost else ""
        sets, greylist = self._greylist()
        verdict, guard = REJECTIONS[self.how], ""
        if self.limit:
            guard += f"{SYN} limit rate over {self.limit}/second burst 5 packets {verdict}\n"
        if self.quota:
            guard += f"{SYN} limit rate over 1/day burst {self.quota} packets {verdict}\n"
        if self.ban_after:
            sets += "set banned { type ipv4_addr; flags dynamic; timeout 1h; size 1024; }\n"
            over = f"{SYN} limit rate over 1/day burst {self.ban_after} packets"
            guard += f"meta l4proto tcp ip saddr @banned {verdict}\n"
            guard += f"{over} add @banned {{ ip saddr }} {verdict}\n"
        corp.nft(
            f"table inet weather {{\n{sets}"
            f"chain arriving {{\ntype filter hook prerouting priority -400\n{lossy}{greylist}}}\n"
            f"chain guard {{\ntype filter hook input priority 0\n{guard}}}\n"
            f"chain leaving {{\ntype filter hook output priority -400\n{lossy}}}\n}}\n"
        )

    def _greylist(self) -> tuple[str, str]:
        """Sets and rules. A connection counts once, by its source port: a repeated SYN has the same."""
        sets = rules = ""
        kind = "flags dynamic; timeout 120s; size 65536;"
        for number in range(self.grey):
            sets += f"set grey{number} {{ type ipv4_addr; {kind} }}\n"
            sets += f"set port{number} {{ type ipv4_addr . inet_service; {kind} }}\n"
            rules += f"{SYN} ip daddr . tcp sport @port{number} drop\n"
        for number in range(self.grey):
            entry = f"add @grey{number} {{ ip daddr }} add @port{number} {{ ip daddr . tcp sport }}"
            rules += f"{SYN} ip daddr != @grey{number} {entry} drop\n"
        return sets, rules
