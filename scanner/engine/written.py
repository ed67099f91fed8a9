"""What a conversation came to, as far as the journal and the accounts need it: made here or in a worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from results.lines import from_line, put_together, to_lines
from results.record import Observation
from results.verdict import Verdict

SILENT_RULES = frozenset({"silent", "closed-without-reply"})  # of scanner.mongo.judge
FOREIGN_RULES = frozenset({"echo", "not-a-mongodb-header", "protocol-broken", "reply-cut-short"})


@dataclass(slots=True)
class Written:
    """`said`: see the function. `late`: an answer that would have told more did not come in time. `spoken`:
    whether the server spoke inside TLS, and by OP_MSG alone. Of `seen` and `lines` one may be missing."""

    verdict: Verdict
    said: str
    late: bool
    spoken: tuple[bool, bool]
    seen: Observation | None = None
    lines: list[bytes] = field(default_factory=list)

    @property
    def observation(self) -> Observation:
        """The observation; as much as its first line holds where a worker made the lines."""
        if self.seen is None:
            seen = from_line(self.lines[0])
            assert isinstance(seen, Observation)
            self.seen = seen
        return self.seen

    @property
    def whole(self) -> Observation:
        """The observation with all its databases."""
        if not self.lines:
            return self.observation
        return next(put_together(map(from_line, self.lines)))

    def to_lines(self, *, read_before: bool = False) -> list[bytes]:
        """Its lines for the journal."""
        if self.lines:
            return self.lines
        return to_lines(self.observation, read_before=read_before)

    def amended(self, seen: Observation) -> Written:
        """The same with more in the observation."""
        return Written(self.verdict, self.said, self.late, self.spoken, seen)


def said(observation: Observation) -> str:
    """What a host that is no MongoDB, as far as is known, said: for telling whether all say the same."""
    if observation.verdict not in (Verdict.UNKNOWN, Verdict.NOT_MONGODB) or not observation.evidence:
        return ""
    rule, detail = observation.evidence[0].code, observation.evidence[0].detail
    if rule in SILENT_RULES:
        return "said nothing"
    if rule == "other-protocol":
        return f"spoke {detail}"
    return f"said what no MongoDB says ({rule})" if rule in FOREIGN_RULES else ""
