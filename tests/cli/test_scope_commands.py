"""`scope import` and `scope check` as they are typed: from a list to a swept scope, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from scanner.cli import main
from scanner.cli.scope_import_text import ROWS
from tests.cli.programs import mongosweep

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = '[organisation]\nname = "Example"\n[scope]\nfiles = ["scope.toml"]\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration, as the working directory."""
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_from_a_list_on_standard_input_to_a_plan(here: Path) -> None:
    done = mongosweep(
        *("scope", "import", "-", "--owner", "web", "--contact", "web@example.com", "--lab"),
        cwd=here,
        input="127.93.0.0/28\n10.20.0.0/24\n20.0.0.0/24\n",
    )
    assert done.returncode == 0, done.stderr
    assert "read standard input (plain list): 3 prefixes, ranges and addresses" in done.stderr
    assert "allows 272 addresses in 2 entries of 1 owner; 1 left out" in done.stdout
    assert "not allowed: 1 prefix not proven ours by being private (20.0.0.0/24)" in done.stdout
    assert "not in force" not in done.stdout
    planned = mongosweep("plan", "--json", cwd=here)
    assert json.loads(planned.stdout)["targets"] == 272
    checked = mongosweep("scope", "check", cwd=here)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout == "mongosweep.toml: nothing to say of 2 entries and 0 denies\n"


def test_the_difference_is_shown_and_a_dry_run_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here / "list", *(f"10.20.{2 * n}.0/24" for n in range(100)))
    assert main(["scope", "import", "list", "--owner", "web"]) == 0
    before = (here / "scope.toml").read_bytes()
    capsys.readouterr()
    write(
        here / "list",
        *(f"10.20.{2 * n}.0/24" for n in range(95)),
        *(f"10.30.{n}.0/26" for n in range(0, 24, 2)),
    )
    for words in (["--dry-run"], ["--diff", "--json"]):
        assert main(["scope", "import", "list", "--owner", "shop", *words]) == 0
        told = capsys.readouterr().out
        if "--json" not in words:
            assert "  added: 768 addresses in 12 runs\n    10.30.0.0/26  shop\n" in told
            assert f"    and {12 - ROWS} more runs\n" in told
            assert "  gone: 1,280 addresses in 5 runs\n    10.20.190.0/24  web\n" in told
            assert (
                "  with another owner: 24,320 addresses in 95 runs\n    10.20.0.0/24  web -> shop\n" in told
            )
            assert "nothing was written: without --dry-run" in told
        else:
            found = json.loads(told)
            assert found["written"] is False
            assert found["addresses"] == {"before": 25600, "after": 25088, "added": 768, "gone": 1280}
            assert len(found["changes"]["owner"]["rows"]) == 95
            assert found["changes"]["gone"]["rows"][0] == {
                "addresses": "10.20.190.0/24",
                "count": 256,
                "owner_before": "web",
            }
    assert (here / "scope.toml").read_bytes() == before


def test_a_refusal_shows_the_difference_and_says_what_to_give(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here / "list", "10.20.0.0/24")
    assert main(["scope", "import", "list", "--owner", "web"]) == 0
    write(here / "list", "10.20.0.0/23")
    capsys.readouterr()
    assert main(["scope", "import", "list", "--owner", "web"]) == 2
    told = capsys.readouterr()
    assert "added: 256 addresses" in told.out
    assert "error: the allow-list would grow by 256 addresses, and has 256 (100%, and" in told.err
    assert main(["scope", "import", "list", "--owner", "web", "--accept-growth"]) == 0
    assert "review it as you review code" in capsys.readouterr().out


def test_a_file_that_is_not_in_force_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here / "list", "10.20.0.0/24")
    (here / "lists").mkdir()
    assert main(["scope", "import", "list", "-o", "lists/netbox.toml"]) == 0
    line = 'not in force: it counts once [scope] of mongosweep.toml says files = ["lists/netbox.toml"]\n'
    assert line in capsys.readouterr().out


def test_the_group_alone_shows_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scope"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("Usage: mongosweep scope ")
    assert "  import  Write an allow-list" in told


