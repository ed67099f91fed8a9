"""`init`: what it asks on a terminal and what comes of it; without one it asks nothing."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import pytest

from scanner.cli import main
from scanner.cli.init_questions import Interview
from scanner.errors import RefusedError
from scanner.setup.choices import Language
from scanner.setup.config_file import read_config
from scanner.setup.first_file import Answers, Range, checked, first_file
from scanner.setup.own_networks import OwnNetwork, judged, own_networks
from scanner.setup.sink_settings import AnySink
from scanner.setup.template import TEMPLATE
from targets.errors import ScopeError
from tests.cli.programs import ROOT
from tests.support import terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.terminal import Seen

NOW = datetime(2026, 11, 30, tzinfo=UTC).timestamp()
FULL = Answers(
    name='Example "GmbH" \\ Ünïcode',
    contact="soc@example.com",
    ranges=(Range("10.20.0.0/16"), Range("198.18.0.0/24", "CHG-1234", "2027-02-01")),
    owner="web platform",
    owner_contact="web@example.com",
    site="paris",
    sink={"kind": "kafka", "servers": ["kafka.example.com:9093"]},
    language=get_args(Language)[-1],
    cron="0 2 * * *",
    zone="Europe/Paris",
)


def test_all_answers_are_in_the_file_as_they_were_said() -> None:
    config = checked(first_file(FULL), NOW)
    settings = config.settings
    assert (settings.organisation.name, settings.organisation.contact) == (FULL.name, FULL.contact)
    assert [row["cidr"] for row in settings.allow] == ["10.20.0.0/16", "198.18.0.0/24"]
    assert settings.allow[1]["authorised_by"] == "CHG-1234"
    assert {row["owner"] for row in settings.allow} == {"web platform"}
    assert settings.notify.language == FULL.language
    assert settings.sink[0].kind == "kafka"
    assert (settings.schedule[0].cron, settings.schedule[0].zone) == ("0 2 * * *", "Europe/Paris")


def test_without_answers_it_is_the_template() -> None:
    assert first_file(Answers()) == TEMPLATE
    assert len(first_file(FULL).splitlines()) > len(TEMPLATE.splitlines())


def test_networks_of_this_machine_are_named_and_never_enabled() -> None:
    found = judged([("10.20.0.0/24", "eth0"), ("8.8.4.0/24", "eth1"), ("2a01:4f8::/64", "br\x1b[2J\n")])
    text = first_file(replace(FULL, ranges=()), found)
    config = checked(text, NOW)
    assert not config.settings.allow
    assert "\x1b" not in text
    for each in found:
        assert re.search(rf'^# cidr = "{re.escape(each.cidr)}"$', text, re.MULTILINE)
    assert text.count("# authorised_by = ") - TEMPLATE.count("# authorised_by = ") == 2
    enabled = re.sub(
        r'^# (\[\[allow\]\]|cidr = "10\.20\.0\.0/24"|owner = "")$', r"\1", text, flags=re.MULTILINE
    )
    assert "10.20.0.0/24" in {row.get("cidr") for row in entries_of(enabled)}
    named = first_file(replace(FULL, ranges=(Range("10.20.0.0/24"),)), found)
    assert '"10.20.0.0/24"' not in named.partition("This machine")[2], "it is an entry already"


def entries_of(text: str) -> list[dict[str, str]]:
    """The allow entries of a text, whatever it says besides."""
    part = text.partition("# This machine")[2].partition("\n# --- or take")[0]
    return list(tomllib.loads("#" + part)["allow"])


@pytest.mark.parametrize(
    ("cidr", "needs"),
    [
        ("10.20.0.0/24", ""),
        ("100.64.0.0/24", "authorised_by"),
        ("8.8.4.0/24", "authorised_by"),
        ("fd00:1::/64", "candidates"),
        ("2a01:4f8::/64", "authorised_by"),
    ],
)
def test_what_a_network_needs(cidr: str, needs: str) -> None:
    (found,) = judged([(cidr, "eth0"), (cidr, "eth1")])
    assert found.device == "eth0"
    assert needs in found.needs
    assert bool(found.needs) == bool(needs)


@pytest.mark.parametrize(
    "cidr", ["127.0.0.0/8", "169.254.0.0/16", "fe80::/64", "192.0.2.0/24", "224.0.0.0/4"]
)
def test_what_may_never_be_probed_is_not_proposed(cidr: str) -> None:
    assert judged([(cidr, "eth0")]) == []


def test_this_machine_is_read_without_a_packet() -> None:
    for each in own_networks():
        assert isinstance(each, OwnNetwork)
        assert "/" in each.cidr


@pytest.mark.parametrize(
    "said",
    [
        {"name": "a\x1b[2J"},
        {"name": "x" * 129},
        {"ranges": (Range("10.20.0.0/33"),)},
        {"ranges": (Range("8.8.8.0/24"),)},
        {"ranges": (Range("8.8.8.0/24", "CHG-1", "tomorrow"),)},
        {"ranges": (Range("0.0.0.0/0", "CHG-1", "2027-01-01"),)},
        {"sink": {"kind": "splunk", "url": "http://splunk.example.com"}},
        {"cron": "every night"},
        {"cron": "0 2 * * *", "zone": "Paris"},
        {"language": "tlh"},
    ],
)
def test_what_the_parser_of_the_file_refuses_is_no_answer(said: dict[str, Any]) -> None:
    with pytest.raises((RefusedError, ScopeError)):
        checked(first_file(replace(FULL, **said)), NOW)


@pytest.mark.parametrize("kind", [str(kind.__struct_config__.tag) for kind in get_args(AnySink)])
def test_every_siem_can_be_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its required keys are asked for, and an example of each is a good answer."""
    said: list[str] = []

    def answer(text: str, default: str = "", **_: Any) -> str:
        said.append(text)
        if text.startswith("Which SIEM"):
            return kind
        return (
            " ".join(" ".join(told).split()).rpartition("such as ")[2]
            if text.startswith(f"{kind} ")
            else default
        )

    told: list[str] = []
    monkeypatch.setattr("click.prompt", answer)
    monkeypatch.setattr("click.echo", lambda text, **_: told.append(str(text)))
    config = checked(Interview(NOW).text(), NOW)
    assert [sink.kind for sink in config.settings.sink] == [kind]
    assert len({*said}) == len(said), "nothing was asked twice"
    assert max(map(len, told)) <= 80
    assert max(map(len, said)) <= 70, "there is room for an answer"


