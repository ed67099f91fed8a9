"""The headers of Standard Webhooks (standardwebhooks.com, "Signature scheme"): an id that stays the same,
a time, and HMAC-SHA256 of `id.timestamp.body`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """The key: base64 behind `whsec_`, else the text's own bytes. Raises `ValueError`, without the secret."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("the secret is not base64 behind whsec_; write it as the receiver shows it")
    return key


def signed_headers(message_id: str, seconds: int, body: bytes, secret: str) -> dict[str, str]:
    """The headers of one attempt at `seconds` since 1970; without a signature where the secret is empty."""
    headers = {"webhook-id": message_id, "webhook-timestamp": str(seconds)}
    if secret:
        digest = hmac.new(key_of(secret), f"{message_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers
