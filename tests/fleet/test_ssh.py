"""Shards over a real ssh: hosts of a real sshd on loopback, each with a command of its own forced upon it."""

from __future__ import annotations

import resource
import sys
from typing import TYPE_CHECKING

import pytest

from scanner.errors import RefusedError
from scanner.fleet.carrier import Heard, WorkersChanged
from scanner.fleet.messages import Began, Ended
from scanner.fleet.ssh import SshCarrier, parse_hosts
from tests.support.shards import shard_of
from tests.support.ssh_hosts import QUICK, ROOT, SPEAKER, World, ends, shard, until

if TYPE_CHECKING:
    from pathlib import Path


async def test_two_hosts_do_the_shards_of_their_sites(world: World) -> None:
    async with world.carrier("paris=works,london=also") as carrier:
        assert (carrier.capacity("paris"), carrier.capacity("london"), carrier.capacity("rome")) == (1, 1, 0)
        for number in (1, 2):
            carrier.give(shard(number, "paris"))
            carrier.give(shard(number, "london"))
        assert [worker.busy for worker in carrier.workers()] == [True, True]
        heard: dict[str, list[str]] = {}
        for _ in range(4):
            for event in await until(carrier, ends):
                assert isinstance(event, Heard)
                said = type(event.message).__name__
                heard.setdefault(event.message.name, []).append(f"{event.worker} {said}")
        assert heard == {
            f"{site}-{number}": [f"{host} {said}" for said in ("Began", "Lines", "Ended")]
            for site, host in (("paris", "works"), ("london", "also"))
            for number in (1, 2)
        }
        workers = carrier.workers()
    assert [(each.name, each.site, each.unfit) for each in workers] == [
        ("works", "paris", ""),
        ("also", "london", ""),
    ]
    assert all(each.clock_skew is not None and abs(each.clock_skew) < 60 and each.host for each in workers)


async def test_a_host_without_a_site_does_the_shards_of_every_site(world: World) -> None:
    async with world.carrier("works") as carrier:
        assert carrier.capacity("paris") == carrier.capacity("london") == 1
        carrier.give(shard(1, "paris"))
        carrier.give(shard(1, "london"))
        done = [(await until(carrier, ends))[-1] for _ in range(2)]
    assert [event.message.name for event in done if isinstance(event, Heard)] == ["paris-1", "london-1"]


async def test_a_host_that_says_its_site_does_no_other(world: World) -> None:
    async with world.carrier("of-paris,works") as carrier:
        assert (carrier.capacity("paris"), carrier.capacity("london")) == (2, 1)
        assert [worker.site for worker in carrier.workers()] == ["paris", ""]


async def test_a_forced_command_takes_no_notice_of_what_the_client_asks(world: World) -> None:
    asked = ("touch", str(world.of("works") / "touched"))
    async with SshCarrier(parse_hosts("works"), ssh=world.server.ssh, command=asked) as carrier:
        carrier.give(shard())
        await until(carrier, ends)
    assert (world.of("works") / "asked-for").read_text() == f"touch {world.of('works')}/touched --site paris"
    assert not (world.of("works") / "touched").exists()


async def test_a_key_without_a_forced_command_runs_ours_there(world: World, tmp_path: Path) -> None:
    program = tmp_path / "mongo sweep"
    program.write_text(
        f'#!/bin/sh\necho "$*" >{tmp_path}/said\ncd {ROOT}\n'
        f"exec {sys.executable} -m {SPEAKER} {tmp_path} works\n"
    )
    program.chmod(0o755)
    hosts, command = parse_hosts("paris=all"), (str(program), "fleet", "shard")
    async with SshCarrier(hosts, ssh=world.server.ssh, command=command) as carrier:
        carrier.give(shard())
        await until(carrier, ends)
    assert (tmp_path / "said").read_text() == "fleet shard --site paris\n"


CANNOT_BE_USED = {
    "hidden": "its host key is not known here; ",
    "refused": "it refuses our key (",
    "absent": "mongosweep was not found there (",
    "module": "mongosweep was not found there (",
    "all": "mongosweep was not found there (",
    "a" * 64: "its name cannot be resolved (",  # too long to be asked for
    "other-version": "it has version 9.9.9 of mongosweep, and here is ",
    "ahead": "its clock is ",
    "behind": "its clock is ",
    "problem": "its scope is damaged",
    "of-paris": "it is of site paris, and --ssh has it in london; write paris=of-paris",
    "site": "its site, 'london\\\\x1b[31m', is no name of a site",
    "prints": "something there prints before mongosweep does (",
}


async def test_hosts_that_cannot_be_used_are_told_and_given_nothing(world: World) -> None:
    named = ",".join({"of-paris": "london=of-paris"}.get(host, host) for host in CANNOT_BE_USED)
    patient = QUICK._replace(again=(60.0, 60.0))
    async with world.carrier(f"works,{named}", patient) as carrier:
        assert carrier.capacity("london") == 1
        unfit = {worker.name: worker.unfit for worker in carrier.workers()}
        told: dict[str, str] = {}
        while len(told) < len(CANNOT_BE_USED):
            event = await carrier.next()
            assert isinstance(event, WorkersChanged)
            (line,) = event.told
            host, _, told_of_it = line.partition(": given nothing: ")
            told[host.partition(" ")[0]] = told_of_it
    assert unfit == {"works": "", **told}
    for host, says in CANNOT_BE_USED.items():
        assert told[host].startswith(says)
        assert told[host].isprintable()
    assert ("hour ahead" in told["ahead"], "minutes behind" in told["behind"]) == (True, True)


async def test_when_no_host_can_be_used_the_sweep_is_refused(world: World) -> None:
    with pytest.raises(
        RefusedError, match=r"none of the hosts of --ssh can be used; nothing was sent: hidden: its"
    ):
        async with world.carrier("hidden,refused"):
            pass


async def test_more_hosts_than_open_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    hosts = parse_hosts(",".join(f"h{number}" for number in range(1000)))
    with pytest.raises(RefusedError, match=r"--ssh names 1,000 hosts, .*`ulimit -n 5064`"):
        async with SshCarrier(hosts):
            pass


async def test_without_ssh_the_sweep_is_refused() -> None:
    with pytest.raises(RefusedError, match="install openssh-client"):
        async with SshCarrier(parse_hosts("a"), ssh=("no-such-ssh",)):
            pass


async def test_each_worker_asks_what_its_own_scope_allows(world: World) -> None:
    row = f"127.92.0.0-127.92.0.127:{world.listener.port}"
    quick = {"everything": True, "depth": "verdict"}
    async with world.carrier("paris=wide,narrow") as carrier:
        assert [(worker.site, worker.unfit) for worker in carrier.workers()] == [("paris", "")] * 2
        carrier.give(shard_of(row, name="paris-1", **quick))
        carrier.give(shard_of(row, name="paris-2", **quick))
        began: dict[str, Began] = {}
        ended: dict[str, Ended] = {}
        while len(ended) < 2:
            for event in await until(carrier, ends):
                assert isinstance(event, Heard)
                if isinstance(event.message, Began):
                    began[event.worker] = event.message
                elif isinstance(event.message, Ended):
                    ended[event.worker] = event.message
    assert {name: (each.targets, each.refused) for name, each in began.items()} == {
        "wide": (128, 0),
        "narrow": (64, 64),
    }
    assert {name: (each.planned, each.refused) for name, each in ended.items()} == {
        "wide": (128, 0),
        "narrow": (128, 64),
    }
    assert began["wide"].scope_sha256 != began["narrow"].scope_sha256
