"""The page of now in a real browser: what its script draws is what the server would draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.covered import Row
from results.record import Owner
from results.verdict import Severity
from tests.support import browser as browsers
from tests.support.page_process import running_page
from tests.support.running_run import running_run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.exhaustive, pytest.mark.xdist_group("page in the browser")]

NET = 10 << 24
HOSTILE = '"><img src=x onerror="document.title=\'owned\'">\x1b[2J\u202e'
DRAWN = """
const all = (selector) => [...document.querySelectorAll(selector)];
const cells = (path) => (path.getAttribute('d').match(/M[^M]*/g) || []).sort().join();
const words = (each) => [...each.attributes].map((one) => one.name + one.value).sort().join();
return {
  cells: all('svg.fill path:not(.f-range)').map((path) => path.getAttribute('class') + cells(path)),
  dots: all('svg.fill circle').map(words),
  found: all('[data-found] tr').map((row) => row.innerHTML.trim()),
  figures: all('[data-live]:not([data-tone])').map((each) => each.textContent),
  bar: document.querySelector('[data-bar]').value,
};
"""


def test_what_the_script_draws_is_what_the_server_draws(tmp_path: Path) -> None:
    browsers.needed()
    output = tmp_path / "runs"
    rows = [Row(4, NET, NET + 4095, (27017,)), Row(4, NET + (1 << 16), NET + (1 << 16) + 63, (27017,))]
    with (
        running_run(output, rows) as run,
        running_page(output) as served,
        browsers.browser(tmp_path, served.url.removeprefix("http://")) as page,
    ):
        run.says(40)
        page.sign_in(served.url, *served.cookie())
        page.open(served.url + "/")
        page.until("return document.querySelector('[data-connection]').textContent === 'Live.'")
        for step, position in enumerate((900, 2500, 4000)):
            run.finds(f"10.0.{step}.9", list(Severity)[step], owner=Owner(owner=HOSTILE))
            run.says(position, open=step + 1, slowed_by=HOSTILE)
            figure = f"{position:,}"
            page.until(f"return document.querySelector('[data-live=asked]').textContent === '{figure}'")
            page.until(f"return document.querySelectorAll('[data-found] tr').length === {step + 1}")
        page.until("return document.querySelectorAll('svg.fill circle').length === 3")
        by_script = page.run(DRAWN)
        assert "open" in page.run("return document.querySelector('[data-said]').textContent")
        page.without_script(True)
        page.open(served.url + "/?again")
        by_server = page.run(DRAWN)
        page.without_script(False)
        assert by_script == by_server
        assert page.run("return document.title") == "Now - mongosweep"
        assert page.run("return document.querySelectorAll('img[src=x]').length") == 0

        page.open(served.url + "/")
        page.until("return document.querySelector('[data-connection]').textContent === 'Live.'")
        run.directory.close()
        page.until("return document.querySelector('h1').textContent === 'Nothing is running'")
        page.until("return document.querySelector('[data-said]').textContent === 'Nothing is running'")
        assert page.console() == []
        served.process.terminate()
        page.until("return document.querySelector('[data-connection]').textContent.startsWith('Not live')")
