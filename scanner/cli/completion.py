"""`mongosweep completion`: what a shell must know to complete our command lines."""

from __future__ import annotations

import click

from scanner.cli.group import VARIABLE

SHELLS = ("bash", "zsh", "fish")

# click's own script leaves blanks in a value unquoted, and asks bash for its version by starting another one.
_BASH = """\
_mongosweep_completion() {
    local IFS=$'\\n' reply kind value
    COMPREPLY=()
    reply=$(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _MONGOSWEEP_COMPLETE=bash_complete "$1")
    while IFS=',' read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                [[ ${COMP_WORDS[COMP_CWORD]} == [\\"\\']* ]] || printf -v value %q "$value"
                COMPREPLY+=("$value") ;;
        esac
    done <<< "$reply"
}
complete -o nosort -F _mongosweep_completion mongosweep 2>/dev/null ||
    complete -F _mongosweep_completion mongosweep
"""
_INSTALL = {
    "bash": (
        "mongosweep completion bash > ~/.local/share/bash-completion/completions/mongosweep",
        'or, for this shell alone: eval "$(mongosweep completion bash)"',
    ),
    "zsh": (
        "mongosweep completion zsh > ~/.zfunc/_mongosweep",
        "and in ~/.zshrc, before compinit: fpath+=(~/.zfunc)",
        'or, for this shell alone: eval "$(mongosweep completion zsh)"',
    ),
    "fish": (
        "mongosweep completion fish > ~/.config/fish/completions/mongosweep.fish",
        "or, for this shell alone: mongosweep completion fish | source",
    ),
}


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script by which SHELL completes commands, options and values: runs, exposures, owners, sites,
    codes, formats. Its first lines say where to put it.

    Values are read from the output directory and the configuration that the line names. Nothing is resolved,
    and nobody is asked.
    """
    click.echo(script(shell), nl=False)


def script(shell: str) -> str:
    """The script of one of `SHELLS`, with the lines that install it below its first one or above it."""
    install = "".join(f"# {line}\n" for line in _INSTALL[shell])
    if shell == "bash":
        return install + _BASH
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(click.Group(), {}, "mongosweep", VARIABLE).source()
    if not made.startswith("#compdef"):
        return install + made
    first, rest = made.split("\n", 1)  # zsh looks for it in the first line
    return f"{first}\n{install}{rest}"
