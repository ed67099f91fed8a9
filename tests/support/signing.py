"""Keys and signatures of allow-lists, made by the real ssh-keygen and minisign in a folder of the test."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from targets.signatures import NAMESPACE

if TYPE_CHECKING:
    from pathlib import Path

WHO = "soc@example.com"


def run(*arguments: str | Path) -> None:
    """One call of a program, which must succeed."""
    subprocess.run(
        [str(each) for each in arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL
    )


def ssh_key(path: Path, kind: str = "ed25519") -> str:
    """A new key without a passphrase at `path`, and its public half as `KEYTYPE KEY`."""
    bits = {"rsa": ["-b", "2048"], "ecdsa": ["-b", "256"], "ed25519": []}[kind]
    run("ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-f", path)
    return public_half(path.with_name(path.name + ".pub"))


def public_half(path: Path) -> str:
    """`KEYTYPE KEY` of a file of ssh-keygen."""
    return " ".join(path.read_text(encoding="utf-8").split()[:2])


def ssh_sign(path: Path, key: Path, namespace: str = NAMESPACE) -> Path:
    """The signature of a file by a key, beside it."""
    signature = path.with_name(path.name + ".sig")
    signature.unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", key, path)
    return signature


def minisign_key(folder: Path) -> str:
    """A new key of minisign without a password in `folder`, and its public half `RW…`."""
    run("minisign", "-G", "-W", "-p", folder / "minisign.pub", "-s", folder / "minisign.key")
    return (folder / "minisign.pub").read_text(encoding="utf-8").splitlines()[1]


def minisign(path: Path, folder: Path, *more: str, comment: str = NAMESPACE) -> Path:
    """The signature of a file by the key in `folder`, beside it."""
    run("minisign", "-S", *more, "-s", folder / "minisign.key", "-t", comment, "-m", path)
    return path.with_name(path.name + ".minisig")
