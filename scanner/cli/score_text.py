"""How a finding came to its score, as `explain` tells it: the points of one, and what each ground weighs."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from results.codes import sentence
from results.text import address, visible
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.record import Reason

    Meaning = dict[str, Any]

SCORE, WEIGHTS = "the score of a finding", "how a score is made"
_MORE: Final = "`mongosweep explain severity` says what each ground weighs."


def may_be_finding(what: str) -> bool:
    """Whether it looks like an exposure's id, or a place."""
    return what.startswith("mx_") or _place(what) is not None


def scores(what: str, output: str, config: str | None) -> list[Meaning]:
    """The score of an exposure by the ledger (`what`: its id, the beginning of one, or its place), or else of
    what stands at that address in the newest run that has ended. Raises `RefusedError` if there is none."""
    from results.ledger.choose import named
    from scanner.cli.ledger_view import exposure_named, opened

    with opened(output, config) as view:
        if _place(what) is None or named(what, view.exposures):
            one = exposure_named(what, view, output)
            place = address(one.place.ip, one.place.port)
            return [_score(place, one.severity, one.score, one.severity_reasons, one.last_seen_open)]
    return _of_last_run(what, output)


def _of_last_run(what: str, output: str) -> list[Meaning]:
    from results.reading import read_run
    from results.summary import unique
    from scanner.cli.run_text import run_path
    from scanner.errors import RefusedError

    wanted = _place(what)
    assert wanted is not None
    ip, port = wanted
    run = run_path("last", output)
    found = (
        each for each in read_run(run) if each.target.ip == ip and (port is None or each.target.port == port)
    )
    told = [
        _score(
            address(each.target.ip, each.target.port),
            each.severity,
            each.score,
            each.severity_reasons,
            each.observed_at,
        )
        for each in unique(found)
    ]
    if not told:
        shown = visible(what, 80)
        raise RefusedError(
            f"there is no exposure at {shown} in {output}, and no line of it in {run.name}; "
            "`mongosweep exposures` and `mongosweep show last` list what there is"
        )
    return told


def _place(what: str) -> tuple[str, int | None] | None:
    """An address, and a port where one is written; None for anything else."""
    match = re.fullmatch(r"\[(.+)\](?::(\d{1,5}))?|([^:]+)(?::(\d{1,5}))?|(.+)", what)
    if match is None:
        return None
    host, port = match[1] or match[3] or match[5], match[2] or match[4]
    try:
        return str(ipaddress.ip_address(host)), int(port) if port else None
    except ValueError:
        return None


def _score(place: str, severity: Severity, score: int | None, reasons: Sequence[Reason], at: str) -> Meaning:
    told = "no score was computed then" if score is None else f"{score} of 100"
    return {
        "code": place,
        "kind": SCORE,
        "means": f"{severity.value}: {told}, by the look of {at[:19]}Z",
        "score": score,
        "severity": severity.value,
        "points": [
            {"points": each.points, "code": each.code, "means": visible(sentence(each), 300)}
            for each in reasons
        ],
        "more": _MORE,
    }


def weights_in_force(config: str | None) -> Meaning:
    """The weights and thresholds of the configuration, or the default ones. Raises `RefusedError`."""
    from scanner.mongo.weights import DEFAULT
    from scanner.setup.config_file import find_config, read_config

    path = find_config(config, os.environ)
    weights = DEFAULT if path is None else read_config(path).settings.severity
    return {
        "code": "severity",
        "kind": WEIGHTS,
        "means": "points of what applies are added up, to 100 at most; thresholds say how grave that is",
        "weights": msgspec.to_builtins(weights),
        "grounds": _grounds(),
        "more": "[severity] in the configuration changes them; `mongosweep help severity` says more.",
    }


def _grounds() -> dict[str, str]:
    """What each weight is for, and each threshold, as the configuration's own page says it."""
    from typing import get_type_hints

    from scanner.mongo.weights import Weights

    hints = get_type_hints(Weights, include_extras=True)
    return {name: hint.__metadata__[0].description for name, hint in hints.items()}


def score_lines(meaning: Meaning) -> list[str]:
    """The points of a finding, or all weights, below the sentence that says what they are."""
    if "weights" in meaning:
        levels = {each.value for each in Severity}
        return [
            f"    {points:>3}  "
            + (f"and more: {name}" if name in levels else f"{name}: {meaning['grounds'][name]}")
            for name, points in meaning["weights"].items()
        ]
    lines = [f"    {each['points']:>3}  {each['means']}" for each in meaning["points"]]
    if meaning["score"] is None:
        return lines
    total = sum(each["points"] for each in meaning["points"])
    count = f", of which {meaning['score']} count" if total > meaning["score"] else ""
    return [*lines, f"    {total:>3}  in all{count}"]
