"""`mongosweep scope prove`: registries are asked whether the public prefixes are ours. No target is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from scanner.cli.listing import Column, Listed, Listing, listing_options
from scanner.cli.options import Age, config_option, output_option, scope_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.setup.prefix_holders import PrefixProof, Result
    from targets.delegated import Delegation
    from targets.grammar import Span


@click.command("prove")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@config_option
@scope_option
@output_option
@click.option(
    "--max-age",
    type=Age(),
    default="7d",
    show_default=True,
    metavar="AGE",
    help="How old an answer may be before its registry is asked again.",
)
@click.option(
    "--delegated",
    type=click.File("rb"),
    multiple=True,
    metavar="FILE",
    help="Extended delegated statistics of a registry, as weaker evidence that needs no network.",
)
@click.option(
    "--own",
    multiple=True,
    metavar="PREFIX",
    help="With --delegated: a prefix that is known to be ours; may be given several times.",
)
@listing_options()
def command(
    targets: tuple[str, ...],
    output: str,
    max_age: int,
    delegated: tuple[BinaryIO, ...],
    own: tuple[str, ...],
    listed: Listed,
    **asked: object,
) -> int:
    """Ask the registries by RDAP whether the public prefixes of the scope, or of its part TARGET, are ours.

    A prefix is proven when the network around it is registered to one of our own handles. What registries
    answer is kept in ownership.jsonl of the output directory, and asked again when it is older than
    --max-age. Exit code: 0 all are proven, 1 one is not, 3 not all could be asked.
    """
    from pathlib import Path

    from scanner.cli.ending import say
    from scanner.clock import SystemClock
    from scanner.setup.clock_check import require_clock, witnesses
    from scanner.setup.ownership_request import ask_registries
    from scanner.setup.prefix_holders import public_prefixes
    from scanner.setup.request import SweepRequest, load

    request = SweepRequest.of(targets, asked)
    clock = SystemClock()
    loaded = load(request, require_clock(clock, witnesses(request.config, request.scope_file)))
    for notice in loaded.notices:
        click.echo(notice, err=True)
    known, delegations = _delegations(delegated, own, list(public_prefixes(loaded.scope)))
    found = ask_registries(
        loaded,
        Path(output),
        clock.wall,
        say,
        max_age=max_age,
        delegations=delegations if delegated else None,
        known=known,
    )
    listed.write(_listing(found))
    return _exit_code(found)


def _delegations(
    files: Sequence[BinaryIO], own: Sequence[str], prefixes: Sequence[Span]
) -> tuple[list[Span], list[Delegation]]:
    """The prefixes of --own and the records of --delegated that concern us."""
    from targets.delegated import read_delegated
    from targets.grammar import GrammarError, parse_span

    if own and not files:
        raise click.UsageError("--own says something only with --delegated FILE; name such a file")
    try:
        known = [parse_span(text) for text in own]
    except GrammarError as error:
        raise click.UsageError(f"--own {error}") from None
    wanted = [*known, *prefixes]
    return known, [record for file in files for record in read_delegated(file, file.name, wanted)]


_ORDER: tuple[Result, ...] = ("not_proven", "not_asked", "same_holder", "proven", "unprovable")
_WORDS = {
    "not_proven": "NOT PROVEN",
    "not_asked": "not asked",
    "same_holder": "same holder",
    "proven": "proven",
    "unprovable": "-",
}


def _listing(found: Sequence[PrefixProof]) -> Listing[PrefixProof]:
    """What is not proven first, with why below it."""
    from results.text import plural

    public = [proof for proof in found if proof.result != "unprovable"]
    proven = [proof for proof in public if proof.result == "proven"]
    return Listing(
        rows=sorted(found, key=lambda proof: _ORDER.index(proof.result)),
        columns=[
            Column("prefix"),
            Column("result", None, lambda proof: _WORDS[proof.result]),
            Column("registered_to", _by_what),
            Column("since", _since),
            Column("asked_at", None, lambda proof: proof.asked_at[:10] or "-", "asked on"),
            Column("detail", title=""),
        ],
        title="Who holds the public prefixes",
        below=lambda proof: [] if proof.result == "proven" else [f"{proof.prefix}: {proof.detail}"],
        foot=[
            "",
            f"{len(proven):,} of {plural(len(public), 'public prefix', 'public prefixes')} proven ours",
        ],
        empty="the scope is empty",
        document=lambda: {
            "counts": {result: sum(proof.result == result for proof in found) for result in _ORDER},
            "prefixes": found,
        },
    )


def _since(proof: PrefixProof) -> str:
    return ", ".join(dict.fromkeys(answer.registered[:10] or "-" for answer in proof.answers[:3])) or "-"


def _by_what(proof: PrefixProof) -> str:
    """The registrants, with the network of each."""
    parts = [
        f"{' '.join(each.handle for each in answer.entities if 'registrant' in each.roles) or 'nobody'} "
        f"({answer.handle or answer.network})"
        for answer in proof.answers[:3]
    ]
    more = [f"{len(proof.answers) - 3} more"] if len(proof.answers) > 3 else []
    return ", ".join([*parts, *more]) or "-"


def _exit_code(found: Sequence[PrefixProof]) -> int:
    from scanner.errors import ExitCode

    results = {proof.result for proof in found}
    if "not_asked" in results:
        return ExitCode.INCOMPLETE
    return ExitCode.OPEN if results & {"not_proven", "same_holder"} else ExitCode.CLEAN
