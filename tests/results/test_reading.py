"""A torn last line is skipped and said; any other damage stops the reader."""

from __future__ import annotations

import logging
from random import Random
from typing import TYPE_CHECKING

import pytest

from results.chain import CHAIN_FILE, Chain, ChainFile, ChainLink, content_of
from results.files import REAL, CorruptError, NotARunError
from results.journal import TornTail, read_lines, read_run, read_segment
from results.lines import MAX_LINE
from results.lock import Lock
from results.reading import SECTOR
from results.record import Database
from tests.results.examples import observation, open_server
from tests.support.lines import line_of

if TYPE_CHECKING:
    from pathlib import Path

SEEN = [
    observation("127.0.0.1"),
    open_server("127.0.0.2", Database(name="caf\xe9")),
    observation("127.0.0.3"),
]
LINES = [line_of(seen) for seen in SEEN]
WHOLE = b"".join(LINES)


def segment(directory: Path, data: bytes) -> Path:
    """A first segment with this content."""
    path = directory / "observations-0001.jsonl"
    path.write_bytes(data)
    return path


def seal(path: Path, *, torn_bytes: int = 0) -> ChainLink:
    """The link that the chain would hold for a segment as it stands."""
    content = content_of(path)
    return ChainLink(
        kind="segment",
        name=path.name,
        lines=content.lines,
        bytes=content.bytes,
        sha256=content.sha256,
        torn_bytes=torn_bytes,
    )


def test_a_segment_cut_at_any_byte_gives_every_line_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "observations-0001.jsonl"
    for length in range(len(WHOLE) + 1):
        path.write_bytes(WHOLE[:length])
        torn: list[TornTail] = []
        seen = list(read_segment(path, torn.append))
        assert seen == SEEN[: WHOLE[:length].count(b"\n")]
        rest = length - WHOLE.rfind(b"\n", 0, length) - 1
        assert [(tail.offset + tail.length, tail.length) for tail in torn] == (
            [(length, rest)] if rest else []
        )
        assert path.stat().st_size == length, "reading changes nothing"


@pytest.mark.parametrize("zeros", [1, 4096, 3 * MAX_LINE])
@pytest.mark.parametrize("cut", [0, 40])
def test_zeros_at_the_end_are_a_torn_tail(tmp_path: Path, zeros: int, cut: int) -> None:
    path = segment(tmp_path, WHOLE[: len(WHOLE) - cut] + bytes(zeros))
    torn: list[TornTail] = []
    assert list(read_segment(path, torn.append)) == SEEN[: 2 if cut else 3]
    assert len(torn) == 1
    assert torn[0].offset + torn[0].length == path.stat().st_size
    assert "cut off" in str(torn[0])


def test_zeros_that_end_in_a_newline_are_torn_only_at_the_very_end(tmp_path: Path) -> None:
    torn: list[TornTail] = []
    # Zeros over the end of a sector would be a hole, so the line that ends farthest from one comes first.
    first = min(range(len(LINES)), key=lambda number: len(LINES[number]) % SECTOR)
    line = LINES[first]
    zeros = bytes(min(50, SECTOR - 1 - len(line) % SECTOR))
    path = segment(tmp_path, line + zeros + b"xy\n")
    assert list(read_segment(path, torn.append)) == [SEEN[first]]
    assert torn == [TornTail(path, len(line), len(zeros) + 3)]
    segment(tmp_path, line + zeros + b"xy\n" + LINES[1])
    with pytest.raises(CorruptError, match="in the middle"):
        list(read_segment(path, torn.append))


def test_a_flipped_bit_is_noticed_or_changes_no_more_than_text(tmp_path: Path) -> None:
    path = segment(tmp_path, WHOLE)
    known = seal(path)
    random = Random(3)
    loud = 0
    for _ in range(300):
        data = bytearray(WHOLE)
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        path.write_bytes(bytes(data))
        with pytest.raises(CorruptError):
            list(read_segment(path, lambda _: None, known))
        try:
            unsealed = list(read_segment(path, lambda _: None))
        except CorruptError:
            loud += 1
        else:
            assert len(unsealed) >= 2, "at most the last line may pass for torn"
    assert loud > 50


def test_damage_in_the_middle_is_loud_and_says_where(tmp_path: Path) -> None:
    path = segment(tmp_path, LINES[0] + LINES[1][:100] + b"\n" + LINES[2])
    reader = read_segment(path)
    assert next(reader) == SEEN[0]
    with pytest.raises(CorruptError, match="line 2 is damaged"):
        next(reader)


def test_a_line_without_end_costs_bounded_memory_and_is_loud(tmp_path: Path) -> None:
    path = segment(tmp_path, b"x" * (3 * MAX_LINE) + b"\n")
    with pytest.raises(CorruptError, match=f"longer than {MAX_LINE}"):
        list(read_segment(path))
    path.write_bytes(b"x" * (3 << 20) + b"\n" + LINES[0])
    with pytest.raises(CorruptError, match="in the middle"):
        list(read_segment(path))
    path.write_bytes(b"x" * ((1 << 20) + MAX_LINE - 1) + b"\n" + LINES[0])
    with pytest.raises(CorruptError, match="in the middle"):
        list(read_segment(path))


