"""Was anything in a run edited after it was written? The reviewer's check of the hash chain."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from results import manifest as manifests
from results.chain import CHAIN_FILE, Chain, ChainLink, content_of
from results.files import CorruptError, NotARunError, ResultsError, explain, read_whole
from results.manifest import COVERED_FILE, MANIFEST_FILE
from results.reading import read_segment, segments_in

if TYPE_CHECKING:
    from pathlib import Path

Judgement = Literal["intact", "edited", "unsealed"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing about one file. `edited` is proof of a change; `unsealed` says what no hash covers."""

    file: str
    judgement: Judgement
    detail: str


class AuditReport(Struct, frozen=True, kw_only=True):
    """What the chain says of a run. `head` is to be compared with the one printed when the run ended."""

    path: str
    run_id: str
    head: str
    findings: list[Finding]
    lines: int = 0
    manifest: manifests.Manifest | None = None

    @property
    def edited(self) -> list[Finding]:
        """The findings that prove a change; empty means that the run is as it was written."""
        return [finding for finding in self.findings if finding.judgement == "edited"]

    @property
    def unsealed(self) -> list[Finding]:
        """What is covered by no hash yet."""
        return [finding for finding in self.findings if finding.judgement == "unsealed"]


def audit(run_directory: Path, expected_head: str = "") -> AuditReport:
    """Recompute every hash of a run and say what does not fit; reads only.

    `expected_head` is the chain's head from elsewhere: with it even a chain that was rebuilt as a whole
    shows. The `chain_head` of a manifest is taken, too; it proves the lines, and not the run's end. Raises
    `NotARunError` when there is nothing to audit.
    """
    manifest_file = run_directory / MANIFEST_FILE
    if not any(os.path.lexists(file) for file in (manifest_file, run_directory / CHAIN_FILE)):
        raise NotARunError(run_directory, "no run here", "`mongosweep runs` lists the runs")
    findings: list[Finding] = []
    if _died_at_birth(run_directory):
        findings.append(Finding(file=CHAIN_FILE, judgement="unsealed", detail="the run died before it began"))
        chain = None
    else:
        chain = _read_chain(run_directory, findings)
    manifest = _check_manifest(manifest_file, chain, findings)
    if manifest is not None and manifest.covered is not None:
        findings.append(_check_covered(run_directory / COVERED_FILE, manifest.covered))
    lines = _check_segments(run_directory, chain, findings)
    head = chain.head if chain is not None else ""
    if expected_head and expected_head != head:
        findings.append(_against(chain, expected_head, manifest))
    return AuditReport(
        path=str(run_directory),
        run_id=manifest.run_id if manifest is not None else run_directory.name,
        head=head,
        findings=findings,
        lines=lines,
        manifest=manifest,
    )


def _against(chain: Chain | None, expected: str, manifest: manifests.Manifest | None) -> Finding:
    """What a head from elsewhere says that is not this chain's. A manifest names the head before its own end,
    which it cannot contain: that is the hash of a segment, or the genesis of a run without one. The hash of
    an earlier end is none, as whoever puts another end behind it would name it so."""
    links = chain.links if chain is not None else []
    if chain is not None and manifest is not None and links and links[-1].kind == "manifest":
        before = links[-2].hash if len(links) > 1 else chain.genesis
        of_an_end = len(links) > 1 and links[-2].kind == "manifest"
        if expected == before == manifest.chain_head and not of_an_end:
            return Finding(
                file=MANIFEST_FILE,
                judgement="unsealed",
                detail="the head given is the manifest's chain_head: it proves every line, and not what the "
                f"manifest says of the run's end, for which the head is {chain.head}",
            )
    head = chain.head if chain is not None else "missing"
    return _edited(CHAIN_FILE, f"its head is {head}, {expected} was expected")


def _died_at_birth(directory: Path) -> bool:
    """The manifest is written before the chain, and the chain before the first observation."""
    if os.path.lexists(directory / CHAIN_FILE) or any(directory.glob("observations-*")):
        return False
    try:
        manifest = manifests.parse(read_whole(directory / MANIFEST_FILE, MANIFEST_FILE))
    except (OSError, ValueError):
        return False
    return manifest.state == "running" and len(manifest.starts) == 1


def _edited(file: str, detail: str) -> Finding:
    return Finding(file=file, judgement="edited", detail=detail)


def _read_chain(directory: Path, findings: list[Finding]) -> Chain | None:
    """Unlike the readers, an audit goes on after damage, to name all of it."""
    try:
        chain = msgspec.json.decode(read_whole(directory / CHAIN_FILE, CHAIN_FILE), type=Chain)
    except OSError as error:
        findings.append(_edited(CHAIN_FILE, f"it cannot be read: {explain(error)}"))
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        findings.append(_edited(CHAIN_FILE, f"it is damaged: {error}"))
        return None
    position = chain.broken_at()
    if position is None:
        findings.append(Finding(file=CHAIN_FILE, judgement="intact", detail=f"{len(chain.links)} links hold"))
    else:
        name = chain.links[position].name
        findings.append(
            _edited(CHAIN_FILE, f"link {position + 1} ({name}) does not follow from the one before")
        )
    return chain


