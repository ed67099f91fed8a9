"""What the service looks out for on the machine that it runs on: clocks that jump, certificates that end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from results.text import visible
from scanner.clock import timestamp

if TYPE_CHECKING:
    from scanner.clock import Clock

JUMP: Final = 5.0  # seconds between two looks that no correction by NTP makes
_TOLD_FOR: Final = 3600.0  # seconds
SOON: Final = 21 * 86_400.0  # seconds before its end at which a certificate is told of


class ClockWatch:
    """Holds the clock that can be set against the one that cannot. Suspension is no jump: both count it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._difference = clock.wall() - clock.boottime()
        self._told: tuple[float, str] | None = None

    def look(self) -> float:
        """Seconds by which the clock was set since the last look, 0.0 where it was not."""
        difference = self._clock.wall() - self._clock.boottime()
        jump, self._difference = difference - self._difference, difference
        if abs(jump) < JUMP:
            return 0.0
        way = "forward" if jump > 0 else "back"
        at = timestamp(self._clock.wall())
        self._told = (
            self._clock.boottime(),
            f"the clock of this machine was set {way} by {abs(jump):,.0f} s at {at}",
        )
        return jump

    @property
    def warning(self) -> str:
        """A sentence about a jump within the last hour, "" mostly."""
        if self._told is None or self._clock.boottime() - self._told[0] > _TOLD_FOR:
            return ""
        return self._told[1]


def certificate_warning(file: str, now: float) -> str:
    """A sentence where a PEM file's certificate cannot be read, has ended, or ends within three weeks."""
    if not file:
        return ""
    from cryptography import x509

    shown = visible(file, 200)
    try:
        chain = x509.load_pem_x509_certificates(Path(file).read_bytes())
    except OSError as error:
        return f"the page's certificate {shown} cannot be read: {error.strerror}"
    except ValueError:
        return f"the page's certificate {shown} is none"
    end = min(each.not_valid_after_utc for each in chain)
    left = (end - datetime.fromtimestamp(now, UTC)).total_seconds()
    if left > SOON:
        return ""
    if left <= 0:
        return f"the page's certificate {shown} has ended at {timestamp(end.timestamp())}: browsers refuse it"
    days = int(left // 86_400)
    return f"the page's certificate {shown} ends in {days} days, at {timestamp(end.timestamp())}: renew it"
