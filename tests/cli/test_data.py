"""Newer tables: taken on a good signature alone, never older, from a file or over https; used, removed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from results.files import StorageError
from scanner.cli import main
from scanner.clock import SystemClock
from scanner.errors import RefusedError
from scanner.mongo.bundle import FORMAT, MAX_BYTES
from scanner.mongo.tables import FILES, built_in, use
from scanner.setup.config_file import read_config
from scanner.setup.data_tables import directory_of, newer_tables
from tests.support.https_server import https_server
from tests.support.receivers.tls import Certificates
from tests.support.signing import minisign, minisign_key, ssh_key, ssh_sign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

FOR = "mongosweep-data"
NEWER = "2026-11-25"  # than every table that is built in
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _as_before(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock of a day after `NEWER`, a data folder of the test's own, and built-in tables afterwards."""
    monkeypatch.setenv("XDG_DATA_HOME", str(here / "data"))
    later = max(datetime(2027, 1, 1, tzinfo=UTC).timestamp(), SystemClock.wall())
    monkeypatch.setattr(SystemClock, "wall", staticmethod(lambda: later))
    yield
    use({})


def bundle(path: Path, as_of: str = NEWER, **rows: Any) -> Path:
    """The built-in tables, of another day and with other rows of advisories."""
    tables = {name: {**built_in(name), "as_of": as_of} for name in FILES}
    tables["advisories"] = {**tables["advisories"], **rows}
    path.write_text(json.dumps({"format": FORMAT, "tables": tables}), encoding="utf-8")
    return path


@pytest.fixture
def key(here: Path) -> str:
    """A key of minisign, `RW…`; a bundle is signed by `minisign(path, here, comment=FOR)`."""
    return minisign_key(here)


def days(capsys: Capture) -> dict[str, tuple[str, str]]:
    """Of each table its day and where it came from, as `data` tells them."""
    capsys.readouterr()
    assert main(["data", "--json"]) == 0
    return {row["name"]: (row["as_of"], row["source"]) for row in json.loads(capsys.readouterr().out)}


def refused(capsys: Capture, *words: str, code: int = 2) -> str:
    capsys.readouterr()
    assert main(["data", *words]) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_tables_signed_by_minisign(here: Path, key: str, capsys: Capture) -> None:
    minisign(bundle(here / "t.json"), here, comment=FOR)
    assert main(["data", "update", "t.json", "--key", key]) == 0
    said = capsys.readouterr().err
    assert f"advisories of {NEWER}" in said
    found = days(capsys)
    assert all(found[name] == (NEWER, "update") for name in FILES)
    assert main(["data"]) == 0
    assert "from t.json, signed by --key (minisign:" in capsys.readouterr().err
    assert found["special_space"][1] == "built-in"
    assert main(["data", "update", "t.json", "--key", "minisign.pub"]) == 0
    assert "there already" in capsys.readouterr().err
    assert main(["data", "reset"]) == 0
    assert {source for _, source in days(capsys).values()} == {"built-in"}
    assert not [*(here / "data").rglob("*.json")]


def test_tables_signed_by_ssh_for_the_signers_of_the_configuration(here: Path, capsys: Capture) -> None:
    public = ssh_key(here / "key")
    (here / "signers").write_text(f"soc@example.com {public}\n", encoding="utf-8")
    (here / "mongosweep.toml").write_text('[data]\nsigners = "signers"\ndirectory = "d"\n', encoding="utf-8")
    ssh_sign(bundle(here / "t.json"), here / "key", FOR)
    assert main(["data", "update", "t.json"]) == 0
    assert "soc@example.com" in capsys.readouterr().err
    assert (here / "d" / "tables.json").is_file()
    assert days(capsys)["advisories"] == (NEWER, "update")
    assert main(["data", "reset"]) == 0
    assert main(["data", "update", "t.json", "--key", "key.pub"]) == 0


