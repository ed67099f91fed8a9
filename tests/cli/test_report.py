"""`mongosweep report` over runs on a disk: as a page, for programs, and with options that cannot be."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from results.ledger.actions import Actions
from results.ledger.database import LEDGER_FILE
from results.ledger.intake import catch_up
from results.ledger.store import Ledger
from results.record import Reason
from results.verdict import Verdict
from scanner.cli.group import root
from scanner.cli.report import KEY_VARIABLE
from tests.results.examples import database, observation, open_server
from tests.support.ledgers import RunOnDisk
from tests.support.pages import HOSTILE, Reader

if TYPE_CHECKING:
    from pathlib import Path

NOW = "2026-03-20T12:00:00.000Z"
PAST = "2026-06-20T12:00:00.000Z"
NAMES = ("shop", "users", *HOSTILE[:-1])  # a journal holds no lone surrogate


def day(number: int) -> str:
    return f"2026-03-{number:02}T04:00:00.000Z"


def add_run(output: Path, number: int, *open_at: str, shut_at: str = "", **fields: Any) -> None:
    """A complete run of that day, which finds servers open, and one that asks for a login."""
    name = f"run-{number}"
    found = [
        open_server(ip, *(database(each) for each in NAMES), run_id=name, observed_at=day(number))
        for ip in open_at
    ]
    if shut_at:
        verdict = Verdict.AUTH_REQUIRED
        asked = [Reason(code=verdict.value)]
        found.append(observation(shut_at, name, observed_at=day(number), verdict=verdict, evidence=asked))
    RunOnDisk(output, name, day(number), organisation="Example", **fields).begin().see(*found).end()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Two exposures: one that is open, and one that was proved closed by two looks."""
    folder = tmp_path / "runs"
    folder.mkdir()
    add_run(folder, 1, "192.0.2.7")
    add_run(folder, 2, "192.0.2.7", "192.0.2.9")
    add_run(folder, 3, "192.0.2.7", shut_at="192.0.2.9")
    add_run(folder, 4, "192.0.2.7", shut_at="192.0.2.9")
    return folder


def report(output: Path, *arguments: str, now: str = NOW) -> Result:
    return CliRunner().invoke(root, ["report", "-o", str(output), "--now", now, *arguments])


def shown(output: Path, *arguments: str, now: str = NOW) -> str:
    result = report(output, *arguments, now=now)
    assert result.exit_code == 0, result.output
    return result.stdout


def open_id(output: Path) -> str:
    catch_up(output)
    with Ledger.open(output) as ledger:
        return next(each.exposure_id for each in ledger.exposures() if each.is_open)


def test_the_page_goes_where_it_is_wanted(output: Path, tmp_path: Path) -> None:
    page = shown(output)
    assert "192.0.2.7:27017" in page
    assert "Exposures of Example" in page
    made = report(output, "--out", str(tmp_path / "made.html"))
    assert (made.stdout, made.exit_code) == ("", 0)
    assert (tmp_path / "made.html").read_text(encoding="utf-8") == page
    assert f"wrote {(tmp_path / 'made.html').as_uri()}" in made.stderr
    assert shown(output, "--out", "-") == page
    report(output, "--out", str(tmp_path / "made.md"))
    assert (tmp_path / "made.md").read_text(encoding="utf-8") == shown(output, "--format", "md")
    assert shown(output, "--out", "/dev/null") == ""


@pytest.mark.parametrize("form", ["html", "csv", "md", "json"])
def test_a_ledger_made_again_gives_the_same_bytes(output: Path, form: str) -> None:
    before = shown(output, "--format", form)
    one = shown(output, "--format", form, "--exposure", open_id(output))
    for file in output.glob(LEDGER_FILE + "*"):
        file.unlink()
    assert shown(output, "--format", form) == before
    assert shown(output, "--format", form, "--exposure", open_id(output)) == one


def test_an_independent_reader_can_follow_the_dossier(output: Path) -> None:
    """The commands that the page names are run as they stand there, by a shell that knows nothing of us."""
    page = shown(output, "--exposure", open_id(output))
    first = "".join(Reader(page).text)
    command = re.search(r"tail -c \+\d+ \S+ \| head -n 1 \| sha256sum", first)
    assert command is not None
    done = subprocess.run(["bash", "-c", command[0]], capture_output=True, text=True, check=True)
    with Ledger.open(output) as ledger:
        hashes = {look.line_sha256 for look in ledger.looks(open_id(output))}
    assert done.stdout.split()[0] in hashes
    assert all(digest in page for digest in hashes)


def test_the_dossier_is_found_by_place_and_by_the_beginning_of_its_id(output: Path) -> None:
    page = shown(output, "--exposure", open_id(output))
    assert shown(output, "--exposure", "192.0.2.7:27017") == page
    assert shown(output, "--exposure", open_id(output)[:9]) == page


def test_an_unknown_exposure_is_answered_with_the_nearest(output: Path) -> None:
    wrong = open_id(output)[:-1] + "x"
    result = report(output, "--exposure", wrong)
    assert result.exit_code == 2
    assert open_id(output) in result.stderr
    assert "Traceback" not in result.stderr