def test_an_import_without_a_configuration_says_how_to_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    write(tmp_path / "list", "10.20.0.0/24")
    assert main(["scope", "import", "list"]) == 0
    line = 'it counts once [scope] of a configuration (`mongosweep init`) says files = ["scope.toml"]'
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.txt"], "there is no nothing.txt; write the path of a list, or - to pipe one in"),
        (["netbox"], "netbox: nothing says where it is"),
        (["mongosweep.toml"], "is TOML, which no list is; name an allow-list in [scope] files"),
        (["list", "--authorised-by", "CHG-1"], "--authorised-by and --expires belong together"),
        (["list", "--authorised-by", "C", "--expires", "2001-01-01"], "is over; give a later day"),
        (["list", "--expires", "soon", "--authorised-by", "C"], "--expires"),
        (["list", "--owner", "a\nb"], "--owner is longer than 200 characters or holds control characters"),
        (["list", "-o", "scope.txt"], "name a file that ends in .toml"),
        (["list", "-o", "mongosweep.toml"], "--to mongosweep.toml is the configuration"),
        ([], "SOURCE"),
    ],
)
def test_bad_words_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    write(here / "list", "10.20.0.0/24")
    assert main(["scope", "import", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (here / "scope.toml").exists()


def test_texts_of_a_list_do_nothing_to_a_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\u202e"
    prefix = {
        "id": 1,
        "prefix": "10.20.0.0/24",
        "status": {"value": f"active{evil}"},
        "vrf": None,
        "role": None,
    }
    other = {
        **prefix,
        "id": 2,
        "prefix": "20.0.0.0/24",
        "status": {"value": "active"},
        "tenant": {"name": evil},
    }
    third = {**other, "id": 3, "prefix": "10.30.0.0/24", "scope": {"name": evil}}
    (here / "list").write_text(json.dumps([prefix, other, third]), encoding="utf-8")
    assert main(["scope", "import", "list"]) == 0
    assert main(["scope", "check", "--against", "list"]) in (0, 1)
    told = capsys.readouterr()
    text = (here / "scope.toml").read_text(encoding="utf-8")
    for shown in (told.out, told.err, text):
        assert all(character.isprintable() or character == "\n" for character in shown)


def test_json_of_an_import_is_ascii(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As of every list: what a terminal must not get is in it as an escape."""
    (here / "list").write_text("10.1.0.0/24\n")
    assert main(["scope", "import", "list", "--owner", "caf\u00e9 \u6570", "--dry-run", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert "caf\u00e9 \u6570" in str(json.loads(out)["changes"]["added"])


def test_the_check_tells_all_faults_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        here / "mongosweep.toml",
        "[scope]",
        'files = ["a.csv", "b.toml"]',
        *("[[allow]]", 'cidr = "10.20.0.300"'),
        *("[[allow]]", 'cidr = "20.0.0.0/24"', "expires = 2001-01-01"),
        *("[[optout]]", 'cidr = "10.20.0.0/26"', 'owner = "x"', 'reason = "y"'),
        *("since = 2001-01-01", "expires = 2001-02-01"),
    )
    write(here / "a.csv", "cidr,owner,contact", *(f"10.30.{n}.0/24,web," for n in range(25)))
    write(here / "b.toml", "[[alow]]")
    assert main(["scope", "check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] + line.split(": ")[1].replace("error", "") for line in lines[:5]] == [
        "b.toml unreadable",
        "mongosweep.toml unreadable",
        "mongosweep.toml refused",
        "mongosweep.toml expired",
        "mongosweep.toml unauthorised",
    ]
    assert "mongosweep.toml:4: error unreadable: '10.20.0.300' has an octet above 255" in lines[1]
    assert "  and 6 more no-contact; --format jsonl has all" in lines
    assert lines[-1] == "5 errors, 27 warnings, in 26 entries and 0 denies"
    assert main(["scope", "check", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["no-contact"] == 26
    assert len(found["findings"]) == 32


def test_what_only_the_whole_scope_shows_is_found_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        here / "list.csv",
        "cidr,owner,contact",
        "10.20.0.0/24,web,web@example.com",
        "10.30.0.0/24,web,web@example.com",
    )
    write(here / "mongosweep.toml", "[scope]", 'files = ["list.csv"]', "[sweep]", "max_targets = 300")
    assert main(["scope", "check"]) == 1
    assert (
        "error refused: the scope has 512 addresses, more than max_targets = 300" in capsys.readouterr().out
    )
    write(here / "mongosweep.toml", "[organisation]", 'name = "Example"')
    assert main(["scope", "check"]) == 1
    assert "the scope is empty: nothing may be probed" in capsys.readouterr().out


def test_the_check_holds_a_source_against_the_scope(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here / "list", "10.20.0.0/24")
    assert main(["scope", "import", "list", "--owner", "web", "--contact", "web@example.com"]) == 0
    write(here / "list", "10.20.0.0/24", "10.40.0.7", "127.0.0.1")
    capsys.readouterr()
    assert main(["scope", "check", "--against", "list"]) == 1
    assert capsys.readouterr().out == (
        "list: warning not-in-scope: 10.40.0.7 is in no entry (list:2); import it, or deny it with a reason\n"
        "1 warning, in 1 entry and 0 denies\n"
    )
    assert main(["scope", "check", "--against", "nothing"]) == 2
