"""The sections of a dossier that rest on several facts: state, incidents, life, people, what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.codes import sentence
from results.ledger.reach import NO_LINE
from results.ledger.words import bounds, grown_in, how, lost_in, names_in, reasons_in, times, vantage_words
from results.record import STATUS_PAGE
from results.text import minute, visible
from results.verdict import INTERNET, MEANING, Verdict

if TYPE_CHECKING:
    from results.ledger.tracked import AtVantage, TrackedExposure


def state(exposure: TrackedExposure) -> list[str]:
    """What the state is, and what that rests on."""
    said = [
        {
            "new": "New: one run has seen it open.",
            "open": "Open: seen open again, with nothing of note between the last two looks.",
            "changed": "Changed: open, and something happened between the last two looks.",
            "reopened": "Reopened: it had been proved closed, and is open again.",
            "unreachable": "Unreachable: the last looks say nothing. That is no proof that it was closed.",
            "closed": "Closed, by proof.",
            "accepted": "Accepted: open, and somebody took the risk upon themselves.",
        }[exposure.state]
    ]
    if exposure.overdue:
        said.append(f"Overdue: it was to be closed by {minute(exposure.due_at)}.")
    if cautions := reasons_in(exposure.cautions):
        said.append(f"To be read with care: {cautions}.")
    return said


def severity(exposure: TrackedExposure) -> list[str]:
    """How grave it is, and why."""
    why = "; ".join(
        visible(sentence(reason), 200) for reason in exposure.severity_reasons if reason.code != "verdict"
    )
    score = "" if exposure.score is None else f", {exposure.score} of 100"
    return [f"Severity {exposure.severity.value}{score}{f': {why}' if why else ''}."]


def incidents(exposure: TrackedExposure) -> list[str]:
    """How often it was wiped, held to ransom and restored, between when, and what was lost."""
    counts = [
        f"{verb} {times(count)}"
        for count, verb in (
            (exposure.wiped_count, "wiped"),
            (exposure.ransomed_count, "held to ransom"),
            (exposure.restored_count, "restored"),
        )
        if count
    ]
    if not counts:
        return []
    when = ""
    if exposure.first_hit and exposure.last_hit:
        same = exposure.first_hit == exposure.last_hit
        when = (
            f", at {minute(exposure.first_hit)} at the latest"
            if same
            else (f", between {minute(exposure.first_hit)} and {minute(exposure.last_hit)}")
        )
    said = [f"It was {_listed(counts)}{when}."]
    said.append("Counted is what looks show: what happened twice between two looks is seen once.")
    if lost := lost_in(exposure.lost, summed=True):
        said.append(f"Lost in all: {lost}.")
    return said


def liveness(exposure: TrackedExposure) -> list[str]:
    """Whether it was written to between the last two looks, and how that is known."""
    said = []
    life = exposure.liveness
    if life is not None:
        methods = "; ".join(how(code) for code in life.methods)
        between = bounds(life.after, life.until)
        if life.written:
            grown = grown_in(life.grown)
            said.append(f"It was written to {between}{f': {grown}' if grown else ''}.")
            if methods:
                said.append(f"That is known by this: {methods}.")
        elif life.written is False:
            said.append(f"There is no sign of a write {between}.")
            if methods:
                said.append(f"That is all that these can tell: {methods}.")
        else:
            said.append(f"Nothing that was asked can tell whether it was written to {between}.")
    written = exposure.last_written
    if written is not None and written != life:
        grown = grown_in(written.grown)
        said.append(
            f"It was last written to {bounds(written.after, written.until)}{f': {grown}' if grown else ''}."
        )
    if exposure.newest_write:
        method = f" ({how(exposure.newest_write_method)})" if exposure.newest_write_method else ""
        said.append(f"The newest time that its last look showed is {minute(exposure.newest_write)}{method}.")
    return said


def vantages(exposure: TrackedExposure) -> list[str]:
    """What it is from each point of view; nothing where no run said from where it looks."""
    if not any(each.vantage for each in exposure.vantages):
        return []
    said = [reach(exposure)] if exposure.open_from else []
    return said + [_at_vantage(each) for each in exposure.vantages]


def reach(exposure: TrackedExposure) -> str:
    """From where it is open and from where not, in one sentence; "" where no vantage has a name."""
    if not exposure.open_from:
        return ""
    seeing = _listed([vantage_words(name) for name in exposure.open_from])
    told = {
        "internet": f"open from the internet, since {minute(exposure.reach_since)} at the latest",
        "all_vantages": f"open from every vantage that looked, {seeing}",
        "differs": f"open from {seeing}",
        "one_vantage": f"open from {seeing} only",
        "unknown": f"open from {seeing}; no other vantage is known to have looked",
    }[exposure.reach]
    inside = [vantage_words(name) for name in exposure.open_from if name != INTERNET]
    if exposure.reach == "internet" and inside:
        told += f"; and from {_listed(inside)}"
    asked = {each.vantage: each for each in exposure.vantages}
    if exposure.not_open_from:
        shut = [_not_open_from(name, asked.get(name)) for name in exposure.not_open_from]
        told += f"; not from {_listed(shut)}"
    over = exposure.state in ("closed", "unreachable")
    compared = {"", *exposure.open_from, *exposure.not_open_from}
    old = [each for each in exposure.vantages if each.asked_at and each.vantage not in compared]
    if old and not over:
        named = _listed([f"{vantage_words(each.vantage)} ({minute(each.asked_at)})" for each in old])
        told += f"; asked too long ago to be compared: {named}"
    return f"When it was last seen open, it was {told}." if over else f"{told[0].upper()}{told[1:]}."


def _not_open_from(name: str, asked: AtVantage | None) -> str:
    told = f" (asked {minute(asked.asked_at)}: {_found(asked.asked_how)})" if asked and asked.asked_at else ""
    return vantage_words(name) + told


def _found(code: str) -> str:
    """What a look found, in a few words: a verdict, or that it heard nothing."""
    if code == NO_LINE:
        return "heard of nothing"
    return visible(code.replace("_", " ").replace("-", " "), 40)


def _at_vantage(each: AtVantage) -> str:
    name = f"From {visible(each.vantage, 40)}" if each.vantage else "From a place that the run did not name"
    if each.state == "not_open":
        return f"{name}: never seen open, last looked at {minute(each.asked_at)}: {_found(each.asked_how)}."
    last = f", last looked at {minute(each.last_look)}" if each.last_look else ""
    if each.state == "closed":
        why = f" ({how(each.closed_how)})" if each.closed_how else ""
        return f"{name}: closed since {minute(each.closed_at)}{why}{last}."
    seen = f", last seen open at {minute(each.last_seen_open)}" if each.last_seen_open else ""
    return f"{name}: {each.state}{seen}{last}."


def people(exposure: TrackedExposure) -> list[str]:
    """Who was warned, who acknowledged, who accepted."""
    said = []
    if exposure.warned_at:
        again = ""
        if exposure.last_warned_at and exposure.last_warned_at != exposure.warned_at:
            again = f", and last at {minute(exposure.last_warned_at)}"
        said.append(f"The owner was told first at {minute(exposure.warned_at)}{again}.")
    elif exposure.state != "closed":
        said.append("Nobody was told yet, as far as is written down.")
    if exposure.acknowledged_at:
        by = f" by {visible(exposure.acknowledged_by, 100)}" if exposure.acknowledged_by else ""
        said.append(f"It was acknowledged{by} at {minute(exposure.acknowledged_at)}.")
    elif exposure.warned_at and exposure.state != "closed":
        said.append("Nobody has acknowledged it.")
    if (taken := exposure.acceptance) is not None:
        reason = f": {visible(taken.reason, 300)}" if taken.reason else ""
        said.append(
            f"{visible(taken.by, 100) or 'Somebody'} accepted the risk at {minute(taken.at)},"
            f" until {minute(taken.until)}{reason}."
        )
    return said


def breach(exposure: TrackedExposure) -> list[str]:
    """The clock of GDPR article 33, as a fact for the data-protection officer."""
    clock = exposure.breach
    if clock is None:
        return []
    said = [
        (
            f"If the data are personal, the 72 hours of GDPR article 33 began at {minute(clock.began)}"
            f" ({how(clock.why)}) and end at {minute(clock.ends)}."
        )
    ]
    if len(exposure.spells) > 1 and clock.began >= exposure.spells[-1].first_seen_open:
        first = exposure.spells[0].first_seen_open
        said.append(f"It lay open before, and 72 hours of that began at {minute(first)}.")
    if clock.hints:
        said.append(f"These names speak for personal data: {names_in(clock.hints)}.")
    said.append("Whether it is a breach of personal data is for the data-protection officer to say.")
    return said


def closure(exposure: TrackedExposure) -> list[str]:
    """How the end of the last spell was proved; nothing while it is not."""
    if not exposure.closed_before:
        return []
    why = f": {how(exposure.closed_how)}" if exposure.closed_how else ""
    return [
        f"The proof is of {minute(exposure.closed_before)}{why}.",
        (
            f"It was still open at {minute(exposure.last_seen_open)}, so it was closed"
            f" {bounds(exposure.last_seen_open, exposure.closed_before)}."
        ),
    ]


def next_steps(exposure: TrackedExposure) -> list[str]:
    """What to do now, in the order of doing."""
    ask = f"mongosweep verify {exposure.exposure_id}"
    if exposure.state == "closed":
        return [
            "Find out who has been there while it was open: it is closed now, and what was read stays read."
        ]
    if exposure.state == "unreachable":
        return [
            f"Ask it again, and do not take silence for an end: `{ask}`.",
            "A firewall, a lost packet and a machine that is switched off look the same from here.",
        ]
    said = []
    if exposure.state == "accepted" and exposure.acceptance is not None:
        said.append(f"Nothing before {minute(exposure.acceptance.until)}; then it counts as open again.")
    said.append(MEANING[Verdict.OPEN].next_step)
    if exposure.topology == STATUS_PAGE:
        said[-1] = (
            "Close the port, and switch the page off: net.http.enabled: false, or nohttpinterface = true up "
            "to 2.4. Then see whether the server's own port, 1000 below, asks for a login."
        )
    elif exposure.database_count == 0:
        said[-1] = MEANING[Verdict.OPEN_NO_DATA].next_step
    if not exposure.warned_at:
        said.append("Tell its owner, with the commands for this version: `mongosweep notify`.")
    if exposure.ransomed_count or exposure.wiped_count:
        said.append("Pay nobody, and keep the server's log: it names the addresses that were there.")
    said.append(f"When it is said to be closed, have that proved: `{ask}`.")
    return said


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
