"""The pictures of the pages: shown, small, asking nobody, and still what the commands in them say."""

from __future__ import annotations

import contextlib
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from scanner.cli import main
from scanner.lab.estate import Estate, find
from scanner.lab.thread import LabThread
from tests.pictures import recording, screenshot
from tests.pictures.__main__ import COLUMNS, DIFFERS, OPENED, RECORDED
from tests.support.doc_commands import ours, parse
from tests.support.doc_pages import PAGES, ROOT
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("pictures")

FOLDER = ROOT / "docs" / "pictures"
PICTURES = sorted(FOLDER.iterdir())
MOST, MOST_IN_ALL = 200_000, 1_500_000  # bytes
SWEPT = "127.77.0.1"
ALIKE = r"!\[([^\]]+)\]\(([^()\s]+)\)"


def named(picture: Path) -> str:
    return picture.name


def words(text: str) -> str:
    """A text without what differs from run to run, and however its lines are broken."""
    text = " ".join(text.split())
    for pattern, instead in (*DIFFERS, (r":\d{4,5}\b|\bport \d+", "PORT"), (r"\bmx_[0-9a-f]{12}", "ID")):
        text = re.sub(pattern, instead, text)
    return text


def recorded(name: str) -> str:
    """What stands on the terminal of a recording, without its command."""
    texts = re.sub(r"<style>.*?</style>", "", (FOLDER / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    command = f"$ {RECORDED[name].command} "
    return recording.words(texts).partition(command)[2]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the commands of the recordings say now, of one server of the lab's that stands and is swept."""
    folder, port = tmp_path_factory.mktemp("said"), free_port()
    Estate(port=port).write_scope(folder / "lab.toml")

    def run(line: str) -> str:
        with (folder / "out").open("w+") as out:
            with contextlib.redirect_stdout(out):
                main(line.split())
            out.seek(0)
            return out.read()

    with pytest.MonkeyPatch.context() as patch, LabThread({(SWEPT, port): find("magazine")}):
        patch.chdir(folder)
        patch.setenv("COLUMNS", str(COLUMNS))
        patch.setenv("HOME", str(folder))
        plan = run("plan -c lab.toml")
        run(f"sweep -c lab.toml -q {SWEPT}")
        yield {
            "plan.svg": plan,
            "sweep.svg": run("show last -c lab.toml"),
            "show.svg": run(f"show -c lab.toml {SWEPT}:{port}"),
        }


def test_each_is_made_and_each_that_is_made_is_there() -> None:
    assert {*RECORDED, *OPENED} == {picture.name for picture in PICTURES}


def test_each_is_shown_by_a_page_with_words_for_those_who_do_not_see_it() -> None:
    told = [
        (alternative, (page.parent / link).resolve())
        for page in PAGES
        for alternative, link in re.findall(ALIKE, page.read_text(encoding="utf-8"))
    ]
    assert {place for _, place in told} == {*PICTURES}
    assert all(len(alternative) > 40 for alternative, _ in told)
    for page in PAGES:
        assert "<!-- picture:" not in page.read_text(encoding="utf-8"), "a place without its picture"


def test_they_are_small() -> None:
    sizes = [picture.stat().st_size for picture in PICTURES]
    assert max(sizes) < MOST
    assert sum(sizes) < MOST_IN_ALL


@pytest.mark.parametrize("picture", PICTURES, ids=named)
def test_its_command_is_one_that_the_program_takes(picture: Path) -> None:
    is_svg = picture.suffix == ".svg"
    told = recording.told_by(picture)["desc"] if is_svg else screenshot.told_by(picture)["Description"]
    assert told == (RECORDED[picture.name].command if is_svg else OPENED[picture.name])
    (stage,) = ours(told)
    parse(stage.words[1:])


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_asks_nobody_and_runs_nothing(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert re.findall(r"\w+://[^\s\"')]*", text) == [recording.NAMESPACE]
    assert not re.search(r"\burl\((?!#)|@import|\bhref=|\bon\w+=", text)
    kinds = {each.tag.partition("}")[2] for each in ET.fromstring(text).iter()}
    assert not kinds & {"script", "image", "foreignObject", "use", "a", "animate", "set"}


def test_the_plan_and_the_dossier_are_those_of_the_program(said: dict[str, str]) -> None:
    """Word by word: `make pictures` where one differs."""
    for name in ("plan.svg", "show.svg"):
        assert words(recorded(name)) == words(said[name]), f"make pictures: {name} is of another program"


def test_the_tables_of_a_sweep_are_those_of_the_program(said: dict[str, str]) -> None:
    """Heads and what is said of the first server; how the driver agrees is asked in no test of this."""
    head, *rest = said["sweep.svg"].splitlines()
    shown = words(recorded("sweep.svg"))
    assert words(head).removesuffix(" version") in shown  # which has room for it where there is one server
    why = re.search(r"why: .*?(?= past:)", words(" ".join(rest)))
    assert why is not None
    assert why[0] in shown
    assert re.search(r"whom to call\s+contact\s+open\s+size\s+gravest", said["sweep.svg"])
    assert "whom to call contact open size gravest" in shown