def _check_manifest(path: Path, chain: Chain | None, findings: list[Finding]) -> manifests.Manifest | None:
    try:
        data = read_whole(path, MANIFEST_FILE)
        manifest = manifests.parse(data)
        began = manifests.genesis_of(data)
    except OSError as error:
        findings.append(_edited(MANIFEST_FILE, f"it cannot be read: {explain(error)}"))
        return None
    except ValueError as error:
        findings.append(_edited(MANIFEST_FILE, str(error)))
        return None
    if chain is not None:
        findings.append(_judge_manifest(chain, manifest, data, began))
    return manifest


def _judge_manifest(chain: Chain, manifest: manifests.Manifest, data: bytes, began: str) -> Finding:
    if began != chain.genesis:
        detail = "who, when, authorisation, scope or configuration is not what the run began with"
        return _edited(MANIFEST_FILE, detail)
    last = chain.links[-1] if chain.links else None
    if last is None or last.kind != "manifest":
        # A crash between the manifest's end and its link leaves the head that the end was written over.
        if manifest.ended_at and manifest.state != "failed" and manifest.chain_head != chain.head:
            return _edited(
                MANIFEST_FILE, f"it says that the run ended as {manifest.state}; the chain does not"
            )
        detail = f"the run's beginning is intact; its end ({manifest.state}) is covered by no hash"
        return Finding(file=MANIFEST_FILE, judgement="unsealed", detail=detail)
    if hashlib.sha256(data).hexdigest() != last.sha256:
        if _taken_up_again(chain, manifest):
            detail = "the run's beginning is intact; it was taken up again, which is not sealed yet"
            return Finding(file=MANIFEST_FILE, judgement="unsealed", detail=detail)
        return _edited(MANIFEST_FILE, "state, counts or reasons are not what the run's end left")
    return Finding(
        file=MANIFEST_FILE, judgement="intact", detail=f"as the run's end left it ({manifest.state})"
    )


def _check_covered(path: Path, covered: manifests.CoveredFile) -> Finding:
    """The manifest vouches for it, and the chain for the manifest."""
    try:
        data = read_whole(path, COVERED_FILE)
    except OSError as error:
        return _edited(COVERED_FILE, f"it cannot be read: {explain(error)}")
    if hashlib.sha256(data).hexdigest() != covered.sha256:
        return _edited(COVERED_FILE, "it is not the one that the run began with")
    return Finding(
        file=COVERED_FILE, judgement="intact", detail=f"{covered.targets} targets were to be asked"
    )


def _taken_up_again(chain: Chain, manifest: manifests.Manifest) -> bool:
    """A resumed run says `running` over its last end until a segment is sealed; each resume is a start."""
    ends = sum(link.kind == "manifest" for link in chain.links)
    running = manifest.state == "running" and not manifest.ended_at and not manifest.chain_head
    return (running or manifest.state == "failed") and len(manifest.starts) > ends


def _check_segments(directory: Path, chain: Chain | None, findings: list[Finding]) -> int:
    seals = chain.segments() if chain is not None else {}
    try:
        present = segments_in(directory)
    except CorruptError as error:
        findings.append(_edited(error.place.rpartition("/")[2], error.reason))
        present = sorted(directory.glob("observations-*.jsonl"))
    names = {path.name for path in present}
    findings += [_edited(name, "this sealed segment is missing") for name in seals if name not in names]
    lines = 0
    for path in present:
        seal = seals.get(path.name)
        size = path.stat(follow_symlinks=False).st_size
        if seal is not None and size != seal.bytes:  # it need not be read, however large it is
            findings.append(_edited(path.name, f"{size} bytes now, {seal.bytes} when it was sealed"))
            continue
        try:
            content = content_of(path)
        except OSError as error:
            findings.append(_edited(path.name, f"it cannot be read: {explain(error)}"))
            continue
        lines += content.lines
        findings.append(_judge_segment(path, seal, content.sha256))
    return lines


def _judge_segment(path: Path, seal: ChainLink | None, sha256: str) -> Finding:
    if seal is None:
        try:
            whole = sum(1 for _ in read_segment(path, lambda _: None))
        except ResultsError as error:
            return _edited(path.name, error.reason)
        detail = f"{whole} lines read well, but no hash covers them: the run is on, or ended by a crash"
        return Finding(file=path.name, judgement="unsealed", detail=detail)
    if sha256 == seal.sha256:
        torn = f", with {seal.torn_bytes} bytes torn off by a crash" if seal.torn_bytes else ""
        return Finding(file=path.name, judgement="intact", detail=f"{seal.lines} lines as sealed{torn}")
    return _edited(path.name, "same length, other content than when it was sealed" + _first_damage(path))


def _first_damage(path: Path) -> str:
    try:
        for _ in read_segment(path, lambda _: None):
            pass
    except CorruptError as error:
        return f" ({error.reason})"
    return " (every line still reads as an observation)"
