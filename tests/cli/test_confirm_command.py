"""`mongosweep confirm` as a program: what it says, what it writes, and what it makes of bad reports."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import TYPE_CHECKING

import pytest

from results.runs import list_runs
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.cli.programs import mongosweep
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

OPEN, NEAR, CLOSED, DENIED, FOREIGN = "127.97.2.1", "127.97.2.2", "127.97.2.3", "127.97.2.6", "127.98.2.1"
RULED = "127.97.2.7"  # an entry with ports of its own
ANY, LOCKED = find("open_8_0"), find("auth_7_1")


@pytest.fixture
def home(tmp_path: Path, port: int) -> Path:
    """A folder with a configuration. Nobody has swept yet."""
    (tmp_path / "mongosweep.toml").write_text(
        '[organisation]\nname = "Example"\ncontact = "soc@example.com"\n'
        '[[allow]]\ncidr = "127.97.2.0/29"\nowner = "web platform"\ncontact = "web-oncall@example.com"\n'
        'site = "paris"\nkind = "lab"\n'
        f'[[allow]]\ncidr = "{RULED}"\nowner = "archive"\nsite = "paris"\nkind = "lab"\nports = [{port}]\n'
        f'[[deny]]\ncidr = "{DENIED}"\nreason = "medical devices"\n'
        f"[sweep]\nports = [{port}]\nper_prefix_rate = 1000\n"
    )
    return tmp_path


def report(home: Path, *lines: str) -> str:
    (home / "report.csv").write_text("".join(f"{line}\n" for line in ("ip,port", *lines)))
    return "report.csv"


def test_from_a_report_to_a_tracked_exposure_and_its_closure(home: Path, port: int) -> None:
    name = report(home, *(f"{ip},{port}" for ip in (NEAR, CLOSED, OPEN, OPEN, FOREIGN)), "nonsense,1")
    with LabThread({(OPEN, port): ANY, (NEAR, port): LOCKED}):
        done = mongosweep("confirm", name, "--reply", "reply.txt", cwd=home)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    found = re.fullmatch(rf"{OPEN}:{port} +open +\d{{4}}-\d\d-\d\d +web platform +(mx_[0-9a-f]+)", lines[1])
    assert found
    assert max(map(len, lines)) <= 80
    assert f"5 rows of {name} (CSV): 2 open, 1 wants a login, 1 closed now, 1 not ours" in lines
    assert "1 line or record could not be read" in lines
    assert lines[-1].startswith("web platform / paris  web-oncall@example.com")
    assert "report.csv:7: " in done.stderr
    text = (home / "reply.txt").read_text()
    assert f"- {OPEN}:{port}: confirmed." in text
    assert "web" not in text
    assert text.endswith("Example, soc@example.com\n")
    exposures = mongosweep("exposures", cwd=home)
    assert found[1] in exposures.stdout
    with LabThread({(OPEN, port): LOCKED, (NEAR, port): LOCKED}):
        closed = mongosweep("confirm", name, "--json", "-q", cwd=home)
    *rows, whole = map(json.loads, closed.stdout.splitlines())
    assert closed.returncode == 0
    (one,) = (row["places"][0] for row in rows if row["named"].startswith(OPEN))
    assert (one["answer"], one["exposure"]["state"]) == ("asks-for-a-login", "closed")
    assert (one["exposure"]["exposure_id"], bool(one["exposure"]["closed_before"])) == (found[1], True)
    assert (whole["rows"], whole["unusable"], whole["state"]) == (5, 1, "complete")
    assert [run.purpose for run in list_runs(home / "runs")] == ["confirm", "confirm"]
    listed = mongosweep("runs", cwd=home).stdout
    assert listed.count("confirmation") == 2
    events = [json.loads(line) for line in (home / "runs" / "events.jsonl").read_text().splitlines()]
    assert {each["purpose"] for each in events if each["schema"].startswith("mongosweep.run/")} == {"confirm"}
    assert mongosweep("sweep", "--resume", whole["run_id"], cwd=home).returncode == 2


def test_standard_input_in_french_and_the_reply_in_place_of_the_table(home: Path, port: int) -> None:
    with LabThread({(OPEN, port): ANY}):
        done = mongosweep(
            *("confirm", "-", "--reply", "-", "--language", "fr", "--vantage", "internet"),
            cwd=home,
            input=f"{OPEN}:{port}\n",
        )
    assert (done.returncode, done.stdout.count("confirmé")) == (1, 1)
    assert done.stdout.startswith("Votre signalement")
    assert list_runs(home / "runs")[0].vantage == "internet"


def test_a_report_of_which_nothing_is_ours_is_said_to_be_one(home: Path) -> None:
    done = mongosweep("confirm", report(home, f"{FOREIGN},27017", f"{DENIED}9,27017"), cwd=home)
    assert done.returncode == 0
    assert "nothing in it is ours by the scope, so nothing was asked" in done.stdout
    assert not (home / "runs").exists()


def test_what_may_not_be_asked_is_no_clean_answer(home: Path, port: int) -> None:
    done = mongosweep("confirm", report(home, f"{DENIED},{port}", f"{RULED},81"), cwd=home)
    assert done.returncode == 3
    assert f"denied by {DENIED} (medical devices)" in done.stdout
    assert f"port 81 is not one of {port}" in done.stdout
    assert "nothing of it may be asked now, so nothing was" in done.stdout


def test_a_port_that_the_report_names_is_asked_too(home: Path, port: int) -> None:
    other_port = free_port()
    with LabThread({(OPEN, other_port): ANY}):
        done = mongosweep("confirm", report(home, f"{OPEN},{other_port}"), cwd=home)
        again = mongosweep("verify", "-q", cwd=home)
    assert done.returncode == 1, done.stderr
    assert f"{OPEN}:{other_port}  open" in done.stdout
    assert again.returncode == 1, again.stderr


def test_csv_and_markdown_hold_the_same(home: Path) -> None:
    name = report(home, f"{FOREIGN},27017")
    assert "not-ours" in mongosweep("confirm", name, "--format", "csv", cwd=home).stdout
    assert "| not ours |" in mongosweep("confirm", name, "--format", "md", cwd=home).stdout


def test_what_shadowserver_says_and_when_is_told_and_the_names_not_sent_back(home: Path, port: int) -> None:
    head = (
        "timestamp,severity,ip,protocol,port,hostname,tag,asn,geo,region,city,naics,hostname_source,sector,version,"
        "gitversion,sysinfo,opensslversion,allocator,javascriptengine,bits,maxbsonobjectsize,ok,visible_databases"
    )
    told = f"2001-01-01 09:15:02,high,{OPEN},tcp,{port},,mongodb,64512,FR,,,0,,,4.0.3,,,,,,64,1,1,lecteurs"
    (home / "report.csv").write_text(f"{head}\n{told}\n")
    with LabThread({(OPEN, port): ANY}):
        done = mongosweep("confirm", "report.csv", "--reply", "reply.txt", cwd=home)
    assert done.returncode == 1
    assert "1 row of report.csv (Shadowserver scan_mongodb 2024-07): 1 open" in done.stdout
    assert "  they say: open MongoDB 4.0.3, databases: lecteurs" in done.stdout.splitlines()
    assert re.search(
        r"reported for 2001-01-01 09:15 UTC, [0-9,]+ days before we\s+first saw it open", done.stdout
    )
    text = (home / "reply.txt").read_text()
    assert "You saw it on 2001-01-01 09:15 UTC" in " ".join(text.split())
    assert "lecteurs" not in text


def test_text_that_was_copied_out_of_a_message(home: Path, port: int) -> None:
    text = f"""\
