"""The table shows what must be acted on first, whole, and nothing that a server smuggled in."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest

from results.record import Confirmation, Endpoint, Exposure, Owner, Ransom, Reason, Server
from results.report.news import News
from results.report.rows import whom_to_call
from results.report.table import by_gravity, print_table, row, totals_lines
from results.summary import Coverage, totals_of
from results.text import cells_of
from results.verdict import MEANING, Severity, Verdict
from tests.results.examples import database, exposure, magazine, observation, open_server
from tests.results.injections import INJECTIONS

if TYPE_CHECKING:
    from results.record import Observation


def mongodb(version: str) -> Server:
    """A MongoDB of which no more is known."""
    return Server(product="mongodb", version=version)


ESTATE = [
    observation("127.0.0.10"),
    observation("127.0.0.2", verdict=Verdict.NOT_MONGODB, server=None),
    open_server("127.0.0.3", database("small", size=10)),
    open_server("127.0.0.4", database("big", size=10**9)),
    magazine(),
]


def shown(*observations: object, width: int = 160, **how: object) -> str:
    """The table as text."""
    out = io.StringIO()
    print_table(observations, out, width=width, **how)  # type: ignore[arg-type]  # keyword arguments by name
    return out.getvalue()


def test_the_gravest_comes_first_and_the_biggest_of_equals() -> None:
    order = [seen.target.ip for seen in by_gravity(ESTATE)]
    assert order == ["127.0.0.9", "127.0.0.4", "127.0.0.3", "127.0.0.2", "127.0.0.10"]


@pytest.mark.parametrize("width", [40, 80, 120, 160, 250])
def test_everything_that_must_be_acted_on_is_there_at_any_width(width: int) -> None:
    lines = shown(*ESTATE, width=width).splitlines()
    assert all(len(line) <= width for line in lines)
    text = " ".join(" ".join(lines).split())
    for needed in ("127.0.0.9:27017", "critical", "693,001", "60.0 GB", "2026-02-28", "READ__ME_TO_RECOVER"):
        assert needed in text
    assert text.index("127.0.0.9") < text.index("127.0.0.4") < text.index("127.0.0.10")
    assert "READ__ME_TO_RECOVER_YOUR_DATA" in text.replace(" ", "") or width < 60


def test_a_row_holds_the_facts_or_says_that_there_are_none() -> None:
    assert row(magazine())._asdict() == {
        "severity": "critical",
        "address": "127.0.0.9:27017",
        "owner": "web platform / paris",
        "verdict": "open",
        "version": "4.4.1",
        "holds": "2 / 693,001",
        "size": "60.0 GB",
        "newest": "2026-02-28 21:05",
        "ransom": "likely: READ__ME_TO_RECOVER_YOUR_DATA",
        "why": (),
        "past": (),
        "score": "-",
        "driver": "-",
        "disagrees": "",
    }
    bare = observation(
        target=Endpoint(ip="::1", port=27018),
        owner=Owner(),
        verdict=Verdict.OPEN,
        server=Server(product="ferretdb", version="1.24"),
        exposure=exposure(last_write=None, documents=None, ransom=Ransom(level="possible")),
    )
    assert row(bare)[1:9] == ("[::1]:27018", "-", "open", "ferretdb 1.24", "0 / ?", "0 B", "?", "possible")
    closed = observation(server=None, exposure=exposure(database("x")))
    assert row(closed)[4:9] == ("-", "-", "-", "-", "-")
    many = Ransom(level="third_party_marker", names=[f"n{n}" for n in range(8)])
    assert row(open_server(exposure=exposure(ransom=many))).ransom == (
        "third party marker: n0, n1, n2, n3, n4 and 3 more"
    )


@pytest.mark.parametrize("name", INJECTIONS, ids=range(len(INJECTIONS)))
@pytest.mark.parametrize("width", [50, 160])
def test_hostile_names_reach_no_terminal(name: str, width: int) -> None:
    seen = open_server(
        exposure=exposure(ransom=Ransom(level="likely", names=[name])),
        server=Server(version=name, product=name),
        owner=Owner(owner=name, site=name),
    )
    plain = shown(observation(), width=width)
    text = shown(seen, width=width)
    for character in text.replace("\n", ""):
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    assert "[bold" not in plain
    assert len(text.splitlines()) < 40


def test_markup_in_a_name_is_text() -> None:
    assert "[red]x[/red]" in shown(
        open_server(server=Server(product="mongodb", version="[red]x[/red]")), width=250
    )
    assert ":smile:" in shown(open_server(server=mongodb(":smile:")), width=250)


def test_colour_follows_the_wish_and_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in shown(magazine())
    assert "\x1b[1;31m" in shown(magazine(), colour=True)
    assert "\x1b[1;31m" in shown(magazine(), colour=True, width=60)
    assert "\x1b[" not in shown(magazine(), colour=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", shown(magazine()))


def test_a_terminal_that_knows_only_ascii_gets_escapes() -> None:
    for width in (60, 200):
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding="ascii")
        seen = open_server(server=mongodb("caf\xe9"), owner=Owner(owner="数"))
        print_table([seen], out, width=width)
        out.flush()
        assert rb"caf\xe9" in raw.getvalue()
        assert rb"\u6570" in raw.getvalue()


def test_a_long_list_is_cut_and_says_so_and_an_empty_one_too() -> None:
    assert "and 3 more, none of them graver" in shown(*ESTATE, limit=2)
    assert "nothing to show" in shown()


def test_a_server_that_was_asked_twice_stands_there_once() -> None:
    text = shown(open_server("127.0.0.3"), open_server("127.0.0.3"), observation("127.0.0.3"))
    assert text.count("127.0.0.3:27017") == 1
    assert "open without a password: 1 server," in text


def test_the_reasons_of_a_grave_finding_stand_below_it() -> None:
    reasons = [
        Reason(code="verdict"),
        Reason(code="ransom-note", detail="GIVE_BACK"),
        Reason(code="very\x1b-large"),
    ]
    note = exposure(ransom=Ransom(level="likely", names=["GIVE_BACK"]))
    grave = open_server(severity=Severity.CRITICAL, severity_reasons=reasons, exposure=note)
    for width in (50, 100, 200):
        text = " ".join(shown(grave, width=width).split())
        assert r"why: an extortionist's note, by its name: GIVE_BACK; very\x1b-large" in text
        assert text.count("GIVE_BACK") == 1, "a note is told once"
        assert MEANING[Verdict.OPEN].sentence not in text, "that only repeats the verdict"
    assert "why" not in shown(
        observation(severity=Severity.LOW, severity_reasons=[Reason(code="end-of-life")])
    )


def test_letters_that_are_wide_do_not_reach_beyond_the_terminal() -> None:
    seen = observation(owner=Owner(owner="数据库平台 数据库平台 数据库平台", site="paris"))
    lines = shown(seen, width=40).splitlines()
    assert max(map(cells_of, lines)) <= 40
    told = next(place for place, line in enumerate(lines) if "owner:" in line)
    assert lines[told + 1].startswith("    "), "what goes on below it is indented"


def test_columns_are_given_up_from_the_right_and_nothing_is_lost() -> None:
    long = "a team with a name that goes on and on and on"
    seen = open_server(owner=Owner(owner=long, site="paris"), server=mongodb("7.0.5"))
    wide, narrow = shown(seen, width=160), shown(seen, width=66)
    assert wide.splitlines()[0].split()[-3:] == ["last", "write", "version"]
    assert wide.splitlines()[1] == f"{long} / paris", "they stand under their owner"
    assert "version" not in narrow.splitlines()[0]
    assert f"{long} / paris" in narrow
    assert "version 7.0.5" in narrow
    locked = observation("127.0.0.5", owner=Owner(owner=long, site="paris"))
    wide, narrow = shown(locked, width=110), shown(locked, width=60)
    assert wide.splitlines()[0].split()[-4:] == ["version", "owner", "/", "site"]
    assert "…" in wide.splitlines()[2]
    assert f"owner: {long} / paris" in wide
    assert f"version 7.0.5, owner: {long} / paris" in " ".join(narrow.split())


SINCE = "2026-03-01T08:00:00.000Z"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_first_what_is_new_then_the_owners_then_the_rest(width: int) -> None:
    theirs = Owner(owner="archive", contact="archive@example.com", site="lyon")
    new, wiped = open_server("127.0.0.1", score=50), open_server("127.0.0.2", score=60, owner=theirs)
    estate = [
        new,
        wiped,
        open_server("127.0.0.3", score=90, severity=Severity.CRITICAL, owner=theirs),
        open_server("127.0.0.4", score=55),
        observation("127.0.0.5"),
    ]
    news = News(SINCE, {new.finding_id: ("opened",), wiped.finding_id: ("reopened", "wiped")})
    text = shown(*estate, width=width, news=news)
    parts = [
        *("new or worse since the run of 2026-03-01 08:00 UTC: 2", "127.0.0.2:27017"),
        *("since then: open again, wiped", "127.0.0.1:27017"),
        *("archive / lyon, archive@example.com", "127.0.0.3:27017"),
        *("web platform / paris, web@example.com", "127.0.0.4:27017"),
        *("not open", "127.0.0.5:27017", "of these: 1 critical, 3 high", "whom to call"),
    ]
    places = [text.index(each) for each in parts]
    assert places == sorted(places), "in this order"
    assert "nothing new since the run of 2026-03-01 08:00 UTC" in shown(*estate, news=News(SINCE, {}))
    assert "since" not in shown(*estate, width=width), "there was no run before"


def test_the_score_orders_what_is_as_grave_and_stands_beside_it() -> None:
    seen = [open_server(f"127.0.0.{n}", score=score) for n, score in ((1, 50), (2, 73), (3, None), (4, 61))]
    assert [each.score for each in by_gravity(seen)] == [73, 61, 50, None]
    assert re.search(r"high +73 +127\.0\.0\.2:27017", shown(*seen, width=80))
    assert "high 73  127.0.0.2:27017" in shown(*seen, width=40)


def test_unknown_servers_say_what_the_verdict_rests_on() -> None:
    """The severity is low, and there is nothing else to go by."""
    evidence = [
        Reason(code="closed-without-reply", detail="plain: 0 replies, \x1b[2Jclosed"),
        Reason(code="other"),
    ]
    silent = observation(verdict=Verdict.UNKNOWN, severity=Severity.LOW, evidence=evidence, server=None)
    for width in (60, 80, 120):
        text = " ".join(shown(silent, width=width).split())
        assert "why: it accepted the connection and closed it without a word: plain: 0 replies," in text
        assert r"\x1b[2Jclosed; other" in text
    assert "auth-required" not in shown(observation()), "what is sure says its verdict alone"


def test_whether_the_driver_agrees_stands_in_the_row_and_at_the_end() -> None:
    def asked(ip: str, agrees: bool | None, detail: str = "") -> Observation:
        given = Confirmation(driver="pymongo 4.18", verdict="open", agrees=agrees, detail=detail)
        return open_server(ip, confirmation=given)

    seen = [
        asked("127.0.0.1", True),
        asked("127.0.0.2", None),
        asked("127.0.0.3", False, "we say open, \x07the driver says auth_required"),
        open_server("127.0.0.4"),
    ]
    wide, narrow = shown(*seen, width=160), shown(*seen, width=80)
    assert re.search(r"127\.0\.0\.1:27017 .* agrees\n", wide)
    assert re.search(r"127\.0\.0\.2:27017 .* cannot speak\n", wide)
    assert "driver cannot speak\n" in narrow
    assert "driver agrees\n" not in narrow, "which is as it should be"
    for text in (wide, narrow):
        assert r"driver disagrees: we say open, \x07the driver says auth_required" in text
        assert "driver agrees 1, cannot speak 1, disagrees 1" in text
    assert "driver" not in shown(open_server("127.0.0.4"), width=160), "nobody asked it"


@pytest.mark.parametrize("width", [80, 120])
def test_no_word_is_broken_that_fits_on_a_line(width: int) -> None:
    reasons = [Reason(code="exploited-vulnerability", detail=f"CVE-2025-{n:05}") for n in range(6)]
    text = shown(*[open_server(f"127.0.0.{n}", severity_reasons=reasons) for n in range(9)], width=width)
    assert all(len(line) <= width for line in text.splitlines())
    assert text.count("CVE-2025-00003") == 9


def test_a_dumb_terminal_gets_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    print_table(ESTATE, out, width=80)
    assert "\x1b" not in out.getvalue()
    assert out.getvalue() == shown(*ESTATE, width=80)


def test_whom_to_call_about_what() -> None:
    Exposure(access="full", database_count=1)
    seen = [
        observation("127.0.0.1"),
        observation("127.0.0.2", severity=Severity.HIGH, owner=Owner(owner="b", contact="b@example.com")),
        open_server("127.0.0.3", database("x", size=10**9), owner=Owner(owner="c", contact="c@example.com")),
        open_server("127.0.0.4", database("y", size=10**9), owner=Owner(owner="c", contact="c@example.com")),
        open_server(
            "127.0.0.5",
            severity=Severity.LOW,
            owner=Owner(),
            exposure=Exposure(access="not_told", database_count=1),
        ),
        magazine(),
    ]
    assert [(call.owner, call.open, call.gravest.value) for call in whom_to_call(seen)] == [
        ("web platform / paris", 1, "critical"),
        ("c", 2, "high"),
        ("b", 0, "high"),
        ("", 1, "low"),
    ]
    lines = shown(*seen, width=120).splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("whom to call"))
    assert lines[begin + 2].split() == ["c", "c@example.com", "2", "2.0", "GB", "high"]
    assert lines[begin + 3].split() == ["b", "b@example.com", "0", "-", "high"], "nothing lies open"
    assert lines[begin + 4].split() == ["(no", "owner)", "-", "1", "?", "low"], "nobody said how much"
    assert "whom to call" not in shown(observation())
    narrow = " ".join(shown(*seen, width=44).split())
    assert "c, c@example.com: 2 open, 2.0 GB, high" in narrow


def test_the_summary_in_plain_lines() -> None:
    coverage = Coverage(planned=10_000, outcomes=5, excluded=5, not_reached=9990)
    assert totals_lines(totals_of(ESTATE), coverage) == [
        "10,000 targets planned: 5 asked, 5 excluded, 9,990 not reached",
        "verdicts: 3 open, 1 auth_required, 1 not_mongodb",
        "open without a password: 3 servers, 61.0 GB, 693,201 documents, 1 with an extortionist's note",
    ]
    assert totals_lines(totals_of([])) == ["verdicts: none", "open without a password: none"]
    only = open_server("127.0.0.1", database("x", documents=1))
    assert totals_lines(totals_of([only]))[1] == "open without a password: 1 server, 4.1 kB, 1 document"


def test_severity_orders_as_it_is_listed() -> None:
    assert [severity.rank for severity in Severity] == [0, 1, 2, 3, 4]


def test_a_pipe_never_pays_for_the_terminal() -> None:
    program = "import sys, results.report.table; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-B", "-c", program], check=False).returncode == 0
