"""`manifest.json`: who ran what, when, under which authorisation, over which scope, and how it ended."""

from __future__ import annotations

import json
import os
import platform
import pwd
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from results.chain import genesis
from results.summary import Coverage, Loss

MANIFEST_FILE = "manifest.json"
COVERED_FILE = "covered.json"
MANIFEST_SCHEMA = "mongosweep.manifest/1"

PURPOSES = {"": "sweep", "verify": "verification", "confirm": "confirmation"}
"""What a run was made for, by `purpose`, in a word. A verification asks exposures again, a confirmation the
rows of an outside report."""

State = Literal["running", "complete", "degraded", "interrupted", "failed"]
MUTABLE = frozenset(
    {"state", "reasons", "coverage", "withdrawn", "loss", "outcomes", "starts", "ended_at", "chain_head"}
)
"""Fields that a run rewrites; the chain's genesis covers all the others."""
_LATER: dict[str, Any] = {"covered": None, "purpose": "", "vantage": "", "signatures": []}
"""Fields that manifests of older versions lack, with what that means: left out again when one is rewritten,
so that the genesis of its chain holds."""


class Who(Struct, frozen=True, kw_only=True):
    """The account and the machine that ran the tool."""

    uid: int
    user: str
    host: str

    @classmethod
    def current(cls) -> Who:
        """This process's own. An account without a name has an empty `user`."""
        uid = os.getuid()
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = ""
        return cls(uid=uid, user=user, host=platform.node())


class Authorisation(Struct, frozen=True, kw_only=True):
    """One entry of the allow-list in use: what it allowed, and on whose word."""

    entry: str
    owner: str = ""
    authorised_by: str = ""
    expires: str = ""


class ScopeInUse(Struct, frozen=True, kw_only=True):
    """The exact scope: its digest, its entries one by one, and the text that they were read from."""

    digest: str
    entries: list[str] = []
    text: str = ""


class ScopeSignature(Struct, frozen=True, kw_only=True):
    """An allow-list of the scope whose signature was asked for: the file, who signed it, and the key's
    fingerprint."""

    file: str
    signer: str
    key: str


class Planned(Struct, frozen=True, kw_only=True):
    """What the run set out to do. `targets` are (address, port) pairs, those excluded among them."""

    targets: int
    addresses: int = 0
    excluded: int = 0
    opted_out: int = 0  # addresses of `excluded` that their owners took out
    ports: list[int] = []


class CoveredFile(Struct, frozen=True, kw_only=True):
    """`covered.json` beside the manifest: so many ranges hold exactly the targets that were to be asked.

    Excluded and opted-out addresses are in none of them. `results/covered.py` reads it.
    """

    sha256: str
    targets: int
    ranges: int


class TableInUse(Struct, frozen=True, kw_only=True):
    """A dated table by which servers were judged: its day, and the digest of its rows (SHA-256)."""

    name: str
    as_of: str
    sha256: str


class Start(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process that worked on the run: the first, and each that resumed it. Tables may have become newer
    in between; of older versions they are not known."""

    at: str
    who: Who
    tool_version: str
    tables: list[TableInUse] = []


class Manifest(Struct, kw_only=True):
    """One run. Times are RFC 3339 in UTC; `configuration` holds every setting that changes what is found."""

    schema: str = MANIFEST_SCHEMA
    run_id: str
    created_at: str
    tool_version: str
    who: Who
    authorisations: list[Authorisation] = []
    scope: ScopeInUse
    signatures: list[ScopeSignature] = []  # empty where [scope] signers asks for none
    configuration: dict[str, Any] = {}
    seed: int
    shard: str = "1/1"
    vantage: str = ""
    planned: Planned
    purpose: str = ""  # a key of PURPOSES
    covered: CoveredFile | None = None  # None: nobody can tell
    state: State = "running"
    reasons: list[str] = []
    coverage: Coverage | None = None
    withdrawn: list[str] = []  # ranges of `covered` that a reload, an expiry or a link's edge took out
    loss: Loss | None = None
    outcomes: dict[str, int] = {}
    starts: list[Start] = field(default_factory=list)
    ended_at: str = ""
    chain_head: str = ""


def encode(manifest: Manifest) -> bytes:
    """The file's bytes: ASCII, one field a line, for people who read it."""
    document: dict[str, Any] = msgspec.to_builtins(manifest)
    for name, meaning in _LATER.items():
        if document[name] == meaning:
            del document[name]
    return json.dumps(document, indent=1, ensure_ascii=True).encode() + b"\n"


def parse(data: bytes) -> Manifest:
    """Read a manifest, passing over unknown fields; `ValueError` when it is none or of another schema."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no manifest: {error}") from error
    if manifest.schema != MANIFEST_SCHEMA:
        raise ValueError(f"written as {manifest.schema}, this version reads {MANIFEST_SCHEMA}")
    return manifest


def genesis_of(data: bytes) -> str:
    """The chain's first hash for a manifest's bytes, unknown fields and all; `ValueError` when unreadable."""
    try:
        document = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("no JSON object")
    return genesis({key: value for key, value in document.items() if key not in MUTABLE})


def differences(old: Manifest, new: Manifest) -> list[str]:
    """What a resumed run may not change but did, one sentence each; empty when it may go on."""
    found = []
    if old.scope.digest != new.scope.digest:
        found.append(_scope_difference(old.scope, new.scope))
    for key in sorted(old.configuration.keys() | new.configuration.keys()):
        before, after = old.configuration.get(key), new.configuration.get(key)
        if before != after:
            found.append(
                _fleet_difference(before, after) if key == "fleet" else f"{key} was {before!r}, is {after!r}"
            )
    found += [
        f"{name} was {getattr(old, name)!r}, is {getattr(new, name)!r}"
        for name in ("seed", "shard", "vantage")
        if getattr(old, name) != getattr(new, name)
    ]
    if old.planned.targets != new.planned.targets:
        found.append(f"planned targets were {old.planned.targets}, are {new.planned.targets}")
    return found


def _fleet_difference(before: object, after: object) -> str:
    """How a fleet divides what is swept: what was written at the run's start, and is not now."""
    if not isinstance(before, dict):
        return "it was begun without a fleet, so leave --fleet and --ssh out"
    if not isinstance(after, dict):
        return "it is a fleet's, so write --fleet or --ssh as at its start"
    words = {
        "from": "--from",
        "default_site": "[fleet] default_site",
        "per_prefix_lengths": "[sweep] per_prefix_length (IPv4, IPv6)",
        "shard_targets": "the number of targets in a shard",
    }
    found = [
        f"{word} was {before.get(key) or 'not set'}, is {after.get(key) or 'not set'}"
        for key, word in words.items()
        if before.get(key) != after.get(key)
    ]
    return "; ".join(found) or "the allow entries had other sites: each site's part is divided by itself"


def _scope_difference(old: ScopeInUse, new: ScopeInUse) -> str:
    gone = sorted(set(old.entries) - set(new.entries))
    added = sorted(set(new.entries) - set(old.entries))
    parts = [f"removed {', '.join(gone[:5])}"] if gone else []
    parts += [f"added {', '.join(added[:5])}"] if added else []
    return "the scope changed" + (": " + "; ".join(parts) if parts else "")
