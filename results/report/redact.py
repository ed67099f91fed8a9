"""A report without names: each is replaced by a keyed hash, so that the same name is still the same one.

HMAC-SHA256 under a key that is not in the report: nobody without it can find a name by trying all that are
likely, as could be done with a plain hash of an address. What is replaced stands in docs/report.md. Texts
that people wrote and details of reasons may hold any name, and are left out.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from results.ledger.tracked import Acceptance
from results.record import Owner, Reason
from results.report.content import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.tracked import Action, Change, Look, Lost, Place, TrackedExposure
    from results.report.content import Content, Dossier, ReportedRun

Extent = Literal["names", "all"]
LEAST_KEY = 16
"""Bytes of a key; fewer could be tried one after the other."""

_DIGITS = 12


class Redactor:
    """Replaces names, and with `all` addresses and every id that was made of one."""

    def __init__(self, key: bytes, extent: Extent) -> None:
        """Raises `ValueError` for a key that is too short to keep anything secret."""
        if len(key) < LEAST_KEY:
            raise ValueError(f"the key has {len(key)} bytes; {LEAST_KEY} are the least")
        self._key = key
        self._extent: Extent = extent

    def content(self, content: Content) -> Content:
        """A whole report."""
        exposures = [self.exposure(each) for each in content.exposures]
        changes = {
            self._id(name): [self.change(each) for each in some] for name, some in content.changes.items()
        }
        return replace(
            content,
            organisation=self._name("organisation", content.organisation),
            exposures=exposures,
            changes=changes,
            asked=Asked() if self._extent == "all" else content.asked,
            redacted=self._extent,
        )

    def dossier(self, dossier: Dossier) -> Dossier:
        """The dossier of one exposure."""
        return replace(
            dossier,
            organisation=self._name("organisation", dossier.organisation),
            exposure=self.exposure(dossier.exposure),
            changes=[self.change(each) for each in dossier.changes],
            looks=[self.look(each) for each in dossier.looks],
            actions=[self.action(each) for each in dossier.actions],
            runs={name: self._run(run) for name, run in dossier.runs.items()},
            redacted=self._extent,
        )

    def exposure(self, one: TrackedExposure) -> TrackedExposure:
        """One exposure. Words of our own tables (severity, hints, codes) and product and version stay."""
        taken = one.acceptance
        return replace(
            one,
            exposure_id=self._id(one.exposure_id),
            finding_id=self._id(one.finding_id),
            last_event_id=self._id(one.last_event_id),
            related=self._ids(one.related),
            former_ids=self._ids(one.former_ids),
            severity_reasons=_codes(one.severity_reasons),
            cautions=_codes(one.cautions),
            place=self._place(one.place),
            places=[self._place(each) for each in one.places],
            hostnames=self._names("host", one.hostnames),
            owner=self._owner(one.owner),
            set_name=self._name("set", one.set_name),
            databases=self._names("name", one.databases),
            ransom_names=self._names("name", one.ransom_names),
            lost=self._lost(one.lost),
            acknowledged_by=self._name("person", one.acknowledged_by),
            acceptance=taken
            and Acceptance(by=self._name("person", taken.by), at=taken.at, until=taken.until),
        )

    def change(self, one: Change) -> Change:
        """One thing that happened."""
        return replace(
            one,
            event_id=self._id(one.event_id),
            exposure_id=self._id(one.exposure_id),
            finding_id=self._id(one.finding_id),
            observation_id=self._id(one.observation_id),
            reasons=_codes(one.reasons),
            names=self._names("name", one.names),
            lost=self._lost(one.lost),
            place=one.place and self._place(one.place),
        )

    def look(self, one: Look) -> Look:
        """One look; with `all`, without what its line in the journal could be found by."""
        if self._extent == "names":
            return one
        return replace(
            one,
            event_id=self._id(one.event_id),
            ip=self._address(one.ip),
            segment=0,
            offset=0,
            line_sha256="",
        )

    def action(self, one: Action) -> Action:
        """What a person did, without what they wrote."""
        return replace(one, by=self._name("person", one.by), to=self._names("person", one.to), detail="")

    def _run(self, run: ReportedRun) -> ReportedRun:
        return replace(run, folder="", head=run.head if self._extent == "names" else "")

    def _owner(self, owner: Owner) -> Owner:
        return Owner(
            owner=self._name("owner", owner.owner),
            contact=self._name("person", owner.contact),
            site=self._name("site", owner.site),
            allow=owner.allow if self._extent == "names" and not _is_name(owner.allow) else "",
        )

    def _place(self, place: Place) -> Place:
        return replace(place, ip=self._address(place.ip), site=self._name("site", place.site))

    def _lost(self, lost: Lost | None) -> Lost | None:
        return lost and replace(lost, databases=self._names("name", lost.databases))

    def _names(self, kind: str, names: Sequence[str]) -> list[str]:
        return [self._name(kind, name) for name in names]

    def _name(self, kind: str, name: str) -> str:
        """`name-3fa91c0d2b7e`; "" stays."""
        if not name:
            return ""
        text = f"{kind}\0{name}".encode("utf-8", "surrogatepass")
        return f"{kind}-{hmac.new(self._key, text, hashlib.sha256).hexdigest()[:_DIGITS]}"

    def _ids(self, ids: Sequence[str]) -> list[str]:
        return [self._id(each) for each in ids]

    def _id(self, identity: str) -> str:
        return self._name("id", identity) if self._extent == "all" else identity

    def _address(self, ip: str) -> str:
        return self._name("address", ip) if self._extent == "all" else ip


def _codes(reasons: Sequence[Reason]) -> list[Reason]:
    return [Reason(code=reason.code) for reason in reasons]


def _is_name(entry: str) -> bool:
    """Whether an entry of the allow-list is a host's name, and no range of addresses."""
    return not all(character in "0123456789abcdefABCDEF.:/-* " for character in entry)
