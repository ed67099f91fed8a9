"""The frame of every page: one file that asks nobody for anything, and in which only our own script can
run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from results.report.markup import Markup, tag

_HERE = Path(__file__).parent


@cache
def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() + "'"


def policy() -> str:
    """What a browser may do with the page: this style, this script, and nothing from anywhere."""
    return (
        f"default-src 'none'; script-src {_hash(_file('report.js'))}; style-src "
        f"{_hash(_file('report.css'))}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def page(title: str, heading: object, body: object, foot: object, data: Markup | None = None) -> str:
    """A whole document. `data` is a block of JSON for the script."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy()),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="robots", content="noindex"),
        tag("meta", name="generator", content="mongosweep"),
        tag("title", title),
        tag("style", Markup(_file("report.css"))),
    )
    button = tag("button", "Light or dark", type="button", id="theme", hidden=True)
    content = tag(
        "body",
        tag("a", "To the content", href="#content", class_="skip"),
        tag("header", tag("div", heading), button),
        tag("main", body, id="content", tabindex=-1),
        tag("footer", foot),
        data,
        tag("script", Markup(_file("report.js"))),
    )
    return f"<!doctype html>\n{tag('html', head, content, lang='en')}\n"
