"""What cannot be swept: an exception with where, what and what to write instead, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import mongosweep
from scanner.lab.thread import LabThread
from targets.errors import ScopeError
from tests.support.sweeps import estate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.library.conftest import Estate

SCOPE = '[[allow]]\ncidr = "127.91.0.0/27"\nkind = "lab"\nowner = "web"\n'

# What is asked for, where that is wrong, and what the remedy says of it.
ROWS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({}, "scope", "name an allow-list"),
    ({"scope": "none.toml"}, "none.toml", "write the path of an allow-list"),
    ({"scope": "broken.toml"}, "broken.toml:2", "write the length of the prefix"),
    ({"config": "rate.toml"}, "rate.toml:2", "write new connections a second"),
    ({"config": "syn.toml"}, "engine", 'write engine = "connect"'),
    ({"scope": "scope.toml", "targets": "-"}, "targets", "give the targets themselves"),
    ({"scope": "scope.toml", "targets": ["10.0.0.1"]}, "", "allow it there first"),
    ({"scope": "scope.toml", "targets": ["db1"]}, "", "write its addresses"),
    ({"scope": "scope.toml", "ports": 99999}, "ports", "from 1 to 65535"),
    ({"scope": "scope.toml", "rate": -1}, "rate", "above 0"),
    ({"scope": "scope.toml", "depth": "all"}, "depth", '"collections"'),
    ({"scope": "scope.toml", "workers": 99}, "workers", "1 to 15"),
    ({"scope": "scope.toml", "vantage": "In Paris"}, "vantage", "small letters"),
    ({"scope": "scope.toml", "seed": -1}, "seed", "2**63"),
    ({"scope": "scope.toml", "stop_after": 0}, "stop_after", "seconds"),
    ({"scope": "scope.toml", "sites": "paris"}, "sites", "write one there"),
    ({"scope": "scope.toml", "owners": ["wep"]}, "owners", "did you mean web?"),
    ({"scope": "scope.toml", "resume": "x"}, "resume", "as output"),
    ({"scope": "scope.toml", "resume": "x", "output": "runs"}, "runs/x", "`mongosweep runs`"),
    ({"scope": "scope.toml", "output": "scope.toml"}, "scope.toml", "another directory"),
    ({"scope": ""}, "scope", "give a text"),
    ({"config": ""}, "config", "give a text"),
    ({"config": b"a.toml"}, "config", "give a text"),
    ({"scope": 5}, "scope", "give a text"),
    ({"scope": "scope.toml", "output": ""}, "output", "give a text"),
    ({"scope": "scope.toml", "output": "a\0b"}, "output", "give a text"),
    ({"scope": "scope.toml", "targets": []}, "targets", "leave it out"),
    ({"scope": "scope.toml", "targets": iter(())}, "targets", "leave it out"),
    ({"scope": "scope.toml", "ports": ()}, "ports", "leave it out"),
    ({"scope": "scope.toml", "sites": []}, "sites", "leave it out"),
    ({"scope": "scope.toml", "owners": set()}, "owners", "leave it out"),
    ({"scope": "scope.toml", "targets": 5}, "targets", "a list of them"),
    ({"scope": "scope.toml", "targets": b"x"}, "targets", "give texts"),
    ({"scope": "scope.toml", "ports": 1.5}, "ports", "a list of them"),
    ({"scope": "scope.toml", "seed": "1"}, "seed", "2**63"),
    ({"scope": "scope.toml", "seed": True}, "seed", "2**63"),
    ({"scope": "scope.toml", "stop_after": "6h"}, "stop_after", "seconds"),
    ({"scope": "scope.toml", "stop_after": float("nan")}, "stop_after", "seconds"),
    ({"scope": "scope.toml", "confirm": "no"}, "confirm", "True or False"),
    ({"scope": "scope.toml", "ledger": None}, "ledger", "True or False"),
    ({"scope": "scope.toml", "vantage": "internet\n"}, "vantage", "small letters"),
    ({"scope": "scope.toml", "resume": 5, "output": "runs"}, "resume", "the name"),
    ({"scope": "scope.toml", "resume": "", "output": "runs"}, "resume", "the name"),
)


@pytest.mark.parametrize(
    ("asked", "where", "remedy"), ROWS, ids=[f"{number} {sorted(row[0])}" for number, row in enumerate(ROWS)]
)
def test_what_is_refused_says_where_and_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], where: str, remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scope.toml").write_text(SCOPE)
    (tmp_path / "mongosweep.toml").write_text(SCOPE)  # is never looked for
    (tmp_path / "broken.toml").write_text(SCOPE.replace("/27", "/33"))
    (tmp_path / "rate.toml").write_text('[sweep]\nrate = "many"\n')
    (tmp_path / "syn.toml").write_text('[sweep]\nengine = "syn"\n' + SCOPE)
    with pytest.raises(mongosweep.RefusedError) as refused:
        mongosweep.sweep(**asked).run()
    error = refused.value
    assert (error.where.removeprefix(f"{tmp_path}/"), error.exit_code) == (where, 2)
    assert error.what
    assert remedy in error.remedy
    assert str(error).removeprefix(f"{tmp_path}/") == f"{where}: {error.what}; {error.remedy}".removeprefix(
        ": "
    )


async def test_a_refusal_comes_where_it_is_iterated_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text(SCOPE.replace("/27", "/33"))
    sweep = mongosweep.sweep(scope=tmp_path / "broken.toml")
    with pytest.raises(mongosweep.MongosweepError) as refused:
        await anext(aiter(sweep))
    await sweep.aclose()
    assert isinstance(refused.value.__cause__, ScopeError)
    assert (sweep.summary, sweep.run_dir) == (None, None)


def test_the_configuration_of_the_working_directory_and_its_environment_are_left_alone(
    servers: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken file there, a variable and a list on standard input would each refuse a command."""
    (tmp_path / "mongosweep.toml").write_text("broken")
    (tmp_path / "list.txt").write_text("127.91.0.9\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONGOSWEEP_RATE", "nothing")
    monkeypatch.setenv("MONGOSWEEP_CONFIG", "none.toml")
    with (tmp_path / "list.txt").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        _, summary = mongosweep.sweep(
            scope=servers.scope, ports=servers.port, targets="127.91.0.0/30", rate=5000
        ).run()
    assert (summary.state, summary.planned) == ("complete", 4)


