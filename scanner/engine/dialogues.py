"""Makes the dialogue for each target of a sweep: who asks, how deep, and within which limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scanner import __version__
from scanner.mongo.commands import client_metadata
from scanner.mongo.console import PORT as CONSOLE_PORT
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.first_answers import FirstAnswers
from scanner.mongo.metadata import MetadataPlan
from scanner.mongo.transcript import Transcript
from scanner.setup.config_file import mongo_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.clock import Clock
    from scanner.mongo.facts import Document
    from scanner.setup.settings import Settings, SweepOptions
    from targets.scope import Target


def client_of(settings: Settings) -> Document:
    """The metadata document with which a sweep presents itself, to servers and through the driver alike."""
    organisation = settings.organisation
    return client_metadata(organisation.name, organisation.contact, __version__)


def first_answers(settings: Settings, options: SweepOptions) -> FirstAnswers | None:
    """What a process knows of first answers, within the same limits as its dialogues. None where each is kept
    in a transcript, for which it must be read in full."""
    if options.confirm:
        return None
    return FirstAnswers(Limits(**mongo_limits(settings.limits)), Depth(options.depth))


def dialogue_maker(settings: Settings, options: SweepOptions, clock: Clock) -> Callable[[Target], Dialogue]:
    """A function that begins the dialogue of one target."""
    client = client_of(settings)
    limits = Limits(**mongo_limits(settings.limits))
    depth = Depth(options.depth)

    def make(target: Target) -> Dialogue:
        dialogue = Dialogue(
            client=client,
            depth=depth,
            limits=limits,
            loopback=target.is_loopback,
            plan_factory=MetadataPlan,
            console=target.port == CONSOLE_PORT,
            transcript=Transcript() if options.confirm else None,
        )
        # The plan bounds newest ids by our clock, because the server's may lie.
        dialogue.facts.observed_at = datetime.fromtimestamp(clock.wall(), UTC)
        return dialogue

    return make
