"""`notify`, `acknowledge`, `accept`, `note` and `actions` over a run directory as a sweep leaves it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from results.ledger.actions import ACTIONS_FILE, Actions
from results.notify.send import hold
from results.record import Owner
from results.verdict import Severity, Verdict
from scanner.cli import main
from scanner.errors import RefusedError
from scanner.setup.notify_request import SMTP_PASSWORD
from scanner.setup.secret import secret
from tests.results.examples import database, exposure, observation
from tests.support.ledgers import RunOnDisk
from tests.support.mail import LOGIN, Authority, MailServer

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """\
[notify]
to = "smtp"
fallback_to = ["soc@example.com"]

[[recipient]]
owner = "web platform"
to = ["web-oncall@example.com"]
language = "fr"

[smtp]
host = "127.0.0.1"
port = {port}
sender = "mongosweep@example.com"
ca_file = "{authority}"
user = "mongosweep"
timeout = 20
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a finished run that found three open servers of two owners."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIG", "OUTPUT", "SMTP_PASSWORD"):
        monkeypatch.delenv(f"MONGOSWEEP_{name}", raising=False)
    run = RunOnDisk(tmp_path / "runs", "run-1", "2026-03-01T04:00:00.000Z").begin()
    for last, owner in ((1, "web platform"), (2, "web platform"), (3, "shop")):
        run.see(
            observation(
                f"192.0.2.{last}",
                "run-1",
                observed_at=f"2026-03-01T04:1{last}:00.000Z",
                verdict=Verdict.OPEN,
                severity=Severity.CRITICAL,
                owner=Owner(owner=owner, site="paris"),
                exposure=exposure(database("shop", size=1000 * last)),
            )
        )
    run.end()
    return tmp_path