def test_what_update_refuses(here: Path, key: str, capsys: Capture) -> None:
    path = bundle(here / "t.json")
    assert "nobody is named who may sign" in refused(capsys, "update", "t.json")
    assert "is not signed" in refused(capsys, "update", "t.json", "--key", key)
    minisign(path, here, comment="mongosweep-scope")
    assert "signed for something else" in refused(capsys, "update", "t.json", "--key", key)
    minisign(path, here, comment=FOR)
    assert "--key nothing is no public key" in refused(capsys, "update", "t.json", "--key", "nothing")
    assert "write one of them" in refused(capsys, "update", "t.json", "--key", key, "--signers", "x")
    assert "there is no such file" in refused(capsys, "update", "none.json", "--key", key)
    path.write_bytes(path.read_bytes() + b" ")
    said = refused(capsys, "update", "t.json", "--key", key)
    assert "is not what was signed" in said
    assert "minisign -S" not in said, "nobody is told to sign what was changed"
    path.write_text('{"format": "mongosweep.data/9"}', encoding="utf-8")
    minisign(path, here, comment=FOR)
    assert "this version reads mongosweep.data/1" in refused(capsys, "update", "t.json", "--key", key)
    minisign(bundle(path, "2999-01-01"), here, comment=FOR)
    assert "the clock says" in refused(capsys, "update", "t.json", "--key", key)
    for address in ("http://127.0.0.1/t.json", "ftp://127.0.0.1/t", "https://u:p@127.0.0.1/t"):
        assert "write https://HOST/PATH" in refused(capsys, "update", address, "--key", key)
    assert not (here / "data").exists()


def test_a_password_in_an_address_is_refused_and_not_shown(here: Path, key: str, capsys: Capture) -> None:
    said = refused(capsys, "update", "https://somebody:hunter2@127.0.0.1:1/t.json", "--key", key)
    assert "https://127.0.0.1:1/t.json: it is no https address without a password" in said
    assert "hunter2" not in said


def test_never_older_unless_accepted_and_then_they_count(here: Path, key: str, capsys: Capture) -> None:
    minisign(bundle(here / "t.json"), here, comment=FOR)
    minisign(bundle(here / "old.json", "2020-01-01"), here, comment=FOR)
    assert main(["data", "update", "t.json", "--key", key]) == 0
    said = refused(capsys, "update", "old.json", "--key", key)
    assert "advisories is of 2020-01-01, and 2026-11-25 is in use" in said
    assert days(capsys)["advisories"] == (NEWER, "update")
    assert main(["data", "update", "old.json", "--key", key, "--accept-older"]) == 0
    assert days(capsys)["advisories"] == ("2020-01-01", "update")


def test_a_file_that_is_damaged_refuses_a_sweep_and_is_replaced(
    here: Path, key: str, capsys: Capture
) -> None:
    minisign(bundle(here / "t.json"), here, comment=FOR)
    assert main(["data", "update", "t.json", "--key", key]) == 0
    there = here / "data" / "mongosweep" / "tables.json"
    there.write_bytes(there.read_bytes().replace(b"CVE-2025-14847", b"CVE-2025-14848"))
    (here / "mongosweep.toml").write_text('[[allow]]\ncidr = "127.93.0.1"\nkind = "lab"\n', encoding="utf-8")
    for command in ("plan", "sweep", "data"):
        assert main([command]) == 2
        said = capsys.readouterr().err
        assert "not those that were installed" in said
        assert "mongosweep data reset" in said
    assert main(["explain", "open"]) == 0
    assert main(["data", "update", "t.json", "--key", key]) == 0
    assert main(["plan"]) == 0
    assert there.stat().st_mode & 0o777 == 0o644, "a service reads what root installed"
    there.chmod(0o666)
    assert main(["plan"]) == 2
    assert "written by everybody" in capsys.readouterr().err


def test_a_disk_that_is_full_is_told_with_the_setting_that_names_another(
    here: Path, key: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def full(_: object, path: Path, *__: object, **___: object) -> None:
        raise StorageError(path, "no space left on device", "give another directory with --output")

    minisign(bundle(here / "t.json"), here, comment=FOR)
    monkeypatch.setattr("scanner.setup.data_tables.write_durably", full)
    assert main(["data", "update", "t.json", "--key", key]) == 4
    said = capsys.readouterr().err
    assert "[data] directory" in said
    assert "--output" not in said


def test_a_folder_that_cannot_be_used(
    here: Path, key: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """One that was named is refused; the usual one is passed over where it is not ours."""
    minisign(bundle(here / "t.json"), here, comment=FOR)
    (here / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(here / "file"))
    assert "cannot be made" in refused(capsys, "update", "t.json", "--key", key)
    assert {source for _, source in days(capsys).values()} == {"built-in"}

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (here / "named.toml").write_text('[data]\ndirectory = "d"\n', encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr("scanner.setup.data_tables.Path.stat", forbidden)
        assert newer_tables(None, {"HOME": "/"}) == {}
    config = read_config(here / "named.toml")
    with monkeypatch.context() as patched:
        patched.setattr("scanner.setup.data_tables.Path.stat", forbidden)
        with pytest.raises(RefusedError, match="make it readable"):
            newer_tables(config, {})


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"XDG_DATA_HOME": "/srv/data"}, "/srv/data/mongosweep"),
        ({"XDG_DATA_HOME": "data", "HOME": "/srv/a"}, "/srv/a/.local/share/mongosweep"),
        ({"XDG_DATA_HOME": "", "HOME": ""}, "/.local/share/mongosweep"),
        ({}, "/.local/share/mongosweep"),
    ],
)
def test_tables_of_the_working_directory_never_count(environment: dict[str, str], folder: str) -> None:
    assert str(directory_of(None, environment)) == folder


