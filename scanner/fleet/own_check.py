"""For `mongosweep doctor`: whether what this machine needs for a fleet is there, its certificate and Dask."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from results.text import visible
from scanner.clock import SystemClock, timestamp
from scanner.errors import RefusedError
from scanner.setup.doctor import Check
from scanner.setup.fleet_request import certificates_of, config_of_fleet

if TYPE_CHECKING:
    from collections.abc import Iterator


def fleet_checks(config: str | None) -> Iterator[Check]:
    """None where no `[fleet]` names a folder of certificates. They are warnings at most: what this machine
    sweeps by itself needs no fleet. Raises what reading the configuration raises."""
    found = config_of_fleet(config)
    if found is None or not found.settings.fleet.certificates:
        return
    # Not above: most machines have no certificate, and reading one takes long to import.
    from scanner.fleet.authority import OWN_FILE, certificate_in, ends_soon, identity_in, read_own
    from scanner.fleet.dask.settings import address_of

    now = SystemClock.wall()
    folder = certificates_of(None, found)
    try:
        if find_spec("distributed") is None:
            raise RefusedError("Dask is not installed; install it: pip install 'mongosweep[fleet]'")
        if found.settings.fleet.scheduler:
            address_of(found.settings.fleet.scheduler)
        role = identity_in(certificate_in(folder / OWN_FILE), folder / OWN_FILE).role
        identity = read_own(folder, role, now).identity
    except RefusedError as error:
        what, _, remedy = visible(str(error), 500).partition("; ")
        yield Check("fleet", "warning", what, remedy)
        return
    what = f"certificate of {identity}, until {timestamp(identity.not_after)[:10]}"
    soon = ends_soon(identity, now).partition("; ")[2]
    yield Check("fleet", "warning" if soon else "ok", what, soon)
