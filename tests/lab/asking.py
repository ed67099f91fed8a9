"""Questions to the simulated servers."""

from __future__ import annotations

import ssl
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion

from scanner.lab import hostile

ALL = {each.name: each for each in hostile.personalities()}
ANY_DATE: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)
HELLO = {"isMaster": 1, "helloOk": True}
LIST = {"listDatabases": 1, "nameOnly": True}


def any_context() -> ssl.SSLContext:
    """A client context that verifies nothing and speaks what it can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
