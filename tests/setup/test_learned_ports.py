"""`--ports`, `--ports-from` and their settings: what a request makes of them, and what is told or refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scanner.errors import RefusedError
from scanner.setup.request import LoadedRequest, SweepRequest, load
from targets.errors import ScopeError
from targets.ports import USUAL

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_795_521_600.0  # 2026-11-24T12:00:00Z
CONFIGURATION = """\
[[allow]]
cidr = "10.20.0.0/24"
owner = "web platform"
site = "paris"
[[allow]]
cidr = "10.20.0.128/25"
owner = "fixed"
site = "lyon"
ports = [27017, 27018]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION, encoding="utf-8")
    return tmp_path


def loaded(*, targets: tuple[str, ...] = (), **asked: object) -> LoadedRequest:
    return load(SweepRequest.of(targets, asked), NOW, {})


def asked_at(found: LoadedRequest, ip: str) -> list[int]:
    """The ports that are asked of an address."""
    scope = found.scope
    return [target.port for target in map(scope.pick, range(len(scope))) if target.ip == ip]


BANNER = (
    '{"ip_str": "10.20.0.1", "port": 27117, "transport": "tcp", "timestamp": "2026-09-01T12:00:00.0", '
    '"_shodan": {"id": "1"}, "data": ""}'
)
OPEN, FIXED = "10.20.0.1", "10.20.0.200"


@pytest.mark.parametrize(
    ("ports", "free", "fixed"),
    [
        ([], [27017], [27017, 27018]),
        ([(27018,)], [27018], [27018]),
        ([(27018, 27019), (27020,)], [27018, 27019, 27020], [27018]),
        ([("mongodb",)], sorted(USUAL), [27017, 27018]),
        ([("mongodb", 27117)], sorted((*USUAL, 27117)), [27017, 27018]),
        ([("mongodb",), (27017,)], sorted(USUAL), [27017, 27018]),
    ],
)
def test_numbers_replace_and_narrow_and_the_word_does_not(
    here: Path, ports: list[tuple[int | str, ...]], free: list[int], fixed: list[int]
) -> None:
    found = loaded(ports=tuple(ports))
    assert asked_at(found, OPEN) == free
    assert asked_at(found, FIXED) == fixed


def test_the_word_in_the_configuration(here: Path) -> None:
    (here / "mongosweep.toml").write_text(
        CONFIGURATION + '[sweep]\nports = ["mongodb", 27117]\n', encoding="utf-8"
    )
    found = loaded()
    assert asked_at(found, OPEN) == sorted((*USUAL, 27117))
    assert asked_at(found, FIXED) == [27017, 27018]
    assert asked_at(loaded(ports=((27018,),)), OPEN) == [27018]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('ports = ["mongo"]', 'ports[0] = "mongo" is refused; write port numbers from 1 to 65535'),
        ('ports = "mongodb"', 'ports = "mongodb" is refused; write port numbers'),
        ("ports = [0]", "ports[0] = 0 is refused"),
        ("ports = [65536]", "ports[0] = 65536 is refused"),
        ("ports = []", "ports = [] is refused"),
        ('ports = ["mongodb", "mongodb"]', "names a port twice; write each port once"),
        (f'ports = ["mongodb", {", ".join(map(str, range(1, 64)))}]', "ports are 68; write at most 64"),
        ('ports_from = "open.xml"', 'ports_from = "open.xml" is refused; write lists of open ports'),
        ('ports_from = ["no.xml"]', ":11: there is no"),
        ('ports_from = ["."]', "is a directory; write the path of a list"),
        ('ports_from = ["pipe"]', "is no regular file; write the path of a list"),
    ],
)
def test_settings_that_are_refused(here: Path, line: str, said: str) -> None:
    os.mkfifo(here / "pipe")
    (here / "mongosweep.toml").write_text(CONFIGURATION + f"[sweep]\n{line}\n", encoding="utf-8")
    with pytest.raises(RefusedError) as caught:
        loaded()
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_learned_ports_stand_beside_the_others(here: Path) -> None:
    (here / "open.txt").write_text(
        "10.20.0.1:27117\n10.20.0.1:27017\n10.20.0.2\n10.20.0.200:27117\n10.20.0.200:27018\n10.9.9.9:27117\n",
        encoding="utf-8",
    )
    found = loaded(ports_from=("open.txt",))
    assert asked_at(found, OPEN) == [27017, 27117]
    assert asked_at(found, "10.20.0.2") == [27017]
    assert asked_at(found, FIXED) == [27017, 27018]
    assert found.notices == (
        "open.txt (plain list): 1 open port at entries whose `ports` do not name it, not asked",
        "open.txt (plain list): 1 of 6 outside the scope of mongosweep.toml, not asked:",
        "  10.9.9.9 port 27117 (open.txt:6): no allow entry holds it",
    )
    narrowed = loaded(ports_from=("open.txt",), ports=((27019,),))
    assert asked_at(narrowed, OPEN) == [27017, 27019, 27117]  # a list says of all these that they are open
    assert asked_at(narrowed, "10.20.0.2") == [27019]
    assert asked_at(narrowed, FIXED) == [27018]


