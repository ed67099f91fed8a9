"""The page of an estate in a real browser: both start once for all tests that look at it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from results.ledger.store import Ledger
from scanner.service.admission.roles import Role
from tests.support import browser as browsers
from tests.support.page_process import running_page
from tests.support.pages import OUTSIDE
from tests.support.watched import write_watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.browser import Page
    from tests.support.page_process import PageProcess

PASSWORD = "a long enough password"
"""Of web-oncall, who may acknowledge."""


class Watched:
    """A page process over an estate, a browser that is signed in, and the addresses of what is there."""

    def __init__(self, process: PageProcess, page: Page) -> None:
        self.process, self.page = process, page
        with Ledger.open(process.output) as ledger:
            self.ids = {each.place.ip: each.exposure_id for each in ledger.exposures()}
            runs = [run.run_id for run in ledger.runs()]
        self._names = {
            "ordinary": self.ids["10.20.0.12"],
            "hostile": self.ids["10.30.0.66"],
            "closed": self.ids["10.20.0.20"],
            "run": runs[-1],
            "older": runs[0],
        }
        self._role: Role | None = None

    def address(self, place: str) -> str:
        """The path of a page, with ids filled in."""
        return place.format(**self._names)

    def open(self, place: str, role: Role = Role.OPERATE, **form: Any) -> None:
        """Load a page as somebody with this role."""
        if role is not self._role:
            self.page.sign_in(self.process.url, *self.process.cookie(role))
            self._role = role
        self.page.open(self.process.url + self.address(place), **form)

    def sign_out(self) -> None:
        """As one who never was here."""
        self.page.driver.delete_all_cookies()
        self._role = None

    def troubles(self, place: str) -> list[str]:
        """What the console says, whom the page would have asked, and scripts that ran which are not ours."""
        found = [
            line for line in self.page.console() if place != "/no-such-page" or "404 (Not Found)" not in line
        ]
        ours = (self.process.url + "/", "data:image/svg+xml")
        found += [f"asked {url}" for url in self.page.requests() if not url.startswith(ours)]
        found += [f"came out {line}" for line in self.page.asked if OUTSIDE in line]
        return found


@contextmanager
def watched_page(folder: Path) -> Iterator[Watched]:
    """Estate, page and browser below `folder`."""
    browsers.needed()
    config, output = write_watched(folder)
    profile = folder / "browser"
    profile.mkdir()
    with (
        running_page(output, config) as process,
        browsers.browser(profile, process.url.removeprefix("http://")) as page,
    ):
        process.access.add_user("web-oncall", Role.ACKNOWLEDGE, PASSWORD)
        yield Watched(process, page)
