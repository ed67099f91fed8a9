"""What the ledger says of one exposure, as types: plain data that is shown, reported and sent on.

An exposure is one server at one place (an address and port within a site). Everything here is derived from
what runs saw (`visit.py`), and from what people did (`actions.py`); nothing is entered by hand.

Like a record it cannot hold itself (`gc=False`). Times are RFC 3339 text in UTC with milliseconds, as in a
record, so that text order is time order; "" is not known. Durations are whole seconds. Names came from
servers and are hostile text.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from results.past import Count
from results.record import Owner, Port, Reason, Score, SeverityNumber
from results.verdict import Severity, Verdict

EXPOSURE, CHANGE = "mongosweep.exposure/1", "mongosweep.change/1"

State = Literal["new", "open", "changed", "unreachable", "closed", "reopened", "accepted"]
"""`new`: seen open in one run. `open`: again, with nothing of note between the last two looks. `changed`:
something was (`Change`). `reopened`: open after it was proved closed, in the first run that saw it so.
`unreachable`: the last looks say nothing. `accepted`: open, and somebody took it upon themselves until a day
that has not passed."""

ReachWord = Literal["internet", "all_vantages", "differs", "one_vantage", "unknown"]
"""`internet`: open from the vantage of that name, whatever others see. Otherwise of the vantages that looked:
`all_vantages`: open from all of them; `differs`: from several, and not from another; `one_vantage`: from one,
and not from another. `unknown`: only one looked, or the runs named none."""

ChangeKind = Literal[
    "opened",
    "changed",
    "wiped",
    "ransomed",
    "restored",
    "moved",
    "unreachable",
    "closed",
    "reopened",
    "reach_changed",
]


class Place(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where a server was: an address and port within a site of the allow-list."""

    ip: str
    port: Port
    site: str = ""
    first_seen: str = ""
    last_seen: str = ""