@pytest.fixture
def one(here: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The id of one exposure."""
    main(["exposures", "--format", "jsonl"])
    return str(json.loads(capsys.readouterr().out.splitlines()[0])["exposure_id"])


def in_days(days: int) -> str:
    """A day, as people write it."""
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def letters(here: Path) -> list[str]:
    """The files of the letters, by owner and audience."""
    folder = here / "runs" / "notices"
    return sorted(path.name.split(".")[0] + path.suffix for path in folder.glob("*.*"))


def test_each_owner_is_told_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify"]) == 0
    told = [line.rpartition(": runs/notices/")[0] for line in capsys.readouterr().out.splitlines()]
    assert sorted(told) == ["warned shop: 1 of shop", "warned web platform: 2 of web platform"]
    assert letters(here) == ["shop.md", "shop.txt", "web-platform.md", "web-platform.txt"]
    assert main(["notify"]) == 0
    done = capsys.readouterr()
    assert (done.out, done.err) == ("", "nobody is to be told of anything now\n")
    assert main(["exposures", "--format", "jsonl"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(row["warned_at"] for row in rows)


def test_a_dry_run_shows_everything_and_remembers_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notify", "--dry-run", "--owner", "shop"]) == 0
    shown = capsys.readouterr()
    assert "Subject: MongoDB open without a password: 1, shop" in shown.out
    assert "192.0.2.3:27017" in shown.out
    assert "192.0.2.1" not in shown.out
    assert not (here / "runs" / ACTIONS_FILE).exists()
    assert not (here / "runs" / "notices").exists()


def test_by_mail_with_a_login_from_the_environment(
    here: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with MailServer(authority, login=True) as server:
        text = CONFIGURATION.format(port=server.port, authority=authority.file)
        (here / "mongosweep.toml").write_text(text, encoding="utf-8")
        assert main(["notify"]) == 2
        assert SMTP_PASSWORD in capsys.readouterr().err
        monkeypatch.setenv(SMTP_PASSWORD, LOGIN[1])
        assert main(["notify"]) == 0
        told = {message["To"]: message["Subject"] for message in server.taken}
    assert told == {
        "web-oncall@example.com": "MongoDB ouvert sans mot de passe : 2, web platform",
        "soc@example.com": "MongoDB open without a password: 1, shop",
    }
    assert LOGIN[1] not in (here / "runs" / ACTIONS_FILE).read_text(encoding="utf-8")


def test_an_unclear_message_is_shown_until_a_person_says(
    here: Path, mail: MailServer, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIGURATION.replace('user = "mongosweep"\n', "")
    text = text.format(port=mail.port, authority=authority.file)
    (here / "mongosweep.toml").write_text(text, encoding="utf-8")
    mail.fail = ["after"]
    for _ in range(2):
        assert main(["notify"]) == 3
        assert "unclear since" in capsys.readouterr().err
    assert len(mail.taken) == 2
    (left,) = [record.message_id for record in Actions.open(here / "runs").all() if record.stage == "unclear"]
    assert main(["notify", "--arrived", left]) == 2
    assert main(["notify", "--arrived", "nothing", "--by", "Ada"]) == 2
    capsys.readouterr()
    assert main(["notify", "--arrived", left, "--by", "Ada"]) == 0
    assert len(mail.taken) == 2
    assert main(["notify", "--resend", left, "--by", "Ada"]) == 2


def test_somebody_who_cannot_be_told_is_named(
    here: Path, mail: MailServer, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIGURATION.replace('user = "mongosweep"\n', "").replace(
        'fallback_to = ["soc@example.com"]\n', ""
    )
    text = text.format(port=mail.port, authority=authority.file)
    (here / "mongosweep.toml").write_text(text, encoding="utf-8")
    assert main(["notify"]) == 3
    assert "failed: warned shop: 1 of shop: no address is known" in capsys.readouterr().out
    assert len(mail.taken) == 1


def test_a_box_that_does_not_take_it_is_named(
    here: Path, mail: MailServer, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIGURATION.replace('user = "mongosweep"\n', "")
    text = text.replace('["web-oncall@example.com"]', '["web-oncall@example.com", "gone@example.com"]')
    text = text.format(port=mail.port, authority=authority.file)
    (here / "mongosweep.toml").write_text(text, encoding="utf-8")
    mail.refuse = {"gone@example.com"}
    assert main(["notify"]) == 3
    assert "refused for gone@example.com: 550 no such box" in capsys.readouterr().err
    assert main(["notify"]) == 0
    assert len(mail.taken) == 2


def test_two_notifies_do_not_meet(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = hold(here / "runs")
    try:
        assert main(["notify"]) == 5
    finally:
        lock.release()
    assert "another notify is at work there" in capsys.readouterr().err


def test_what_people_write_down(here: Path, one: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acknowledge", one, "--by", "Ada", "--note", "in an hour"]) == 0
    assert main(["accept", one, "--by", "Grace", "--until", in_days(30), "--reason", "a test bed"]) == 0
    aware = ["--aware-since", "2026-02-28T12:00:00Z"]
    assert main(["note", one, "a letter came", "--by", "Ada", *aware]) == 0
    assert main(["notify"]) == 0
    capsys.readouterr()
    main(["exposures", "--format", "jsonl"])
    rows = {row["exposure_id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    row = rows[one]
    assert (row["state"], row["acknowledged_by"], row["acceptance"]["by"]) == ("accepted", "Ada", "Grace")
    assert row["breach"]["began"] == "2026-02-28T12:00:00.000Z"
    assert row.get("warned_at", "") == ""
    assert main(["accept", one, "--by", "Grace", "--withdraw"]) == 0
    assert main(["notify"]) == 0
    assert f"{len(rows)}" == "3"
    assert main(["actions"]) == 0
    listed = capsys.readouterr().out
    for kind in ("acknowledged", "accepted", "aware", "acceptance-withdrawn", "warned (done)"):
        assert kind in listed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["acknowledge", "ONE"], "--by"),
        (["acknowledge", "ONE", "--by", " "], "person's name"),
        (["accept", "ONE", "--by", "Ada"], "--until DATE and --reason TEXT"),
        (["accept", "ONE", "--by", "Ada", "--until", "soon", "--reason", "r"], "2026-12-31"),
        (["accept", "ONE", "--by", "Ada", "--until", "2020-01-01", "--reason", "r"], "over already"),
        (["accept", "ONE", "--by", "Ada", "--until", "9999-12-31", "--reason", "r"], "no day"),
        (["accept", "ONE", "--by", "Ada", "--until", "9998-12-31", "--reason", "r"], "a year ahead"),
        (["accept", "ONE", "--by", "Ada", "--withdraw"], "not accepted"),
        (["note", "ONE", " ", "--by", "Ada"], "empty"),
        (["note", "ONE", "x", "--by", "Ada", "--aware-since", "yesterday"], "no time"),
        (["note", "ONE", "x", "--by", "Ada", "--aware-since", "9000-01-01"], "still to come"),
        (["actions", "--vouch", "Ada"], "nothing to stand for"),
    ],
)
def test_what_is_refused_writes_nothing(
    here: Path, one: str, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main([one if word == "ONE" else word for word in words]) == 2
    assert says in capsys.readouterr().err
    assert not (here / "runs" / ACTIONS_FILE).exists()


@pytest.mark.parametrize("columns", ["40", "80"])
def test_actions_fit_a_narrow_terminal(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    assert main(["actions"]) == 0
    assert capsys.readouterr().out == "no actions here\n"
    assert main(["actions", "-o", "nowhere"]) == 2
    monkeypatch.setenv("COLUMNS", columns)
    main(["notify"])
    capsys.readouterr()
    assert main(["actions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    words = [word for line in lines if len(line) > int(columns) for word in line.split()]
    assert all(len(word) > int(columns) - 6 for word in words), "only an id or a path is wider"


def test_the_gravest_is_first_as_in_the_list(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["exposures", "--format", "jsonl", "--owner", "web platform"])
    listed = [json.loads(line)["exposure_id"] for line in capsys.readouterr().out.splitlines()]
    main(["notify", "--dry-run", "--owner", "web platform"])
    told = [
        line.split()[-1][:-1] for line in capsys.readouterr().out.splitlines() if "- Exposure mx_" in line
    ]
    assert told == listed


def test_notify_says_where_a_file_went_and_which_owners_there_are(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notify", "--owner", "web platfrom"]) == 2
    assert "did you mean web platform?" in capsys.readouterr().err
    assert main(["notify", "--owner", "web platform"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert (here / line.rpartition(": ")[2]).is_file()


@pytest.mark.parametrize("called", ["the beginning of its id", "its place"])
def test_an_exposure_is_named_as_show_names_it(
    here: Path, one: str, capsys: pytest.CaptureFixture[str], called: str
) -> None:
    main(["exposures", "--format", "jsonl"])
    rows = {row["exposure_id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    place = f"{rows[one]['place']['ip']}:{rows[one]['place']['port']}"
    name = place if called == "its place" else one[:9]
    assert main(["acknowledge", name, "--by", "Ada"]) == 0
    assert main(["accept", name, "--by", "Ada", "--until", in_days(9), "--reason", "fine"]) == 0
    assert main(["note", name, "a text", "--by", "Ada"]) == 0
    assert capsys.readouterr().err.count(f"{one} ({place}): ") == 3


def test_an_id_that_there_is_none_of_brings_near_ones(
    here: Path, one: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = one[:-1] + ("0" if one[-1] != "0" else "1")
    assert main(["acknowledge", wrong, "--by", "Ada"]) == 2
    assert f"did you mean {one}" in capsys.readouterr().err


def test_a_chain_that_was_edited_stops_everything_until_a_person_stands_for_it(
    here: Path, one: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["note", one, "first", "--by", "Ada"])
    main(["accept", one, "--by", "Ada", "--until", in_days(9), "--reason", "fine"])
    path = here / "runs" / ACTIONS_FILE
    path.write_bytes(path.read_bytes().replace(b"first", b"later"))
    capsys.readouterr()
    for words in (["notify"], ["notify", "--dry-run"], ["note", one, "x", "--by", "Ada"]):
        assert main(words) == 4
        assert "line 1: it was changed after it was written" in capsys.readouterr().err
    main(["exposures", "--format", "jsonl"])
    rows = {row["exposure_id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows[one]["state"] == "new"
    assert "actions-unproven" in [caution["code"] for caution in rows[one]["cautions"]]
    assert main(["actions"]) == 4
    shown = capsys.readouterr()
    assert len([line for line in shown.out.splitlines() if line.startswith("?")]) == 2
    assert main(["actions", "--json"]) == 4
    assert [row["proven"] for row in json.loads(capsys.readouterr().out)] == [False, False]
    assert main(["actions", "--vouch", "Grace"]) == 0
    assert "Grace stands for it as it is" in capsys.readouterr().err
    assert main(["note", one, "x", "--by", "Ada"]) == 0
    assert main(["notify"]) == 0


def test_secrets_come_from_where_nobody_else_reads(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\r\nmore\n", encoding="utf-8")
    file.chmod(0o644)
    with pytest.raises(RefusedError, match="chmod 600"):
        secret({}, SMTP_PASSWORD, str(file))
    file.chmod(0o600)
    assert secret({}, SMTP_PASSWORD, str(file)) == "s3cret"
    assert secret({SMTP_PASSWORD: "other"}, SMTP_PASSWORD, str(file)) == "other"
    assert secret({}, SMTP_PASSWORD, "") == ""
    with pytest.raises(RefusedError, match="no plain file"):
        secret({}, SMTP_PASSWORD, str(tmp_path))
    with pytest.raises(RefusedError, match=SMTP_PASSWORD):
        secret({}, SMTP_PASSWORD, str(tmp_path / "none"))
