"""Names that would do harm in a page or a spreadsheet, exposures that bear them, and an HTML reader."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

from msgspec.structs import replace

from results.ledger.tracked import Acceptance, Action, Change, Look, Lost, Place
from results.record import Owner, Reason
from results.report.content import Asked, Content, Dossier, ReportedRun
from results.verdict import Severity, Verdict
from tests.support.exposures import FIRST_SEEN, LAST_SEEN, NOW, exposure

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    '"><img src=http://outside.example/a.png onerror=alert(3)>',
    "' onmouseover='alert(4)",
    "=cmd|'/c calc'!A0",
    "+1+1",
    "@SUM(1)",
    "javascript:alert(5)",
    "</style><style>body{background:url(http://outside.example/b.png)}</style>",
    "\u202egpj.exe",
    "a\x00b\x1b[31mc\x07",
    "\u2028line\u2029",
    "&lt;b&gt;&#x3c;i&#x3e;",
    "${alert(6)}`{{7*7}}",
    "]]>\\u003cscript>",
    "lone \ud800 surrogate",
]
OUTSIDE = "outside.example"


def hostile_exposure(number: int = 0) -> TrackedExposure:
    """One that bears such names wherever a server, a file or a person can put one."""
    name = HOSTILE[number % len(HOSTILE)]
    where = Place(ip="10.20.1.17", port=27017, site=name, first_seen=FIRST_SEEN, last_seen=LAST_SEEN)
    made = exposure(
        databases=HOSTILE,
        database_count=len(HOSTILE),
        hostnames=HOSTILE,
        place=where,
        owner=Owner(owner=name, contact=name, site=name, allow=name, labels={name: name}),
        product=name,
        version=name,
        topology=name,
        set_name=name,
        hints=[name],
        ransom_names=[name],
        severity=Severity.CRITICAL,
        severity_reasons=[Reason(code="telling-names", detail=name), Reason(code=name, detail=name)],
        cautions=[Reason(code=name, detail=name)],
        wiped_count=2,
        ransomed_count=1,
        first_hit=FIRST_SEEN,
        last_hit=LAST_SEEN,
        lost=Lost(databases=HOSTILE, database_count=len(HOSTILE)),
        opened_after_how=name,
        acknowledged_at=NOW,
        acknowledged_by=name,
        acceptance=Acceptance(by=name, at=NOW, until=NOW, reason=name),
    )
    return replace(made, exposure_id=f"mx_{number:012x}")


def hostile_changes(one: TrackedExposure) -> list[Change]:
    """A change with every such name."""
    return [
        Change(
            event_id="mc_1",
            exposure_id=one.exposure_id,
            finding_id=one.finding_id,
            kind="ransomed",
            at=LAST_SEEN,
            after=FIRST_SEEN,
            run_id="20260308T083000Z-0001",
            reasons=[Reason(code="ransom-note", detail=name) for name in HOSTILE],
            names=HOSTILE,
            lost=one.lost,
            place=one.place,
            severity=one.severity,
            severity_number=one.severity_number,
        )
    ]


def hostile_content() -> Content:
    """A report of such exposures."""
    exposures = [hostile_exposure(number) for number in range(len(HOSTILE))]
    return Content(
        now=NOW,
        organisation=HOSTILE[0],
        exposures=exposures,
        changes={each.exposure_id: hostile_changes(each) for each in exposures},
        runs=[ReportedRun(run_id=name, began=NOW, state=name, vantage=name) for name in HOSTILE],
        asked=Asked(lately=[(0x0A140000, 0x0A14FFFF)], runs=HOSTILE, uncertain=HOSTILE),
        warnings=HOSTILE,
    )


def hostile_dossier() -> Dossier:
    """The dossier of one."""
    one = hostile_exposure()
    look = Look(
        at=LAST_SEEN,
        run_id=HOSTILE[1],
        run_state="complete",
        event_id=HOSTILE[2],
        vantage=HOSTILE[3],
        verdict=Verdict.OPEN,
        evidence=HOSTILE,
        ip=one.place.ip,
        segment=1,
        line_sha256="ab" * 32,
    )
    acted = Action(at=LAST_SEEN, kind="warned", by=HOSTILE[0], to=HOSTILE, detail=HOSTILE[1])
    run = ReportedRun(run_id=HOSTILE[1], began=NOW, ended=NOW, head="cd" * 32, folder=HOSTILE[4])
    return Dossier(
        now=NOW,
        exposure=one,
        changes=hostile_changes(one),
        looks=[look],
        actions=[acted],
        runs={run.run_id: run},
        warnings=HOSTILE,
    )


class Reader(HTMLParser):
    """What a parser finds in a page: elements with their attributes, text, and scripts and styles apart."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text: list[str] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in self.raw else ""
        if self._inside:
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave a script or a style."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Note text, and what stands in scripts and styles apart from it."""
        if self._inside:
            self.raw[self._inside][-1] += data
        else:
            self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]
