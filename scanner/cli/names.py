"""The names of all commands with a line each, by sections, and the verbs that people guess."""

from __future__ import annotations

from typing import NamedTuple

# section -> name -> its one line. The command is the attribute `command` of the module of that name, beside
# this one. A line has 64 letters at most, so that each stays one line of a terminal of 80 columns.
SECTIONS = {
    "The first hour": {
        "init": "Write a commented mongosweep.toml; on a terminal, of answers.",
        "scope": "Import the scope from what you have, check it, prove it yours.",
        "doctor": "Say what this machine allows; print fences; try the sinks.",
        "plan": "Say what a sweep would do and how long; send nothing.",
        "sweep": "Sweep the scope and write what is found.",
        "lab": "Run simulated servers on loopback, to try everything safely.",
        "explain": "Say what a code, a verdict or an advisory means.",
        "help": "Show the help of a command, or a page of the documentation.",
    },
    "Every day": {
        "exposures": "List what is open, since when and whose it is, over all runs.",
        "show": "Show a run's table again, or all that is known of one exposure.",
        "diff": "Say what changed between two runs or two dates.",
        "runs": "List the runs of an output directory with their state.",
        "verify": "Ask what was found open again, until it is proved closed.",
        "confirm": "Ask what an outside report names, and answer each row.",
        "leads": "List the names and addresses that findings lead to.",
        "report": "Write all that is known as one page, or for programs.",
        "serve": "Sweep by schedule as a service, with page, API and metrics.",
        "schedule": "List when the next sweeps start.",
    },
    "People": {
        "notify": "Tell each owner what is open and how to close it; remind.",
        "acknowledge": "Write down that somebody is at it.",
        "accept": "Write down who answers for an exposure staying open.",
        "note": "Write something down beside an exposure.",
        "actions": "List what people did and who was told; check that file.",
        "users": "Say who may sign in to the page, and what they may do there.",
    },
    "Programs and machines": {
        "forward": "Send the SIEM run events and changes that it has not got yet.",
        "sinks": "Say of each sink what waits, was delivered or failed.",
        "convert": "Turn our lines on stdin into a format of a SIEM.",
        "tokens": "Make, list and revoke the tokens of programs.",
        "fleet": "Sweep from several machines at several sites as one run.",
        "schema": "Print the JSON Schema of a line.",
        "completion": "Print the completion for bash, zsh or fish.",
    },
    "Upkeep": {
        "ledger": "Make the ledger of all runs again; remove old runs.",
        "audit": "Check that a run's files are what the run wrote.",
        "data": "Say how old the dated tables are; take newer ones.",
    },
}
COMMANDS = {name: line for section in SECTIONS.values() for name, line in section.items()}


class Guess(NamedTuple):
    """What a verb that is no command was meant to be.

    `runs`: the words that are run in its place, after a note on stderr; empty where the verb could mean
    several things, or where running it would write, send or serve what nobody asked for by name. `said`: what
    to write, where nothing is run.
    """

    runs: tuple[str, ...] = ()
    said: str = ""


_ONCE = "`mongosweep sweep` sweeps now, `mongosweep serve` by schedule"
_SETTINGS = (
    "`mongosweep init` writes a configuration, `mongosweep doctor` looks at it, `mongosweep help settings`"
    " lists every key"
)
_CHECKS = (
    "`mongosweep doctor` checks this machine, `mongosweep scope check` the scope, `mongosweep audit` a run,"
    " and `mongosweep verify` asks again what was open"
)
_SERVE = "`mongosweep serve` sweeps by schedule, with a page, an API and metrics"
_UPGRADE = (
    "`mongosweep data update` takes newer tables; what installed mongosweep (pipx, uv, pip) upgrades it"
)
_OUT = (
    "`mongosweep report` writes a page, `mongosweep exposures --format csv` a table, and `mongosweep convert`"
    " what a SIEM reads"
)

# What is run reads only, but for `scan`: who writes that asks for a sweep, which the scope bounds as ever.
GUESSES = {
    "scan": Guess(("sweep",)),
    "list": Guess(("exposures",)),
    "ls": Guess(("exposures",)),
    "findings": Guess(("exposures",)),
    "results": Guess(("exposures",)),
    "open": Guess(("exposures",)),
    "history": Guess(("runs",)),
    "status": Guess(("runs",)),
    "compare": Guess(("diff",)),
    "estimate": Guess(("plan",)),
    "version": Guess(("--version",)),
    "man": Guess(("help",)),
    "docs": Guess(("help",)),
    "ack": Guess(said="`mongosweep acknowledge EXPOSURE --by NAME` writes down that somebody is at it"),
    "alert": Guess(said="`mongosweep notify --dry-run` shows what each owner would be told"),
    "check": Guess(said=_CHECKS),
    "clean": Guess(said="`mongosweep ledger prune --keep 90d` removes old runs that the ledger holds"),
    "config": Guess(said=_SETTINGS),
    "configure": Guess(said=_SETTINGS),
    "daemon": Guess(said=_SERVE),
    "demo": Guess(said="`mongosweep lab` runs simulated servers, and `make demo` shows it all"),
    "discover": Guess(said=_ONCE),
    "export": Guess(said=_OUT),
    "find": Guess(said=_ONCE),
    "import": Guess(said="`mongosweep scope import SOURCE` makes an allow-list of an inventory"),
    "pause": Guess(said="SIGUSR2 pauses a sweep, and so does the file of `[pause] stop_file`"),
    "resume": Guess(said="`mongosweep sweep --resume RUN` goes on, `mongosweep runs` lists RUNs"),
    "run": Guess(said=_ONCE),
    "service": Guess(said=_SERVE),
    "settings": Guess(said=_SETTINGS),
    "start": Guess(said=_ONCE),
    "stop": Guess(said="Ctrl-C or SIGTERM stops a sweep, `mongosweep sweep --resume RUN` goes on"),
    "test": Guess(said=_CHECKS),
    "update": Guess(said=_UPGRADE),
    "upgrade": Guess(said=_UPGRADE),
    "validate": Guess(said=_CHECKS),
    "web": Guess(said=_SERVE),
}