def test_csv_has_no_formula(output: Path) -> None:
    for arguments in ((), ("--exposure", "192.0.2.7:27017")):
        for line in csv.reader(io.StringIO(shown(output, "--format", "csv", *arguments))):
            assert not [cell for cell in line if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]


def test_json_says_what_the_page_says(output: Path) -> None:
    told = json.loads(shown(output, "--format", "json"))
    assert told["schema"] == "mongosweep.report/1"
    assert [each["state"] == "closed" for each in told["exposures"]] == [False, True]
    assert told["totals"]["open"] == 1
    assert told["asked"]["lately"] == ["192.0.2.0-192.0.2.255"]
    assert sum(each["opened"] for each in told["over_time"]["periods"]) == 2
    dossier = json.loads(shown(output, "--format", "json", "--exposure", open_id(output)))
    assert dossier["schema"] == "mongosweep.dossier/1"
    assert len(dossier["looks"]) == 4
    assert "Not known" in [each["about"] for each in dossier["facts"]]


@pytest.mark.parametrize("form", ["html", "csv", "md", "json"])
@pytest.mark.parametrize("which", [(), ("--exposure", "192.0.2.7:27017")], ids=["all", "one"])
def test_nothing_of_a_redacted_name_is_left(
    output: Path, tmp_path: Path, form: str, which: tuple[str, ...]
) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"sixteen bytes or more\n")
    asked = ("--format", form, *which, "--redact-key", str(key))
    told = shown(output, *asked, "--redact")
    told = re.sub(r"<(style|script)>.*?</\1>", "", told, flags=re.DOTALL)
    for name in ("users", "web platform", "Example", "dba@example.com", "alert", "calc"):
        assert name not in told
    assert "192.0.2.7" in told
    hidden = shown(output, *asked, "--redact=all")
    assert "192.0.2" not in hidden
    assert open_id(output) not in hidden
    assert shown(output, *asked, "--redact=all") == hidden
    key.write_bytes(b"another key of the same length")
    assert shown(output, *asked, "--redact=all") != hidden


def test_the_same_name_has_the_same_hash_and_no_plain_one(output: Path) -> None:
    told = json.loads(shown(output, "--format", "json", "--redact=all"))
    owners = {each["owner"]["owner"] for each in told["exposures"]}
    assert len(owners) == 1
    assert told["open_by_owner"][0]["owner"] in owners
    plain = hashlib.sha256(b"192.0.2.7").hexdigest()[:12]
    assert plain not in json.dumps(told)


def test_a_key_may_come_from_the_environment(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "sixteen bytes or more")
    assert shown(output, "--redact") == shown(output, "--redact")
    monkeypatch.delenv(KEY_VARIABLE)
    assert shown(output, "--redact") != shown(output, "--redact")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--redact-key", "k"), "write both"),
        (("--exposure", "mx_1", "--retain", "30d"), "write one of them"),
        (("--redact", "--redact-key", "/nowhere/key"), "/nowhere/key"),
        (("--redact=some",), "names"),
        (("--format", "pdf"), "html"),
        (("--retain", "soon"), "365d|36h"),
        (("--now", "yesterday"), "2026-03-01T09:00:00Z"),
        (("--out", "/nowhere/page.html"), "/nowhere/page.html"),
    ],
)
def test_what_cannot_be_is_refused_in_words(output: Path, arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(root, ["report", "-o", str(output), *arguments])
    assert result.exit_code in (2, 4)
    assert re.search(words, result.stderr)
    assert "Traceback" not in result.stderr


def test_a_short_key_is_refused(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "short")
    result = report(output, "--redact")
    assert result.exit_code == 2
    assert "5 bytes" in result.stderr


def test_retention(output: Path) -> None:
    assert "192.0.2.9:27017" in shown(output)
    page = shown(output, "--retain", "30d", now=PAST)
    assert "192.0.2.9:27017" not in page
    assert "192.0.2.7:27017" in page
    assert "1 that closed more than 30 days ago are left out" in page


def test_a_broken_chain_of_actions_is_said_first(output: Path) -> None:
    catch_up(output)
    actions = Actions.open(output, write=True)
    for number in (5, 6):
        actions.append("noted", [open_id(output)], by="soc", at=day(number), detail="looked at")
    file = output / "actions.jsonl"
    file.write_bytes(file.read_bytes().replace(b"looked at", b"looked AT", 1))
    page = shown(output)
    assert "is broken at line 1" in page
    assert page.index("is broken at line 1") < page.index("Open now, by owner")


def test_a_degraded_last_run_is_said_first(output: Path) -> None:
    made = RunOnDisk(output, "run-5", day(5)).begin()
    made.end("degraded")
    assert "The last run, run-5, is degraded" in shown(output)


def test_an_empty_folder_says_that_nobody_looked(tmp_path: Path) -> None:
    page = shown(tmp_path)
    assert "No run is in the ledger." in page
    assert "what no run covered, it cannot know" in page


def test_a_missing_folder(tmp_path: Path) -> None:
    result = report(tmp_path / "nowhere")
    assert result.exit_code != 0
    assert "Traceback" not in result.stderr
