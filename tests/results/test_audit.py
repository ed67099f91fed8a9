"""An edit of any file of a run shows; a crash is not called one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.audit import audit
from results.chain import Chain, ChainFile, ChainLink, content_of, load_chain
from results.files import REAL, NotARunError
from results.run import RunDirectory
from results.summary import Coverage
from tests.results.examples import START, manifest, observation
from tests.support.lines import line_of

if TYPE_CHECKING:
    from pathlib import Path

LINES = [line_of(observation(f"127.0.0.{n}")) for n in range(1, 5)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A complete run over two segments."""
    with RunDirectory.create(tmp_path, "run-1", manifest(), need_bytes=0) as directory:
        for line in LINES:
            directory.journal(rotate_bytes=len(LINES[0] + LINES[1])).append(line)
            if line is LINES[1]:
                directory.journal().sync()
        coverage = Coverage(planned=4, outcomes=4)
        directory.finish(
            "complete", ended_at="now", coverage=coverage, outcomes={"auth_required": 4}, reasons=[]
        )
    return tmp_path / "run-1"


def edited(path: Path) -> list[str]:
    """The files that an audit proves to be changed."""
    return [finding.file for finding in audit(path).edited]


def test_an_untouched_run_is_intact(run: Path) -> None:
    report = audit(run)
    assert (report.edited, report.unsealed) == ([], [])
    assert (report.run_id, report.lines) == ("run-1", 4)
    assert report.manifest is not None
    assert (report.manifest.who.user, report.manifest.authorisations[0].authorised_by) == ("auditor", "CHG-1")
    assert audit(run, report.head).edited == []
    assert [finding.judgement for finding in report.findings] == ["intact"] * 4


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("observations-0001.jsonl", '"site":"paris"', '"site":"london"'),
        ("observations-0001.jsonl", "127.0.0.1", "127.0.0.7"),
        ("observations-0002.jsonl", "\n{", "\n\n{"),
        ("observations-0002.jsonl", '"', "'"),
        ("manifest.json", '"auditor"', '"nobody"'),
        ("manifest.json", "CHG-1", "CHG-2"),
        ("manifest.json", "127.0.0.0/30", "127.0.0.0/29"),
        ("manifest.json", '"complete"', '"degraded"'),
        ("manifest.json", '"auth_required": 4', '"auth_required": 3'),
        ("manifest.json", "{", "["),
        ("chain.json", '"lines": 2', '"lines": 1'),
        ("chain.json", "{", "["),
    ],
)
def test_an_edit_shows_and_names_its_file(run: Path, file: str, old: str, new: str) -> None:
    text = (run / file).read_text()
    assert old in text
    (run / file).write_text(text.replace(old, new, 1))
    assert edited(run) == [file]


@pytest.mark.parametrize(
    "file", ["observations-0001.jsonl", "observations-0002.jsonl", "manifest.json", "chain.json"]
)
def test_a_removed_file_shows(run: Path, file: str) -> None:
    (run / file).unlink()
    assert file in edited(run)


def test_a_bit_flipped_anywhere_shows(run: Path) -> None:
    file = run / "observations-0001.jsonl"
    data = file.read_bytes()
    for offset in range(0, len(data), 37):
        file.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])
        assert edited(run) == ["observations-0001.jsonl"]


def test_the_manifests_own_head_proves_the_lines_and_not_the_end(run: Path) -> None:
    report = audit(run)
    assert report.manifest is not None
    noted = report.manifest.chain_head
    assert noted != report.head
    against = audit(run, noted)
    assert against.edited == []
    (told,) = against.unsealed
    assert (told.file, report.head in told.detail) == ("manifest.json", True)
    assert "proves every line, and not what the manifest says of the run's end" in told.detail


