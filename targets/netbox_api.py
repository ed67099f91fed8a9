"""What a NetBox knows of addresses, read over its REST API as claims: what is taken, what is left out and
told, and that it is all or nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from targets.grammar import GrammarError, format_span
from targets.netbox_pages import Netbox
from targets.sources.fields import text_of
from targets.sources.netbox import ADDRESS, AGGREGATE, PREFIX, RANGE, Assigned, Naming, claim_of, fields_of
from targets.sources.reading import TOLD, Format, Reading, Trouble

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterator

    from targets.claims import Claim
    from targets.grammar import Span
    from targets.sources.netbox import Kind

DEADLINE: Final = 3600.0  # seconds for a whole NetBox
_KINDS = (AGGREGATE, PREFIX, RANGE, ADDRESS)  # read beside each other, a request each
_AHEAD = 4  # pages that are held while the claims of one are taken
_PRIORITIES = {"primary": 0, "secondary": 1, "tertiary": 2, "": 3}  # of contacts; an "inactive" one is none
_ASSIGNMENT = "id,object_type,content_type,object_id,contact,role,priority"


def read_netbox(
    url: str,
    token: str,
    *,
    ca_file: str = "",
    contact_role: str = "",
    owner_field: str = "",
    contact_field: str = "",
    statuses: Collection[str] = ("active",),
    vrfs: Collection[str] = ("",),
    deadline: float = DEADLINE,
    warn: Callable[[str], None],
) -> Reading:
    """The claims of the NetBox at `url` (without /api): aggregates, prefixes, ranges, addresses. To be called
    where no event loop runs.

    The keywords are those of `[netbox]`; containers are given whatever `statuses` says, since what is in them
    inherits their owner. `warn` gets a line for what is left out, with its count. Iterating raises
    ScopeError, in one line for the user and never with the token in it, for whatever keeps the NetBox from
    being read to its end: claims that were given before count for nothing then. So a caller takes all of
    them, and changes something only when the iterator has ended.
    """
    trouble = Trouble(url, warn)
    wanted = _Wanted(frozenset(status.lower() for status in statuses), frozenset(vrfs), trouble)
    naming = Naming(owner_field, contact_field, contact_role)

    def read(reading: Reading) -> Iterator[Claim]:
        netbox = Netbox(url, token, ca_file=ca_file, deadline=deadline, warn=warn)
        trouble.name = netbox.name
        with asyncio.Runner() as runner:
            claims = _claims(netbox, naming, wanted)
            try:
                while (page := runner.run(_next(claims))) is not None:
                    reading.format = Format("NetBox", netbox.version)
                    yield from page
            finally:
                runner.run(claims.aclose())
        wanted.tell()

    return Reading(trouble, read)


async def _next(claims: AsyncGenerator[list[Claim], None]) -> list[Claim] | None:
    return await anext(claims, None)


async def _claims(netbox: Netbox, naming: Naming, wanted: _Wanted) -> AsyncGenerator[list[Claim], None]:
    """Page by page, of all kinds beside each other. No scope of asyncio is held open over a `yield`, for each
    page is asked for by a task of its own."""
    async with netbox:
        if naming.contact_role:
            contacts = await _contacts(netbox, naming.contact_role, wanted.trouble)
            naming = naming._replace(contacts=contacts)
        queue: asyncio.Queue[tuple[Kind, list[dict[str, Any]] | BaseException | None]] = asyncio.Queue(_AHEAD)
        tasks = [asyncio.create_task(_read(netbox, kind, queue)) for kind in _KINDS]
        try:
            ended = 0
            while ended < len(tasks):
                kind, records = await queue.get()
                if isinstance(records, BaseException):
                    raise records
                if records is None:
                    ended += 1
                else:
                    yield wanted.take(kind, records, naming)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _read(
    netbox: Netbox, kind: Kind, queue: asyncio.Queue[tuple[Kind, list[dict[str, Any]] | BaseException | None]]
) -> None:
    """Pages of one kind, then None or what went wrong, into `queue`."""
    try:
        async for records in netbox.pages(f"ipam/{kind.path}/", fields_of(kind)):
            await queue.put((kind, records))
    except Exception as error:  # noqa: BLE001 — raised again by whoever takes it from the queue
        await queue.put((kind, error))
    else:
        await queue.put((kind, None))


async def _contacts(netbox: Netbox, role: str, trouble: Trouble) -> dict[tuple[str, int], Assigned]:
    """Who answers for which object in a role, by its name or slug; the first by priority."""
    people: dict[str, Assigned] = {}
    async for records in netbox.pages("tenancy/contacts/", "id,name,email,phone,link"):
        for record in records:
            said = [text_of(record.get(key)) for key in ("email", "phone", "link", "name")]
            people[str(record["id"])] = Assigned(said[-1], next(filter(None, said), ""))
    best: dict[tuple[str, int], tuple[int, int, Assigned]] = {}
    others: set[str] = set()
    async for records in netbox.pages("tenancy/contact-assignments/", _ASSIGNMENT):
        for record in records:
            held, to = record.get("role"), record.get("object_id")
            if role.lower() not in (_inside(held, "name").lower(), _inside(held, "slug").lower()):
                others.add(_inside(held, "name"))
                continue
            priority = _PRIORITIES.get(_inside(record.get("priority"), "value"))
            contact = people.get(_inside(record.get("contact"), "id"))
            if priority is not None and contact is not None and isinstance(to, int):
                type_ = text_of(record.get("object_type") or record.get("content_type"))
                found = (priority, record["id"], contact)
                best[type_, to] = min(best.get((type_, to), found), found)
    if not best:
        known = ", ".join(repr(name) for name in sorted(others)[:TOLD]) or "none"
        trouble.warn(None, f"no contact is assigned in the role {role!r}; roles of contacts there: {known}")
    return {to: contact for to, (_, _, contact) in best.items()}


def _inside(value: object, key: str) -> str:
    """The text of a key of the object that a field holds; "" where it holds none."""
    return text_of(value.get(key)) if isinstance(value, dict) else ""


class _Wanted:
    """Which objects are taken, and the count of the others."""

    def __init__(self, statuses: frozenset[str], vrfs: frozenset[str], trouble: Trouble) -> None:
        self.trouble = trouble
        self._statuses = statuses
        self._vrfs = vrfs
        self._unreached = Counter[str]()  # by VRF
        self._otherwise = Counter[str]()  # by status
        self._found = set[str]()  # VRFs
        self._prefixes: dict[Span, str] = {}  # and the VRF in which it stands first
        self._twice = 0

    def take(self, kind: Kind, records: list[dict[str, Any]], naming: Naming) -> list[Claim]:
        """The claims of those objects that are wanted."""
        taken = []
        for record in records:
            place = f"{kind.path}/{record['id']}"
            try:
                claim = claim_of(record, kind, f"netbox:{place}", naming)
            except GrammarError as error:
                self.trouble.skip(None, f"{place}: {error.reason}", error.remedy)
                continue
            except KeyError as error:
                self.trouble.skip(
                    None, f"{place} has no {error.args[0]}", "look whether the token may see it"
                )
                continue
            self.trouble.usable = True
            if self._is_wanted(kind, claim):
                taken.append(claim)
        return taken

    def _is_wanted(self, kind: Kind, claim: Claim) -> bool:
        said = claim.said
        if kind is not AGGREGATE:  # which belongs to no VRF
            self._found.add(said.vrf)
            if said.vrf not in self._vrfs:
                self._unreached[said.vrf] += 1
                return False
        if said.kind != "container" and said.status not in self._statuses:
            self._otherwise[said.status] += 1
            return False
        if kind is PREFIX and self._prefixes.setdefault(claim.span, said.vrf) != said.vrf:
            self._twice += 1
            if self._twice <= TOLD:
                first = self._prefixes[claim.span] or "(global)"
                self.trouble.warn(
                    None,
                    f"{format_span(claim.span)} is in the VRFs {first!r} and {said.vrf or '(global)'!r}: two "
                    "networks; name in vrfs only the one that is reached from here",
                )
        return True

    def tell(self) -> None:
        """Warn of what was left out, and of VRFs in which nothing is."""
        if self._unreached:
            names = _listed(self._unreached, "(global)")
            self.trouble.warn(None, f"left out: in VRFs that [scope] vrfs does not name: {names}")
        if self._otherwise:
            names = _listed(self._otherwise, "(none)")
            self.trouble.warn(None, f"left out: of a status that [netbox] statuses does not name: {names}")
        if self._twice > TOLD:
            self.trouble.warn(None, f"{self._twice:,} prefixes in all are in several VRFs")
        for vrf in sorted(self._vrfs - self._found - {""}):
            self.trouble.warn(None, f"nothing is in a VRF {vrf!r}, which vrfs names")


def _listed(counts: Counter[str], nameless: str) -> str:
    shown = ", ".join(f"{name or nameless!r} {count:,}" for name, count in counts.most_common(TOLD))
    return shown if len(counts) <= TOLD else f"{shown} and {len(counts) - TOLD} more"
