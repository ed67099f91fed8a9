"""`mongosweep notify`: one message for each owner of what is open, and the memory of who was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli.options import config_option, option, output_option

if TYPE_CHECKING:
    from results.ledger.told import Message
    from results.notify.rules import Notice
    from results.notify.send import Sent


@click.command("notify")
@config_option
@output_option
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send and remember nothing.")
@click.option("--owner", metavar="NAME", default="", help="Only this owner of the allow-list.")
@option(
    "--to",
    type=click.Choice(["folder", "smtp", "webhook"]),
    default=None,
    help="Over this way, instead of the configuration's.",
)
@click.option(
    "--resend", metavar="ID", multiple=True, help="This unclear message did not arrive: send it again."
)
@click.option("--arrived", metavar="ID", multiple=True, help="This unclear message arrived.")
@click.option("--by", metavar="NAME", default="", help="Who says so, with --resend and --arrived.")
def command(
    config: str | None,
    output: str,
    dry_run: bool,
    owner: str,
    to: str | None,
    resend: tuple[str, ...],
    arrived: tuple[str, ...],
    by: str,
) -> int:
    """Tell each owner once what of theirs is open, how that is known, and how to close it; remind and
    escalate by the rules of the configuration. Nobody is told of what is accepted or closed.

    Nothing is sent twice, also after a crash. Where it cannot be known whether a message arrived, it is
    listed as unclear until --resend or --arrived says so. Exit code 3 when somebody could not be told.
    """
    import asyncio
    import os
    from pathlib import Path

    from results.ledger.choose import by_gravity
    from results.ledger.overlay import lay_over
    from results.notify import send
    from results.notify.rules import due
    from scanner.cli.ledger_view import opened
    from scanner.clock import SystemClock, timestamp
    from scanner.errors import ExitCode
    from scanner.setup.config_file import find_config, read_config
    from scanner.setup.notify_request import domain_of, rules_of, way_of
    from scanner.setup.settings import Settings

    def now() -> str:
        return timestamp(SystemClock.wall())

    if (resend or arrived) and not by.strip():
        raise click.UsageError("--resend and --arrived need --by NAME: who says so is written down")
    path = find_config(config, os.environ)
    settings = Settings() if path is None else read_config(path).settings
    folder, rules = Path(output), rules_of(settings)
    with opened(output, config) as view:
        actions = view.actions
        actions.refuse_if_broken()
        if owner:
            _require_owner(owner, {exposure.owner.owner for exposure in view.exposures})

        def wanted() -> list[Notice]:
            laid = lay_over(view.ledger.exposures(), actions, now(), settings.deadlines.in_force())
            notices = due(by_gravity(laid), actions.proven, rules, now(), domain_of(settings))
            return [notice for notice in notices if not owner or notice.owner == owner]

        if dry_run:
            _preview(wanted(), now())
            return ExitCode.CLEAN
        way = way_of(settings, folder, to or "", os.environ)
        lock = send.hold(folder)
        try:
            actions.refresh()
            send.settle(actions, now)
            for message_id in (*resend, *arrived):
                if send.decide(actions, message_id, arrived=message_id in arrived, by=by, at=now()) is None:
                    raise click.UsageError(f"no unclear message has the id {message_id!r}; notify lists them")
            sent = asyncio.run(send.send(wanted(), actions, way, now, _tell))
            unclear = send.unclear(actions)
        finally:
            lock.release()
    _tell_unclear(unclear)
    if not sent and not unclear:
        click.echo("nobody is to be told of anything now", err=True)
    report = send.NotifyReport(sent, unclear)
    return ExitCode.CLEAN if report.all_told else ExitCode.INCOMPLETE


def _require_owner(owner: str, known: set[str]) -> None:
    """Raises a usage error for an owner of whom no exposure is known, with those that look most like it."""
    from difflib import get_close_matches

    from results.text import visible

    if owner not in known:
        close = [visible(name, 80) for name in get_close_matches(owner, known - {""}, n=3)]
        guess = f"did you mean {' or '.join(close)}?" if close else "`mongosweep exposures` names the owners"
        raise click.UsageError(f"no exposure is of the owner {visible(owner, 80)!r}; {guess}")


def _preview(notices: list[Notice], at: str) -> None:
    from results.notify.letter import compose
    from results.text import plural, visible

    for notice in notices:
        letter = compose(notice, at)
        click.echo(f"To: {visible(', '.join(letter.to) or '(no address is known)', 300)}")
        click.echo(f"Subject: {letter.subject}\nMessage-ID: {letter.message_id}\n\n{letter.plain}")
    click.echo(f"{plural(len(notices), 'message')} would be sent", err=True)


def _tell(sent: Sent) -> None:
    """One line about one message."""
    from results.text import visible
    from scanner.cli.ending import say

    notice = sent.notice
    to = visible(", ".join(notice.to) or notice.owner or "nobody", 200)
    about = f"{notice.kind} {to}: {len(notice.exposures)} of {visible(notice.owner, 80) or 'no owner'}"
    if sent.detail:
        about += f": {visible(sent.detail, 300)}"
    click.echo(about if sent.stage == "done" else f"{sent.stage}: {about}")
    for refused in sent.refused:
        say(f"{sent.notice.message_id}: {visible(refused, 300)}")


def _tell_unclear(unclear: list[Message]) -> None:
    from results.text import visible
    from scanner.cli.ending import say

    for message in unclear:
        to = visible(", ".join(message.intended.to), 200)
        about = f"{message.intended.message_id} to {to}: {visible(message.detail, 200)}"
        say(f"unclear since {message.at[:19]}: {about}")
    if unclear:
        say(
            "ask whoever should have it, then write: mongosweep notify --resend ID --by NAME, or --arrived ID"
        )
