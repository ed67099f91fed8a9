"""The pages `settings` and `sinks`: what is in force and how receivers stand, and no secret in either."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.sinks.state import SinkFolder, SinkState
from scanner.service.view.reader import Snapshot
from scanner.service.view.settings import NOT_SHOWN, settings_view, without_path
from scanner.service.web.pages import settings, sinks
from scanner.setup.config_file import read_config
from tests.support.page_app import StandingReader, client, page_app
from tests.support.pages import Reader
from tests.support.swept import AT, CONFIG, write_config

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cr3t-Zx81"
WITH_SECRETS = f"""\
[organisation]
name = "Example Estates"
contact = "security@example.com"

[sweep]
rate = 1000.0

[notify]
to = "webhook"

[webhook]
url = "https://hooks.example.com/services/{SECRET}?key={SECRET}"

[[sink]]
kind = "webhook"
name = "chat"
url = "https://chat.example.com:8443/{SECRET}"

[[sink]]
kind = "file"
path = "/var/log/mongosweep/findings.jsonl"
"""


async def page_of(folder: Path, address: str, text: str = CONFIG) -> str:
    """A page over a configuration; `folder` is the output directory as well."""
    config = read_config(write_config(folder, text))
    reader = StandingReader(Snapshot(AT, AT, [], [], []), folder)
    app = page_app((settings, sinks), reader, folder, config=config)
    async with client(app) as asking:
        answer = await asking.get(address)
        assert answer.status == 200
        return await answer.text()


def words(page: str) -> str:
    """Its text in one line."""
    return " ".join(" ".join(Reader(page).text).split())


async def test_what_is_set_comes_with_its_line_and_the_rest_with_its_default(tmp_path: Path) -> None:
    text = words(await page_of(tmp_path, "/settings"))

    assert "name Example Estates line 2" in text
    assert "cron 0 2 * * * line " in text
    assert "rate" in text
    assert "3 allow entries and 1 deny entry are on the page of the scope" in text


async def test_no_secret_stands_on_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGOSWEEP_SINK_CHAT_SECRET", SECRET)
    SinkFolder(tmp_path, "chat").hold().release()
    SinkFolder(tmp_path, "chat").save(
        SinkState(sink="chat", kind="webhook", place=f"https://chat.example.com:8443/{SECRET}")
    )

    for address in ("/settings", "/sinks"):
        page = await page_of(tmp_path, address, WITH_SECRETS)

        assert SECRET not in page
        assert "https://chat.example.com:8443/..." in page
    assert "https://hooks.example.com/..." in await page_of(tmp_path, "/settings", WITH_SECRETS)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://a.example:8088", "https://a.example:8088"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example?x=1", "https://a.example/..."),
        ("https://u:p@a.example", "https://a.example/..."),
        ("https://[2001:db8::1]:8088/x", "https://[2001:db8::1]:8088/..."),
        ("https://a.example:port/x", NOT_SHOWN),
        ("/var/log/x.jsonl", "/var/log/x.jsonl"),
    ],
)
def test_addresses_are_shown_without_what_may_be_a_secret(address: str, shown: str) -> None:
    assert without_path(address) == shown


def test_every_setting_is_shown_once_and_a_key_in_an_inline_table_counts_as_set(tmp_path: Path) -> None:
    text = 'sink = [{kind = "file", path = "/var/log/a.jsonl", keep = 3}]\n[organisation]\nname = "E"\n'
    tables = settings_view(read_config(write_config(tmp_path, text)))

    (sink,) = [table for table in tables if table.header == "[[sink]]"]
    assert {row.key for row in sink.changed} == {"kind", "path", "keep"}
    keys = [(table.header, row.key) for table in tables for row in table.rows]
    assert len(keys) == len(set(keys))
    assert ("[service]", "listen") in keys


async def test_sinks_say_what_waits_what_failed_and_who_stands_still(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"schema":"mongosweep.event/1"}\n' * 3, encoding="utf-8")
    for name, stopped in (("chat", ""), ("file", "its disk is full; make room")):
        SinkFolder(tmp_path, name).hold().release()
        SinkFolder(tmp_path, name).save(
            SinkState(
                sink=name,
                kind="webhook" if name == "chat" else "file",
                delivered=12_345,
                set_aside=2,
                last_delivered_at="2026-03-20T09:00:00.000Z",
                last_failure="<b>503</b>",
                last_failure_at="2026-03-20T11:00:00.000Z",
                stopped=stopped,
            )
        )

    page = await page_of(tmp_path, "/sinks", WITH_SECRETS)

    text = words(page)
    assert "1 sink takes nothing until somebody has done something: file" in text
    assert text.index("its disk is full; make room") < text.index("does not take events")
    assert "Waiting 3" in text
    assert "Delivered 12,345" in text
    assert "1 hour ago" in text
    assert "<b>503</b>" in text
    assert "<b>503" not in page


async def test_without_a_sink_the_page_says_how_to_write_one(tmp_path: Path) -> None:
    page = await page_of(tmp_path, "/sinks", '[organisation]\nname = "E"\n')

    assert "mongosweep doctor --sinks" in words(page)
