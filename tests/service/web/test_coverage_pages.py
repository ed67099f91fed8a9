"""The pages about coverage and scope: what they say of a known past, of none, and with hostile names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scanner.service.view.reader import Snapshot
from scanner.service.web.pages import compare, coverage, runs, scope, settings, sinks, trends
from scanner.setup.config_file import read_config
from tests.support.page_app import StandingReader, client, page_app
from tests.support.pages import HOSTILE, OUTSIDE, Reader
from tests.support.swept import AT, CONFIG, scope_of, snapshot, swept, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from scanner.setup.config_file import ConfigFile

ROOMS = (coverage, scope, runs, compare, trends, settings, sinks)
ADDRESSES = ("/coverage", "/scope", "/runs", "/compare", "/trends", "/settings", "/sinks")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ConfigFile]:
    """Some weeks of sweeps, and their configuration."""
    return swept(tmp_path_factory.mktemp("past"))


@pytest.fixture
def past(folder: tuple[Path, ConfigFile]) -> web.Application:
    """The pages over them."""
    output, config = folder
    reader = StandingReader(snapshot(output), output)
    return page_app(ROOMS, reader, output, config=config, scope=scope_of(config))


def nothing(folder: Path, config_text: str = "") -> web.Application:
    """The pages in the first minute: with a configuration, or without one."""
    reader = StandingReader(Snapshot(AT, AT, [], [], []), folder / "none")
    if not config_text:
        return page_app(ROOMS, reader, folder / "none")
    config = read_config(write_config(folder, config_text))
    return page_app(ROOMS, reader, folder / "none", config=config, scope=scope_of(config))


async def text_of(app: web.Application, address: str) -> str:
    """The text of a page, in one line; it must be there."""
    async with client(app) as asking:
        answer = await asking.get(address)
        assert answer.status == 200
        return " ".join(" ".join(Reader(await answer.text()).text).split())


async def page_of(app: web.Application, address: str) -> str:
    """A page as it comes."""
    async with client(app) as asking:
        answer = await asking.get(address)
        assert answer.status == 200
        return await answer.text()


async def test_coverage_says_what_was_not_reached_since_when_and_why(past: web.Application) -> None:
    text = await text_of(past, "/coverage")

    assert "labs oslo 256 never no sweep set out to ask it 10.40.0.0/24:27017" in text
    assert "shop lyon 8,192 19 days ago by 20260301T040000Z-a2" in text
    assert (
        "by 20260315T040000Z-a4 , interrupted, 1,500 targets not reached, and nobody can tell which" in text
    )
    assert "256 allowed addresses are denied or opted out" in text


async def test_the_map_is_a_picture_with_words_and_the_same_as_a_table(past: web.Application) -> None:
    read = Reader(await page_of(past, "/coverage"))

    (picture,) = [each for each in read.named("svg") if each.get("role") == "img"]
    assert picture["aria-labelledby"] == "map-title map-desc"
    text = " ".join(read.text)
    assert "within a week 32,512, within a month 40,960, never 256" in text
    regions = [each["aria-labelledby"] for each in read.named("div") if each.get("role") == "group"]
    assert {"gaps", "owners"} <= set(regions)
    assert all(each.get("tabindex") == "0" for each in read.named("div") if each.get("role") == "group")


async def test_the_scope_names_what_is_missing(past: web.Application) -> None:
    text = await text_of(past, "/scope")

    assert "69,632 addresses, 73,728 targets" in text
    assert "1 entry never covered, or not all of it" in text
    assert "2 entries in no schedule" in text
    assert "1 entry whose owner has no contact" in text
    assert "ventilators" in text
    assert "until 2099-06-01" in text


async def test_the_scope_is_searched_by_owner_and_by_schedule(past: web.Application) -> None:
    found = await text_of(past, "/scope?q=PARIS-nightly")

    assert "1 to 1 of 1" in found
    assert "head of infrastructure" in found


async def test_a_search_that_finds_nothing_leads_back(past: web.Application) -> None:
    assert "No entry has these words. Show all 3" in await text_of(past, "/scope?q=nowhere")


async def test_a_long_scope_comes_in_pages_of_a_hundred(tmp_path: Path) -> None:
    entries = "".join(
        f'[[allow]]\ncidr = "10.50.{number}.0/24"\nowner = "owner {number}"\n' for number in range(250)
    )
    app = nothing(tmp_path, '[organisation]\nname = "E"\ncontact = "e@example.com"\n' + entries)

    last = Reader(await page_of(app, "/scope?q=owner&page=99"))

    assert "201 to 250 of 250" in " ".join(" ".join(last.text).split())
    assert [each["href"] for each in last.named("a") if each.get("rel") == "prev"] == [
        "/scope?q=owner&page=2"
    ]


@pytest.mark.parametrize("address", ADDRESSES)
async def test_the_first_minute_says_what_to_do_next(tmp_path: Path, address: str) -> None:
    text = await text_of(nothing(tmp_path), address)

    next_step = {"/compare": "two sweeps that have ended", "/trends": "Nothing was ever seen open"}
    assert next_step.get(address, "mongosweep ") in text


@pytest.mark.parametrize("address", ["/coverage", "/scope", "/trends", "/runs"])
async def test_with_a_configuration_and_no_sweep_everything_is_uncovered(
    tmp_path: Path, address: str
) -> None:
    text = await text_of(nothing(tmp_path, CONFIG), address)

    expected = {
        "/coverage": "No sweep is in the ledger yet. mongosweep plan",
        "/scope": "3 entries never covered",
        "/trends": "what no complete sweep asked, nobody knows",
        "/runs": "No run yet",
    }
    assert expected[address] in text


@pytest.mark.parametrize("address", ADDRESSES)
async def test_hostile_names_do_nothing_on_any_page(tmp_path: Path, address: str) -> None:
    name = next(each for each in HOSTILE if "onerror" in each)
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    text = CONFIG.replace('"web platform"', f'"{escaped}"').replace('"paris"', f'"{escaped}"')
    text = text.replace('"ventilators"', f'"{escaped}"').replace('"head of infrastructure"', f'"{escaped}"')
    output, config = swept(tmp_path, text, name=name)
    reader = StandingReader(snapshot(output), output)
    app = page_app(ROOMS, reader, output, config=config, scope=scope_of(config))

    read = Reader(await page_of(app, address))

    if address not in ("/trends", "/settings", "/sinks"):
        assert name[:20] in "".join(read.text)
    assert not [each for each in read.named("img") if OUTSIDE in str(each)]
    assert not [each for _, each in read.elements if any(key.startswith("on") for key in each)]
    assert not [each for _, each in read.elements if "style" in each]
    hrefs = [str(each["href"]) for each in read.named("a") if each.get("href")]
    assert all(href.startswith(("/", "#")) for href in hrefs)
    assert read.raw["script"] == ["", ""]
