"""The one table of severities: complete, in order in every scale, and within each scale's bounds."""

from __future__ import annotations

import pytest

from results.formats.severities import SCALES, Scale
from results.verdict import Severity


def test_every_severity_has_its_scale_and_ocsf_counts_as_we_do() -> None:
    assert list(SCALES) == list(Severity)
    for severity, scale in SCALES.items():
        assert scale.ocsf == severity.number
        assert scale.shadowserver == severity.value


@pytest.mark.parametrize("name", ["ecs", "ocsf", "cef", "leef"])
def test_a_graver_event_has_a_higher_number(name: str) -> None:
    numbers = [getattr(scale, name) for scale in SCALES.values()]
    assert numbers == sorted(set(numbers), reverse=True)


def test_syslog_counts_the_other_way_and_cries_no_emergency() -> None:
    numbers = [scale.syslog for scale in SCALES.values()]
    assert numbers == [2, 3, 4, 5, 6]


def test_each_number_lies_in_its_scale() -> None:
    bounds = {"ecs": (0, 100), "ocsf": (1, 5), "cef": (0, 10), "leef": (1, 10), "syslog": (0, 7)}
    assert set(bounds) | {"word", "shadowserver"} == set(Scale._fields)
    for scale in SCALES.values():
        for name, (least, most) in bounds.items():
            assert least <= getattr(scale, name) <= most, (scale, name)
