"""The picture of a plan: well-formed, asks for nothing, shows whose the space is and when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from scanner.cli.plan_picture import picture, write_picture
from scanner.cli.plan_text import bar, can_draw, plan_lines
from scanner.errors import RefusedError
from scanner.setup.settings import Blackout, Pause, Settings, SweepOptions, SweepSettings
from scanner.sweep.plan import Plan, make_plan
from targets.entries import Deny, Entry
from targets.scope import Scope

if TYPE_CHECKING:
    from pathlib import Path

NOON = 1_795_521_600.0  # 2026-11-24 12:00 UTC
SVG = "{http://www.w3.org/2000/svg}"
SETTINGS = Settings(
    sweep=SweepSettings(rate=10),
    blackout=(Blackout(cidr="10.20.128.0/17", start="13:00", to="20:00", reason="trading"),),
)


def estate() -> Scope:
    """Two owners, one inside the other, one with hostile letters; a part denied, and IPv6."""
    return Scope(
        [
            Entry.of("10.20.0.0/16", owner="web platform", site="paris"),
            Entry.of("10.20.0.0/18", owner="<script>\x1b[31m", site="lyon"),
            Entry.of("fd00::/120", owner="web platform", site="paris"),
        ],
        [Deny.of("10.20.64.0/18", "medical devices")],
    )


def planned(settings: Settings = SETTINGS, scope: Scope | None = None) -> Plan:
    """A plan of the estate."""
    return make_plan(settings, scope or estate(), SweepOptions(), NOON)


def fills(root: ET.Element) -> dict[str, float]:
    """The area of the map by colour, or by class for what has none."""
    areas: dict[str, float] = {}
    for shape in root.findall(f"{SVG}g")[0].iter(f"{SVG}rect"):
        if shape.get("class") not in ("line", "ground"):
            key = shape.get("fill") or str(shape.get("class"))
            area = float(shape.attrib["width"]) * float(shape.attrib["height"])
            areas[key] = areas.get(key, 0.0) + area
    return areas


def test_the_map_gives_each_owner_its_share() -> None:
    root = ET.fromstring(picture(planned(), estate()))
    areas = fills(root)
    whole = sum(areas.values())
    shares = sorted(round(area / whole, 3) for area in areas.values())
    assert shares == [0.25, 0.25, 0.5]
    assert round(areas["none"] / whole, 3) == 0.25


def test_it_says_in_words_what_it_shows_and_asks_for_nothing() -> None:
    text = picture(planned(), estate())
    root = ET.fromstring(text)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in text
    assert "\x1b" not in text
    words = " ".join(root.itertext())
    assert "web platform, paris" in words
    assert "16,384" in words
    described = root.find(f"{SVG}desc")
    assert described is not None
    assert described.text is not None
    assert "web platform, paris" in described.text


def test_time_goes_from_now_to_the_end_and_a_window_shows() -> None:
    root = ET.fromstring(picture(planned(), estate()))
    strip = [shape for shape in root.findall(f"{SVG}g")[2].iter(f"{SVG}rect") if shape.get("y") == "14"]
    assert [shape.get("class") for shape in strip] == ["asks", "part", "none", "asks"]
    assert sum(float(shape.attrib["width"]) for shape in strip) == pytest.approx(912, abs=0.5)


def test_ten_thousand_owners_are_one_picture_of_bounded_size() -> None:
    entries = [Entry.of(f"10.{i >> 8}.{i & 255}.0/24", owner=f"owner {i}") for i in range(10_000)]
    scope = Scope(entries)
    text = picture(planned(Settings(), scope), scope)
    assert len(text) < 1_500_000
    assert "9,984 more" in text


def test_a_scope_without_ipv4_has_no_map() -> None:
    scope = Scope([Entry.of("fd00::/120", owner="web platform")])
    assert "nothing to draw" in picture(planned(Settings(), scope), scope)


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"--picture .*: Is a directory; name a file"):
        write_picture(tmp_path, planned(), estate())


class TestOnATerminal:
    def test_a_strip_says_when_what_waits(self) -> None:
        lines = plan_lines(planned())
        at = next(number for number, line in enumerate(lines) if line.startswith("from Tue 2026-11-24 12:00"))
        assert "of them waiting for windows" in lines[at]
        assert set(lines[at + 1].strip()) == {"█", "▒", "░"}
        assert len(lines[at + 1].strip()) == 60

    def test_without_windows_there_is_none(self) -> None:
        assert not any("▒" in line for line in plan_lines(planned(Settings())))

    def test_a_stop_file_is_named(self, tmp_path: Path) -> None:
        stop = tmp_path / "stop"
        stop.touch()
        lines = plan_lines(planned(Settings(pause=Pause(stop_file=str(stop)))))
        assert any(line.startswith(f"it begins when the stop file {stop} is gone") for line in lines)

    def test_windows_that_never_end(self) -> None:
        always = Settings(blackout=(Blackout(cidr="10.0.0.0/8", start="00:00", to="24:00"),))
        assert "blackout windows leave it no time to end" in plan_lines(planned(always))

    @pytest.mark.parametrize(
        ("part", "most", "drawn", "text"),
        [
            (0, 10, True, ""),
            (1, 10_000, True, "▏"),
            (10, 10, True, "█" * 12),
            (5, 10, False, "#" * 6),
            (1, 10_000, False, "#"),
            (0, 0, True, ""),
        ],
    )
    def test_bars(self, part: int, most: int, drawn: bool, text: str) -> None:
        assert bar(part, most, drawn=drawn) == text

    def test_where_blocks_cannot_be_shown(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        with (tmp_path / "out").open("w", encoding="ascii") as plain:
            assert not can_draw(plain)
        monkeypatch.setenv("TERM", "dumb")
        assert not can_draw(None)
        assert not {"█", "▒", "░"} & set("".join(plan_lines(planned(), drawn=False)))
