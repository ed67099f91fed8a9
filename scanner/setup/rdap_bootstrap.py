"""The RDAP servers that [ownership] names: one, or those of IANA's bootstrap files, which may be fetched."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from results.files import REAL, read_whole, write_durably
from results.place import make_directory
from results.text import visible
from scanner.errors import RefusedError
from targets.files import read_bytes
from targets.rdap import RdapError, server_url
from targets.rdap_servers import RdapServers, read_bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scanner.setup.scope_settings import Ownership
    from targets.rdap import Rdap

REFRESHED = 7 * 86_400.0  # seconds after which a fetched file is fetched again (RFC 9224 8 leaves it to HTTP)


class Bootstrap:
    """Reads the files that [ownership] bootstrap names when it is made, and fetches the rest when it is
    called. `base` is the configuration's directory, `output` keeps what was fetched.

    Raises RefusedError and ScopeError for what cannot be used at all.
    """

    def __init__(
        self, ownership: Ownership, base: Path, output: Path, now: float, notice: Callable[[str], None]
    ) -> None:
        self._output = output
        self._now = now
        self._notice = notice
        self._urls = [name for name in ownership.bootstrap if "://" in name]
        plain = next((url for url in self._urls if not url.startswith("https://")), None)
        if plain is not None:
            raise RefusedError(f"[ownership] bootstrap: {plain} is not fetched; write an https address")
        try:
            self._otherwise = server_url(ownership.rdap) if ownership.rdap else None
            files = [base / name for name in ownership.bootstrap if "://" not in name]
            self._services = [
                service for file in files for service in read_bootstrap(read_bytes(file), str(file))
            ]
        except RdapError as error:
            raise RefusedError(f"[ownership]: {visible(str(error))}") from None

    async def __call__(self, rdap: Rdap) -> RdapServers:
        """The servers. A file that cannot be fetched is replaced by what was fetched before, however old."""
        services, missing = list(self._services), ""
        for url in self._urls:
            kept = self._output / f"bootstrap-{hashlib.sha256(url.encode()).hexdigest()[:12]}.json"
            try:
                raw = _young(kept, self._now)
                fetched = await rdap.get(server_url(url)) if raw is None else None
                services += read_bootstrap(fetched[1] if fetched else raw or b"", url)
                if fetched is not None:
                    make_directory(REAL, self._output)
                    write_durably(REAL, kept, fetched[1], keep_previous=False)
            except RdapError as error:
                missing = f"the bootstrap file cannot be fetched: {error}"
                with contextlib.suppress(OSError, RdapError):
                    services += read_bootstrap(read_whole(kept, kept.name), url)
                    missing, late = "", missing
                    self._notice(f"{visible(late)}; the one that was fetched before is used")
        return RdapServers(services, self._otherwise, missing)


def _young(kept: Path, now: float) -> bytes | None:
    """What was fetched lately; None where nothing was."""
    try:
        if not 0 <= now - kept.stat().st_mtime <= REFRESHED:
            return None
        return read_whole(kept, kept.name)
    except OSError:
        return None
