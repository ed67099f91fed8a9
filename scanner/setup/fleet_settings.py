"""What can be configured about sweeps that a fleet does: `[fleet]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"  # a site, or the name of a machine of the fleet
SITE = rf"^{WORD}\Z"


class FleetSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the coordinator and the workers of a fleet meet, and how its work is divided."""

    scheduler: Annotated[
        str,
        Meta(
            description="where the scheduler listens; only tls:// is taken",
            examples=["tls://scheduler.example.com:8786"],
        ),
    ] = ""
    certificates: Annotated[
        str,
        Meta(
            description="the folder with this machine's certificate, as `mongosweep fleet init` or "
            "`mongosweep fleet issue` made it: ca.pem, own.pem, own.key",
            examples=["/etc/mongosweep/fleet"],
        ),
    ] = ""
    default_site: Annotated[
        str,
        Meta(
            pattern=rf"{SITE}|^\Z",
            description="the site whose workers ask what allow entries without `site` allow",
            examples=["hq"],
        ),
    ] = ""
    patience: Annotated[
        int,
        Meta(
            ge=1,
            le=7 * 86400,
            description="seconds for which a site may be without a worker; after them its targets are told "
            "as not reached",
            examples=[600],
        ),
    ] = 600
    shard_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="about how many seconds one shard takes when nobody answers, asked at `rate`",
            examples=[300],
        ),
    ] = 300
