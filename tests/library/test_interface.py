"""The public interface: what it names, that the page says the same, and that importing it is cheap."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mongosweep

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/library.md"

# Whoever takes a name or a parameter away breaks other people's programs: see "What stays" on the page.
NAMES = {
    *("sweep", "read", "visible", "Sweep", "Swept", "Summary", "Run", "Progress", "__version__"),
    *("MongosweepError", "RefusedError", "BusyError", "StorageError"),
    *("Observation", "Verdict", "Severity", "Endpoint", "Tls", "Certificate", "Owner", "Reason", "Server"),
    *("Exposure", "Database", "Collection", "Hint", "Ransom", "Confirmation", "Timing"),
}
PARAMETERS = {
    *("scope", "config", "targets", "output", "ports", "sites", "owners", "rate", "depth", "vantage"),
    *("workers", "confirm", "everything", "seed", "resume", "stop_after", "ledger"),
}
ATTRIBUTES = {
    "Sweep": {"run", "run_dir", "progress", "summary", "stop", "aclose"},
    "Swept": {"observations", "summary"},
    "Run": {"path", "summary"},
    "Summary": {
        *("run_id", "run_dir", "state", "reasons", "planned", "outcomes", "excluded", "not_reached"),
        *("elapsed", "exit_code", "chain_head", "open"),
    },
}

IMPORTED = """
import sys, mongosweep
before = len(sys.modules)
mongosweep.Verdict
print(before)
print(*(name for name in sys.modules if name.startswith("scanner.")))
print(*({"asyncio", "msgspec", "click", "netaddr"} & set(sys.modules)))
"""


def test_no_public_name_was_taken_away_and_none_came_by_accident() -> None:
    assert set(mongosweep.__all__) == NAMES
    assert set(dir(mongosweep)) == NAMES
    assert all(getattr(mongosweep, name) is not None for name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'scan'"):
        mongosweep.scan  # noqa: B018 - that is what is tried


def test_every_public_class_says_what_it_is() -> None:
    assert [
        name for name in NAMES if callable(found := getattr(mongosweep, name)) and not found.__doc__
    ] == []


def test_parameters_and_attributes_are_those_that_are_promised() -> None:
    assert set(inspect.signature(mongosweep.sweep).parameters) == PARAMETERS
    assert all(p.kind is p.KEYWORD_ONLY for p in inspect.signature(mongosweep.sweep).parameters.values())
    run = mongosweep.Run(Path(), None, resumed=False)  # type: ignore[arg-type]
    for name, promised in ATTRIBUTES.items():
        found = {each for each in dir(getattr(mongosweep, name)) if not each.startswith("_")}
        found |= {each for each in vars(run) if not each.startswith("_")} if name == "Run" else set()
        assert found - {"count", "index"} == promised, name  # those of every tuple


def test_the_page_has_every_parameter_and_every_exception() -> None:
    page = PAGE.read_text()
    table = page.partition("| parameter |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines()[2:]]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == PARAMETERS
    assert all(f"`{name}`" in page for name in NAMES if name.endswith("Error"))


def test_importing_it_loads_nothing_of_weight_and_a_type_no_engine() -> None:
    said = subprocess.run(
        [
            *(sys.executable, "-P", "-c"),
            IMPORTED,
        ],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert int(said[0]) < 100
    assert said[1:] == ["", ""]


def test_an_exception_passes_between_processes_and_shows_no_control_character() -> None:
    error = mongosweep.RefusedError("a\x1b[31m.toml:3", "it is\nbad", "write it anew")
    assert str(error) == r"a\x1b[31m.toml:3: it is\nbad; write it anew"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.remedy, type(again)) == (str(error), error.remedy, mongosweep.RefusedError)
