"""An import changes an allow-list as a whole or not at all, and says why when it does not."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from typing import TYPE_CHECKING

import pytest

from results.files import DirectoryBusyError, StorageError
from scanner.errors import RefusedError
from scanner.setup.config_file import read_config
from scanner.setup.scope_import import Imported, ImportRequest, import_scope, target_of
from scanner.setup.settings import Settings
from targets.errors import ScopeError
from targets.proposal import ImportRules
from tests.support.faulty_files import DiedError, DyingFileSystem, FailingFileSystem

if TYPE_CHECKING:
    from pathlib import Path

    from results.files import FileSystem

NOW = 1_795_521_600.0  # 2026-11-24
RULES = ImportRules(owner="web")


class World:
    """A folder with a configuration, a list of prefixes, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.configuration('[scope]\nfiles = ["scope.toml"]\n')

    def configuration(self, text: str) -> None:
        (self.folder / "mongosweep.toml").write_text(text, encoding="utf-8")

    @property
    def path(self) -> Path:
        return self.folder / "scope.toml"

    def run(
        self,
        *lines: str,
        fs: FileSystem | None = None,
        config: bool = True,
        rules: ImportRules = RULES,
        sources: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        **asked: object,
    ) -> Imported:
        source = self.folder / "list.txt"
        if lines:
            source.write_text("\n".join(lines) + "\n", encoding="utf-8")
        request = ImportRequest(sources=sources or (str(source),), rules=rules, **asked)  # type: ignore[arg-type]
        found = read_config(self.folder / "mongosweep.toml") if config else None
        more = {} if fs is None else {"fs": fs}
        return import_scope(
            request,
            found,
            found.settings if found else Settings(),
            NOW,
            self.said.append,
            environment=environment or {},
            **more,
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_first_import_is_written_and_the_second_changes_nothing(world: World) -> None:
    first = world.run("10.20.0.0/24", "10.20.1.0/24")
    assert (first.first, first.written, first.in_force) == (True, True, True)
    assert (first.difference.before, first.difference.after) == (0, 512)
    assert world.path.stat().st_mode & 0o777 == 0o644
    written = world.path.stat()
    second = world.run()
    assert (second.first, second.written, second.difference.rows) == (False, False, ())
    untouched = world.path.stat()
    assert (untouched.st_ino, untouched.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert [path.name for path in world.folder.iterdir()].count("scope.toml") == 1
    assert any("plain list" in line for line in world.said)


def test_an_import_that_grows_by_too_much_is_refused_with_the_largest_additions(world: World) -> None:
    world.run("10.20.0.0/24")
    before = world.path.read_bytes()
    for dry_run in (True, False):
        grown = world.run("10.20.0.0/24", "10.30.0.0/20", dry_run=dry_run)
        assert grown.refusal.startswith(
            "the allow-list would grow by 4,096 addresses, and has 256 (1600%, and"
        )
        assert "10.30.0.0/20 (4,096, web)" in grown.refusal
        assert "--accept-growth" in grown.refusal
        assert world.path.read_bytes() == before
    assert world.run(accept_growth=True).written
    assert world.run("10.20.0.0/24", "10.30.0.0/20", "10.40.0.0/26").written, "a tenth is no growth"


def test_the_configuration_says_what_much_growth_is(world: World) -> None:
    world.configuration('[scope]\nfiles = ["scope.toml"]\nmax_growth = 1\n')
    assert world.run("10.20.0.0/24").written
    assert world.run("10.20.0.0/23").written
    assert "max_growth is 100%" in world.run("10.20.0.0/21").refusal


def test_growth_is_what_came_and_not_what_is_left_over(world: World) -> None:
    world.run("10.20.0.0/24")
    moved = world.run("10.30.0.0/24", accept_loss=True)
    assert moved.difference.before == moved.difference.after
    assert "--accept-growth" in moved.refusal


def test_an_import_that_loses_too_much_or_all_is_refused(world: World) -> None:
    world.run("10.20.0.0/24", "10.30.0.0/24")
    before = world.path.read_bytes()
    assert "--accept-loss" in world.run("10.20.0.0/24").refusal
    with pytest.raises(RefusedError, match="names no address"):
        world.run("# nothing", accept_loss=True)
    with pytest.raises(RefusedError, match="an empty scope proves nothing"):
        world.run("127.0.0.1", "8.8.8.0/24", "224.0.0.0/24", accept_loss=True)
    assert world.path.read_bytes() == before
    assert world.run("10.20.0.0/24", accept_loss=True).written


def test_nothing_goes_by_a_list_that_is_damaged(world: World) -> None:
    world.run(*(f"10.20.{n}.0/24" for n in range(50)))
    damaged = world.run(*(f"10.20.{n}.0/24" for n in range(49)), "10.20.49.0/2x")
    assert damaged.refusal.startswith("a part of what was read could not be used")
    assert any(":50:" in line and "left out" in line for line in world.said)
    assert world.run(*(f"10.20.{n}.0/24" for n in range(50)), "nonsense /").refusal == ""


def test_what_a_person_wrote_into_the_file_stays(world: World) -> None:
    world.run("10.20.0.0/24", "20.0.0.0/24", "10.20.5.1", "10.20.5.9")
    text = world.path.read_text(encoding="utf-8")
    text = text.replace('cidr = "10.20.0.0/24"\n', 'cidr = "10.20.0.0/24"\nports = [27018]\n')
    text += """
[[allow]]
cidr = "20.0.0.0/24"
owner = "web"
authorised_by = "CHG-1"
expires = 2027-05-05T10:00:00Z

[[deny]]
cidr = ["10.20.0.4", "10.20.0.8/29"]
reason = "medical \\"devices\\""
expires = 2027-01-01
"""
    world.path.write_text(text, encoding="utf-8")
    world.path.chmod(0o640)
    again = world.run("10.20.0.0/24", "20.0.0.0/24", "10.20.5.1", "10.20.5.9", "10.20.6.0/28")
    assert again.written
    after = world.path.read_text(encoding="utf-8")
    assert "ports = [27018]" in after
    assert 'authorised_by = "CHG-1"\nexpires = 2027-05-05T10:00:00Z' in after
    assert '[[deny]]\ncidr = "10.20.0.8/29"\nreason = "medical \\"devices\\""\nexpires = 2027-01-01' in after
    assert "# [[allow]]" not in after
    assert world.path.stat().st_mode & 0o777 == 0o640


def test_a_hand_written_file_is_never_written_over(world: World) -> None:
    world.path.write_text('[[allow]]\ncidr = "10.20.0.0/24"\n', encoding="utf-8")
    with pytest.raises(
        ScopeError, match="was not written by an import, and is left as it is; name another file"
    ):
        world.run("10.20.0.0/24")
    assert world.run("10.20.0.0/25", to=str(world.folder / "other.toml")).in_force is False


@pytest.mark.parametrize(
    ("to", "message"),
    [("scope.csv", "ends in .toml"), ("mongosweep.toml", "is the configuration")],
)
def test_a_target_that_cannot_be_one_is_refused(world: World, to: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        world.run("10.20.0.0/24", to=str(world.folder / to))


def test_the_file_is_the_first_of_scope_files_or_stands_beside_the_configuration(world: World) -> None:
    world.configuration('[scope]\nfiles = ["hand.csv", "netbox.toml"]\n')
    config = read_config(world.folder / "mongosweep.toml")
    assert target_of(None, config) == world.folder / "netbox.toml"
    assert target_of(None, None).name == "scope.toml"


def test_what_would_break_the_whole_scope_is_not_written(world: World) -> None:
    world.configuration('[scope]\nfiles = ["scope.toml"]\n[[allow]]\ncidr = "10.20.0.0/24"\nowner = "shop"\n')
    with pytest.raises(
        RefusedError, match=r"with it the scope would be refused.*10\.20\.0\.0/24.*allowed on"
    ):
        world.run("10.20.0.0/24")
    assert not world.path.exists()
    world.configuration('[scope]\nfiles = ["scope.toml"]\n[sweep]\nmax_targets = 256\n')
    with pytest.raises(RefusedError, match="max_targets = 256"):
        world.run("10.20.0.0/24", "10.30.0.0/24")


@pytest.mark.parametrize("method", ["open", "write", "fsync", "rename", "fsync_dir"])
def test_a_full_disk_leaves_the_file_as_it_was(world: World, method: str) -> None:
    world.run("10.20.0.0/24")
    before = world.path.read_bytes()
    failing = FailingFileSystem(method, errno.ENOSPC)
    with pytest.raises(StorageError, match="no space left on device; the allow-list is as it was"):
        world.run("10.20.0.0/24", "10.30.0.0/28", fs=failing)
    assert failing.raised
    if method != "fsync_dir":
        assert world.path.read_bytes() == before
    assert not list(world.folder.glob("*.tmp"))


def test_a_death_on_the_way_leaves_the_old_file_or_the_new_one(world: World) -> None:
    world.run("10.20.0.0/24")
    before = world.path.read_bytes()
    seen = set()
    for step in range(1, 12):
        try:
            world.run("10.20.0.0/24", "10.30.0.0/28", fs=DyingFileSystem(step))
        except DiedError:
            seen.add(world.path.read_bytes())
            world.path.write_bytes(before)
    assert before in seen
    assert all(text == before or b"10.30.0.0/28" in text for text in seen)


def test_a_folder_that_may_not_be_written_in(world: World) -> None:
    with pytest.raises(StorageError, match="no such file or directory"):
        world.run("10.20.0.0/24", to=str(world.folder / "missing" / "scope.toml"))


def test_an_edit_meanwhile_is_not_lost(world: World) -> None:
    world.run("10.20.0.0/24")

    def edit(text: str) -> None:
        if "list.txt" in text:
            with world.path.open("a", encoding="utf-8") as file:
                file.write("# looked at\n")

    request = ImportRequest(sources=(str(world.folder / "list.txt"),), rules=RULES)
    (world.folder / "list.txt").write_text("10.20.0.0/24\n10.30.0.0/28\n", encoding="utf-8")
    config = read_config(world.folder / "mongosweep.toml")
    with pytest.raises(RefusedError, match="was changed while the sources were read"):
        import_scope(request, config, config.settings, NOW, edit, environment={})
    assert world.path.read_text(encoding="utf-8").endswith("# looked at\n")


def test_two_imports_at_once_do_not_mix(world: World) -> None:
    holder = os.open(world.folder, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(DirectoryBusyError, match="another import writes there"):
            world.run("10.20.0.0/24")
    finally:
        os.close(holder)
    assert world.run("10.20.0.0/24").written


def test_netbox_wants_an_address_and_a_token(world: World) -> None:
    with pytest.raises(RefusedError, match=r"nothing says where it is; write url"):
        world.run(sources=("netbox",))
    world.configuration('[netbox]\nurl = "http://127.0.0.1:9"\n')
    with pytest.raises(RefusedError, match="there is no token; set MONGOSWEEP_NETBOX_TOKEN"):
        world.run(sources=("netbox",))


def netbox_prefix(number: int, prefix: str, **more: object) -> dict[str, object]:
    status = {"value": "active", "label": "Active"}
    given = {"id": number, "prefix": prefix, "vrf": None, "tenant": None, "status": status, "role": None}
    return given | {"url": f"https://netbox.example.com/api/ipam/prefixes/{number}/"} | more


def test_several_sources_are_put_together_whatever_their_order(world: World) -> None:
    prefixes = [
        netbox_prefix(1, "10.20.0.0/24", tenant={"name": "web"}),
        netbox_prefix(2, "10.20.1.0/24", tenant={"name": "shop"}),
        netbox_prefix(3, "10.20.0.0/16", status={"value": "container"}, scope={"name": "paris"}),
        netbox_prefix(4, "10.20.2.0/24", status={"value": "deprecated"}),
    ]
    (world.folder / "a.json").write_text(json.dumps({"count": 4, "results": prefixes}), encoding="utf-8")
    (world.folder / "b.json").write_text(
        json.dumps([netbox_prefix(9, "10.20.1.0/24", tenant={"name": "web"})]), encoding="utf-8"
    )
    names = [str(world.folder / "a.json"), str(world.folder / "b.json")]
    found = world.run(sources=tuple(names), rules=ImportRules())
    (entry,) = [each.entry for each in found.proposal.entries]
    assert (entry.text, entry.owner, entry.site) == ("10.20.0.0/24", "web", "paris")
    assert {why: count for why, (count, _) in found.proposal.left.items()} == {
        "owners": 1,
        "container": 1,
        "status": 1,
    }
    text = world.path.read_text(encoding="utf-8")
    assert "netbox:prefixes/1" in text
    assert ", owner by tenant\n[[allow]]" in text
    world.run(sources=tuple(reversed(names)), rules=ImportRules())
    assert [line for line in world.path.read_text(encoding="utf-8").splitlines() if "# from" not in line] == [
        line for line in text.splitlines() if "# from" not in line
    ]
