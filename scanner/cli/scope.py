"""`mongosweep scope`: the group of what makes and examines a scope."""

from __future__ import annotations

import click

from scanner.cli.group import LazyGroup

# The command is the attribute `command` of scanner.cli.scope_<name>.
COMMANDS = {
    "import": "Write an allow-list from an inventory, to be reviewed.",
    "check": "Say what is wrong with the scope, or will be soon.",
    "prove": "Ask the registries whether the public prefixes are ours, and keep what they say.",
}


@click.group("scope", cls=LazyGroup, table=COMMANDS, prefix=f"{__package__}.scope_")
def command() -> None:
    """Make a scope from what you already have, and examine it. Nothing is sent to a target."""
