"""A configuration that asks for signatures: every allow-list is checked, and nothing unsigned is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scanner.errors import RefusedError
from scanner.setup.config_file import read_config
from scanner.setup.inventory import Inventories
from scanner.setup.request import SweepRequest, load, reload_scope
from scanner.setup.scope_request import full_scope
from targets.errors import ScopeError
from targets.load import file_rows
from tests.support.signing import WHO, ssh_key, ssh_sign

if TYPE_CHECKING:
    from targets.signatures import Signature

NOW = 1_780_000_000.0
LIST = '[[allow]]\ncidr = "10.20.0.0/24"\nowner = "web platform"\n'
CONFIG = '[scope]\nfiles = ["netbox.toml", "more.txt"]\nsigners = "allowed_signers"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with two signed allow-lists."""
    (tmp_path / "allowed_signers").write_text(f"{WHO} {ssh_key(tmp_path / 'key')}\n", encoding="utf-8")
    path = tmp_path / "mongosweep.toml"
    path.write_text(CONFIG, encoding="utf-8")
    for name, text in (("netbox.toml", LIST), ("more.txt", "10.30.0.1\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        ssh_sign(tmp_path / name, tmp_path / "key")
    return path


def asked(config: Path, **more: str) -> SweepRequest:
    return SweepRequest(config=str(config), scope_file=more.get("scope_file"))


def test_signed_lists_are_read_and_who_signed_is_known(config: Path) -> None:
    loaded = load(asked(config), NOW, {})
    assert loaded.scope.address_count == 257
    lists = [(Path(each.file).name, each.signer) for each in loaded.options.signatures]
    assert lists == [("netbox.toml", WHO), ("more.txt", WHO)]
    assert {each.key for each in loaded.options.signatures} != {""}


def test_one_altered_list_refuses_all(config: Path) -> None:
    with (config.parent / "more.txt").open("a", encoding="utf-8") as file:
        file.write("10.99.0.0/24\n")
    with pytest.raises(ScopeError, match=r"more\.txt: is not what was signed"):
        load(asked(config), NOW, {})


def test_a_list_of_the_command_line_is_checked_as_well(config: Path) -> None:
    path = config.parent / "mine.toml"
    path.write_text(LIST, encoding="utf-8")
    with pytest.raises(ScopeError, match=r"mine\.toml: is not signed"):
        load(asked(config, scope_file=str(path)), NOW, {})
    ssh_sign(path, config.parent / "key")
    assert load(asked(config, scope_file=str(path)), NOW, {}).options.signatures[0].file == str(path)


def test_an_entry_of_the_configuration_is_refused_where_signatures_are_asked_for(config: Path) -> None:
    config.write_text(CONFIG + LIST, encoding="utf-8")
    with pytest.raises(RefusedError, match=r"toml:4: \[\[allow\]\] here is signed by nobody.*; move"):
        load(asked(config), NOW, {})


def test_what_only_narrows_needs_no_signature(config: Path) -> None:
    deny = '[[deny]]\ncidr = "10.20.0.128/25"\n'
    optout = '[[optout]]\ncidr = "10.30.0.1"\nowner = "x"\nreason = "x"\n'
    dates = "since = 2026-05-01\nexpires = 2026-06-01\n"
    config.write_text(CONFIG + deny, encoding="utf-8")
    assert load(asked(config), NOW, {}).scope.address_count == 129
    config.write_text(CONFIG + deny + optout + dates, encoding="utf-8")
    assert load(asked(config), NOW, {}).scope.address_count == 128


def test_signers_that_are_missing_refuse_everything(config: Path) -> None:
    (config.parent / "allowed_signers").unlink()
    with pytest.raises(ScopeError, match=r"allowed_signers: \[scope\] signers: there is no such file"):
        load(asked(config), NOW, {})


def test_a_reload_is_checked_by_the_clock_of_the_sweep(config: Path) -> None:
    path = config.parent / "allowed_signers"
    path.write_text(
        path.read_text(encoding="utf-8").replace(WHO, f'{WHO} valid-before="20260529"'), encoding="utf-8"
    )
    assert reload_scope(asked(config), NOW, Inventories(()), names=False).address_count == 257
    with pytest.raises(ScopeError, match="not valid now"):
        reload_scope(asked(config), NOW + 86_400, Inventories(()), names=True)


def test_the_bytes_that_were_checked_are_those_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("10.0.0.1\n", encoding="utf-8")

    def swap(checked: Path, raw: bytes) -> None:
        assert raw == b"10.0.0.1\n"
        checked.write_text("10.99.0.0/16\n", encoding="utf-8")

    rows = file_rows(path, checked=swap)
    assert [row.values["cidr"] for row in rows] == ["10.0.0.1"]


def test_without_signers_nothing_is_asked(config: Path) -> None:
    config.write_text('[scope]\nfiles = ["netbox.toml"]\n', encoding="utf-8")
    (config.parent / "netbox.toml.sig").write_bytes(b"junk")
    found: list[Signature] = []
    read = read_config(config)
    scope, _ = full_scope(None, read, read.settings, NOW, signed=found.append)
    assert (scope.address_count, found) == (256, [])
