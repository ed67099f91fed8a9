"""A rendered line is the line that the encoder writes, byte for byte, or there is no template."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from results.line_template import LineTemplate
from results.lines import MAX_OBSERVATION
from results.record import Endpoint, Observation, Owner, Server, Timing
from tests.results.examples import observation, open_server
from tests.support.lines import line_of

milliseconds = st.floats(0, 1e7).map(lambda value: round(value, 3))
starts = st.datetimes(datetime(1970, 1, 1), datetime(2106, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - hypothesis wants bounds without a zone
    lambda at: at.replace(microsecond=0)
)
skews = st.floats(allow_nan=False, allow_infinity=False)


def rendered(template: LineTemplate, seen: Observation) -> bytes | None:
    """The line that the template gives for what is an observation's own."""
    started = seen.server.started_at if seen.server is not None else None
    skew = seen.server.clock_skew_seconds if seen.server is not None else None
    assert seen.timing.connect_ms is not None
    return template.render(
        seen.event_id.encode(),
        seen.finding_id.encode(),
        seen.observed_at.encode(),
        seen.target.ip.encode(),
        started,
        skew,
        seen.timing.connect_ms,
        seen.timing.total_ms,
    )


@given(
    version=st.text(max_size=40) | st.sampled_from(['"ip":"1"', '","started_at":null', "\\", '\\"ip\\":']),
    started=st.tuples(starts, starts) | st.just((None, None)),
    skew=st.tuples(skews, skews) | st.just((None, None)),
    connect=milliseconds,
    total=milliseconds,
    ip=st.ip_addresses().map(str),
)
def test_rendered_lines_are_those_of_the_encoder(
    version: str,
    started: tuple[datetime | None, datetime | None],
    skew: tuple[float | None, float | None],
    connect: float,
    total: float,
    ip: str,
) -> None:
    server = Server(product="mongodb", version=version, started_at=started[0], clock_skew_seconds=skew[0])
    first = observation("127.0.0.1", server=server)
    template = LineTemplate.of(first)
    assert template is not None
    other = msgspec.structs.replace(
        first,
        event_id="0" * 32,
        finding_id="mf_" + "1" * 24,
        observed_at="2026-03-01T08:30:01.000Z",
        target=Endpoint(ip=ip, port=27017),
        server=msgspec.structs.replace(server, started_at=started[1], clock_skew_seconds=skew[1]),
        timing=Timing(connect_ms=connect, total_ms=total, connections=1, messages=4),
    )
    assert rendered(template, other) == line_of(other)


def test_without_a_start_the_template_keeps_its_own() -> None:
    first = observation(server=Server(product="mongodb", started_at=datetime(2026, 1, 1, tzinfo=UTC)))
    template = LineTemplate.of(first)
    assert template is not None
    unstarted = observation(server=Server(product="mongodb"))
    assert rendered(template, unstarted) == line_of(first)


def test_a_value_that_the_template_has_no_place_for_is_not_rendered() -> None:
    bare = LineTemplate.of(observation(server=Server(product="mongodb")))
    skewed = observation(server=Server(product="mongodb", clock_skew_seconds=0.5))
    started = observation(server=Server(product="mongodb", started_at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert bare is not None
    assert rendered(bare, skewed) is None
    assert rendered(bare, started) is None
    template = LineTemplate.of(skewed)
    assert template is not None
    assert rendered(template, observation(server=Server(product="mongodb"))) is None


def test_a_name_that_stands_elsewhere_too_makes_no_template() -> None:
    assert LineTemplate.of(observation(owner=Owner(owner="x", labels={"ip": "10.0.0.1"}))) is None
    assert LineTemplate.of(open_server()) is None, "it has lines of its databases besides"


def test_a_line_that_became_too_long_is_not_rendered() -> None:
    server = Server(product="mongodb", modules=["m" * 6_000])
    padding = MAX_OBSERVATION - len(line_of(observation(server=server))) - 40
    assert padding > 0
    padded = observation(server=msgspec.structs.replace(server, set_name="s" * padding))
    template = LineTemplate.of(padded)
    assert template is not None
    assert rendered(template, padded) is not None
    far = Endpoint(ip="ffff:" * 7 + "ffff", port=27017)
    slow = Timing(connect_ms=1e300, total_ms=1.2345678901234567e300)
    assert rendered(template, msgspec.structs.replace(padded, target=far, timing=slow)) is None
