"""What reaches a sweep from the command line, and the commands that only tell."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

import scanner.sweep.sweep
from results.record import json_schema
from scanner.cli import main
from scanner.setup.request import SweepRequest, load
from scanner.sweep.progress import RunSummary
from targets import special
from tests.cli.programs import CONFIGURATION, mongosweep, on_a_free_port

if TYPE_CHECKING:
    from scanner.setup.settings import Settings, SweepOptions
    from targets.scope import Scope

SUMMARY = RunSummary(
    run_id="R",
    run_dir="runs/R",
    state="complete",
    reasons=(),
    planned=8,
    outcomes={},
    excluded=0,
    not_reached=0,
    elapsed=1.0,
    exit_code=1,
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration, as the working directory."""
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, Scope, SweepOptions]]:
    """What `sweep` hands to the sweep; the sweep itself says that something is open."""
    calls: list[tuple[Settings, Scope, SweepOptions]] = []

    def run(settings: Settings, scope: Scope, options: SweepOptions, screen: Any) -> RunSummary:
        calls.append((settings, scope, options))
        return SUMMARY

    monkeypatch.setattr(scanner.sweep.sweep, "run", run)
    return calls


def test_every_option_of_sweep_arrives(
    here: Path, swept: list[tuple[Settings, Scope, SweepOptions]], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        "127.93.0.0/30 127.93.0.5 --port 27017 --port 27018 --rate 50 --engine syn --depth databases"
        " --confirm --all --shard 2/3 --seed 7 --resume R --loop asyncio --fail-on never -o out --quiet"
    )
    assert main(["sweep", *words.split()]) == 1
    ((settings, scope, options),) = swept
    assert settings.sweep.ports == (27017, 27018)
    assert (settings.sweep.rate, settings.sweep.engine, settings.sweep.loop) == (50, "syn", "asyncio")
    assert len(scope) == 10
    assert str(options.output) == "out"
    assert (options.engine, options.depth, options.loop) == ("syn", "databases", "asyncio")
    assert (options.confirm, options.everything, options.quiet, options.stdout_lines) == (True,) * 4
    assert (options.shard, options.seed, options.resume, options.fail_on) == ((2, 3), 7, "R", "never")


def test_the_defaults_of_sweep_are_the_configuration(
    here: Path, swept: list[tuple[Settings, Scope, SweepOptions]]
) -> None:
    assert main(["sweep", "--quiet"]) == 1
    ((settings, scope, options),) = swept
    assert settings.sweep.per_prefix_rate == 1000
    assert len(scope) == 8
    assert (str(options.output), options.engine, options.depth, options.seed) == (
        "runs",
        "connect",
        "collections",
        None,
    )


