"""`scope prove` against a registry on 127.0.0.1: what is proven, what is kept, and what nobody answered."""

from __future__ import annotations

import asyncio
import json
import os
import time
from calendar import timegm
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

import targets.rdap
from scanner.cli import main
from scanner.setup.ownership_file import OWNERSHIP_FILE
from tests.support.receivers.tls import Certificates
from tests.support.registry import OURS, Registry, network

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

ENTRY = '[[allow]]\ncidr = "{}"\nauthorised_by = "CHG-1"\nexpires = 2999-01-01\n'
PRIVATE = '[[allow]]\ncidr = "10.0.0.0/30"\n'
DAY = 86_400


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    registry = Registry(network("11.0.0.0/22"), network("12.0.0.0/24", "ORG-ISP1"))
    await registry.start()
    yield registry
    await registry.server.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the second between two questions, which tests/targets/test_rdap.py measures."""
    defaults = targets.rdap.Rdap.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "interval", 0.0)


class Here:
    """A working directory with a configuration, and the command in it."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys

    def configure(self, *cidrs: str, more: str = "", **ownership: Any) -> None:
        keys = "".join(f"{name} = {json.dumps(value)}\n" for name, value in ownership.items())
        text = "".join(ENTRY.format(cidr) for cidr in cidrs) + more + "[ownership]\n" + keys
        (self.path / "mongosweep.toml").write_text(text, encoding="utf-8")

    async def prove(self, *arguments: str, command: str = "scope prove") -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, [*command.split(), *arguments])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    async def found(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        code, out, _ = await self.prove("--json", *arguments)
        return code, {each["prefix"]: each for each in json.loads(out)["prefixes"]}

    def kept(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "runs" / OWNERSHIP_FILE).read_bytes().splitlines()]

    def age(self, days: int) -> None:
        """Make all that is kept so much older."""
        lines = self.kept()
        for line in lines:
            at = time.strptime(line["asked_at"], "%Y-%m-%dT%H:%M:%SZ")
            earlier = time.gmtime(timegm(at) - days * DAY)
            line["asked_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", earlier)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.path / "runs" / OWNERSHIP_FILE).write_text(text, encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    monkeypatch.chdir(tmp_path)
    return Here(tmp_path, capsys)


async def test_all_is_proven_and_told(here: Here, registry: Registry) -> None:
    here.configure("11.0.0.0/24", "11.0.1.0/24", more=PRIVATE, rdap=registry.url, handles=[OURS])
    code, out, err = await here.prove()
    assert (code, err) == (0, "")
    assert "2 of 2 public prefixes proven ours" in out
    assert "11.0.0.0/24  proven  ORG-EXC1 (NET-11.0.0.0)  2011-10-29" in out
    assert "10.0.0.0/30: private use (RFC 1918), which a registry cannot prove ours" in out
    assert registry.asked == ["/rdap/ip/11.0.0.0/24", "/rdap/ip/11.0.1.0/24"]
    first = here.kept()[0]
    assert first["question"] == "11.0.0.0/24"
    assert (first["network"], first["registered"]) == ("11.0.0.0/22", "2011-10-29T15:02:59Z")
    assert first["entities"][0] == {"handle": OURS, "name": "Example", "roles": ["registrant"]}
    assert len(first["sha256"]) == 64


async def test_another_host_is_followed_only_where_it_is_named(here: Here, registry: Registry) -> None:
    other = Registry(network("11.0.0.0/22"))
    await other.start()
    for hosts, code in (([], 3), (["127.0.0.1"], 0)):
        registry.answer(302, Location=f"{other.url}/ip/11.0.0.0/24")
        here.configure("11.0.0.0/24", rdap=registry.url, handles=[OURS], hosts=hosts)
        assert (await here.prove())[0] == code
    await other.server.close()
    assert other.asked == ["/rdap/ip/11.0.0.0/24"]


async def test_what_is_somebody_else_s_rests_on_a_word(here: Here, registry: Registry) -> None:
    here.configure("12.0.0.0/25", "11.0.0.0/24", "13.0.0.0/24", rdap=registry.url, handles=[OURS])
    code, found = await here.found()
    assert code == 1
    assert {prefix: each["result"] for prefix, each in found.items()} == {
        "12.0.0.0/25": "not_proven",
        "11.0.0.0/24": "proven",
        "13.0.0.0/24": "not_proven",
    }
    said = "12.0.0.0/24 (NET-12.0.0.0) is registered to ORG-ISP1 Example, not to us"
    said += "; it rests on authorised_by = CHG-1"
    assert found["12.0.0.0/25"]["detail"] == said
    assert "knows no registration" in found["13.0.0.0/24"]["detail"]
    code, out, _ = await here.prove()
    assert code == 1
    assert out.index("NOT PROVEN") < out.index("proven  ")
    assert f"12.0.0.0/25: {said}" in out


async def test_a_part_of_the_scope(here: Here, registry: Registry) -> None:
    here.configure("12.0.0.0/25", "11.0.0.0/24", rdap=registry.url, handles=[OURS])
    code, found = await here.found("11.0.0.7")
    assert (code, list(found)) == (0, ["11.0.0.0/24"])


async def test_answers_are_kept_and_asked_again_when_they_are_old(here: Here, registry: Registry) -> None:
    here.configure("11.0.0.0/24", rdap=registry.url, handles=[OURS])
    assert (await here.prove())[0] == (await here.prove())[0] == 0
    assert len(registry.asked) == 1
    here.age(3)
    assert (await here.prove())[0] == 0
    assert len(registry.asked) == 1
    assert (await here.prove("--max-age", "2d"))[0] == 0
    assert (len(registry.asked), len(here.kept())) == (2, 2)
    here.configure("11.0.0.0/24", rdap=registry.url, handles=["ORG-2"])  # judged anew: its parts may be ours
    assert (await here.prove())[0] == (await here.prove())[0] == 1
    assert registry.asked[2:] == ["/rdap/ip/11.0.0.0"]
    here.age(-30)  # of a clock that was ahead
    assert (await here.prove())[0] == 1
    assert len(registry.asked) == 5


async def test_an_old_answer_and_a_silent_registry(here: Here, registry: Registry) -> None:
    here.configure("11.0.0.0/24", rdap=registry.url, handles=[OURS])
    assert (await here.prove())[0] == 0
    here.age(8)
    day = here.kept()[0]["asked_at"][:10]
    registry.answer(500)
    code, found = await here.found()
    assert (code, found["11.0.0.0/24"]["result"]) == (3, "not_asked")
    said = found["11.0.0.0/24"]["detail"]
    assert said.startswith(f"was proven on {day}, and could not be asked again: http://127.0.0.1")
    assert "answered with status 500; it rests on authorised_by = CHG-1" in said


async def test_an_answer_that_did_not_change_counts_again(here: Here, registry: Registry) -> None:
    here.configure("11.0.0.0/24", rdap=registry.url, handles=[OURS])
    registry.answer(body=json.dumps(network("11.0.0.0/22")), ETag='"7"')
    assert (await here.prove())[0] == 0
    here.age(8)
    registry.answer(304)
    assert (await here.prove())[0] == 0
    old, new = here.kept()
    assert old["asked_at"] < new["asked_at"]
    assert {**old, "asked_at": ""} == {**new, "asked_at": ""}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, "<html>\x1b[31m", "something else than a network"),
        (200, json.dumps(network("12.0.0.0/8")), "which does not hold 11.0.0.0"),
        (200, "x" * (1 << 20) + "x", "more than 1,048,576 bytes"),
        (302, "", "which is not allowed"),
        (429, "", "asks to wait 3600 s"),
    ],
)
async def test_a_registry_that_lies_proves_nothing(
    here: Here, registry: Registry, status: int, body: str, reason: str
) -> None:
    here.configure("11.0.0.0/24", rdap=registry.url, handles=[OURS])
    registry.answer(status, body, Location="http://127.0.0.2/", Retry_After="3600")
    code, out, err = await here.prove()
    assert (code, err) == (3, "")
    assert "not asked" in out
    assert reason in out
    assert "\x1b" not in out
    assert not (here.path / "runs").exists()


