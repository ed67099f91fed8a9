"""A listing as a command writes it, without the command."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanner.cli.listing import Listing


def written(listing: Listing[Any], form: str = "table") -> str:
    """The text of one form, as it goes into a file or a pipe."""
    out = io.StringIO()
    listing.writers()[form](out)
    return out.getvalue()