def test_the_environment_stands_between_the_line_and_the_file(
    here: Path, swept: list[tuple[Settings, Scope, SweepOptions]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "mongosweep.toml").rename(here / "other.toml")
    for name, value in (("CONFIG", "other.toml"), ("OUTPUT", "there"), ("RATE", "5"), ("DEPTH", "verdict")):
        monkeypatch.setenv(f"MONGOSWEEP_{name}", value)
    assert main(["sweep", "--quiet", "--depth", "databases"]) == 1
    ((settings, _, options),) = swept
    assert settings.sweep.rate == 5
    assert options.depth == "databases"
    assert str(options.output) == "there"


def test_a_scope_file_stands_in_for_the_configurations(
    here: Path, swept: list[tuple[Settings, Scope, SweepOptions]]
) -> None:
    (here / "scope.txt").write_text("10.20.0.0/30\n", encoding="utf-8")
    assert main(["sweep", "--quiet", "--scope", "scope.txt"]) == 1
    ((settings, scope, _),) = swept
    assert settings.organisation.name == "Example"
    assert str(scope.pick(0)) == "10.20.0.0:27017"


def test_a_reload_sees_what_the_file_says_then(here: Path) -> None:
    loaded = load(SweepRequest(targets=("127.93.0.0/30",)), 1_795_521_600.0, {})
    assert len(loaded.scope) == 4
    reload = loaded.options.reload_scope
    assert reload is not None
    path = here / "mongosweep.toml"
    path.write_text(CONFIGURATION + '[[deny]]\ncidr = "127.93.0.0/31"\n', encoding="utf-8")
    assert len(loaded.scope.intersect(reload(1_795_521_600.0, True))) == 2
    path.write_text('[organisation]\nname = "Example"\n', encoding="utf-8")
    assert len(reload(1_795_521_600.0, True)) == 0


def test_targets_from_standard_input(here: Path) -> None:
    done = mongosweep("plan", "--json", "-", cwd=here, input="# mine\n127.93.0.1\n\n127.93.0.4/31  # two\n")
    assert json.loads(done.stdout)["targets"] == 3


NMAP = """<?xml version="1.0"?><nmaprun scanner="nmap">{}</nmaprun>
"""
HOST = (
    '<host><status state="up"/><address addr="{}" addrtype="ipv4"/>'
    '<ports><port protocol="tcp" portid="27017"><state state="open"/></port></ports></host>'
)


MASSCAN = '{{"ip": "{}", "ports": [{{"port": 27017, "proto": "tcp", "status": "open"}}]}}'
INSIDE, OUTSIDE = "127.93.0.2", "127.94.0.1"


@pytest.mark.parametrize(
    "listed",
    [
        NMAP.format(HOST.format(INSIDE) + HOST.format(OUTSIDE)),
        f"[\n{MASSCAN.format(INSIDE)}\n,\n{MASSCAN.format(OUTSIDE)}\n]\n",
        f"saddr\n{INSIDE}\n{OUTSIDE}\n",
        f"{INSIDE}\n{OUTSIDE}\n",
    ],
    ids=["nmap XML", "masscan JSON", "zmap CSV", "plain"],
)
def test_a_list_narrows_and_what_it_names_outside_is_told(
    listed: str, here: Path, request: pytest.FixtureRequest
) -> None:
    done = mongosweep("plan", "--json", "-", cwd=here, input=listed)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["targets"] == 1
    *recognised, first, example = done.stderr.splitlines()
    made_by = request.node.callspec.id
    assert recognised == ([] if made_by == "plain" else [f"standard input is read as {made_by}"])
    assert first == ("1 of 2 listed targets lies outside the scope of mongosweep.toml and is not asked:")
    assert example.startswith("  127.94.0.1")


def test_a_list_beside_targets_and_ten_examples_at_most(here: Path) -> None:
    listed = "127.93.0.2\n" + "".join(f"127.94.0.{n}\n" for n in range(1, 15))
    done = mongosweep("plan", "--json", "127.93.0.0/31", "-", cwd=here, input=listed)
    assert json.loads(done.stdout)["targets"] == 3
    assert len(done.stderr.splitlines()) == 12
    assert done.stderr.endswith("  and 4 more\n")
    outside = mongosweep("plan", "127.94.0.1", "-", cwd=here, input=listed)
    assert outside.returncode == 2
    assert outside.stderr.startswith("error: 127.94.0.1 is outside the scope")


def test_what_a_list_names_outside_is_never_asked(here: Path) -> None:
    (here / "mongosweep.toml").write_text(on_a_free_port(), encoding="utf-8")
    done = mongosweep("sweep", "--all", "-q", "-", cwd=here, input="127.93.0.2\n127.93.0.9\n127.94.0.1\n")
    assert [json.loads(line)["target"]["ip"] for line in done.stdout.splitlines()] == ["127.93.0.2"]
    assert "2 of 3 listed targets lie outside" in done.stderr
    assert "127.93.0.9 (standard input:2): denied by 127.93.0.8/29 (medical devices)" in done.stderr


def test_the_names_of_a_list_are_in_the_record(here: Path) -> None:
    (here / "mongosweep.toml").write_text(on_a_free_port(), encoding="utf-8")
    host = (
        '<host><status state="up"/><address addr="127.93.0.2" addrtype="ipv4"/>'
        '<hostnames><hostname name="DB.example.com" type="user"/></hostnames></host>'
    )
    done = mongosweep("sweep", "--all", "-q", "-", cwd=here, input=NMAP.format(host))
    (line,) = map(json.loads, done.stdout.splitlines())
    assert line["target"]["hostnames"] == ["db.example.com"]


def test_init_then_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert main(["plan"]) == 2
    assert "nothing may be probed" in capsys.readouterr().err
    assert main(["init"]) == 2


def test_plan_for_people_and_for_programs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 0
    out, err = capsys.readouterr()
    assert "8 addresses, port 27017: 8 targets" in out
    assert "medical devices" in out
    assert err == ""
    assert main(["plan", "--json", "--rate", "2"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["targets"], plan["rate"], plan["limited_by"]) == (8, 2, "rate = 2")


def test_schema_is_that_of_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(json_schema()))


def test_schema_of_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--of", "event"]) == 0
    assert capsys.readouterr().out == (Path(__file__).parents[2] / "docs" / "event.schema.json").read_text()


def test_data_says_how_old_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 0
    assert "advisories" in capsys.readouterr().out
    assert main(["data", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"name", "as_of", "days", "stale"} <= set(rows[0])
    assert [row["as_of"] for row in rows if row["name"] == "special_space"] == [special.AS_OF]


def test_lab_list_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--list"]) == 0
    assert "magazine" in capsys.readouterr().out
    assert main(["lab", "--list", "--json", "--hostile"]) == 0
    places = json.loads(capsys.readouterr().out)
    assert len(places) >= 14
    assert all(place["ip"].startswith("127.") for place in places)
    assert main(["lab", "--list", "--base", "10.0.0.0"]) == 2
    assert "loopback" in capsys.readouterr().err


def test_doctor_and_its_fences(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    assert {"descriptors", "scope"} <= {check["name"] for check in json.loads(capsys.readouterr().out)}
    assert main(["doctor", "--fence", "nftables", "--user", "4321"]) == 0
    assert "meta skuid 4321" in capsys.readouterr().out


def test_runs_and_audit_of_a_real_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mongosweep.toml").write_text(on_a_free_port(), encoding="utf-8")
    assert main(["runs", "-o", "."]) == 0
    assert capsys.readouterr().out == "no runs here\n"
    assert mongosweep("sweep", "--all", "--quiet", cwd=here).returncode == 0
    assert main(["runs", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["state"], run["planned"], run["open"], run["can_resume"]) == ("complete", 8, 0, False)
    assert main(["runs"]) == 0
    assert run["run_id"] in capsys.readouterr().out
    assert main(["audit", run["run_id"]]) == 0
    assert "nothing was edited" in capsys.readouterr().out
    assert main(["show", "last"]) == 0
    (head,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("chain head: ")]
    assert main(["audit", run["run_id"], "--head", head.split()[-1]]) == 0
    capsys.readouterr()
    killed = here / "runs" / "killed"
    shutil.copytree(here / "runs" / run["run_id"], killed)
    (killed / "chain.json").write_bytes(
        json.dumps(json.loads((killed / "chain.json").read_bytes()) | {"links": []}).encode()
    )
    assert main(["audit", "killed"]) in (0, 4)
    assert "nothing was edited\n" not in capsys.readouterr().out, "no hash covers what a killed run wrote"
    assert main(["runs"]) == 0
    table = capsys.readouterr().out.splitlines()[:3]  # remarks on the runs stand below it
    assert [line.split()[0] for line in table] == ["RUN", run["run_id"], "killed"]
    journal = here / "runs" / run["run_id"] / "observations-0001.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"refused", b"filterd", 1))
    assert main(["audit", str(journal.parent)]) == 4
    assert "EDITED" in capsys.readouterr().out
    assert main(["audit", run["run_id"], "--json"]) == 4
    assert "edited" in capsys.readouterr().out


RDAP = {
    "objectClassName": "ip network",
    "startAddress": "8.8.8.0",
    "endAddress": "8.8.8.255",
    "handle": "NET-8-8-8-0",
    "entities": [{"handle": "ORG-EX1", "roles": ["registrant"]}],
}


async def test_plan_ownership_asks_the_registry_about_public_prefixes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response(RDAP, content_type="application/rdap+json")

    app = web.Application()
    app.router.add_get("/ip/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    public = '[[allow]]\ncidr = "8.8.8.0/24"\nauthorised_by = "CHG-1"\nexpires = 2999-01-01\n'
    text = f'{public}[[allow]]\ncidr = "10.0.0.0/30"\n[ownership]\nrdap = "http://127.0.0.1:{port}/"\n'
    monkeypatch.chdir(tmp_path)
    try:
        for handle, said in (("ORG-EX1", "proven: 8.8.8.0/24"), ("ORG-EX2", "NOT PROVEN")):
            (tmp_path / "mongosweep.toml").write_text(f'{text}handles = ["{handle}"]\n', encoding="utf-8")
            assert await asyncio.to_thread(main, ["plan", "--ownership"]) == 0
            assert said in capsys.readouterr().out
        assert asked == ["/ip/8.8.8.0/24", "/ip/8.8.8.0"]  # what is kept is not asked again
        (tmp_path / "mongosweep.toml").write_text(text, encoding="utf-8")
        assert await asyncio.to_thread(main, ["plan", "--ownership"]) == 2
        assert "handles" in capsys.readouterr().err
    finally:
        await runner.cleanup()