def test_other_line_separators_do_not_split(tmp_path: Path) -> None:
    data = LINES[0][:-1] + b" \r \x0b \x0c \x1c\n"
    path = segment(tmp_path, data)
    assert list(read_lines(path)) == [data]


def test_a_sealed_segment_that_lost_its_end_is_damaged_and_not_torn(tmp_path: Path) -> None:
    path = segment(tmp_path, WHOLE)
    known = seal(path)
    path.write_bytes(WHOLE[:-5])
    with pytest.raises(CorruptError, match="sealed whole"):
        list(read_segment(path, lambda _: None, known))
    path.write_bytes(LINES[0] + LINES[1])
    with pytest.raises(CorruptError, match="not what"):
        list(read_segment(path, lambda _: None, known))
    path.write_bytes(WHOLE + LINES[0])
    with pytest.raises(CorruptError, match="not what"):
        list(read_segment(path, lambda _: None, known))


def test_a_torn_tail_that_was_sealed_with_its_segment_stays_torn(tmp_path: Path) -> None:
    path = segment(tmp_path, WHOLE[:-5])
    torn: list[TornTail] = []
    known = seal(path, torn_bytes=len(LINES[2]) - 5)
    assert list(read_segment(path, torn.append, known)) == SEEN[:2]
    assert len(torn) == 1
    path.write_bytes(WHOLE[:-6])
    with pytest.raises(CorruptError, match="not what"):
        list(read_segment(path, torn.append, known))


def test_a_run_is_its_segments_in_order_checked_against_their_seals(tmp_path: Path) -> None:
    segment(tmp_path, LINES[0] + LINES[1])
    (tmp_path / "observations-0002.jsonl").write_bytes(LINES[2][:20])
    (tmp_path / "observations-0003.jsonl").write_bytes(LINES[2])
    (tmp_path / "notes.txt").write_text("not a segment")
    torn: list[TornTail] = []
    assert list(read_run(tmp_path, torn.append)) == SEEN
    assert [tail.path.name for tail in torn] == ["observations-0002.jsonl"]
    chain = ChainFile(tmp_path, Chain(run_id="run-1", genesis="0"), REAL)
    chain.add(seal(tmp_path / "observations-0001.jsonl"))
    assert list(read_run(tmp_path, torn.append)) == SEEN
    segment(tmp_path, LINES[0] + LINES[1].replace(b"paris", b"qaris"))
    with pytest.raises(CorruptError):
        list(read_run(tmp_path, torn.append))


def test_of_a_run_that_goes_on_nothing_is_read_behind_the_segment_being_written(tmp_path: Path) -> None:
    """The next segment is there before the last lines of this one are: what is read is what came first."""
    lock = Lock.acquire(tmp_path)
    half = len(SEEN) // 2
    lines = WHOLE.splitlines(keepends=True)
    segment(tmp_path, b"".join(lines[:half]))
    (tmp_path / "observations-0002.jsonl").write_bytes(b"".join(lines[half:]))
    assert list(read_run(tmp_path)) == SEEN[:half]
    lock.release()  # its process is gone: nothing is added any more
    assert list(read_run(tmp_path)) == SEEN


def test_a_missing_segment_is_loud(tmp_path: Path) -> None:
    (tmp_path / "observations-0002.jsonl").write_bytes(LINES[0])
    with pytest.raises(CorruptError, match=r"observations-0001.jsonl: this segment is missing"):
        list(read_run(tmp_path))
    (tmp_path / "observations-0002.jsonl").unlink()
    segment(tmp_path, LINES[0])
    chain = ChainFile(tmp_path, Chain(run_id="run-1", genesis="0"), REAL)
    chain.add(seal(tmp_path / "observations-0001.jsonl"))
    (tmp_path / "observations-0001.jsonl").unlink()
    with pytest.raises(CorruptError, match=f"{CHAIN_FILE} lists this segment"):
        list(read_run(tmp_path))


def test_a_broken_chain_is_loud(tmp_path: Path) -> None:
    path = segment(tmp_path, LINES[0])
    ChainFile(tmp_path, Chain(run_id="run-1", genesis="0"), REAL).add(seal(path))
    chain = tmp_path / CHAIN_FILE
    chain.write_text(chain.read_text().replace('"lines": 1', '"lines": 2'))
    with pytest.raises(CorruptError, match="does not follow"):
        list(read_run(tmp_path))
    chain.write_text("{")
    with pytest.raises(CorruptError, match="no valid copy left"):
        list(read_run(tmp_path))


def test_what_is_no_run_says_what_to_name_instead(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(NotARunError, match=r"name a run directory, or a \.jsonl file"):
            list(read_run(place))


def test_one_file_is_read_as_well_and_a_warning_goes_to_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = segment(tmp_path, WHOLE + b"{")
    with caplog.at_level(logging.WARNING, "results"):
        assert list(read_run(path)) == SEEN
    assert "the last line is cut off after 1 bytes" in caplog.text
