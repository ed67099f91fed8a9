"""The file of actions: sealed line by line, repaired after a crash, not believed where it was edited."""

from __future__ import annotations

import json
import multiprocessing
from typing import TYPE_CHECKING, Any

import pytest

from results.files import CorruptError, StorageRefusedError
from results.ledger.actions import ACTIONS_FILE, HEAD_FILE, Actions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AT = "2026-03-08T12:00:00.000Z"


def filled(output: Path, lines: int = 4) -> Path:
    """A file of so many notes."""
    actions = Actions.open(output, write=True)
    for number in range(lines):
        actions.append("noted", [f"e{number}"], at=AT, by="Ada", detail=f"note {number}")
    return output / ACTIONS_FILE


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    path = filled(tmp_path)
    actions = Actions.open(tmp_path)
    assert [record.detail for record in actions.all()] == [f"note {number}" for number in range(4)]
    assert actions.broken is None
    (record,) = actions.of(["e2", "former"])
    assert (record.by, record.kind, record.at) == ("Ada", "noted", AT)
    first = json.loads(path.read_bytes().splitlines()[0])
    assert first["schema"] == "mongosweep.action/1"
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_empty_folder_has_no_actions_and_gets_none(tmp_path: Path) -> None:
    assert Actions.open(tmp_path).all() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("edit", "line", "unproven"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"note 1", b"note 7"), *lines[2:]], 2, 3),
        (lambda lines: [lines[0], *lines[2:]], 2, 2),
        (lambda lines: lines[1:], 1, 3),
        (lambda lines: lines[:-1], 4, 1),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2, 3),
        (lambda lines: [*lines[:2], b"\xff{]\n", *lines[2:]], 3, 3),
        (lambda lines: [*lines, lines[0]], 5, 1),
        (lambda lines: [lines[0].replace(b'"by"', b' "by"'), *lines[1:]], 1, 4),
        (lambda lines: [*lines[:3], lines[3][:20]], 4, 1),
        (lambda lines: [], 1, 4),
    ],
    ids=["edited", "removed", "first", "last", "moved", "foreign", "repeated", "spaced", "cut", "emptied"],
)
def test_an_edit_is_named_by_its_line_and_nothing_behind_it_is_believed(
    tmp_path: Path, edit: Callable[[list[bytes]], list[bytes]], line: int, unproven: int
) -> None:
    path = filled(tmp_path)
    before = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(edit(before)))
    actions = Actions.open(tmp_path)
    assert actions.broken is not None
    assert (actions.broken.line, actions.broken.unproven) == (line, unproven)
    assert len(actions.proven) == line - 1
    readable = [each for each in edit(before) if each.endswith(b"\n") and each.startswith(b"{")]
    assert len(actions.all()) == len(readable)
    edited = path.read_bytes()
    with pytest.raises(CorruptError, match=f"line {line}: "):
        Actions.open(tmp_path, write=True)
    with pytest.raises(CorruptError):
        actions.append("noted", ["e9"], at=AT, by="Ada")
    assert path.read_bytes() == edited


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_a_line_that_a_crash_cut_off_goes_with_the_next_write(tmp_path: Path, cut: int) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    torn = whole.splitlines(keepends=True)[0][:cut]
    path.write_bytes(whole + torn)
    assert Actions.open(tmp_path).broken is None
    Actions.open(tmp_path, write=True).append("noted", ["e9"], at=AT, by="Ada", detail="after")
    assert path.read_bytes().startswith(whole + b"{")
    actions = Actions.open(tmp_path)
    assert actions.broken is None
    assert [record.detail for record in actions.all()][-2:] == ["note 3", "after"]


