"""Which workers may be given work, and what is said of them: by what they say of themselves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scanner import __version__
from scanner.fleet.carrier import MOST_SKEW
from scanner.fleet.dask.known import KnownWorkers
from scanner.fleet.dask.task import DASK
from scanner.fleet.messages import Description

AT = "tls://127.0.0.1:1"
NOW = 1_800_000_000.0


def state(name: str, *sites: str, executing: int = 0) -> dict[str, Any]:
    resources = {f"site:{site}": 1 for site in sites}
    metrics = {"task_counts": {"executing": executing}}
    return {"name": name, "host": "127.0.0.1", "resources": resources, "metrics": metrics}


def said(**changes: Any) -> bytes:
    description = Description(
        name="paris-1", site="paris", host="h", version=__version__, python="3.11", dask=DASK, clock=NOW
    )
    return msgspec.json.encode(msgspec.structs.replace(description, **changes))


def known() -> KnownWorkers:
    workers = KnownWorkers()
    assert workers.look({AT: state("paris-1", "paris")}) == ["worker came: paris-1 (paris)"]
    return workers


def test_a_worker_is_fit_once_it_said_what_it_is() -> None:
    workers = known()
    assert (workers.fit("paris"), workers.unfit("paris")) == ([], [AT])
    assert workers.described(AT, said(), NOW, NOW) == []
    assert (workers.fit("paris"), workers.unfit("paris"), workers.fit("oslo")) == ([AT], [], [])
    workers.look({AT: state("paris-1", "paris", executing=1)})
    assert [(each.busy, each.version) for each in workers.all()] == [(True, __version__)]
    assert workers.look({}) == ["worker gone: paris-1 (paris)"]
    assert workers.described(AT, said(), NOW, NOW) == []
    assert (workers.fit("paris"), workers.all()) == ([], ())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (said(version="0.0.9"), f"it is version 0.0.9, this one is {__version__}; install the same"),
        (said(dask="1"), f"its Dask is version 1, here it is {DASK}; install the same"),
        (said(site="oslo"), "it offers work for site paris and is set up for oslo; start it again"),
        (said(clock=NOW + 3600), "its clock is 3,600 s ahead of the coordinator's; set both by NTP"),
        (said(clock=NOW - 3600), "its clock is 3,600 s behind the coordinator's; set both by NTP"),
        (said(problem="no \x1b[2Jscope"), "no \\x1b[2Jscope"),
        (b"{}", "what it says of itself cannot be read; install the same mongosweep"),
        (None, "what it says of itself cannot be read; install the same mongosweep"),
        (said(name="x" * 301), "what it says of itself cannot be read; install the same mongosweep"),
    ],
)
def test_why_one_is_not_used_is_told_once_and_that_it_is_again(words: object, why: str) -> None:
    workers = known()
    assert workers.described(AT, words, NOW, NOW) == [f"worker paris-1 (paris) is not used: {why}"]
    assert workers.described(AT, words, NOW, NOW) == []
    assert (workers.fit("paris"), workers.all()[0].unfit) == ([], why)
    assert workers.described(AT, said(), NOW, NOW) == ["worker paris-1 (paris) is used from now on"]
    assert workers.fit("paris") == [AT]


def test_how_long_an_answer_took_says_nothing_of_a_clock() -> None:
    workers = known()
    workers.described(AT, said(clock=NOW + 50), NOW, NOW + 100)
    assert workers.all()[0].clock_skew == 0.0
    workers.described(AT, said(clock=NOW + 100 + MOST_SKEW), NOW, NOW + 100)
    assert (workers.fit("paris"), workers.all()[0].clock_skew) == ([AT], MOST_SKEW)


def test_one_that_offers_several_sites_is_of_none() -> None:
    workers = KnownWorkers()
    workers.look({AT: state("both", "paris", "oslo")})
    assert workers.described(AT, said(), NOW, NOW)
    assert (workers.fit("paris"), workers.fit("oslo"), workers.fit("")) == ([], [], [])


def test_many_are_told_in_one_line() -> None:
    crowd = {f"tls://127.0.0.1:{n}": state(f"w{n}", "paris") for n in range(1, 9)}
    names = ", ".join(f"w{n} (paris)" for n in range(1, 6))
    assert KnownWorkers().look(crowd) == [f"workers came: {names} and 3 more"]