def test_targets_and_sites_narrow_what_was_learned(here: Path) -> None:
    (here / "open.txt").write_text("10.20.0.1:27117\n10.20.0.9:27117\n", encoding="utf-8")
    found = loaded(ports_from=("open.txt",), targets=("10.20.0.8/29",))
    assert found.scope.ports == (27017, 27117)
    assert asked_at(found, OPEN) == []
    assert asked_at(found, "10.20.0.9") == [27017, 27117]
    assert len(loaded(ports_from=("open.txt",), targets=("10.20.0.1:27117",)).scope) == 1
    assert loaded(ports_from=("open.txt",), sites=("lyon",)).scope.ports == (27017, 27018)


def test_a_reload_keeps_what_was_learned_and_may_be_asked(here: Path) -> None:
    (here / "open.txt").write_text("10.20.0.1:27117\n10.20.0.2:27117\n10.20.0.3:27117\n", encoding="utf-8")
    found = loaded(ports_from=("open.txt",))
    (here / "open.txt").unlink()  # it is not read again
    fixed = CONFIGURATION.replace("[27017, 27018]", "[27017]")
    (here / "mongosweep.toml").write_text(
        fixed
        + '[[allow]]\ncidr = "10.20.0.2"\nports = [27017]\n[[deny]]\ncidr = "10.20.0.3"\nreason = "pumps"\n',
        encoding="utf-8",
    )
    reload = found.options.reload_scope
    assert reload is not None
    left = found.scope.intersect(reload(NOW, True))
    places = [str(left.pick(index)) for index in range(len(left))]
    assert "10.20.0.1:27117" in places
    assert "10.20.0.2:27017" in places
    assert not {"10.20.0.2:27117", "10.20.0.3:27117", "10.20.0.3:27017", "10.20.0.200:27018"} & set(places)


def test_lists_of_the_configuration_stand_beside_it_and_those_of_the_command_line_replace_them(
    here: Path,
) -> None:
    folder = here / "lists"
    folder.mkdir()
    (folder / "there.txt").write_text("10.20.0.1:27117\n", encoding="utf-8")
    (here / "mine.txt").write_text("10.20.0.1:27118\n", encoding="utf-8")
    (folder / "mongosweep.toml").write_text(
        CONFIGURATION + '[sweep]\nports_from = ["there.txt"]\n', encoding="utf-8"
    )
    assert asked_at(loaded(config="lists/mongosweep.toml"), OPEN) == [27017, 27117]
    mine = loaded(config="lists/mongosweep.toml", ports_from=("mine.txt",))
    assert asked_at(mine, OPEN) == [27017, 27118]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no open TCP port; nothing is learned from it"),
        ("10.20.0.1\n10.20.0.2\n", "names hosts and no open port of one; nothing is learned from it"),
        ("\n".join(f"10.20.0.1:{port}" for port in range(1, 200)), "of 10.20.0.1 only the usual ports"),
        ("\n".join(f"10.9.0.{n}:27117" for n in range(12)), "  and 2 more"),
        (BANNER, "(Shodan JSON) is 84 days old by its own times"),
    ],
)
def test_what_is_told(here: Path, text: str, said: str) -> None:
    (here / "open.txt").write_text(text, encoding="utf-8")
    notices = loaded(ports_from=("open.txt",)).notices
    assert any(said in each for each in notices), notices


def test_a_list_that_is_none_is_refused_and_hostile_text_reaches_no_terminal(here: Path) -> None:
    (here / "open.xml").write_bytes(b"\x1f\x8b" + bytes(50))
    with pytest.raises(ScopeError, match="is compressed by gzip"):
        loaded(ports_from=("open.xml",))
    (here / "open\x1b[2J.txt").write_text("10.9.9.9:27117\n", encoding="utf-8")
    notices = loaded(ports_from=("open\x1b[2J.txt",)).notices
    assert notices
    assert all(each.isprintable() for each in notices)
    with pytest.raises(RefusedError) as caught:
        loaded(ports_from=("no\x1b[2J.txt",))
    assert str(caught.value).isprintable()
    with pytest.raises(RefusedError, match="cannot be read"):
        loaded(ports_from=("nul\0.txt",))
