"""What an authority makes and renews, and what it does not."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from results.files import DirectoryBusyError
from scanner.errors import RefusedError
from scanner.fleet.authority import read_own
from scanner.fleet.issuing import held, issue, make_authority
from tests.support.fleet_certificates import DAY, NOW, refused

if TYPE_CHECKING:
    from pathlib import Path


def test_only_its_owner_reads_a_key(made: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.rglob("*")}
    assert {modes[name] for name in ("ca.key", "own.key")} == {0o600}
    assert {modes[name] for name in ("workers", "paris-1", "scheduler", "coordinator")} == {0o700}
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert not list(made.rglob("*.tmp"))


def test_a_second_time_changes_nothing_and_a_renewal_keeps_the_key(made: Path) -> None:
    folder = made / "workers" / "paris-1"
    ca, key = (made / "ca.key").read_bytes(), (folder / "own.key").read_bytes()
    assert not make_authority(made, NOW + DAY)
    renewed = issue(made, "worker", "paris-1", NOW + 80 * DAY)
    assert (renewed.new_key, renewed.identity.site) == (False, "paris")
    assert ((made / "ca.key").read_bytes(), (folder / "own.key").read_bytes()) == (ca, key)
    assert read_own(folder, "worker", NOW + 100 * DAY).identity.not_after == NOW + 170 * DAY
    assert issue(made, "worker", "paris-1", NOW, new_key=True).new_key
    assert (folder / "own.key").read_bytes() != key
    assert read_own(folder, "worker", NOW)


def test_a_key_that_was_moved_away_needs_not_come_back_for_a_renewal(made: Path) -> None:
    folder = made / "workers" / "paris-1"
    key = (folder / "own.key").read_bytes()
    (folder / "own.key").unlink()
    assert not issue(made, "worker", "paris-1", NOW + DAY).new_key
    assert not (folder / "own.key").exists()
    (folder / "own.key").touch(0o600)
    (folder / "own.key").write_bytes(key)
    assert read_own(folder, "worker", NOW)


def test_what_a_crash_leaves_is_gone_on_with(made: Path) -> None:
    """Between a key and its certificate, of the authority and of a worker."""
    folder = made
    key = (folder / "workers" / "paris-1" / "own.key").read_bytes()
    (folder / "workers" / "paris-1" / "own.pem").unlink()
    issue(folder, "worker", "paris-1", NOW, site="paris")
    assert (folder / "workers" / "paris-1" / "own.key").read_bytes() == key
    (folder / "ca.pem").unlink()
    assert make_authority(folder, NOW)
    assert read_own(folder / "workers" / "paris-1", "worker", NOW)


def test_a_certificate_ends_with_its_authority(made: Path) -> None:
    late = NOW + 5 * 365 * DAY - 10 * DAY
    assert issue(made, "scheduler", "scheduler", late).identity.not_after == NOW + 5 * 365 * DAY
    over = NOW + 5 * 365 * DAY
    assert "make a new authority" in refused(lambda: issue(made, "scheduler", "scheduler", over))
    assert "make a new authority" in refused(lambda: make_authority(made, over))


def test_what_is_not_issued(made: Path, other: Path) -> None:
    assert "write --site" in refused(lambda: issue(made, "worker", "oslo-1", NOW))
    assert "has no site" in refused(lambda: issue(made, "scheduler", "s", NOW, site="paris"))
    assert "two of one name" in refused(lambda: issue(made, "worker", "paris-1", NOW, site="london"))
    stranger = made / "workers" / "paris-1" / "own.pem"
    stranger.write_bytes((other / "workers" / "paris-1" / "own.pem").read_bytes())
    assert "of another authority" in refused(lambda: issue(made, "worker", "paris-1", NOW))
    (made / "workers" / "paris-1" / "own.key").unlink()
    (made / "workers" / "paris-1" / "own.key").symlink_to(other / "scheduler" / "own.key")
    stranger.unlink()
    issue(made, "worker", "paris-1", NOW, site="paris")
    (made / "ca.pem").write_bytes((other / "ca.pem").read_bytes())
    assert "does not fit" in refused(lambda: issue(made, "worker", "paris-2", NOW, site="paris"))


@pytest.mark.parametrize("word", ["../x", "a b", "-a", "a" * 64, "a\n", "ü", "a/b", "a*b", "*", "a**"])
def test_words_that_are_no_names(word: str, made: Path) -> None:
    assert "is no name of a fleet" in refused(lambda: issue(made, "worker", word, NOW, site="paris"))
    assert "is no site of a fleet" in refused(lambda: issue(made, "worker", "w", NOW, site=word))


def test_folders_that_are_no_authoritys(made: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    before = stat.S_IMODE((tmp_path / "mine").stat().st_mode)
    assert "holds letter and no authority" in refused(lambda: make_authority(tmp_path / "mine", NOW))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter"]
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == before
    assert "is no folder" in refused(lambda: make_authority(tmp_path / "mine" / "letter", NOW))
    assert "is missing" in refused(lambda: make_authority(tmp_path / "none" / "here", NOW))
    proc = type(made)("/proc")
    if proc.is_dir():  # whose answer to a new folder is that there is no such place
        assert "cannot be made: " in refused(lambda: make_authority(proc / "fleet", NOW))
    for place in ("mine", "none", "mine/letter"):
        with pytest.raises(RefusedError), held(tmp_path / place):
            pass
    (made / "ca.key").rename(tmp_path / "ca.key")
    assert "ca.key is missing; put it back" in refused(lambda: make_authority(made, NOW))


def test_two_commands_at_once(made: Path) -> None:
    with held(made), pytest.raises(DirectoryBusyError), held(made):
        pass
