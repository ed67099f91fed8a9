"""Signatures of allow-lists, made by the real ssh-keygen and minisign: which are good, why others are not."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from targets.errors import ScopeError
from targets.signatures import NAMESPACE, Signature, Signers
from tests.support.signing import WHO, minisign, minisign_key, public_half, run, ssh_key, ssh_sign

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_780_000_000.0  # 2026-05-28
RAW = b'[[allow]]\ncidr = "10.20.0.0/16"\n'


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """An allow-list that nobody has signed yet."""
    path = tmp_path / "an estate.toml"
    path.write_bytes(RAW)
    return path


def signers(folder: Path, *lines: str) -> Signers:
    path = folder / "allowed_signers"
    path.write_text(
        "# who may say what is asked\n" + "".join(line + "\n" for line in lines), encoding="utf-8"
    )
    return Signers(path, NOW)


def refusal(who: Signers, path: Path, raw: bytes = RAW) -> str:
    with pytest.raises(ScopeError) as caught:
        who.check(path, raw)
    assert caught.value.path == str(path)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_good_signature_says_whose_it_is(tmp_path: Path, allowed: Path, kind: str) -> None:
    public = ssh_key(tmp_path / "key", kind)
    ssh_sign(allowed, tmp_path / "key")
    found = signers(tmp_path, f"{WHO} {public}").check(allowed, RAW)
    assert (found.file, found.signer) == (str(allowed), WHO)
    assert found.key.startswith("SHA256:")


def test_a_certificate_of_an_authority_that_is_allowed(tmp_path: Path, allowed: Path) -> None:
    authority = ssh_key(tmp_path / "authority")
    ssh_key(tmp_path / "key")
    run("ssh-keygen", "-q", "-s", tmp_path / "authority", "-I", "x", "-n", WHO, tmp_path / "key.pub")
    ssh_sign(allowed, tmp_path / "key-cert.pub")
    line = f"*@example.com cert-authority {authority}"
    assert signers(tmp_path, line).check(allowed, RAW).signer == WHO
    assert "no valid principals" in refusal(signers(tmp_path, f"*@example.net {line[14:]}"), allowed)
    plain = signers(tmp_path, f"*@example.com {authority}")  # the authority's own key, not its certificates
    assert "does not name" in refusal(plain, allowed)


def test_each_key_of_several_and_each_name_of_a_key(tmp_path: Path, allowed: Path) -> None:
    first, second = ssh_key(tmp_path / "first"), ssh_key(tmp_path / "second")
    who = signers(tmp_path, f"a@example.com {first}", "", f"{WHO},b@example.com {second}")
    for key, name in (("first", "a@example.com"), ("second", WHO)):
        ssh_sign(allowed, tmp_path / key)
        assert who.check(allowed, RAW).signer == name


def test_what_is_not_signed_is_refused_with_what_to_run(tmp_path: Path, allowed: Path) -> None:
    said = refusal(signers(tmp_path, f"{WHO} {ssh_key(tmp_path / 'key')}"), allowed)
    assert "is not signed" in said
    assert said.endswith(f"run ssh-keygen -Y sign -n {NAMESPACE} -f KEY '{allowed}'")


def test_who_signed_may_have_been_somebody_else(tmp_path: Path, allowed: Path) -> None:
    public = ssh_key(tmp_path / "key")
    ssh_key(tmp_path / "other")
    ssh_sign(allowed, tmp_path / "other")
    who = signers(tmp_path, f"{WHO} {public}")
    assert f"is signed by a key that {tmp_path / 'allowed_signers'} does not name" in refusal(who, allowed)
    assert "does not name" in refusal(signers(tmp_path), allowed)


@pytest.mark.parametrize("option", ['valid-before="20260528"', 'valid-after="20260529"'])
def test_a_key_is_good_only_while_it_is_valid(tmp_path: Path, allowed: Path, option: str) -> None:
    public = ssh_key(tmp_path / "key")
    ssh_sign(allowed, tmp_path / "key")
    said = refusal(signers(tmp_path, f"{WHO} {option} {public}"), allowed)
    assert "is signed by a key that is not valid now" in said
    assert f"{tmp_path / 'allowed_signers'}:2:" in said
    signers(tmp_path, f'{WHO} valid-after="20260528",valid-before="20260529" {public}').check(allowed, RAW)


def test_validity_is_in_utc_whatever_the_zone_here(
    tmp_path: Path, allowed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = ssh_key(tmp_path / "key")
    ssh_sign(allowed, tmp_path / "key")
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        monkeypatch.setenv("TZ", zone)
        signers(tmp_path, f'{WHO} valid-after="20260528202640",valid-before="20260528202641" {public}').check(
            allowed, RAW
        )


def test_a_signature_for_something_else_is_none(tmp_path: Path, allowed: Path) -> None:
    public = ssh_key(tmp_path / "key")
    ssh_sign(allowed, tmp_path / "key", "git")
    who = signers(tmp_path, f"{WHO} {public}")
    assert f"is signed for something else than {NAMESPACE}" in refusal(who, allowed)
    ssh_sign(allowed, tmp_path / "key")
    restricted = signers(tmp_path, f'{WHO} namespaces="git" {public}')
    assert f"is signed for something else than {NAMESPACE}" in refusal(restricted, allowed)


@pytest.mark.parametrize(
    "junk", [b"", b"junk", b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n", b"\0" * 100, b"\x1b[31m"]
)
def test_what_is_no_signature(tmp_path: Path, allowed: Path, junk: bytes) -> None:
    public = ssh_key(tmp_path / "key")
    allowed.with_name(allowed.name + ".sig").write_bytes(junk)
    said = refusal(signers(tmp_path, f"{WHO} {public}"), allowed)
    assert f"has no signature in {allowed}.sig" in said
    assert said.isprintable()


def test_a_broken_line_of_signers_allows_nobody_and_is_named(tmp_path: Path, allowed: Path) -> None:
    ssh_key(tmp_path / "key")
    ssh_sign(allowed, tmp_path / "key")
    minisigned = f"b@example.com minisign {minisign_key(tmp_path)}"
    said = refusal(signers(tmp_path, minisigned, "no key here"), allowed)
    assert f"{tmp_path / 'allowed_signers'}:3: invalid key" in said


def test_a_comment_names_nobody_however_it_breaks(tmp_path: Path, allowed: Path) -> None:
    public = ssh_key(tmp_path / "key")
    ssh_sign(allowed, tmp_path / "key")
    for end in ("\x0b", "\x0c", "\x1c", "\x85", "\u2028"):
        assert "does not name" in refusal(signers(tmp_path, f"# gone:{end}{WHO} {public}"), allowed)


def test_without_ssh_keygen(tmp_path: Path, allowed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = ssh_key(tmp_path / "key")
    ssh_sign(allowed, tmp_path / "key")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs ssh-keygen, which is not here; install OpenSSH" in refusal(
        signers(tmp_path, f"{WHO} {public}"), allowed
    )


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 0", "cannot be verified"),  # it says that all is well, and not by whom
        ('[ "$2" = verify ] || echo soc@example.com', "cannot be verified"),
        ("sleep 60", "timed out"),
        ("exec yes", "cannot be verified"),
        ("yes & yes >&2", "cannot be verified"),
        ("kill -9 $$", "cannot be verified"),
    ],
)
def test_an_ssh_keygen_that_says_nothing_good(
    tmp_path: Path, allowed: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    public = ssh_key(tmp_path / "key")
    ssh_sign(allowed, tmp_path / "key")
    who = signers(tmp_path, f"{WHO} {public}")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ssh-keygen"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("targets.signatures.TIMEOUT", 0.3)
    assert said in refusal(who, allowed)


# -- the file of signers


def test_signers_that_are_missing_or_that_others_can_change(tmp_path: Path) -> None:
    path = tmp_path / "allowed_signers"
    with pytest.raises(ScopeError, match=r"no such file; write the path of a file of allowed signers"):
        Signers(path, NOW)
    path.touch()
    path.chmod(0o666)
    with pytest.raises(ScopeError, match="can be written by everybody, so it proves nothing; run chmod o-w"):
        Signers(path, NOW)
    path.chmod(0o644)
    Signers(path, NOW)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_signers_of_another_user_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "allowed_signers"
    path.touch()
    shutil.chown(path, 4711)
    with pytest.raises(ScopeError, match=r"belongs to another user \(uid 4711\), who could add a key"):
        Signers(path, NOW)


# -- minisign


def test_minisign(tmp_path: Path, allowed: Path) -> None:
    public = minisign_key(tmp_path)
    minisign(allowed, tmp_path)
    found = signers(tmp_path, f"{WHO} minisign {public}").check(allowed, RAW)
    # The program's own name of the key is in the comment of its public half.
    name = (tmp_path / "minisign.pub").read_text(encoding="utf-8").split()[5]
    assert found == Signature(str(allowed), WHO, f"minisign:{name}")


def test_minisign_that_is_not_good(tmp_path: Path, allowed: Path) -> None:
    public = minisign_key(tmp_path)
    (tmp_path / "other").mkdir()
    other = minisign_key(tmp_path / "other")
    who = signers(tmp_path, f"{WHO} minisign {public}")
    minisign(allowed, tmp_path)
    assert "is not what was signed" in refusal(who, allowed, RAW + b"\n")
    assert "does not name" in refusal(signers(tmp_path, f"{WHO} minisign {other}"), allowed)
    signature = minisign(allowed, tmp_path, comment="release 1.0")
    assert "was signed for something else" in refusal(who, allowed)
    text = signature.read_text(encoding="utf-8")
    signature.write_text(text.replace("release 1.0", NAMESPACE), encoding="utf-8")
    assert "is not what was signed" in refusal(who, allowed)
    minisign(allowed, tmp_path, "-l")
    assert "legacy kind" in refusal(who, allowed)
    for junk in ("", "a\nb\nc\nd\n", text + "more\n", "\n".join(text.split("\n")[:2])):
        signature.write_text(junk, encoding="utf-8")
        assert "is no signature of minisign" in refusal(who, allowed)


@pytest.mark.parametrize("key", ["", "RW", "ssh-ed25519", "RWQ=" * 14])
def test_a_line_that_is_no_key_of_minisign(tmp_path: Path, key: str) -> None:
    with pytest.raises(ScopeError, match=r"allowed_signers:2: .*is no public key of minisign"):
        signers(tmp_path, f"{WHO} minisign {key}")


# -- what a signature is for: no other bytes pass


@st.composite
def altered_bytes(draw: st.DrawFn) -> bytes:
    at, byte = draw(st.integers(0, len(RAW) - 1)), draw(st.binary(min_size=1, max_size=1))
    kinds = (RAW[:at] + byte + RAW[at + 1 :], RAW[:at] + byte + RAW[at:], RAW[:at] + RAW[at + 1 :], RAW[:at])
    return draw(st.sampled_from([*kinds, RAW + RAW[at:], b"\xef\xbb\xbf" + RAW]))


ALTERED = altered_bytes().filter(lambda raw: raw != RAW)


@given(ALTERED)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_altered_byte_passes_minisign(tmp_path: Path, altered: bytes) -> None:
    path = tmp_path / "a.toml"
    if not path.exists():
        path.write_bytes(RAW)
        (tmp_path / "public").write_text(minisign_key(tmp_path), encoding="utf-8")
        minisign(path, tmp_path)
    who = signers(tmp_path, f"{WHO} minisign {(tmp_path / 'public').read_text(encoding='utf-8')}")
    who.check(path, RAW)
    assert "is not what was signed" in refusal(who, path, altered)


@given(ALTERED)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_altered_byte_passes_ssh_keygen(tmp_path: Path, altered: bytes) -> None:
    path = tmp_path / "a.toml"
    if not path.exists():
        path.write_bytes(RAW)
        ssh_key(tmp_path / "key")
        ssh_sign(path, tmp_path / "key")
    who = signers(tmp_path, f"{WHO} {public_half(tmp_path / 'key.pub')}")
    who.check(path, RAW)
    assert "is not what was signed" in refusal(who, path, altered)