def test_a_crash_between_the_line_and_the_head_is_no_break(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    head = (tmp_path / HEAD_FILE).read_bytes()
    filled(tmp_path, 1)
    (tmp_path / HEAD_FILE).write_bytes(head)
    assert Actions.open(tmp_path).broken is None


def test_a_person_stands_for_what_is_there_and_the_chain_goes_on(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"note 1", b"note 7") + b'{"torn')
    Actions.open(tmp_path).vouch("Grace", AT)
    actions = Actions.open(tmp_path, write=True)
    actions.append("noted", ["e9"], at=AT, by="Ada", detail="after")
    actions = Actions.open(tmp_path)
    assert actions.unproven == []
    assert actions.broken is not None
    assert (actions.broken.unproven, actions.broken.vouched_by) == (0, "Grace")
    assert [record.detail for record in actions.all()][1] == "note 7"
    path.write_bytes(path.read_bytes().replace(b"note 2", b"note 8"))
    actions = Actions.open(tmp_path)
    assert actions.broken is not None
    assert (actions.broken.line, len(actions.proven)) == (2, 1)


def test_what_is_missing_at_the_end_can_be_vouched_for_too(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    Actions.open(tmp_path).vouch("Grace", AT)
    Actions.open(tmp_path, write=True).append("noted", ["e9"], at=AT, by="Ada", detail="after")
    actions = Actions.open(tmp_path, write=True)
    assert actions.broken is not None
    assert (actions.broken.reason, actions.broken.unproven) == ("2 lines that were written are not there", 0)
    assert [record.detail for record in actions.proven][-1] == "after"


def test_nothing_is_vouched_for_while_the_chain_is_whole(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(StorageRefusedError, match="nothing to stand for"):
        Actions.open(tmp_path).vouch("Grace", AT)


def _write_many(output: Path, name: str, lines: int) -> None:
    actions = Actions.open(output, write=True)
    for number in range(lines):
        actions.append("noted", [name], at=AT, by=name, detail=str(number))


def test_two_writers_lose_nothing_and_break_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(tmp_path, name, 20)) for name in ("ada", "grace")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    actions = Actions.open(tmp_path)
    assert actions.broken is None
    for name in ("ada", "grace"):
        assert [record.detail for record in actions.of([name])] == [str(number) for number in range(20)]


def test_hostile_text_stays_one_line(tmp_path: Path) -> None:
    actions = Actions.open(tmp_path, write=True)
    actions.append("noted", ["e"], at=AT, by="A\r\nB", detail='x","hash":"0"}\n\ud800\x00')
    (record,) = Actions.open(tmp_path).all()
    assert record.by == "A B"
    assert record.detail == 'x","hash":"0"}\n?\x00'


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / ACTIONS_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageRefusedError, match="symbolic link"):
        Actions.open(tmp_path)


def test_a_line_that_comes_while_the_file_is_read_is_no_break(tmp_path: Path) -> None:
    filled(tmp_path)

    class Interrupted(Actions):
        """Another process writes at the moment when the head is looked at."""

        def _read_head(self) -> Any:
            Actions.open(tmp_path).append("noted", at=AT, by="soc")
            return super()._read_head()

    actions = Interrupted(tmp_path)
    actions.refresh()
    assert (actions.broken, len(actions.all())) == (None, 5)
    Actions.open(tmp_path).append("noted", at=AT, by="soc")
    assert actions.follow()
    assert (actions.broken, len(actions.all())) == (None, 7)


def test_following_reads_only_what_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path)
    actions = Actions(tmp_path)
    assert actions.follow()
    first = actions.proven[0]
    Actions.open(tmp_path).append("noted", at=AT, by="soc", detail="behind them")
    with path.open("ab") as file:
        file.write(b'{"half a line')
    assert actions.follow()
    assert [record.detail for record in actions.proven[-2:]] == ["note 3", "behind them"]
    assert actions.proven[0] is first
    with monkeypatch.context() as unread:
        unread.setattr(Actions, "_read_on", lambda _: pytest.fail("nothing has changed"))
        assert actions.follow()
    path.write_bytes(path.read_bytes().replace(b"note 0", b"note 7"))  # no longer and no shorter
    assert not actions.follow()
    assert actions.broken is not None
    assert actions.broken.line == 1
