"""`exposures`, `show` and `diff` over run directories as sweeps leave them."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from results.ledger.actions import Actions
from results.verdict import Severity, Verdict
from scanner.cli import main
from tests.results.examples import database
from tests.support.ledgers import RunOnDisk
from tests.support.text_formats import read_cef
from tests.support.two_runs import NEW_RUN, OLD_RUN, TwoRuns, new, old, shut

if TYPE_CHECKING:
    from pathlib import Path

    from results.manifest import State

SHOP = database("shop", documents=1000, size=10_000)


def two_weeks(here: Path, new_state: State = "complete") -> None:
    """One that stays open and grows, one that was closed, one that went silent, one that is new."""
    TwoRuns(here / "runs", new_state=new_state).write(
        [old("192.0.2.1", SHOP), old("192.0.2.2"), old("192.0.2.3", severity=Severity.CRITICAL)],
        [new("192.0.2.1", database("shop", 1200, 12_000)), shut(new("192.0.2.2")), new("192.0.2.4")],
    )


def listed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 1) -> list[str]:
    """The last octets of what `exposures` lists, in order."""
    assert main(["exposures", "--format", "jsonl", *words]) == code
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [f"{line['place']['ip'].rpartition('.')[2]} {line['state']}" for line in lines]


def test_what_is_listed_is_grave_first_and_closed_last(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_weeks(here)
    assert listed(capsys) == ["3 unreachable", "1 changed", "4 new", "2 closed"]


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ("--state new --state closed", 1, ["4 new", "2 closed"]),
        ("--state closed", 0, ["2 closed"]),
        ("--state closed --fail-on open", 0, ["2 closed"]),
        ("--fail-on never", 0, ["3 unreachable", "1 changed", "4 new", "2 closed"]),
        ("--severity critical", 1, ["3 unreachable"]),
        ("--owner WEB --state new", 1, ["4 new"]),
        ("--owner nobody", 0, []),
        ("--older-than 6d", 1, ["1 changed"]),
        ("--overdue --state unreachable", 1, ["3 unreachable"]),
        ("--vantage internet", 0, []),
    ],
)
def test_filters(
    here: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, expected: list[str]
) -> None:
    two_weeks(here)
    assert listed(capsys, *words.split(), code=code) == expected


@pytest.mark.parametrize("state", ["degraded", "interrupted"])
def test_nothing_is_called_clean_after_a_run_that_is_not_complete(
    here: Path, capsys: pytest.CaptureFixture[str], state: State
) -> None:
    two_weeks(here, state)
    assert main(["exposures", "--owner", "nobody"]) == 3
    said = capsys.readouterr()
    assert "none of 4 exposures is such a one" in said.out
    assert f"the newest run, {NEW_RUN}, is {state}: it does not say that nothing else is open" in said.err
    assert main(["exposures", "--owner", "nobody", "--fail-on", "never"]) == 0


def test_a_folder_without_runs_says_nothing_is_clean(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exposures"]) == 2
    assert "runs: no such directory" in capsys.readouterr().err
    (here / "runs").mkdir()
    assert main(["exposures"]) == 3
    assert "no run has ended yet" in capsys.readouterr().err


def test_last_is_a_run_wherever_a_run_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_weeks(here)
    assert kinds(capsys, OLD_RUN, "last") == kinds(capsys, OLD_RUN, NEW_RUN)
    assert main(["audit", "last"]) == main(["audit", NEW_RUN])


def test_a_page_into_a_directory_that_is_not_there_names_the_option(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_weeks(here)
    assert main(["report", "--out", "nowhere/page.html"]) == 2
    assert "--out nowhere/page.html: there is no directory nowhere" in capsys.readouterr().err
    assert main(["report", "--out", "runs"]) == 2
    assert "--out runs is a directory; name a file in it" in capsys.readouterr().err
    (here / "file").touch()
    assert main(["report", "--out", "file/page.html"]) == 2


@pytest.mark.parametrize("words", ["exposures", "report", "notify", "show 192.0.2.1"])
def test_a_folder_of_something_else_gets_no_ledger(
    here: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    (here / "etc").mkdir()
    (here / "etc" / "passwd").touch()
    assert main([*words.split(), "-o", "etc"]) == 2
    assert "etc: holds other things and no run" in capsys.readouterr().err
    assert [entry.name for entry in (here / "etc").iterdir()] == ["passwd"]


def test_a_folder_that_may_not_be_read_is_named(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    two_weeks(here)
    lstat = os.lstat

    def refused(path: Path, **options: Any) -> os.stat_result:
        if "runs/" in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return lstat(path) if options.get("follow_symlinks") is False else stat(path, **options)

    stat = os.stat
    monkeypatch.setattr(os, "stat", refused)
    monkeypatch.setattr(os, "lstat", lambda path: refused(path, follow_symlinks=False))
    for words in (["exposures"], ["show", "mx_1"], ["diff", "a", "b"]):
        assert main([*words]) in (2, 4), words
        assert "internal error" not in capsys.readouterr().err


def test_that_the_newest_run_is_degraded_is_said_beside_what_is_open(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_weeks(here, "degraded")
    assert main(["exposures"]) == 1
    assert f"the newest run, {NEW_RUN}, is degraded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--older-than seven", "no length of time; write one such as 36h, 14d or 2w"),
        ("--state shut", "'shut' is not one of"),
        ("-c nowhere.toml", "nowhere.toml does not exist"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_write(
    here: Path, capsys: pytest.CaptureFixture[str], words: str, says: str
) -> None:
    two_weeks(here)
    assert main(["exposures", *words.split()]) == 2
    assert says in capsys.readouterr().err


def test_the_configurations_deadlines_say_what_is_overdue(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_weeks(here)
    (here / "mongosweep.toml").write_text('[deadlines]\nhigh = ""\ncritical = ""\n')
    assert listed(capsys, "--overdue", code=0) == []


def test_a_table_csv_and_markdown(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    two_weeks(here)
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["exposures"]) == 1
    text = capsys.readouterr().out
    assert "4 exposures: 1 new, 1 changed, 1 unreachable, 1 closed" in text
    assert "overdue: 3, the first since" in text
    assert main(["exposures", "--format", "csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["ip"] for row in rows] == [f"192.0.2.{n}" for n in (3, 1, 4, 2)]
    assert main(["exposures", "--format", "md"]) == 1
    assert "| 192.0.2.3:27017 |" in capsys.readouterr().out


def test_formats_of_events_are_formats_of_exposures(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_weeks(here)
    assert main(["exposures", "--format", "cef"]) == 1
    read = [read_cef(line) for line in capsys.readouterr().out.splitlines()]
    assert [each.extension["dst"].rpartition(".")[2] for each in read] == ["3", "1", "4", "2"]
    assert [each.labelled("state") for each in read] == ["unreachable", "changed", "new", "closed"]
    assert main(["exposures", "--format", "shadowserver"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["ip"] for row in rows] == ["192.0.2.1", "192.0.2.4"]
    assert main(["exposures", "--format", "native"]) == 2
    assert "did you mean jsonl?" in capsys.readouterr().err


def test_show_tells_everything_of_one_exposure(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_weeks(here)
    main(["exposures", "--format", "jsonl", "--state", "closed"])
    line = json.loads(capsys.readouterr().out)
    name = line["exposure_id"]
    Actions.open(here / "runs", write=True).append(
        "warned", [name], by="soc", to=["web@example.com"], at="2026-03-02T00:00:00.000Z"
    )
    for called in (name, name[:9], "192.0.2.2", "192.0.2.2:27017", line["finding_id"]):
        assert main(["show", called]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert text.startswith(f"{name}: 192.0.2.2:27017 at the site paris (web platform) is closed since")
        for needed in (
            "The proof is of 2026-03-08 04:10 UTC: it asks for a login now.",
            "Nobody looked before that, so there is no upper bound",
            "At 2026-03-02 00:00 UTC: web@example.com was told by soc.",
            "2026-03-08 04:10 UTC: auth_required at 192.0.2.2:27017",
        ):
            assert needed in text, needed


@pytest.mark.parametrize(
    "called", [NEW_RUN, "last", f"runs/{NEW_RUN}", f"runs/{NEW_RUN}/observations-0001.jsonl"]
)
def test_show_shows_a_runs_table_again(here: Path, capsys: pytest.CaptureFixture[str], called: str) -> None:
    two_weeks(here)
    assert main(["show", called]) == 0
    said = capsys.readouterr()
    assert "192.0.2.4:27017" in said.out
    assert "open without a password: 2 servers" in said.out
    assert ("complete: 256 targets" in said.err) == (not called.endswith(".jsonl"))
    assert not list(here.glob("runs/ledger.sqlite*")), "a run's table needs no ledger"


@pytest.mark.parametrize(
    ("called", "says"),
    [
        ("192.0.2.5", "did you mean 192.0.2."),
        ("mx_000000000000", "did you mean mx_"),
        ("20260308T040000Z-bbbc", f"did you mean {NEW_RUN}"),
        ("\x1b[2J", r"there is no run and no exposure \x1b[2J in runs; `mongosweep exposures` and"),
        ("nowhere/at-all", "there is no run nowhere/at-all in runs; `mongosweep runs` lists them"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    here: Path, capsys: pytest.CaptureFixture[str], called: str, says: str
) -> None:
    two_weeks(here)
    assert main(["show", called]) == 2
    assert says in capsys.readouterr().err


def test_a_name_of_several_is_asked_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_weeks(here)
    assert main(["show", "mx_"]) == 2
    RunOnDisk(here / "runs", "20260315T040000Z-cccc", "2026-03-15T04:00:00.000Z").begin().end()
    assert main(["show", "last"]) == 2, "a run without a line has no table"
    capsys.readouterr()


def kinds(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> list[str]:
    """Octet and kind of each difference that `diff` tells."""
    assert main(["diff", "--format", "jsonl", *words]) == code
    _, *lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [f"{line['place']['ip'].rpartition('.')[2]} {line['kind']}" for line in lines]


SINCE_LAST = ["4 opened", "1 grew", "3 unreachable", "2 closed"]


def test_diff_compares_with_the_last_comparable_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_weeks(here)
    assert kinds(capsys) == SINCE_LAST
    assert kinds(capsys, OLD_RUN) == SINCE_LAST
    assert kinds(capsys, OLD_RUN, NEW_RUN) == SINCE_LAST
    assert kinds(capsys, f"runs/{OLD_RUN}", f"runs/{NEW_RUN}", "-o", str(here)) == SINCE_LAST
    assert kinds(capsys, NEW_RUN, OLD_RUN) == SINCE_LAST, "in the order of time"
    assert kinds(capsys, "--from", "2026-03-02", "--to", "2026-03-09") == SINCE_LAST


@pytest.mark.parametrize(("words", "code"), [("new", 1), ("worse", 1), ("never", 0)])
def test_diff_fails_on_what_is_new(
    here: Path, capsys: pytest.CaptureFixture[str], words: str, code: int
) -> None:
    two_weeks(here)
    kinds(capsys, "--fail-on", words, code=code)


@pytest.mark.parametrize(
    ("after", "words", "code"),
    [
        ("same", "new", 0),
        ("same", "worse", 0),
        ("bigger", "new", 0),
        ("bigger", "worse", 1),
        ("gone", "worse", 0),
        ("shut", "worse", 0),
    ],
)
def test_diff_does_not_fail_on_what_is_not_new(
    here: Path, capsys: pytest.CaptureFixture[str], after: str, words: str, code: int
) -> None:
    seen = {
        "same": [new("192.0.2.1", SHOP)],
        "bigger": [new("192.0.2.1", database("shop", 1200, 12_000))],
        "gone": [new("192.0.2.9", verdict=Verdict.AUTH_REQUIRED, exposure=None)],
        "shut": [shut(new("192.0.2.1"))],
    }
    TwoRuns(here / "runs").write([old("192.0.2.1", SHOP)], seen[after])
    kinds(capsys, "--fail-on", words, code=code)


def test_diff_does_not_call_clean_what_the_new_run_did_not_cover(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = [old("192.0.2.1")], [new("192.0.2.1")]
    TwoRuns(here / "runs", new_state="degraded").write(*same)
    kinds(capsys, "--fail-on", "new", code=3)
    TwoRuns(here / "less", new_covers=("192.0.2.0-192.0.2.127:27017",)).write(*same)
    kinds(capsys, "--fail-on", "new", "-o", "less", code=3)
    assert kinds(capsys, "-o", "less") == []


def test_diff_says_first_what_cannot_be_compared(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    covers = ("192.0.2.0-192.0.2.127:27017",)
    TwoRuns(here / "runs", new_covers=covers).write([old("192.0.2.200")], [new("192.0.2.1")])
    assert main(["diff"]) == 0
    text = capsys.readouterr().out
    assert text.index("128 targets in the old run alone (192.0.2.128-192.0.2.255:27017)") < text.index(
        "opened"
    )
    assert "no longer covered" in text
    assert "it is unknown" not in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--from yesterday", "write 2026-03-01, or 2026-03-01T09:00:00Z"),
        ("--from 2026-03-01 x", "leave out OLD and NEW"),
        ("--from 2026-03-09 --to 2026-03-01", "does not lie before"),
        (f"{NEW_RUN} {NEW_RUN}", "the same run twice"),
        ("20260308T040000Z-bbbc", f"did you mean {NEW_RUN}"),
    ],
)
def test_diff_refuses_what_it_cannot_compare(
    here: Path, capsys: pytest.CaptureFixture[str], words: str, says: str
) -> None:
    two_weeks(here)
    assert main(["diff", *words.split()]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("word", ["last", "latest"])
def test_diff_of_the_latest_is_with_the_one_before(
    here: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    """As without a word: one that is compared with itself would be refused."""
    two_weeks(here)
    assert main(["diff"]) == 0
    without = capsys.readouterr().out
    assert main(["diff", word]) == 0
    assert capsys.readouterr().out == without
    assert main(["diff", OLD_RUN, word]) == 0
    assert capsys.readouterr().out == without


def test_diff_of_a_single_run_says_that_there_is_no_other(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RunOnDisk(here / "runs", NEW_RUN, "2026-03-08T04:00:00.000Z").begin().see(new("192.0.2.1")).end()
    assert main(["diff"]) == 2
    assert f"no run before {NEW_RUN} is of the same organisation" in capsys.readouterr().err
