"""A rendered line is the line that the encoder writes, byte for byte, or there is no template."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from results.line_template import LineTemplate
from results.record import MAX_LINE, Endpoint, Owner, Server, Timing, to_json
from tests.results.examples import observation

milliseconds = st.floats(0, 1e7).map(lambda value: round(value, 3))
starts = st.datetimes(datetime(1970, 1, 1), datetime(2106, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0)
)
skews = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    version=st.text(max_size=40) | st.sampled_from(['"ip":"1"', '","started_at":null', "\\", '\\"ip\\":']),
    started=starts,
    skew=skews,
    connect=milliseconds,
    total=milliseconds,
    ip=st.ip_addresses().map(str),
)
def test_rendered_lines_are_those_of_the_encoder(
    version: str, started: datetime, skew: float | None, connect: float, total: float, ip: str
) -> None:
    server = Server(version=version, started_at=datetime(2026, 1, 1, tzinfo=UTC), clock_skew_seconds=0.5)
    first = observation("127.0.0.1", server=server)
    template = LineTemplate.of(first)
    assert template is not None
    other = msgspec.structs.replace(
        first,
        event_id="0" * 32,
        observed_at="2026-03-01T08:30:01.000Z",
        target=Endpoint(ip=ip, port=27017),
        server=msgspec.structs.replace(server, started_at=started, clock_skew_seconds=skew),
        timing=Timing(connect_ms=connect, total_ms=total, connections=1, messages=4),
    )
    line = template.render(b"0" * 32, other.observed_at.encode(), ip.encode(), started, skew, connect, total)
    assert line == to_json(other)


def test_without_a_start_the_mould_keeps_its_own() -> None:
    first = observation(server=Server(started_at=datetime(2026, 1, 1, tzinfo=UTC)))
    template = LineTemplate.of(first)
    assert template is not None
    line = template.render(
        first.event_id.encode(), first.observed_at.encode(), b"127.0.0.1", None, None, 0.4, 2.5
    )
    assert line == to_json(first)


def test_a_name_that_stands_elsewhere_too_makes_no_mould() -> None:
    assert LineTemplate.of(observation(owner=Owner(owner="x", labels={"ip": "10.0.0.1"}))) is None
    assert LineTemplate.of(observation(server=None)) is None


def test_a_line_that_became_too_long_is_not_rendered() -> None:
    server = Server(version="7.0.5", modules=["m" * 60_000])
    line = to_json(observation(server=server))
    padding = MAX_LINE - len(line) - 40
    assert padding > 0
    template = LineTemplate.of(observation(server=msgspec.structs.replace(server, set_name="s" * padding)))
    assert template is not None
    assert (
        template.render(b"0" * 32, b"2026-03-01T08:30:01.000Z", b"127.0.0.1", None, None, 0.4, 2.5)
        is not None
    )
    long_ip = b"ffff:" * 7 + b"ffff"
    wide = (1e300, 1.2345678901234567e300)
    assert template.render(b"0" * 32, b"2026-03-01T08:30:01.000Z", long_ip, None, None, *wide) is None