def test_a_name_among_the_ranges_is_said_to_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges = "db.example.com, 10.20.0.0/24, fd00::a"
    monkeypatch.setattr(
        "click.prompt",
        lambda text, default="", **_: ranges if text.startswith("Which range") else default,
    )
    told: list[str] = []
    monkeypatch.setattr("click.echo", lambda text, **_: told.append(str(text)))
    assert "db.example.com" in Interview(NOW).text()
    assert sum("DNS" in line for line in told) == 1
    assert any(line.startswith("  db.example.com is a name: DNS") for line in told)


def on_a_terminal(
    home: Path, line: str, typed: str, *, after: str = "Whose network", columns: int = 80
) -> Seen:
    program = shlex.join([sys.executable, "-P", "-m", "scanner"])
    hidden = ("MONGOSWEEP_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    env |= {"PYTHONPATH": str(ROOT), "HOME": str(home), "TERM": "xterm"}
    return terminal.watch(
        line.replace("{}", program),
        cwd=home,
        env=env,
        columns=columns,
        when=lambda shown: after in shown,
        press=typed,
    )


def test_on_a_terminal_it_asks_and_plan_takes_the_file(tmp_path: Path) -> None:
    """Answers that are refused are asked for again; a public range is asked for its authorisation."""
    typed = [
        "Example",
        "soc@example.com",
        "10.20.0.0/33",
        "10.20.30.0/24, 10.20.31.7",
        "100.64.7.0/24",
        "CHG-1234",
        "",  # the day that is proposed
        "",  # no more ranges
        "",  # whose: Example
        "web@example.com",
        "paris",
        "splunk>",
        "splunk",
        "http://splunk.example.com:8088",
        "https://splunk.example.com:8088",
        "",  # the language
        "weekly",
        "UTC",
        "",  # write it
    ]
    line = "{} init my.toml && {} plan -c my.toml"
    seen = on_a_terminal(tmp_path, line, "".join(each + "\n" for each in typed))
    shown = "\n".join(seen.lines)
    assert seen.status == 0, shown
    settings = read_config(tmp_path / "my.toml").settings
    assert [row["cidr"] for row in settings.allow] == ["10.20.30.0/24", "10.20.31.7", "100.64.7.0/24"]
    assert {(row["owner"], row["contact"], row["site"]) for row in settings.allow} == {
        ("Example", "web@example.com", "paris")
    }
    assert settings.allow[2]["authorised_by"] == "CHG-1234"
    assert settings.sink[0].kind == "splunk"
    assert settings.schedule[0].cron == "0 2 * * 6"
    assert "did you mean splunk?" in shown
    assert "has no TLS" in shown
    assert "mongosweep plan -c my.toml" in shown
    assert "MONGOSWEEP_SINK_SPLUNK_SECRET" in shown
    assert "513 addresses" in shown


@pytest.mark.parametrize("typed", ["Example\n\x04", "\n" * 6 + "n\n"])
def test_what_is_broken_off_leaves_nothing(tmp_path: Path, typed: str) -> None:
    seen = on_a_terminal(tmp_path, "{} init", typed)
    assert seen.status == 3, seen.lines
    assert not [*tmp_path.iterdir()]


def test_a_ctrl_c_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, because a signal between a question and its answer would wait for a key."""

    def interrupted(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
    assert main(["init"]) == 3
    assert capsys.readouterr().err.endswith("interrupted\n")
    assert not [*here.iterdir()]


def test_an_answer_in_another_encoding_is_asked_for_again(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter([b"Soci\xe9t\xe9", "Société".encode(), b"\x03"])

    def answer(*_: object, **__: object) -> str:
        if (text := next(typed)) == b"\x03":
            raise KeyboardInterrupt
        return text.decode()

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    assert main(["init"]) == 3
    said = capsys.readouterr().err
    assert "that is not utf-8" in said
    assert "Traceback" not in said
    assert not [*typed], "the third question was reached"


def test_nothing_is_asked_that_could_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "mongosweep.toml").write_text("")
    seen = on_a_terminal(tmp_path, "{} init; {} init no/such.toml; {} init --yes other.toml", "")
    assert "Whose network" not in seen.raw
    assert "is left as it is" in seen.raw
    assert "name another place" in seen.raw
    assert (tmp_path / "other.toml").read_text(encoding="utf-8") == TEMPLATE


@pytest.mark.parametrize("option", [[], ["--no-input"], ["--yes"]])
def test_without_a_terminal_it_asks_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert main(["init", *option, "a b.toml"]) == 0
    assert (here / "a b.toml").read_text(encoding="utf-8") == TEMPLATE
    said = capsys.readouterr()
    assert said.out == ""
    assert "mongosweep plan -c 'a b.toml'" in said.err
    assert main(["init"]) == 0
    assert re.search(r"^  mongosweep plan +#", capsys.readouterr().err, re.MULTILINE)
