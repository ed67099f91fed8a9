"""The list of exposures in a real browser: narrowed in place while one types, and what it says when the
service does not answer as it should."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.browser import Page
    from tests.support.page_process import PageProcess
    from tests.support.watched_page import Watched

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("page in the browser")]

PATIENCE = 30  # seconds; only what hangs takes so long
_SHOWN = "return [...document.querySelectorAll('#list tbody th a')].map((each) => each.textContent)"
_WATCH = """
window.stayed = true;
window.busy = [];
const form = document.querySelector("form[role=search]");
const look = () => window.busy.push(getComputedStyle(document.querySelector(".busy")).visibility);
new MutationObserver(look).observe(form, {attributeFilter: ["class"]});
"""


@pytest.fixture
def process(watched: Watched) -> PageProcess:
    return watched.process


@pytest.fixture
def page(watched: Watched) -> Page:
    watched.sign_out()
    watched.open("/exposures")
    watched.page.console()  # what was said to tests before is theirs
    return watched.page


def wait_for(page: Page, script: str, wanted: Any) -> None:
    """Until a script in the page says what is wanted."""
    until = time.monotonic() + PATIENCE
    while (found := page.run(script)) != wanted:
        assert time.monotonic() < until, f"{found!r} instead of {wanted!r}"
        time.sleep(0.05)


def test_typing_narrows_the_list_in_place_and_back_widens_it(process: PageProcess, page: Page) -> None:
    page.open(process.url + "/exposures")
    before = page.run(_SHOWN)
    assert len(before) == 6
    page.run(_WATCH)
    page.driver.find_element("id", "q").send_keys("10.20.0.9")
    wait_for(page, _SHOWN, ["10.20.0.9:27017"])
    assert page.run("return window.stayed") is True, "the page was loaded anew"
    assert page.run("return document.activeElement.id") == "q"
    assert page.run("return new URL(location.href).searchParams.get('q')") == "10.20.0.9"
    wait_for(
        page, "return document.getElementById('told').textContent", "1 to 1 of 1 exposure, gravest first."
    )
    busy = page.run("return window.busy")
    assert busy[0] == "visible", "that it is looking is in sight"
    assert busy[-1] == "hidden"
    page.driver.back()
    wait_for(page, _SHOWN, before)
    assert page.console() == []


def test_a_list_that_cannot_be_had_stays_and_says_why(process: PageProcess, page: Page) -> None:
    """Signed out meanwhile: what is shown is of before, and that is said aloud."""
    page.open(process.url + "/exposures")
    before = page.run(_SHOWN)
    page.driver.delete_all_cookies()
    page.driver.find_element("id", "q").send_keys("shop")
    wait_for(page, "return document.getElementById('trouble').hidden", False)
    trouble = page.run("return document.getElementById('trouble').textContent")
    assert trouble.startswith("You are no longer signed in")
    assert page.run("return document.getElementById('trouble').getAttribute('role')") == "alert"
    assert page.run(_SHOWN) == before


def test_what_was_not_taken_is_said_beside_its_field(process: PageProcess, page: Page) -> None:
    """A script sends a form without the browser's own checks, as any program may."""
    page.open(process.url + "/exposures?q=10.20.0.9")
    page.driver.find_element("css selector", "#list tbody th a").click()
    page.run(
        "const form = document.querySelector('form[action$=accept]'); form.elements.text.value = 'x';"
        "form.elements.until.type = 'text'; form.elements.until.value = 'soon'; form.submit();"
    )
    wait_for(page, "return document.getElementById('accept-until')?.getAttribute('aria-invalid')", "true")
    said = page.run("return document.getElementById('accept-until-hint').textContent")
    assert said.startswith("soon is no day; write one such as")
    assert page.run("return document.getElementById('accept-until').checkVisibility()"), "its form is open"
