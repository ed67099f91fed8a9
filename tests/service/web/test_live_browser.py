"""The whole service in a real browser: a sweep is started with a key, watched, and stopped with the mouse."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from results.ledger.actions import Actions
from results.runs import list_runs
from scanner.clock import SystemClock
from scanner.service.admission.access import Access
from scanner.service.admission.roles import Role
from tests.support import browser as browsers
from tests.support.axe import violations
from tests.support.browser import ENTER, PHONE, TAB
from tests.support.ports import free_port
from tests.support.serving import serving, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.exhaustive, pytest.mark.xdist_group("page in the browser")]

CONFIGURATION = """
[[allow]]
cidr = "127.98.4.0/22"
owner = "web platform"
kind = "lab"

[sweep]
ports = [{port}]
rate = 30
per_prefix_rate = 1000

[service]
listen = "127.0.0.1:{web}"
verify_every = ""

[[schedule]]
name = "yearly"
cron = "0 0 29 2 *"
catch_up = ""
"""
_ASKED = "return Number(document.querySelector('progress')?.value)"


def test_a_sweep_is_started_watched_and_stopped(tmp_path: Path, port: int) -> None:
    """No page is loaded again meanwhile; what the orders came to is in the list of actions."""
    browsers.needed()
    web = free_port()
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION.format(port=port, web=web))
    url = f"http://127.0.0.1:{web}"
    with serving(tmp_path) as service, browsers.browser(tmp_path, url.removeprefix("http://")) as page:
        wait_until(lambda: "the page is at" in service.said, "a page")
        access = Access(service.runs, SystemClock())
        access.add_user("web-oncall", Role.OPERATE)
        page.sign_in(url, f"mongosweep-{web}", access.open_session("web-oncall"))
        access.close()
        page.open(url + "/")
        assert violations(page) == []
        page.run("window.same = true")
        for _ in range(40):
            page.press(TAB)
            if page.run("return document.activeElement.getAttribute('aria-label')") == "Start now: yearly":
                break
        page.press(ENTER)
        page.until("return document.querySelector('progress')")
        first = page.until(_ASKED)
        page.until(f"{_ASKED} > {first}")
        assert violations(page) == []
        page.open(url + "/", width=PHONE[0], height=PHONE[1])
        page.run("window.same = true")
        first = page.until(_ASKED)
        page.until(f"{_ASKED} > {first}")
        assert page.run("return window.same")
        assert page.run("return document.documentElement.scrollWidth") <= PHONE[0]
        job = service.wait_for_running("sweep")
        began = time.monotonic()
        page.run("document.querySelector('button.danger').click()")
        (ended,) = service.wait_for_end("sweep")
        taken = time.monotonic() - began
        page.until("return document.querySelector('h1').innerText === 'Nothing is running'")
        ours = (url + "/", "data:image/svg+xml")
        assert [each for each in page.requests() if not each.startswith(ours)] == []
        assert page.console() == []
        assert service.end() == 0
    assert (ended.end, ended.run_id) == ("stopped", job.run_id)
    assert (ended.asked_by, ended.stopped_by) == ("web-oncall", "web-oncall")
    assert taken < 3  # a second, and what else this machine does
    (run,) = list_runs(service.runs)
    assert run.can_resume  # interrupted, or aborted where this machine was too slow to say so within a second
    ordered = [each for each in Actions.open(service.runs).all() if each.by == "web-oncall"]
    assert [each.kind for each in ordered] == ["ordered", "ordered"], ordered