class Spell(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One stretch of being open. It began after `opened_after` and was seen first at `first_seen_open`; it
    was last seen at `last_seen_open` and ended before `closed_before`.

    `opened_after` is the last look before that did not find it open, and `opened_after_how` the code of what
    that look was: `answered-not-open` (it answered, and not as open), `refused`, `not-found` (a complete run
    that covered the place wrote no line of it, which a lost packet can explain too). "": nobody looked
    before. `closed_before` is the moment of the proof, `closed_how` its code; both "" while open.
    `closed_after`: the last look that saw it open.
    """

    first_seen_open: str
    last_seen_open: str
    opened_after: str = ""
    opened_after_how: str = ""
    closed_before: str = ""
    closed_how: str = ""


class AtVantage(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What it is from one point of view; `vantage` is "" where runs did not say from where they look.

    `not_open`: it was asked from there, and never seen open. `asked_at` is the last look that counts for the
    reach, and `asked_how` the code of what it found; "" where none does.
    """

    vantage: str = ""
    state: Literal["open", "unreachable", "closed", "not_open"]
    last_seen_open: str = ""
    last_look: str = ""
    closed_at: str = ""
    closed_how: str = ""
    asked_at: str = ""
    asked_how: str = ""


class Lost(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was there at the look before and is not at this one. `databases` are names, at most 50; counts are
    of all."""

    databases: list[str] = []
    database_count: Count = 0
    collection_count: Count = 0
    documents: Count | None = None
    bytes: Count | None = None


class Grown(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Differences between two looks; null where one of them did not tell. `inserted`, `updated` and `deleted`
    are documents by the server's own counters, within one life of its process."""

    documents: int | None = None
    bytes: int | None = None
    databases: int | None = None
    collections: int | None = None
    inserted: Count | None = None
    updated: Count | None = None
    deleted: Count | None = None


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="schema", tag=CHANGE):
    """One thing that happened to an exposure between two looks.

    It happened after `after` ("": nobody looked before) and not later than `at`, the look that shows it;
    `dated` is the moment itself where the server told it (the making of a collection, the start of a
    process), with the code of the method in `dated_how`. `reasons`: codes of what shows it. `event_id` is
    the same whenever it is derived again; `observation_id` is the `event_id` of the observation that shows
    it, "" where no line does. `place` is where it was before, of one that moved. `reach`, `open_from` and
    `not_open_from` are of the exposure as it stood then.
    """

    event_id: str
    exposure_id: str
    finding_id: str
    kind: ChangeKind
    at: str
    after: str = ""
    dated: str = ""
    dated_how: str = ""
    run_id: str
    observation_id: str = ""
    vantage: str = ""
    reasons: list[Reason] = []
    names: list[str] = []
    lost: Lost | None = None
    grown: Grown | None = None
    place: Place | None = None
    reach: ReachWord = "unknown"
    open_from: list[str] = []
    not_open_from: list[str] = []
    severity: Severity
    severity_number: SeverityNumber
    score: Score | None = None


class Look(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One visit of a run to the exposure's place, for a timeline. `line_sha256` is that of the observation's
    line, which stands in segment `segment` of the run's journal, `offset` bytes from its beginning."""

    at: str
    run_id: str
    run_state: str = ""
    event_id: str = ""
    vantage: str = ""
    verdict: Verdict
    evidence: list[str] = []
    documents: Count | None = None
    bytes: Count | None = None
    databases: Count | None = None
    newest_write: str = ""
    newest_write_method: str = ""
    ip: str = ""
    port: Port = 27017
    segment: int = 0
    offset: int = 0
    line_sha256: str = ""


class Liveness(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Whether it was written to between its last two looks, `after` and `until`.

    `written` is null where nothing that was asked can tell. `methods` are codes of what says so: with
    `written` true those that show it, with false all that were compared and show none.
    """

    after: str
    until: str
    written: bool | None = None
    methods: list[str] = []
    grown: Grown | None = None


class Breach(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The 72 hours of GDPR article 33, as a fact: they run from `began`, when the organisation knew, to
    `ends`.

    `why` is the code of what made it know: `first-seen-open` (a run wrote it down), which a person may
    correct by a note. Whether the data are personal is for the data-protection officer: `hints` are words
    that speak for it.
    """

    began: str
    ends: str
    why: str
    hints: list[str] = []


class Acceptance(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who took the risk upon themselves, when, until when (a time), and why."""

    by: str
    at: str
    until: str
    reason: str = ""


class Action(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a person did, or mongosweep did for them (`notify`). `to`: who was told; `by`: who did it."""

    at: str
    kind: str
    by: str = ""
    to: list[str] = []
    detail: str = ""
    until: str = ""


class TrackedExposure(
    Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="schema", tag=EXPOSURE
):
    """One server at one place, and where it stands.

    `place` is where it was last seen, `places` all of them, oldest first. `owner`, `severity`, `hostnames`,
    `product`, `version`, `topology`, `set_name` and what it holds are of the last look that saw it open.
    `severity` is the gravest over the vantages that see it open. `reach` says from where it is open, and
    `open_from` and `not_open_from` are the vantages by which that is known: those of `vantages` whose last
    look counts beside the others; `reach_since` is the look that first showed it so. Of one that is
    unreachable or closed they are as it was last open.

    `first_seen_open` to `last_seen_open` and the bounds beside them are of the present spell, or the last
    one; `spells` has all. `open_at_least_seconds` and `open_at_most_seconds` bound how long that spell has
    lasted: null where there is no upper bound. `liveness` compares the last two looks that saw it open and
    told counts, `last_written` the last two between which it was written to. `due_at`: when it should be
    closed by the deadlines in force. `covered_by_last_run`: whether the newest ended sweep, or a run since,
    asked its place; null where that cannot be told. `related`: exposures that show the same data at other
    places, as members of a set do. `former_ids`: ids that it had before two were seen to be one.
    """

    exposure_id: str
    finding_id: str
    state: State
    severity: Severity
    severity_number: SeverityNumber
    severity_reasons: list[Reason] = []
    score: Score | None = None
    place: Place
    places: list[Place] = []
    hostnames: list[str] = []
    owner: Owner
    vantages: list[AtVantage] = []
    reach: ReachWord = "unknown"
    reach_since: str = ""
    open_from: list[str] = []
    not_open_from: list[str] = []
    product: str = ""
    version: str = ""
    topology: str = ""
    set_name: str = ""
    database_count: Count | None = None
    collection_count: Count | None = None
    documents: Count | None = None
    bytes: Count | None = None
    databases: list[str] = []
    hints: list[str] = []
    ransom_names: list[str] = []
    newest_write: str = ""
    newest_write_method: str = ""
    first_seen_open: str
    last_seen_open: str
    opened_after: str = ""
    opened_after_how: str = ""
    closed_before: str = ""
    closed_how: str = ""
    last_look: str
    last_run_id: str
    last_event_id: str
    looks: Count = 0
    spells: list[Spell] = []
    wiped_count: Count = 0
    ransomed_count: Count = 0
    restored_count: Count = 0
    reopened_count: Count = 0
    first_hit: str = ""
    last_hit: str = ""
    lost: Lost | None = None
    last_change: str = ""
    last_change_kind: str = ""
    liveness: Liveness | None = None
    last_written: Liveness | None = None
    related: list[str] = []
    former_ids: list[str] = []
    covered_by_last_run: bool | None = None
    cautions: list[Reason] = []
    # laid over when read: the clock and what people did
    open_at_least_seconds: Count | None = None
    open_at_most_seconds: Count | None = None
    due_at: str = ""
    overdue: bool = False
    warned_at: str = ""
    last_warned_at: str = ""
    acknowledged_at: str = ""
    acknowledged_by: str = ""
    acceptance: Acceptance | None = None
    breach: Breach | None = None

    @property
    def is_open(self) -> bool:
        """Whether it counts as open: everything but proof of closure."""
        return self.state != "closed"