def test_what_the_scope_denies_is_not_asked(tmp_path: Path, port: int) -> None:
    servers = estate({"magazine", "empty"})
    (tmp_path / "scope.toml").write_text(f'{SCOPE}[[deny]]\ncidr = "127.91.0.1"\n')
    with LabThread({(ip, port): personality for ip, personality in servers.items()}) as lab:
        seen, _ = mongosweep.sweep(scope=tmp_path / "scope.toml", ports=port, rate=5000).run()
        connections = {server.host: server.record.connections for server in lab.servers}
    assert [each.target.ip for each in seen if each.verdict.is_open] == ["127.91.0.2"]
    assert connections["127.91.0.1"] == 0


def test_reading_what_is_no_run_is_refused_and_what_is_damaged_is_not_passed_over(
    servers: Estate, tmp_path: Path
) -> None:
    with pytest.raises(mongosweep.RefusedError) as refused:
        mongosweep.read(tmp_path / "none")
    with pytest.raises(mongosweep.RefusedError, match="is no path"):
        mongosweep.read(5)  # type: ignore[arg-type]
    assert refused.value.where == str(tmp_path / "none")
    _, summary = mongosweep.sweep(config=servers.config, output=tmp_path, ledger=False).run()
    with pytest.raises(mongosweep.RefusedError, match="not the one above"):
        mongosweep.read(tmp_path)
    segment = (summary.run_dir or tmp_path) / "observations-0001.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b'"open"', b'"Open"', 1))
    with pytest.raises(mongosweep.StorageError) as damaged:
        list(mongosweep.read(segment.parent))
    assert damaged.value.where == str(segment)