Dear colleagues,

your host {OPEN.replace(".", "[.]")} on port {port} runs MongoDB 4.0.3 and asks nobody for a password.
Please close it. Yours, soc@example.com
"""
    (home / "message.txt").write_text(text)
    with LabThread({(OPEN, port): ANY}):
        done = mongosweep("confirm", "message.txt", "--text", "--json", "-q", cwd=home)
    assert done.returncode == 1, done.stderr
    *rows, whole = map(json.loads, done.stdout.splitlines())
    assert [row["places"][0]["answer"] for row in rows] == ["confirmed-open"]
    assert whole["format"] == "text"


def test_a_pipe_is_read_as_it_comes(home: Path) -> None:
    os.mkfifo(home / "pipe")
    writer = threading.Thread(target=(home / "pipe").write_text, args=(f"{FOREIGN}:27017\n" * 5000,))
    writer.start()
    done = mongosweep("confirm", "pipe", "-q", cwd=home)
    writer.join()
    assert (done.returncode, done.stderr) == (0, "")
    assert "5,000 rows of pipe (plain list): 5,000 not ours" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty: no address with an open TCP port is named in it"),
        (b"# nothing yet\n\n", "no address with an open TCP port is named in it"),
        (b"ip,port\n", "no address with an open TCP port is named in it"),
        (b"10.0.0.0/8\n", "no address with an open TCP port can be used of it"),
        (b"nobody knows\n", "empty:1: 'nobody knows' has blanks inside"),
        (b"it is open\n", "of text that people wrote, add --text, or name the whole e-mail (.eml)\n"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "is"),
        (b"\x1f\x8b\x08\x00", "is compressed by gzip"),
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3\n", "is"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(home: Path, content: bytes, said: str) -> None:
    (home / "empty").write_bytes(content)
    done = mongosweep("confirm", "empty", cwd=home)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert not (home / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.csv"], "there is no nowhere.csv; write the path of a list, or -"),
        (["."], ". is a directory; write the path of a list"),
        (["10.20.0.1:27017"], "there is no 10.20.0.1:27017; pipe addresses in: echo 10.20.0.1:27017 | … -"),
        (["mongosweep.toml"], "mongosweep.toml is TOML, which no list is; name an allow-list in"),
        (["a\x1b[31mb"], "there is no a\\x1b[31mb;"),
        ([], "Missing argument 'REPORT'"),
        (["-", "--reply", "nowhere/reply.txt"], "there is no directory nowhere"),
        (["-", "--reply", "."], "is a directory; name a file in it"),
        (["-", "--language", "fr"], "--language goes with --reply"),
        (["-", "--reply", "-", "--json"], "--reply - takes standard output"),
        (["-", "--json", "--format", "csv"], "write one of them"),
        (["-", "-c", "nowhere.toml"], "nowhere.toml"),
        (["-", "-o", "other"], "holds other things and no run"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    home: Path, port: int, words: list[str], said: str
) -> None:
    (home / "other").mkdir()
    (home / "other" / "notes.txt").write_text("not ours")
    done = mongosweep("confirm", *words, cwd=home, input=f"{OPEN}:{port}\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "runs").exists()


def test_a_report_from_a_file_on_standard_input(home: Path) -> None:
    """It is read, where `sweep` would refuse a list that no TARGET asks for."""
    report(home, f"{FOREIGN},27017")
    done = mongosweep("confirm", "-", cwd=home, shell="< report.csv")
    assert (done.returncode, "not ours" in done.stdout) == (0, True)
    forgotten = mongosweep("plan", cwd=home, shell="< report.csv")
    assert forgotten.returncode == 2
    assert "write - to ask what it lists" in forgotten.stderr
