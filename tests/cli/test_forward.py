"""`forward` over a run directory as sweeps leave it, with receivers beside it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from results.events.log import EVENTS_FILE
from results.sinks.state import SinkFolder
from results.verdict import Severity
from scanner.cli import main
from scanner.setup.sink_settings import secret_variable
from tests.support.collecting import FIRST, SECRET, SPLUNK, configure, ids, kinds, swept
from tests.support.ports import free_port
from tests.support.receivers.beside import beside
from tests.support.receivers.hec import TOKEN, HecReceiver
from tests.support.receivers.tls import Certificates

if TYPE_CHECKING:
    from pathlib import Path

WRONG = "0d9bd34e-not-the-token"


def test_a_receiver_gets_runs_and_changes_and_nothing_twice(
    folder: Path, hec: HecReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forward"]) == 0
    assert kinds(hec) == FIRST
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"soc (splunk {hec.origin}): 4 sent\n")
    assert main(["forward", "-q"]) == 0
    assert capsys.readouterr().err == ""
    swept(folder, 2, {})
    assert main(["forward"]) == 0
    assert sorted(kinds(hec)[4:]) == ["ended", "started", "unreachable", "unreachable"]
    ended = hec.taken[-1]["event"]
    assert (ended["state"], ended["open"]) == ("complete", 0)
    assert len(set(ids(hec))) == len(ids(hec))


def test_what_a_run_that_goes_on_has_found_is_sent_before_it_ends(folder: Path, hec: HecReceiver) -> None:
    run = swept(folder, 2, {3: Severity.HIGH}, ended=False)
    assert main(["forward"]) == 0
    assert kinds(hec) == [*FIRST, "started", "opened"]
    run.end()
    assert main(["forward"]) == 0
    assert "ended" in kinds(hec)[6:]


def test_every_observation_where_somebody_asks_for_it(folder: Path, hec: HecReceiver) -> None:
    assert main(["forward", "--every"]) == 0
    told = [taken["event"].get("verdict", "") for taken in hec.taken if "kind" not in taken["event"]]
    assert told == ["open", "open"]


def test_a_least_severity(folder: Path, hec: HecReceiver, capsys: pytest.CaptureFixture[str]) -> None:
    configure(folder, SPLUNK.format(url=hec.origin) + 'min_severity = "high"\n')
    assert main(["forward"]) == 0
    assert kinds(hec) == ["started", "opened", "ended"]
    assert "3 sent, 1 passed over" in capsys.readouterr().err


def test_a_receiver_that_is_down_gets_all_of_it_later(
    folder: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(folder, SPLUNK.format(url=f"http://127.0.0.1:{port}"), patience=0.2)
    assert main(["forward"]) == 3
    assert (
        f"soc (splunk http://127.0.0.1:{port}): 0 sent, 4 waiting: no connection" in capsys.readouterr().err
    )
    receiver = HecReceiver()
    with beside(receiver, port=port):
        assert main(["forward"]) == 0
    assert kinds(receiver) == FIRST


def test_one_that_is_down_holds_up_nobody(
    folder: Path, hec: HecReceiver, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(secret_variable("down"), TOKEN)
    down = SPLUNK.format(url=f"http://127.0.0.1:{port}").replace("soc", "down")
    configure(folder, down + SPLUNK.format(url=hec.origin))
    assert main(["forward", "--patience", "0.2"]) == 3
    assert kinds(hec) == FIRST
    assert main(["forward", "--sink", "soc"]) == 0


def everything_below(folder: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_wrong_token_stops_the_sink_and_is_shown_nowhere(
    folder: Path, hec: HecReceiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(SECRET, WRONG)
    shown = ""
    for words in (["forward"], ["sinks"], ["sinks", "--json"], ["sinks", "--metrics"], ["doctor", "--sinks"]):
        main(words)
        told = capsys.readouterr()
        shown += told.out + told.err
    assert "stopped: " in shown
    assert "answered 403, code 4: Invalid token; the token is not known there: write the one" in shown
    assert SinkFolder(folder / "runs", "soc").load().cursor.offset == 0
    assert WRONG not in shown
    assert WRONG.encode() not in everything_below(folder)
    monkeypatch.setenv(SECRET, TOKEN)
    assert main(["forward"]) == 0
    assert kinds(hec) == FIRST
    told = capsys.readouterr()
    assert TOKEN not in told.out + told.err
    assert TOKEN.encode() not in everything_below(folder)


def test_a_token_from_a_file_that_nobody_else_reads(
    folder: Path, hec: HecReceiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(SECRET)
    file = folder / "token"
    file.write_text(TOKEN + "\n", encoding="utf-8")
    configure(folder, SPLUNK.format(url=hec.origin) + f'secret_file = "{file}"\n')
    file.chmod(0o640)
    assert main(["forward"]) == 2
    assert f"{file} can be read by others; run: chmod 600 {file}" in capsys.readouterr().err
    assert not hec.seen
    file.chmod(0o600)
    assert main(["forward"]) == 0
    assert kinds(hec) == FIRST


def test_a_certificate_that_does_not_verify_stops_the_sink(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificates = Certificates(tmp_path)
    receiver = HecReceiver()
    with beside(receiver, certificates.right()):
        configure(folder, SPLUNK.format(url=receiver.origin))
        assert main(["forward"]) == 3
        assert "4 waiting; stopped: " in (said := capsys.readouterr().err)
        assert "certificate" in said
        configure(folder, SPLUNK.format(url=receiver.origin) + f'ca_file = "{certificates.ca_file}"\n')
        assert main(["forward"]) == 0
    assert kinds(receiver) == FIRST


AMONG_OURS = '[[sink]]\nkind = "file"\npath = "{here}/runs/events.jsonl"\n'
REFUSED: list[tuple[str, str, list[str], str]] = [
    ("", TOKEN, ["forward"], 'mongosweep.toml names no sink; write [[sink]], and below it kind = "splunk"'),
    ("", TOKEN, ["sinks"], "names no sink"),
    ("", TOKEN, ["doctor", "--sinks"], "names no sink"),
    ("", TOKEN, ["sweep", "--forward"], "names no sink"),
    (SPLUNK, TOKEN, ["forward", "-c", "none.toml"], "none.toml does not exist"),
    (SPLUNK, TOKEN, ["forward", "--sink", "sco"], "--sink 'sco' is no sink; did you mean soc?"),
    (SPLUNK, TOKEN, ["forward", "--restart", "sco"], "--restart 'sco' is no sink; did you mean soc?"),
    (SPLUNK, TOKEN, ["forward", "--from-now", "x"], "--from-now 'x' is no sink; write one of soc"),
    (SPLUNK, TOKEN, ["forward", "--restart", "soc", "--from-now", "soc"], "contradict each other for soc"),
    (SPLUNK, TOKEN, ["forward", "-o", "nowhere"], "nowhere: no such directory"),
    (SPLUNK, TOKEN, ["forward", "-o", "other"], "holds other things and no run"),
    (SPLUNK, TOKEN, ["sinks", "-o", "nowhere"], "nowhere: no such directory"),
    (SPLUNK, TOKEN, ["sinks", "--json", "--metrics"], "write one of them"),
    (SPLUNK, TOKEN, ["doctor", "--sinks", "--fence", "nftables"], "write one of them"),
    (SPLUNK, TOKEN, ["sweep", "--forward", "--no-ledger"], "leave --no-ledger out"),
    (SPLUNK, "", ["forward"], f"mongosweep.toml:6: [[sink]] soc needs a token and has none; set {SECRET}"),
    (SPLUNK, "", ["sweep", "--forward"], f"[[sink]] soc needs a token and has none; set {SECRET}, or name"),
    (SPLUNK, f"{WRONG}\r\nX: y", ["forward"], f"the secret in {SECRET} holds a line end"),
    (SPLUNK, f"{WRONG}é", ["forward"], "mongosweep.toml:6: [[sink]] soc: the token"),
    (
        SPLUNK + 'secret_file = "no"\n',
        "",
        ["forward"],
        f"no cannot be read: No such file or directory; or set {SECRET}",
    ),
    (SPLUNK + 'secret_file = "/dev/null"\n', "", ["forward"], "/dev/null is no plain file"),
    (
        SPLUNK + 'ca_file = "mongosweep.toml"\n',
        TOKEN,
        ["forward"],
        "it holds no certificate; name a file of PEM",
    ),
    (
        SPLUNK + 'certificate = "no.pem"\n',
        TOKEN,
        ["forward"],
        "[[sink]] certificate = 'no.pem' cannot be used",
    ),
    (SPLUNK.replace("{url}", "http://siem.example.com"), TOKEN, ["forward"], "insecure = true"),
    (AMONG_OURS, "", ["forward"], "mongosweep.toml:6: [[sink]] path = "),
    (
        AMONG_OURS,
        "",
        ["doctor", "--sinks"],
        "events.jsonl lies in runs, where runs are; write one outside it",
    ),
    (AMONG_OURS, "", ["sweep", "--forward"], "outside it, such as path = "),
    (SPLUNK.replace("splunk", "splnuk"), TOKEN, ["forward"], "did you mean splunk?"),
]


@pytest.mark.parametrize(("sinks", "secret", "words", "said"), REFUSED)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sinks: str,
    secret: str,
    words: list[str],
    said: str,
) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "letter.txt").touch()
    configure(folder, sinks.format(url=f"http://127.0.0.1:{free_port()}", here=folder))
    with (folder / "mongosweep.toml").open("a", encoding="utf-8") as file:
        file.write('[[allow]]\ncidr = "127.93.0.1"\nkind = "lab"\nowner = "web platform"\n')
    monkeypatch.setenv(SECRET, secret)
    assert main(words) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert len(told.err.splitlines()) <= 2
    assert WRONG not in told.err
    assert not (folder / "runs" / EVENTS_FILE).exists()
    assert len(list((folder / "other").iterdir())) == 1


def test_all_of_it_once_more_and_nothing_of_it(folder: Path, hec: HecReceiver) -> None:
    assert main(["forward", "-q"]) == 0
    assert main(["forward", "-q", "--restart", "soc"]) == 0
    assert kinds(hec) == FIRST * 2
    assert ids(hec)[:4] == ids(hec)[4:]
    swept(folder, 2, {})
    assert main(["forward", "-q", "--from-now", "soc"]) == 0
    assert len(hec.taken) == 8
    swept(folder, 3, {})
    assert main(["forward", "-q"]) == 0
    assert {taken["event"]["run_id"] for taken in hec.taken[8:]} == {"run-3"}


def test_a_cursor_of_another_journal_is_told_with_the_way_out(
    folder: Path, hec: HecReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forward", "-q"]) == 0
    (folder / "runs" / EVENTS_FILE).unlink()
    shutil.rmtree(folder / "runs" / "run-1")
    (folder / "runs" / "ledger.sqlite").unlink()
    swept(folder, 3, {1: Severity.HIGH})
    capsys.readouterr()
    assert main(["forward"]) == 4
    assert "--restart soc" in capsys.readouterr().err
    assert main(["sinks"]) == 0
    assert "STOPPED" in capsys.readouterr().out
    assert main(["forward", "-q", "--restart", "soc"]) == 0
    assert kinds(hec)[4:] == ["started", "opened", "ended"]


def test_two_forwards_do_not_meet(folder: Path, hec: HecReceiver, capsys: pytest.CaptureFixture[str]) -> None:
    lock = SinkFolder(folder / "runs", "soc").hold()
    try:
        assert main(["forward"]) == 5
        assert main(["forward", "--restart", "soc"]) == 5
    finally:
        lock.release()
    assert "another forward sends to soc already" in capsys.readouterr().err
    assert not hec.taken


def test_an_event_that_is_never_taken_is_set_aside(
    folder: Path, hec: HecReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    hec.fail("503", "code 6 @1")
    assert main(["forward"]) == 3
    assert kinds(hec) == ["started", "opened", "ended"]
    said = capsys.readouterr().err.splitlines()
    assert "answered 503; tried again in" in said[0]
    assert [line[:18] for line in said if "aside: " in line] == ["soc: set aside: mc"]
    assert "3 sent, 1 set aside" in said[-1]
    (line,) = (folder / "runs" / "sinks" / "soc" / "set-aside.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["event"]["kind"] == "opened"
    assert main(["forward"]) == 0
