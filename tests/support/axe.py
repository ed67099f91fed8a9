"""axe-core, Deque's accessibility checker, run inside a page that a test has open."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tests.support.receivers.installed import brought

if TYPE_CHECKING:
    from tests.support.browser import Page

_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: {type: "tag", values: arguments[0]}, resultTypes: ["violations"]})
  .then((found) => done(found.violations.flatMap((each) => each.nodes.map((node) =>
    `${each.id}: ${node.target.join(" ")}: ${node.failureSummary.replace(/\\s+/g, " ")}`))))
  .catch((error) => done([String(error)]));
"""
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""Sets of rules by axe's names: levels A and AA of WCAG 2.2, and what is good practice besides."""


@cache
def _source() -> str:
    return (brought("axe/node_modules/axe-core", "npm") / "axe.min.js").read_text()


def violations(page: Page, rules: tuple[str, ...] = RULES) -> list[str]:
    """What is wrong with the page, a line for each element."""
    page.run(_source())
    found: list[str] = page.driver.execute_async_script(_RUN, list(rules))
    return found
