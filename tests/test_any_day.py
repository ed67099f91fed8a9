"""The suite is green on any day, in any place: its dated tests run again in other years, zones, languages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import other_day

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# What holds dates and does its work in one process: recordings beside simulated servers, last writes, ages
# of tables, certificates, calendars, allow-lists that expire, times that people read. By name, wherever they
# stand.
DATED = (
    "test_recorded_shapes.py",
    "test_honest.py::test_ids_are_bounded_by_type_and_value",
    "test_metadata_recorded.py",
    "test_activity.py",
    "test_advisories.py",
    "test_identity.py",
    "test_ransom.py",
    "test_certificates.py",
    "test_refusals.py",
    "results/test_table.py",
    "confirm/test_table.py",
    "test_blackout.py",
    "test_plan.py",
    "test_overlay.py",
    "test_letter.py",
)
NOT_DATED = "not thousands and not terminals and not densest"  # slow tests beside them that hold no date

# The last seconds of a leap day, so that it ends while the tests run; after the last date of every recording
# and table, and beyond the seconds that fit into 31 bits; where the next day began hours ago; on a machine
# that knows no language and no text but ASCII.
DAY = "2040-02-29T23:59:57+00:00"
PLACE = {"TZ": "Asia/Kathmandu", "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
OURS = ("COV", "PYTEST", "MONGOSWEEP_", "LC_")
CLOCKS = """\
import time, {plugin}
from datetime import UTC, date, datetime
print(datetime.now(UTC).date(), datetime.fromtimestamp(time.time(), UTC).date())
print(time.strftime("%F", time.gmtime()), datetime.fromtimestamp(time.time_ns() / 1e9, UTC).date())
print(datetime.now().date(), datetime.today().date(), date.today(), time.strftime("%F", time.localtime()))
"""


def environment(day: str, place: dict[str, str]) -> dict[str, str]:
    """This process's, on that day, in that place, without what measures or steers this run of the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return kept | {other_day.OTHER_DAY: day} | place


def where(name: str) -> str:
    """The file of that name, as pytest takes it, with the test in it that was named."""
    file, colons, test = name.partition("::")
    (path,) = HERE.rglob(file)
    return f"{path}{colons}{test}"


@pytest.mark.exhaustive
@pytest.mark.timeout(300)  # for two thousand tests on a machine that is busy
def test_the_dated_tests_pass_on_another_day_elsewhere(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", other_day.__name__, "-p", "no:cacheprovider"]
    words += ["-p", "no:xdist", "--tb=short", f"--basetemp={tmp_path / 'there'}", "-k", NOT_DATED]
    done = subprocess.run(
        [*words, *map(where, DATED)],
        cwd=ROOT,
        env=environment(DAY, PLACE),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-4000:]


@pytest.mark.parametrize("day", ["1999-12-31T12:00:00+00:00", "2040-02-29T12:00:00+00:00"])
def test_another_day_is_the_day_of_every_clock(day: str) -> None:
    """Otherwise the test above would prove nothing."""
    code = CLOCKS.format(plugin=other_day.__name__)
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(day, {"TZ": "UTC"}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(shown.stdout.split()) == {day.partition("T")[0]}
