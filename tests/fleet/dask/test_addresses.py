"""Only TLS: how a scheduler is named, and what is said of every other way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scanner.cli import main
from scanner.errors import RefusedError
from scanner.fleet.dask.settings import address_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("text", ["tls://hub:8786", "tls://192.0.2.7:1", "tls://[2001:db8::1]:65535"])
def test_tls_is_taken(text: str) -> None:
    assert address_of(text) == text


@pytest.mark.parametrize(
    "text", ["tcp://hub:8786", "ws://hub:8786", "inproc://1/2", "http://hub:8786", "TLS://hub:8786"]
)
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(RefusedError, match=r"only tls:// is taken, since .*; write tls://") as caught:
        address_of(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hub:8786",
        "tls://hub",
        "tls://hub:0",
        "tls://hub:99999",
        "tls://hub:1/x",
        "tls://a b:1",
        "tls://hub:8786\n",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(RefusedError, match="write tls://HOST:PORT"):
        address_of(text)


def test_commands_refuse_it_before_anything_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["fleet", "worker", "tcp://127.0.0.1:1"], ["sweep", "--fleet", "tcp://127.0.0.1:1"]):
        assert main(words) == 2
        assert "only tls:// is taken" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--fleet", "--ssh", "--from"])
def test_an_empty_option_does_not_have_this_machine_sweep(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", option, ""]) == 2
    assert f"error: {option} needs the " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
