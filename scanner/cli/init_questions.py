"""What `init` asks on a terminal. Each answer is held against the parser of the file, and asked for until it
passes; nothing is written here."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import click
import msgspec

from results.text import folded, visible
from scanner.cli.streams import readable, terminal_width
from scanner.errors import RefusedError
from scanner.setup.choices import LANGUAGES
from scanner.setup.first_file import SCHEDULES, Answers, Range, checked, first_file
from scanner.setup.own_networks import own_networks
from scanner.setup.sink_settings import AnySink
from targets.errors import ScopeError, did_you_mean
from targets.grammar import GrammarError, looks_like_name, parse_span
from targets.policy import beyond_private

if TYPE_CHECKING:
    from collections.abc import Callable

_LASTS = timedelta(days=90)  # an authorisation, unless somebody says otherwise
_PLACE = re.compile(r"^[^:]*:\d+: ")
_NOBODY = "none"


class Interview:
    """Asks one after the other, and keeps what was said."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._networks = own_networks()
        self._answers = Answers()

    def text(self) -> str:
        """Ask everything, and give the file. Raises click.Abort on Ctrl-C and at the end of the input."""
        _say("Each question may be left empty; everything can be changed in the file later.")
        self._one("name", "Whose network is it? The organisation's name")
        _say("Servers that speak MongoDB are told who asks, for people who find it in a log.")
        self._one("contact", "Whom they may write to, such as soc@example.com")
        self._ranges()
        if self._answers.ranges:
            self._one("owner", "Whose are these ranges", self._answers.name)
            self._one("owner_contact", "Who is told what is open there (e-mail)", self._mail())
            self._one("site", "At which site, in a word such as paris")
        self._sink()
        languages = LANGUAGES
        self._chosen("language", "Language of messages to owners", languages, languages[0])
        self._schedule()
        return first_file(self._answers, self._networks)

    def _mail(self) -> str:
        return self._answers.contact if "@" in self._answers.contact else ""

    def _try(self, **said: Any) -> None:
        """Keep what was said. Raises RefusedError and ScopeError where the file would not be read."""
        answers = replace(self._answers, **said)
        checked(first_file(answers), self._now)
        self._answers = answers

    def _one(self, key: str, question: str, default: str = "") -> None:
        _ask(question, default, lambda text: self._try(**{key: text}))

    def _chosen(self, key: str, question: str, known: tuple[str, ...], default: str) -> None:
        def take(text: str) -> None:
            self._try(**{key: _one_of(text, known)})

        _ask(f"{question} ({', '.join(known)})", default, take)

    # --- ranges

    def _ranges(self) -> None:
        if self._networks:
            _say("This machine is in these networks; nothing of them is asked unless you say so:")
            for each in self._networks:
                needs = f" ({each.needs})" if each.needs else ""
                _say(f"{each.cidr} on {visible(each.device, 20)}{needs}", 2)
        question = "Which range is yours, such as 10.20.0.0/16 (empty: none yet)"
        while _ask(question, "", self._range):
            question = "Which other one (empty: no more)"

    def _range(self, text: str) -> None:
        found = [Range(word) for word in re.split(r"[\s,;]+", text) if word]
        for number, each in enumerate(found):
            if _is_public(each.cidr):
                found[number] = self._authorised(each)
        self._try(ranges=(*self._answers.ranges, *found))
        for each in found:
            if looks_like_name(each.cidr):
                _say(f"{each.cidr} is a name: DNS is asked for its addresses whenever the file is read.", 2)

    def _authorised(self, each: Range) -> Range:
        until = (datetime.fromtimestamp(self._now, UTC) + _LASTS).date().isoformat()
        _say(f"{each.cidr} is not private: it must be yours, and somebody must answer for it.")
        by = _prompt("Who or what authorises it, such as CHG-1234", "")
        return replace(each, authorised_by=by, expires=_prompt("Until which day", until))

    # --- where findings go

    def _sink(self) -> None:
        kinds = {str(kind.__struct_config__.tag): kind for kind in get_args(AnySink)}
        chosen: list[str] = []

        def take(text: str) -> None:
            chosen[:] = [_one_of(text, (_NOBODY, *kinds))]

        _say(f"Findings can go to {', '.join(kinds)}.")
        _ask("Which SIEM takes them", _NOBODY, take)
        kind = chosen[0] if chosen else _NOBODY
        if kind == _NOBODY:
            return
        keys: dict[str, Any] = {"kind": kind}
        required = [each for each in msgspec.structs.fields(kinds[kind]) if each.required]
        metas = get_type_hints(kinds[kind], include_extras=True)
        for each in required:
            (meta,) = (one for one in get_args(metas[each.name])[1:] if isinstance(one, msgspec.Meta))
            example = (meta.examples or [""])[0]
            many = isinstance(example, list)
            shown = ", ".join(example) if many else str(example)
            last = each is required[-1]

            def keep(text: str, key: str = each.encode_name, many: bool = many, last: bool = last) -> None:
                said = {**keys, key: re.split(r"[\s,]+", text) if many else text}
                if last:
                    self._try(sink=said)
                keys.update(said)

            _say(f"{meta.description}, such as {shown}", 2)
            if not _ask(f"{kind} {each.encode_name}", "", keep):
                _say("no SIEM, then; the file says how to add one", 2)
                return
        if not required:
            self._try(sink=keys)

    # --- when

    def _schedule(self) -> None:
        asked = False

        def take(text: str) -> None:
            nonlocal asked
            if text != _NOBODY:
                self._try(cron=SCHEDULES.get(text, text))
                asked = True

        _say(f"`mongosweep serve` sweeps by itself: {', '.join(SCHEDULES)}, or by a line as of a crontab.")
        _ask("When", _NOBODY, take)
        if asked:
            self._one("zone", "In which time zone", _zone_here())


def _ask(question: str, default: str, take: Callable[[str], None]) -> str:
    """Ask until `take` takes the answer, which it is given stripped; an empty one is none."""
    while True:
        answer = _prompt(question, default)
        if not answer:
            return answer
        try:
            take(answer)
        except RefusedError as error:
            _say(visible(_PLACE.sub("", str(error)), 500), 2)
        except ScopeError as error:
            _say(visible(f"{error.reason}; {error.remedy}", 500), 2)
        else:
            return answer


def _prompt(question: str, default: str) -> str:
    """The answer without blanks around it. Raises click.Abort on Ctrl-C and at the end of the input."""
    return str(
        readable(lambda: click.prompt(question, default=default, show_default=bool(default), err=True))
    ).strip()


def _one_of(text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise RefusedError(f"{text!r} is none of these; {did_you_mean(text, known)}")
    return text


def _is_public(text: str) -> bool:
    """False also for what is no range: the parser says why."""
    try:
        return not looks_like_name(text) and bool(beyond_private(parse_span(text)))
    except GrammarError:
        return False


def _zone_here() -> str:
    """This machine's time zone by its name (localtime(5)); UTC where it does not say."""
    try:
        _, found, name = str(Path("/etc/localtime").readlink()).partition("/zoneinfo/")
    except OSError:
        return "UTC"
    return name.removeprefix("Etc/") if found else "UTC"


def _say(text: str, indent: int = 0) -> None:
    """Words that do not break at the terminal's edge."""
    width = terminal_width(sys.stderr) or 80
    for line in folded(text, width, indent, further=0):
        click.echo(line, err=True)