async def test_a_dead_registry_is_not_waited_for_for_ever(here: Here, registry: Registry) -> None:
    here.configure(*(f"11.0.{number}.0/24" for number in range(6)), rdap=registry.url, handles=[OURS])
    registry.answer(500)
    code, found = await here.found()
    assert (code, len(registry.asked)) == (3, 3)
    assert "is not asked any more: it did not answer 3 times in a row" in found["11.0.5.0/24"]["detail"]


async def test_a_long_run_says_so(here: Here, registry: Registry) -> None:
    registry.networks = [network("11.0.0.0/16")]
    here.configure(*(f"11.0.{number}.0/24" for number in range(11)), rdap=registry.url, handles=[OURS])
    code, out, err = await here.prove()
    assert (code, err) == (0, "asking about 11 public prefixes, one question a second to each registry\n")
    assert "11 of 11 public prefixes proven ours" in out


async def test_the_questions_of_a_run_are_bounded(
    here: Here, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.setup.prefix_holders.MOST_QUESTIONS", 2)
    here.configure("11.0.0.0/24", "11.0.1.0/24", "11.0.2.0/24", rdap=registry.url, handles=[OURS])
    code, found = await here.found()
    assert code == 3
    assert "this run asked 2 questions; run it again" in found["11.0.2.0/24"]["detail"]
    assert (await here.prove())[0] == 0


async def test_what_is_kept_may_be_torn_edited_or_no_file(here: Here, registry: Registry) -> None:
    here.configure("11.0.0.0/24", rdap=registry.url, handles=[OURS])
    assert (await here.prove())[0] == 0
    path = here.path / "runs" / OWNERSHIP_FILE
    line = path.read_bytes()
    for bad in (
        line[:-20],
        b"null\n",
        line.replace(b"11.0.0.0/22", b"11.0/22"),
        line.replace(b"/1", b"/2"),
        b"\xff",
    ):
        registry.asked.clear()
        path.write_bytes(bad)
        assert (await here.prove())[0] == 0
        assert len(registry.asked) == 1
        assert path.read_bytes().splitlines()[-1].startswith(b'{"schema"')
    path.unlink()
    os.mkfifo(path)
    code, _, err = await here.prove()
    assert code == 2
    assert "ownership.jsonl: it is a FIFO and no plain file; move it away" in err


async def test_the_bootstrap_file_says_whom_to_ask(here: Here, registry: Registry) -> None:
    services = [[["11.0.0.0/8"], [registry.url]]]
    text = json.dumps({"version": "1.0", "services": services})
    (here.path / "ipv4.json").write_text(text, encoding="utf-8")
    here.configure("11.0.0.0/24", "12.0.0.0/24", bootstrap=["ipv4.json"], handles=[OURS])
    code, found = await here.found()
    assert (code, found["11.0.0.0/24"]["result"]) == (3, "proven")
    assert "no bootstrap file names a server for it" in found["12.0.0.0/24"]["detail"]
    (here.path / "ipv4.json").write_text("<html>", encoding="utf-8")
    code, _, err = await here.prove()
    assert code == 2
    assert "ipv4.json is no bootstrap file for RDAP" in err
    here.configure("11.0.0.0/24", bootstrap=["http://127.0.0.1/ipv4.json"], handles=[OURS])
    code, _, err = await here.prove()
    assert code == 2
    assert "is not fetched; write an https address" in err


async def test_a_bootstrap_file_is_fetched_once_a_week(
    here: Here, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = Certificates(here.path)
    archive = Registry()
    await archive.start(certificates.right())
    archive.answer(body=json.dumps({"version": "1.0", "services": [[["11.0.0.0/8"], [registry.url]]]}))
    monkeypatch.setattr("scanner.setup.prefix_holders.open_session", lambda: _trusting(certificates))
    url = f"https://127.0.0.1:{archive.server.port}/ipv4.json"
    here.configure("11.0.0.0/24", bootstrap=[url], handles=[OURS])
    assert (await here.prove("--max-age", "1s"))[0] == 0
    assert (await here.prove("--max-age", "1s"))[0] == 0
    assert archive.asked == ["/ipv4.json"]
    (kept,) = (here.path / "runs").glob("bootstrap-*.json")
    os.utime(kept, (0, 0))
    archive.answer(500)
    code, _, err = await here.prove("--max-age", "1s")
    assert code == 0
    assert "answered with status 500; the one that was fetched before is used" in err
    kept.unlink()
    here.age(9)
    code, found = await here.found()
    assert code == 3
    assert "the bootstrap file cannot be fetched" in found["11.0.0.0/24"]["detail"]
    await archive.server.close()


def _trusting(certificates: Certificates) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=_context(certificates))
    return aiohttp.ClientSession(auto_decompress=False, connector=connector)


def _context(certificates: Certificates) -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context(cafile=str(certificates.ca_file))


STATISTICS = """\
2|ripencc|1780000000|3|19830705|20260527|+0200
ripencc|NL|ipv4|11.0.0.0|1024|20111029|allocated|a1b2
ripencc|NL|ipv4|12.0.0.0|256|20120101|allocated|a1b2
"""


async def test_statistics_are_weaker_evidence(here: Here, registry: Registry) -> None:
    (here.path / "statistics").write_text(STATISTICS, encoding="utf-8")
    here.configure("11.0.0.0/24", "12.0.0.0/24", rdap=registry.url, handles=[OURS])
    code, found = await here.found("--delegated", "statistics")
    assert code == 1
    assert found["12.0.0.0/24"]["result"] == "same_holder"
    said = (
        "held by the same holder as 11.0.0.0/24 (ripencc a1b2), since 2012-01-01; no registrant is proven: "
    )
    assert found["12.0.0.0/24"]["detail"].startswith(said)


async def test_statistics_need_no_registry(here: Here) -> None:
    (here.path / "statistics").write_text(STATISTICS, encoding="utf-8")
    here.configure("12.0.0.0/24")
    assert (await here.prove("--delegated", "statistics"))[0] == 3
    code, found = await here.found("--delegated", "statistics", "--own", "11.0.0.0/22")
    assert (code, found["12.0.0.0/24"]["result"]) == (1, "same_holder")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing says whom to ask; write rdap ="),
        (["--own", "11.0.0.0/24"], "--own says something only with --delegated"),
        (["--delegated", "mongosweep.toml"], "holds no record of extended delegated statistics"),
        (["--delegated", "mongosweep.toml", "--own", "x"], "--own 'x'"),
        (["--max-age", "soon"], "is no length of time"),
    ],
)
async def test_what_is_refused(here: Here, arguments: list[str], said: str) -> None:
    here.configure("12.0.0.0/24")
    code, _, err = await here.prove(*arguments)
    assert code == 2
    assert said in err


async def test_a_scope_without_public_prefixes(here: Here) -> None:
    here.configure(more=PRIVATE)
    code, out, _ = await here.prove()
    assert code == 0
    assert "0 of 0 public prefixes proven ours" in out


async def test_the_plan_says_how_far_it_is_proven(here: Here, registry: Registry) -> None:
    here.configure("11.0.0.0/24", "12.0.0.0/24", rdap=registry.url, handles=[OURS])
    _, out, _ = await here.prove(command="plan")
    assert "0 of 2 public prefixes are proven ours; `mongosweep scope prove` asks the registries" in out
    assert registry.asked == []
    await here.prove()
    here.age(2)
    _, out, _ = await here.prove(command="plan")
    assert "1 of 2 public prefixes are proven ours, by answers up to 2 days old" in out