def test_explain_speaks_of_the_tables_in_use(here: Path, key: str, capsys: Capture) -> None:
    row = {"id": "CVE-2099-1", "summary": "of the newer tables", "ranges": [], "source": "s"}
    minisign(bundle(here / "t.json", advisory=[row]), here, comment=FOR)
    assert main(["data", "update", "t.json", "--key", key]) == 0
    assert main(["explain", "CVE-2099-1"]) == 0
    assert "Of the newer tables" in capsys.readouterr().out


def test_export_makes_what_update_takes(here: Path, key: str, capsys: Capture) -> None:
    assert main(["data", "export"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == FORMAT
    (here / "mine").mkdir()
    assert "holds no table" in refused(capsys, "export", "mine")
    table = 'as_of = "2026-11-26"\nabout = "Telling names"\n'
    (here / "mine" / "telling_names.toml").write_text(table, encoding="utf-8")
    assert "telling_names" in refused(capsys, "export", "mine")
    table += '[[words]]\nlanguage = "en"\ncategory = "people"\nsource = "ours"\nwords = ["zebras"]\n'
    (here / "mine" / "telling_names.toml").write_text(table, encoding="utf-8")
    assert "name a file in it" in refused(capsys, "export", "mine", "--out", ".")
    assert main(["data", "export", "mine", "--out", "t.json"]) == 0
    minisign(here / "t.json", here, comment=FOR)
    assert main(["data", "update", "t.json", "--key", key]) == 0
    assert days(capsys)["telling_names"] == ("2026-11-26", "update")


class Publisher(NamedTuple):
    """Serves `files` at `address`; a text in place of bytes is where it redirects to."""

    address: str
    files: dict[str, bytes | str]


@pytest.fixture
def publisher(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    certificates = Certificates(here)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
    files: dict[str, bytes | str] = {}

    def answer(asked: BaseHTTPRequestHandler) -> None:
        found = files.get(asked.path)
        asked.send_response(404 if found is None else 302 if isinstance(found, str) else 200)
        if isinstance(found, str):
            asked.send_header("Location", found)
        asked.end_headers()
        if isinstance(found, bytes):
            asked.wfile.write(found)

    with https_server(answer, certificates.right()) as address:
        yield Publisher(address, files)


def test_tables_over_https(
    here: Path, key: str, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    signature = minisign(bundle(here / "t.json"), here, comment=FOR)
    raw, files = (here / "t.json").read_bytes(), publisher.files
    where = publisher.address

    def update(path: str) -> str:
        return refused(capsys, "update", where + path, "--key", key)

    files["/t.json"] = raw
    assert "is not signed" in update("/t.json")
    assert "there is no such file" in update("/none.json")
    files["/plain.json"] = "http://127.0.0.1:1/t.json"
    assert "which is not https" in update("/plain.json")
    files["/round.json"] = "/round.json"
    assert "more than 5 redirects" in update("/round.json")
    files["/large.json"] = b" " * (MAX_BYTES + 1)
    assert "larger than" in update("/large.json")
    files["/t.json.minisig"] = signature.read_bytes().replace(b"untrusted", b"un\x1btrusted")[:40]
    assert "no signature of minisign" in update("/t.json")
    files["/moved/t.json"], files["/moved/t.json.minisig"] = "/t.json", signature.read_bytes()
    assert main(["data", "update", f"{where}/moved/t.json", "--key", key]) == 0
    assert days(capsys)["advisories"] == (NEWER, "update")
    installed = json.loads((here / "data/mongosweep/tables.json").read_bytes())
    assert installed["source"] == f"{where}/moved/t.json"
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "certificate" in update("/t.json").lower()
