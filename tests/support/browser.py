"""A page in a real browser, without a network: what it logs, whom it would ask, what it looks like.

Debian's chromium, driven through its own chromedriver. Its profile is a new folder, its proxy a port of
this machine that counts whoever comes and answers nobody, and every name resolves to nothing.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PHONE = (390, 844)
SCREEN = (1280, 900)
TAB, ENTER = "\ue004", "\ue007"  # as WebDriver numbers keys


def needed() -> None:
    """Skip where no chromium is; where all must run, fail."""
    if BROWSER and DRIVER:
        return
    if os.environ.get("MONGOSWEEP_REQUIRE_BROWSER") == "1":
        pytest.fail("chromium and chromium-driver are required here, and are not installed")
    pytest.skip("needs Debian's chromium and chromium-driver")


class Page:
    """One browser and what it noticed."""

    def __init__(self, driver: Chrome, asked: list[str]) -> None:
        self.driver = driver
        self.asked = asked
        """Whoever came to the proxy: the first line of each connection."""

    def open(
        self,
        place: Path | str,
        *,
        width: int = SCREEN[0],
        height: int = SCREEN[1],
        scheme: str = "light",
        media: str = "",
    ) -> None:
        """Load a file, or the address that `browser` was given and below it, at a size of the window, for a
        reader who likes it light or dark; `media` "print" shows what goes on paper."""
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self._command(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.driver.get(place if isinstance(place, str) else place.as_uri())

    def requests(self) -> list[str]:
        """Every address that was asked for since the last call, the file itself among them."""
        found = []
        for entry in self._log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return found

    def console(self) -> list[str]:
        """Everything that the page or the browser wrote to the console since the last call."""
        return [entry["message"] for entry in self._log("browser")]

    def run(self, script: str, *arguments: object) -> Any:
        """The value of a script in the page: `return document.title`."""
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str) -> Any:
        """The value of a script once it is none that counts as false: a page may be on its way."""
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, 60, poll_frequency=0.05).until(lambda _: self.run(script))

    def sign_in(self, url: str, name: str, secret: str) -> None:
        """From the next load on, with this cookie of a session for the page at `url`; it takes the place of
        another one."""
        self._command("Network.setCookie", name=name, value=secret, url=url, httpOnly=True, sameSite="Strict")

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        from selenium.webdriver import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def without_script(self, value: bool) -> None:
        """From the next load on, no script of a page runs; or again."""
        self._command("Emulation.setScriptExecutionDisabled", value=value)

    def picture(self, path: Path, top: int = 0, height: int = 1600) -> None:
        """A part of the page as PNG: its full width, `height` pixels from `top` down."""
        width = self.run("return document.documentElement.clientWidth")
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        shot = self._command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def paper(self, path: Path) -> bytes:
        """The page on A4 as PDF."""
        pdf = base64.b64decode(
            self._command("Page.printToPDF", preferCSSPageSize=True, printBackground=False)["data"]
        )
        path.write_bytes(pdf)
        return pdf

    def _log(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return found

    def _command(self, name: str, /, **parameters: object) -> dict[str, Any]:
        found: dict[str, Any] = self.driver.execute_cdp_cmd(name, parameters)
        return found


@contextmanager
def browser(folder: Path, reaches: str = "") -> Iterator[Page]:
    """A browser that keeps everything it writes in `folder`. `reaches`: the one address and port of loopback
    that it asks itself and not its proxy, such as "127.0.0.1:8017"."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    with _counting_proxy() as (port, asked):
        options = ChromeOptions()
        options.binary_location = str(BROWSER)
        for argument in (
            "--headless=new",
            "--no-sandbox",  # tests run as root in a container
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-default-apps",
            "--disable-extensions",
            "--hide-scrollbars",
            f"--proxy-server=http://127.0.0.1:{port}",
            f"--proxy-bypass-list=<-loopback>;{reaches}",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={folder / 'profile'}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = Chrome(options=options, service=Service(str(DRIVER), log_output=str(folder / "driver.log")))
        try:
            driver.get("about:blank")
            page = Page(driver, asked)
            page.requests()  # those of the browser's own first page
            yield page
        finally:
            driver.quit()


@contextmanager
def _counting_proxy() -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    try:
                        asked.append(connection.recv(400).split(b"\r\n")[0].decode("ascii", "replace"))
                    except OSError:
                        asked.append("nothing said")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], asked
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
