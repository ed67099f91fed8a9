"""The NetBox stand-in read to its end, or its refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from targets.errors import ScopeError
from targets.grammar import format_span
from targets.netbox_api import read_netbox
from tests.support.netbox import NEW_TOKEN, StandIn

if TYPE_CHECKING:
    from targets.claims import Claim
    from targets.sources.reading import Reading


class Read:
    """A reading to its end, with what was told."""

    def __init__(self, netbox: StandIn, token: str = NEW_TOKEN, **settings: Any) -> None:
        self.told: list[str] = []
        settings.setdefault("deadline", 30.0)
        url = settings.pop("url", netbox.url)
        self.reading: Reading = read_netbox(url, token, warn=self.told.append, **settings)
        self.claims: list[Claim] = list(self.reading)

    @property
    def places(self) -> dict[str, Claim]:
        return {format_span(claim.span): claim for claim in self.claims}


def refused(netbox: StandIn, token: str = NEW_TOKEN, **settings: Any) -> str:
    """The one line that refuses, without the token in it."""
    with pytest.raises(ScopeError) as caught:
        Read(netbox, token, **settings)
    text = str(caught.value)
    assert "\n" not in text
    assert not token or (token not in text and token.removeprefix("nbt_") not in text)
    return text.replace(netbox.url, "NETBOX")
