"""What inventories of clouds and clusters have in common: resources with tags, by which they have owners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from targets.claims import Claim, Said
from targets.grammar import parse_span
from targets.sources.fields import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from targets.claims import SpanKind
    from targets.grammar import Span

MAX_LABELS: Final = 64  # of one resource; AWS and Google permit as many, Azure 50
_OWNER_TAGS: Final = ("owner", "team", "ownedby", "ownerteam", "teamname", "squad", "serviceowner")
_CONTACT_TAGS: Final = ("contact", "securitycontact", "ownercontact", "owneremail", "teamemail", "email")
_PROJECT_TAGS: Final = ("project", "application")


class Resource(NamedTuple):
    """What a record says of itself, beside its addresses."""

    place: str  # provenance, such as `aws:eni-0123 (file:line)`
    said: Said
    names: tuple[str, ...] = ()

    def claims(
        self, spans: Iterable[object], kind: SpanKind = "address", *, port: int | None = None, vrf: str = ""
    ) -> Iterator[Claim]:
        """Claims for addresses or CIDRs as they are written, each once; None and "" stand for none. Raises
        GrammarError."""
        said = self.said._replace(kind=kind, vrf=vrf)
        seen: set[Span] = set()
        for written in spans:
            if written in (None, ""):
                continue
            span = parse_span(written)  # type: ignore[arg-type]  # it refuses what is not text
            if span not in seen:
                seen.add(span)
                yield Claim(span, port, self.place, self.names, said)


def text(value: object) -> str:
    """A text of a record within bounds; "" for everything else."""
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def said_by(
    tags: Mapping[str, object],
    fallback: tuple[str, str] = ("", ""),
    *,
    word: str = "tag",
    site: str = "",
    status: str = "",
    **labels: str,
) -> Said:
    """Who owns a resource by its tags, or else by (owner, where that is from), such as its account.

    `word` is what its cloud calls a tag; `labels` are kept beside the tags. Tag names are compared without
    case, dashes and underscores, and without a prefix such as `example.com/`.
    """
    kept = {key[:MAX_TEXT]: text(value) for key, value in list(tags.items())[:MAX_LABELS]}
    found = {_plain(key): (value, key) for key, value in reversed(kept.items()) if value}
    owner, owner_by = fallback
    for name in (*_OWNER_TAGS, *_PROJECT_TAGS):
        if name in found:
            owner, owner_by = found[name][0], f"{word} {found[name][1]}"
            break
    contact = next((found[name][0] for name in _CONTACT_TAGS if name in found), "")
    if not contact and "@" in owner:
        contact = owner
    kept |= {key: value[:MAX_TEXT] for key, value in labels.items() if value}
    return Said(
        owner=owner,
        owner_by=owner_by if owner else "",
        contact=contact,
        site=site,
        labels=tuple(sorted(kept.items())),
        status=status.lower(),
    )


def _plain(key: str) -> str:
    return key.rpartition("/")[2].lower().replace("-", "").replace("_", "").replace(" ", "")
