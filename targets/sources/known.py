"""Every program whose JSON, CSV or lines are known, the most telling first: the one registry of `read`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from targets.sources import (
    censys,
    httpx,
    leakix,
    masscan,
    naabu,
    neighbours,
    ours,
    rustscan,
    shadowserver,
    shodan,
    xarf,
    zmap,
    zone,
)
from targets.sources.aws import AWS
from targets.sources.azure import AZURE
from targets.sources.columns import ANY_COLUMNS
from targets.sources.gcp import GCP
from targets.sources.infoblox import INFOBLOX, INFOBLOX_CSV
from targets.sources.kubernetes import KUBERNETES
from targets.sources.netbox import NETBOX
from targets.sources.netbox_csv import NETBOX_CSV
from targets.sources.phpipam import PHPIPAM, PHPIPAM_CSV
from targets.sources.prefixes import PREFIXES_CSV
from targets.sources.records import ANY_RECORD
from targets.sources.terraform import TERRAFORM

if TYPE_CHECKING:
    from targets.sources.shapes import ColumnShape, LineShape, RecordShape

RECORDS: Final[tuple[RecordShape, ...]] = (
    ours.JSON,
    masscan.JSON,
    masscan.JSON_LINES,
    naabu.JSON,
    zmap.JSON,
    httpx.JSON,
    NETBOX,
    PHPIPAM,
    INFOBLOX,
    *AWS,
    *AZURE,
    *GCP,
    *KUBERNETES,
    *TERRAFORM,
    *shodan.RECORDS,
    *leakix.RECORDS,
    *censys.RECORDS,
    *shadowserver.RECORDS,
    *xarf.RECORDS,
    neighbours.JSON,
    ANY_RECORD,
)
COLUMNS: Final[tuple[ColumnShape, ...]] = (
    INFOBLOX_CSV,
    PHPIPAM_CSV,
    NETBOX_CSV,
    *shadowserver.COLUMNS,
    *shodan.COLUMNS,
    zmap.CSV,
    naabu.CSV,
    httpx.CSV,
    PREFIXES_CSV,
    ANY_COLUMNS,
)
LINES: Final[tuple[LineShape, ...]] = (
    masscan.LIST,
    masscan.PRINTED,
    rustscan.LINES,
    httpx.URLS,
    naabu.TEXT,
    *neighbours.LINES,
    *zone.LINES,
)
ENVELOPES: Final = frozenset[str]().union(*(shape.envelopes for shape in RECORDS))