def test_another_end_behind_the_head_that_was_kept_is_an_edit(run: Path) -> None:
    """The head that was kept is that before the new end, as the manifest says of itself: no proof of it."""
    kept = audit(run).head
    path = run / "manifest.json"
    other = json.loads(path.read_bytes()) | {"reasons": ["all is well"], "chain_head": kept}
    path.write_text(json.dumps(other))
    chain = load_chain(run)
    assert chain is not None
    content = content_of(path)
    ChainFile(run, chain, REAL).add(
        ChainLink(
            kind="manifest",
            name="manifest.json",
            lines=content.lines,
            bytes=content.bytes,
            sha256=content.sha256,
        )
    )
    assert audit(run).edited == [], "the chain holds in itself"
    assert [each.file for each in audit(run, kept).edited] == ["chain.json"]


def test_a_rebuilt_chain_shows_against_the_head_kept_elsewhere(run: Path) -> None:
    head = audit(run).head
    file = run / "observations-0001.jsonl"
    file.write_bytes(file.read_bytes().replace(b"paris", b"qaris"))
    chain = load_chain(run)
    assert chain is not None
    rebuilt = ChainFile(run, Chain(run_id=chain.run_id, genesis=chain.genesis), REAL)
    for link in chain.links:
        content = content_of(run / link.name)
        rebuilt.add(msgspec.structs.replace(link, bytes=content.bytes, sha256=content.sha256, hash=""))
    assert edited(run) == []
    assert [finding.file for finding in audit(run, head).edited] == ["chain.json"]


def test_a_run_in_progress_and_one_that_crashed_are_unsealed_but_not_edited(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "run-1", manifest(), need_bytes=0) as directory:
        directory.journal().append(LINES[0])
        directory.journal().sync()
        report = audit(directory.path)
        assert report.edited == []
        assert [finding.file for finding in report.unsealed] == ["manifest.json", "observations-0001.jsonl"]
    segment = tmp_path / "run-1" / "observations-0002.jsonl"
    segment.write_bytes(LINES[1] + b"garbage\n" + LINES[2])
    assert edited(tmp_path / "run-1") == ["observations-0002.jsonl"]
    segment.write_bytes(LINES[1] + LINES[2][:30])
    RunDirectory.open(tmp_path / "run-1", START, warn=lambda _: None, need_bytes=0).close()
    report = audit(tmp_path / "run-1")
    assert report.edited == []
    assert any("30 bytes torn off" in finding.detail for finding in report.findings)


def test_a_crash_between_the_end_and_its_seal_is_no_edit(run: Path) -> None:
    chain = load_chain(run)
    assert chain is not None
    chain.links.pop()
    ChainFile(run, chain, REAL).save()
    report = audit(run)
    assert report.edited == []
    assert [finding.file for finding in report.unsealed] == ["manifest.json"]
    chain.links.pop()
    ChainFile(run, chain, REAL).save()
    assert edited(run) == ["manifest.json"], "a segment's link is missing, too"


def test_an_end_that_the_chain_never_saw_is_an_edit(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, "run-1", manifest(), need_bytes=0).close()
    file = tmp_path / "run-1" / "manifest.json"
    file.write_text(
        file.read_text().replace('"running"', '"complete"').replace('"ended_at": ""', '"ended_at": "x"')
    )
    assert edited(tmp_path / "run-1") == ["manifest.json"]


def test_a_link_depends_on_all_of_its_fields() -> None:
    link = ChainLink(kind="segment", name="a", lines=1, bytes=2, sha256="c")
    changed = [
        msgspec.structs.replace(link, **change)
        for change in (
            {"kind": "manifest"},
            {"name": "b"},
            {"lines": 2},
            {"bytes": 3},
            {"sha256": "d"},
            {"ended": "crashed"},
            {"torn_bytes": 1},
        )
    ]
    assert len({other.digest_after("0") for other in [link, *changed]} | {link.digest_after("1")}) == 9


def test_no_run_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotARunError, match="no run here"):
        audit(tmp_path)
