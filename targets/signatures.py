"""Whether a file was signed by somebody whom the organisation allows to: an allow-list, so to say what may be
asked; a bundle of dated tables.

Two kinds of detached signatures beside a file, over exactly the bytes that are read:

- `FILE.sig`, made by `ssh-keygen -Y sign -n NAMESPACE` (see `Purpose`) and verified by ssh-keygen(1) itself
  (8.9 or newer), which alone knows certificates, hardware keys and every option of a file of allowed signers.
- `FILE.minisig`, made by `minisign -S -t NAMESPACE` and verified by Ed25519 over BLAKE2b-512. The
  format is https://jedisct1.github.io/minisign/ ("Signature format"). It is two calls of `cryptography`,
  which is at hand anyway; the program would read the file a second time, and it may be another one by then.

A line of the file of signers is `IDENTITY [OPTIONS] KEYTYPE KEY` as ssh-keygen(1) has it under ALLOWED
SIGNERS, or `IDENTITY minisign RW…` for a public key of minisign.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from targets.errors import ScopeError
from targets.files import read_bytes

NAMESPACE = "mongosweep-scope"
"""What the signature of an allow-list must be for: one that its key made for anything else is none."""
SSH, MINISIGN = ".sig", ".minisig"
TIMEOUT = 30.0  # seconds for one call of ssh-keygen; a key in hardware is not asked, it only verifies
MAX_BYTES = 64 * 1024  # of a signature, and of what ssh-keygen says
MAX_SIGNERS = 1024 * 1024  # bytes
MAX_IDENTITIES = 16  # of one key


@dataclass(frozen=True, slots=True)
class Signature:
    """A good signature: of which file, by whom, and the fingerprint of the key."""

    file: str
    signer: str
    key: str


@dataclass(frozen=True, slots=True)
class Purpose:
    """What signatures are for: their namespace, what names the file of signers, and what to do about a bad
    one, where that is not to sign."""

    namespace: str
    named: str
    remedy: str = ""


SCOPE = Purpose(NAMESPACE, "[scope] signers")
DATA = Purpose("mongosweep-data", "[data] signers", "do not use it, and take it again from who made it")


class Signers:
    """Those who may sign. `path` is read once; `now` is seconds since the epoch, for the validity of keys.

    Raises ScopeError where the file is missing, or where others can change it.
    """

    def __init__(self, path: Path, now: float, purpose: Purpose = SCOPE) -> None:
        try:
            text = read_bytes(path, MAX_SIGNERS).decode("utf-8", "surrogateescape")
            owner = path.stat().st_uid
        except ScopeError as error:
            remedy = error.remedy
            if not path.exists():
                remedy = f"write the path of a file of allowed signers as {purpose.named}"
            raise ScopeError(error.path, None, f"{purpose.named}: {error.reason}", remedy) from None
        if owner not in (0, os.geteuid()):
            raise ScopeError(
                str(path),
                None,
                f"{purpose.named}: it belongs to another user (uid {owner}), who could add a key",
                "make root or this user its owner",
            )
        self._take(str(path), text, now, purpose)

    @classmethod
    def of_key(cls, key: str, named: str, now: float, purpose: Purpose) -> Signers:
        """One key alone: `RW…` of minisign, or `KEYTYPE KEY` of ssh-keygen; `named` is what errors call it.
        Raises ScopeError."""
        words = key.split()
        made = cls.__new__(cls)
        ssh = len(words) > 1 and words[0] != "minisign"
        line = f"{named} {words[0]} {words[1]}" if ssh else f"{named} minisign {(words or [''])[-1]}"
        made._take(named, line, now, purpose)
        return made

    def _take(self, named: str, text: str, now: float, purpose: Purpose) -> None:
        self._path = named
        self._now = now
        self._namespace = purpose.namespace
        self._remedy = purpose.remedy
        self._minisign: dict[bytes, tuple[str, bytes]] = {}
        self._ssh = ""
        for number, line in enumerate(text.split("\n"), start=1):
            words = line.split()
            if len(words) > 1 and words[1] == "minisign" and not line.lstrip().startswith("#"):
                key_id, key = self._minisign_key(number, words[2] if len(words) > 2 else "")
                self._minisign[key_id] = words[0], key
                line = "#"  # the numbers of the lines behind it stay
            self._ssh += line + "\n"

    def check(self, path: Path, raw: bytes) -> Signature:
        """The signature beside a file whose bytes are `raw`. Raises ScopeError, with what to run instead."""
        for ending in (SSH, MINISIGN):
            beside = path.with_name(path.name + ending)
            if os.path.lexists(beside):
                return self.verify(str(path), raw, ending, read_bytes(beside, MAX_BYTES))
        unsigned = f"is not signed, and {self._path} says who must sign it: there is no {path}{SSH}"
        raise self._refusal(str(path), unsigned)

    @property
    def endings(self) -> tuple[str, str]:
        """Both kinds of signatures, that of the keys first."""
        ssh = any(line.strip() and not line.lstrip().startswith("#") for line in self._ssh.split("\n"))
        return (SSH, MINISIGN) if ssh or not self._minisign else (MINISIGN, SSH)

    def verify(self, path: str, raw: bytes, ending: str, signature: bytes) -> Signature:
        """The signature that came with `raw`, which errors call `path`; `ending` is its kind. Raises
        ScopeError."""
        return (self._by_ssh if ending == SSH else self._by_minisign)(path, raw, signature)

    def _refusal(self, path: str, reason: str, remedy: str = "") -> ScopeError:
        sign = f"ssh-keygen -Y sign -n {self._namespace} -f KEY {shlex.quote(path)}"
        return ScopeError(path, None, reason, remedy or self._remedy or f"review it and run {sign}")

    # -- ssh

    def _by_ssh(self, path: str, raw: bytes, signature: bytes) -> Signature:
        program = shutil.which("ssh-keygen")
        if program is None:
            reason = f"its signature {path}{SSH} needs ssh-keygen, which is not here"
            raise self._refusal(path, reason, "install OpenSSH's client")
        try:
            with tempfile.TemporaryDirectory(prefix="mongosweep-") as folder:
                return self._ask_ssh(program, Path(folder), path, raw, signature)
        except (OSError, subprocess.SubprocessError) as error:
            reason = f"its signature cannot be checked: {_shown(str(error))}"
            remedy = f"see that {program} runs, and that there is room for temporary files"
            raise self._refusal(path, reason, remedy) from None

    def _ask_ssh(self, program: str, folder: Path, path: str, raw: bytes, signature: bytes) -> Signature:
        """Whose key it is, then whether it signed these bytes. ssh-keygen reads copies that are ours alone,
        so that nothing changes between a look and the next."""
        signers, beside = folder / "signers", folder / "signature"
        signers.write_bytes(self._ssh.encode("utf-8", "surrogateescape"))
        beside.write_bytes(signature)
        at = time.strftime("%Y%m%d%H%M%S", time.gmtime(self._now))
        common = ("-f", str(signers), "-s", str(beside), "-O", f"verify-time={at}")
        found, said = _run([program, "-Y", "find-principals", *common], folder, b"")
        for identity in filter(None, found.split("\n")[:MAX_IDENTITIES]):
            verify = [program, "-Y", "verify", "-n", self._namespace, "-I", identity, *common]
            found, said = _run(verify, folder, raw)
            good, _, key = found.partition(" key ")
            # Its sentence is asked for and not its exit code alone, which is lost when anything else in this
            # process collects its child.
            if good.startswith(f'Good "{self._namespace}" signature for {identity} with '):
                return Signature(path, _shown(identity), _shown(key.strip()))
        said = "; ".join(said.replace(str(signers), self._path).splitlines()[:3])
        raise self._refusal(
            path, f"{_reason(said, path, self._path, self._namespace)} (ssh-keygen: {_shown(said)})"
        )

    # -- minisign

    def _minisign_key(self, number: int, text: str) -> tuple[bytes, bytes]:
        """The identifier and the Ed25519 key of `RW…`: base64 of "Ed", 8 bytes and 32."""
        raw = _base64(text)
        if len(raw) != 42 or raw[:2] != b"Ed":
            raise ScopeError(
                self._path,
                number,
                f"{_shown(text)!r} is no public key of minisign",
                "write IDENTITY minisign RW…, the second line of minisign.pub",
            )
        return raw[2:10], raw[10:]

    def _by_minisign(self, path: str, raw: bytes, signature: bytes) -> Signature:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        sign = self._remedy or f"review it and run minisign -S -t {self._namespace} -m {shlex.quote(path)}"
        lines = signature.decode("utf-8", "replace").rstrip("\r\n").replace("\r\n", "\n").split("\n")
        first, last = (_base64(lines[at]) if len(lines) == 4 else b"" for at in (1, 3))
        if len(first) != 74 or first[:2] not in (b"Ed", b"ED") or len(last) != 64:
            raise self._refusal(path, f"{path}{MINISIGN} is no signature of minisign", sign)
        if first[:2] == b"Ed":
            raise self._refusal(
                path,
                f"{path}{MINISIGN} is of minisign's legacy kind",
                f"{sign}, without -l" if not self._remedy else sign,
            )
        key_id, made = first[2:10], first[10:]
        name = (
            f"{int.from_bytes(key_id, 'little'):X}"  # as minisign shows it: a number, without zeros in front
        )
        if key_id not in self._minisign:
            reason = f"is signed by the minisign key {name}, which {self._path} does not name"
            raise self._refusal(path, reason, sign)
        signer, key = self._minisign[key_id]
        comment = lines[2].removeprefix("trusted comment: ")
        try:
            verifier = Ed25519PublicKey.from_public_bytes(key)
            verifier.verify(made, hashlib.blake2b(raw).digest())
            verifier.verify(last, made + comment.encode())
        except InvalidSignature:
            raise self._refusal(path, _ALTERED, sign) from None
        if comment.split()[:1] != [self._namespace]:
            reason = f"was signed for something else: its trusted comment is {_shown(comment)[:80]!r}"
            raise self._refusal(path, reason, sign)
        return Signature(path, _shown(signer), f"minisign:{name}")


_ALTERED = "is not what was signed: it was changed afterwards, or the signature is another file's"


def _run(arguments: list[str], folder: Path, stdin: bytes) -> tuple[str, str]:
    """What a program says on stdout, "" if it failed, and on stderr: the first `MAX_BYTES` of each, and one
    that says more is ended. Raises OSError, and subprocess.TimeoutExpired after `TIMEOUT` seconds."""
    given = folder / "stdin"
    given.write_bytes(stdin)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    with (
        given.open("rb") as file,
        subprocess.Popen(  # noqa: S603 - no shell; every argument is ours, or a value behind its option
            arguments,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=folder,
            start_new_session=True,  # so that its children end with it
        ) as process,
        ThreadPoolExecutor(2) as pool,
    ):
        said = [pool.submit(_beginning, pipe) for pipe in (process.stdout, process.stderr)]
        try:
            failed = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        out, error = (each.result().decode("utf-8", "surrogateescape") for each in said)
    return "" if failed else out, error


def _beginning(pipe: IO[bytes] | None) -> bytes:
    """What is read before the pipe is closed, whether more comes or not."""
    assert pipe is not None
    with pipe:
        return pipe.read(MAX_BYTES)


def _reason(said: str, path: str, signers: str, namespace: str) -> str:
    """What ssh-keygen's words come to."""
    if "incorrect signature" in said:
        return _ALTERED
    if "expired" in said or "not yet valid" in said:
        return "is signed by a key that is not valid now"
    if "namespace" in said:
        return f"is signed for something else than {namespace}"
    if "parse signature" in said or "armor" in said:
        return f"has no signature in {path}{SSH}"
    if "No principal matched" in said:
        return f"is signed by a key that {signers} does not name"
    return "its signature cannot be verified"


def _base64(text: str) -> bytes:
    """The bytes; none for what is no base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _shown(text: str) -> str:
    """As one line of ASCII: it came out of a file."""
    return ascii(text)[1:-1][:300]
