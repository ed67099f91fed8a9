"""The page's own certificate: read when it is started, and again when its files change."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

from results.certificates import unfit_own_certificate
from scanner.setup.secret import require_own_certificate

if TYPE_CHECKING:
    from scanner.setup.service_settings import ServiceSettings

_log = logging.getLogger(__name__)


class Certificate:
    """TLS with the certificate of the configuration, or none. Raises `RefusedError` where it cannot be used.

    This context only ever answers: whom we sweep is asked with another one, which believes everybody.
    """

    def __init__(self, service: ServiceSettings) -> None:
        require_own_certificate(service.certificate, service.key, "[service] certificate")
        self._context = _context(service)

    def context(self) -> ssl.SSLContext | None:
        """For the next connection."""
        return self._context

    def refresh(self, service: ServiceSettings) -> None:
        """Read the files again; one that cannot be used changes nothing."""
        if self._context is None:
            return  # where the page listens was decided without TLS
        if not service.certificate or unfit_own_certificate(service.certificate, service.key):
            _log.warning("the new certificate of the page cannot be used; the old one stays in use")
            return
        self._context = _context(service)


def _context(service: ServiceSettings) -> ssl.SSLContext | None:
    if not service.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(service.certificate, service.key)
    return context
