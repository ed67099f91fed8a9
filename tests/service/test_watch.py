"""What the service warns of: clocks that were set, certificates that end; and what systemd hears."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scanner.service.systemd import Notifier
from scanner.service.watch import ClockWatch, certificate_warning

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


class SetClock:
    """Clocks that a test sets."""

    def __init__(self) -> None:
        self.at, self.since = NOW.timestamp(), 1000.0

    def wall(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.since

    def boottime(self) -> float:
        return self.since

    def passes(self, seconds: float) -> None:
        self.at += seconds
        self.since += seconds


def test_a_clock_that_is_set_is_told_for_an_hour() -> None:
    clock = SetClock()
    watch = ClockWatch(clock)
    clock.passes(86_400)  # also suspension: both clocks count it
    clock.at += 4
    assert (watch.look(), watch.warning) == (0.0, "")
    clock.at -= 7200
    assert watch.look() == -7200
    at = "2026-03-02T07:00:04.000Z"
    assert watch.warning == f"the clock of this machine was set back by 7,200 s at {at}"
    clock.passes(3599)
    assert watch.look() == 0.0
    assert watch.warning
    clock.passes(2)
    assert watch.warning == ""


def certificate(place: Path, ends: datetime) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mongosweep.example.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    place.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return str(place)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (22, ""),
        (20, "ends in 20 days, at 2026-03-21T09:00:00.000Z: renew it"),
        (-1, "has ended at 2026-02-28T09:00:00.000Z: browsers refuse it"),
    ],
)
def test_a_certificate_that_ends_soon(tmp_path: Path, days: int, said: str) -> None:
    file = certificate(tmp_path / "page.pem", NOW + timedelta(days=days))
    warning = certificate_warning(file, NOW.timestamp())
    assert warning == (f"the page's certificate {file} {said}" if said else "")


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "page.pem").write_text("nothing")
    assert certificate_warning("", 0.0) == ""
    assert certificate_warning(str(tmp_path / "page.pem"), 0.0).endswith("page.pem is none")
    assert "cannot be read: No such file" in certificate_warning(str(tmp_path / "nowhere"), 0.0)


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears(tmp_path: Path, abstract: bool) -> None:
    name = f"@mongosweep-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind(name.replace("@", "\0"))
        notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "10000000"})
        notifier.tell("READY=1", "STATUS=here")
        assert hears.recv(100) == b"READY=1\nSTATUS=here"
    assert notifier.interval == 5.0
    notifier.tell("READY=1")  # nobody is there any more
    assert Notifier({}).interval == float("inf")
    assert Notifier({"WATCHDOG_USEC": "10", "WATCHDOG_PID": "1"}).interval == float("inf")
