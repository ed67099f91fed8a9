"""Examples of every command, which the terminal's help, the manual pages and docs/commands all show."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """A line of a shell that can be copied as it is, and what it is for. No line has over 76 letters."""

    purpose: str
    line: str


TITLE = "Examples:"


def as_help(examples: tuple[Example, ...]) -> str:
    """The part of an epilog that shows them; click leaves its lines as they are."""
    lines = []
    for example in examples:
        lines += [f"  # {example.purpose}", *(f"  {line}" for line in example.line.splitlines())]
    return "\n".join(("\b", TITLE, *lines))


def _of(*pairs: tuple[str, str]) -> tuple[Example, ...]:
    return tuple(Example(*pair) for pair in pairs)


# how a command is written behind `mongosweep` -> its examples; those of "" are the program's own.
EXAMPLES = {
    "": _of(
        ("begin: a configuration whose scope is empty, then what a sweep would do", "mongosweep init"),
        ("send nothing, and say how many addresses, whose, and how long", "mongosweep plan"),
        ("sweep the scope: progress on stderr, a table at the end", "mongosweep sweep"),
        ("what is open over all runs, the gravest first", "mongosweep exposures"),
    ),
    "init": _of(
        ("a configuration in this folder, where every command finds it", "mongosweep init"),
        ("one elsewhere, to be named with -c", "mongosweep init /etc/mongosweep/mongosweep.toml"),
    ),
    "scope": _of(
        ("from NetBox to a swept scope", "mongosweep scope import netbox --dry-run"),
        ("what is wrong with it", "mongosweep scope check"),
    ),
    "scope import": _of(
        (
            "what an import from the NetBox of the configuration would change",
            "mongosweep scope import netbox --dry-run",
        ),
        ("NetBox and a cloud inventory, together", "mongosweep scope import netbox aws.json -o scope.toml"),
        (
            "straight from a cloud, each address in the inventory called aws",
            (
                "aws ec2 describe-network-interfaces --output json \\\n"
                "  | mongosweep scope import - --inventory aws -o aws.toml"
            ),
        ),
    ),
    "scope check": _of(
        ("gaps, entries without an owner, what expires within 30 days", "mongosweep scope check"),
        (
            "also what NetBox knows and the scope does not",
            "mongosweep scope check --against netbox --within 14d",
        ),
    ),
    "scope prove": _of(
        ("whether the public prefixes are registered to us", "mongosweep scope prove"),
        ("one of them, asked anew", "mongosweep scope prove 203.0.113.0/24 --max-age 1h"),
    ),
    "doctor": _of(
        ("whether a sweep can start here, and how fast it may be", "mongosweep doctor"),
        ("a test event to each sink, and what came back", "mongosweep doctor --sinks"),
        (
            "a second fence, outside the process",
            "mongosweep doctor --fence nftables --user mongosweep > fence.nft",
        ),
    ),
    "plan": _of(
        ("the whole scope", "mongosweep plan"),
        ("a part of it, faster", "mongosweep plan 10.20.1.0/24 --rate 500"),
        ("as a drawing: whose the space is, and when it is asked", "mongosweep plan --picture plan.svg"),
    ),
    "sweep": _of(
        ("the whole scope", "mongosweep sweep"),
        (
            "a part of it; targets narrow the scope and never widen it",
            "mongosweep sweep 10.20.1.0/24 10.20.7.9",
        ),
        ("what another scanner found of it", "nmap -sn -oX - 10.20.1.0/24 | mongosweep sweep -"),
        ("as a job: lines for programs, and only trouble on stderr", "mongosweep sweep -q > found.jsonl"),
        (
            "as a job that fails when something new is open, and says how it ended",
            "mongosweep sweep -q --fail-on new --summary summary.json",
        ),
        (
            "addresses of what is open",
            "mongosweep sweep | jq -r 'select(.verdict == \"open\") | .target.ip'",
        ),
        ("go on with a run that was interrupted", "mongosweep sweep --resume RUN"),
    ),
    "lab": _of(
        (
            "simulated servers on loopback, and a configuration that allows them",
            "mongosweep lab --write-scope lab.toml",
        ),
        ("in another terminal", "mongosweep sweep -c lab.toml"),
        ("what would stand where", "mongosweep lab --list"),
    ),
    "explain": _of(
        ("two codes of a record", "mongosweep explain databases-listed unreachable"),
        (
            "what a time of last write proves, and an advisory",
            "mongosweep explain newest_object_id CVE-2025-14847",
        ),
        ("how a score came about", "mongosweep explain 10.20.1.17:27017"),
        ("what each ground of a score weighs", "mongosweep explain severity"),
        ("every code", "mongosweep explain"),
    ),
    "help": _of(
        ("a command", "mongosweep help scope import"),
        ("a page of the documentation", "mongosweep help verdicts"),
    ),
    "exposures": _of(
        ("what is open, since when and whose it is", "mongosweep exposures --state open --state reopened"),
        ("what should be closed by now, for a ticket", "mongosweep exposures --overdue --format md"),
        ("what is open to the internet", "mongosweep exposures --reach internet"),
        ("in the language of a SIEM", "mongosweep exposures --format cef"),
    ),
    "show": _of(
        ("the table of the newest run that has ended", "mongosweep show last"),
        ("the same for a manager", "mongosweep show last --format md --out findings.md"),
        ("everything that is known of one exposure", "mongosweep show mx_68920e6b4f44"),
        ("the same, by its place", "mongosweep show 10.20.1.17:27017"),
    ),
    "diff": _of(
        ("the newest run beside the last comparable one", "mongosweep diff"),
        ("fail a job when something new is open", "mongosweep diff --fail-on new"),
        ("a month, by the ledger", "mongosweep diff --from 2026-10-01 --to 2026-10-31 --format md"),
    ),
    "runs": _of(
        ("the runs of ./runs", "mongosweep runs"),
        ("for a spreadsheet", "mongosweep runs --format csv --out runs.csv"),
        ("which can be resumed", "mongosweep runs --json | jq -r '.[] | select(.can_resume).run_id'"),
    ),
    "verify": _of(
        ("everything that is not closed", "mongosweep verify"),
        (
            "one, again and again until it is proved closed",
            "mongosweep verify mx_68920e6b4f44 --until-closed",
        ),
    ),
    "confirm": _of(
        ("a report of Shadowserver, Shodan, Censys or LeakIX", "mongosweep confirm report.csv"),
        ("with an answer to its author", "mongosweep confirm report.csv --reply answer.txt --language fr"),
        ("addresses in a message", "mongosweep confirm - --text < copied-from-a-message.txt"),
        ("one address", "echo 10.20.1.17:27017 | mongosweep confirm - --vantage internet"),
    ),
    "leads": _of(
        ("of the newest run that has ended", "mongosweep leads"),
        ("without asking a resolver", "mongosweep leads --no-dns"),
    ),
    "report": _of(
        ("a page of everything", "mongosweep report"),
        ("the dossier of one exposure", "mongosweep report --exposure mx_68920e6b4f44 --out dossier.html"),
        ("a table without names", "mongosweep report --format csv --redact --out open.csv"),
    ),
    "serve": _of(
        ("with the schedules of the configuration", "mongosweep serve"),
        ("with another configuration", "mongosweep serve -c /etc/mongosweep/mongosweep.toml"),
    ),
    "schedule": _of(
        ("the next five starts of each schedule", "mongosweep schedule"),
        ("ten", "mongosweep schedule --count 10"),
    ),
    "notify": _of(
        ("what each owner would be told", "mongosweep notify --dry-run"),
        ("tell them", "mongosweep notify"),
        ("one owner, as files instead of mail", 'mongosweep notify --owner "web platform" --to folder'),
    ),
    "acknowledge": _of(
        (
            "somebody is at it",
            (
                'mongosweep acknowledge mx_68920e6b4f44 --by "web on-call" \\\n'
                '  --note "behind a password tonight"'
            ),
        ),
    ),
    "accept": _of(
        (
            "somebody answers for it until a day",
            (
                'mongosweep accept mx_68920e6b4f44 --by "head of research" \\\n'
                '  --until 2026-12-31 --reason "public data"'
            ),
        ),
        ("no more", 'mongosweep accept mx_68920e6b4f44 --by "head of research" --withdraw'),
    ),
    "note": _of(
        ("beside an exposure", 'mongosweep note mx_68920e6b4f44 "the backup is whole" --by "web on-call"'),
        (
            "when the organisation came to know of it",
            (
                'mongosweep note mx_68920e6b4f44 "a customer wrote" --by "web on-call" \\\n'
                "  --aware-since 2026-03-01T09:00:00Z"
            ),
        ),
    ),
    "actions": _of(
        ("who did what, and who was told", "mongosweep actions"),
        ("for programs", "mongosweep actions --json"),
    ),
    "users": _of(
        ("who may sign in", "mongosweep users list"),
    ),
    "users add": _of(
        (
            "somebody who may acknowledge; the password is asked for",
            "mongosweep users add web-oncall --role acknowledge",
        ),
    ),
    "users list": _of(
        ("names and roles", "mongosweep users list"),
    ),
    "users password": _of(
        ("another password; ends all sessions", "mongosweep users password web-oncall"),
    ),
    "users remove": _of(
        ("nobody of this name may sign in any more", "mongosweep users remove web-oncall"),
    ),
    "users role": _of(
        ("another role", "mongosweep users role web-oncall operate"),
    ),
    "forward": _of(
        ("once, after a sweep", "mongosweep forward"),
        ("as a service", "mongosweep forward --follow"),
        ("everything once more to one sink, under the same ids", "mongosweep forward --restart splunk"),
    ),
    "sinks": _of(
        ("what waits, since when, and what failed", "mongosweep sinks"),
        ("for Prometheus", "mongosweep sinks --metrics"),
    ),
    "convert": _of(
        ("the log of events", "mongosweep convert --to cef < runs/events.jsonl"),
        ("as it grows", "tail -F runs/events.jsonl | mongosweep convert --to rfc5424"),
        ("what is open", "mongosweep exposures --format jsonl | mongosweep convert --to sarif"),
    ),
    "tokens": _of(
        ("who may read the API", "mongosweep tokens list"),
    ),
    "tokens add": _of(
        ("for Prometheus, for a year", "mongosweep tokens add prometheus --role metrics --expires 52w"),
    ),
    "tokens list": _of(
        ("roles, until when, and the last use", "mongosweep tokens list"),
    ),
    "tokens revoke": _of(
        ("worth nothing from the next request on", "mongosweep tokens revoke prometheus"),
    ),
    "fleet": _of(
        (
            "the sites are machines that ssh reaches",
            "mongosweep sweep --ssh paris=a.example.com,london=b.example.com",
        ),
        ("who works at which site", "mongosweep fleet status"),
    ),
    "fleet init": _of(
        (
            "certificates for two workers in Paris and one in London",
            "mongosweep fleet init fleet --site paris:paris-1 --site paris:paris-2 \\\n  --site london",
        ),
    ),
    "fleet issue": _of(
        ("one more worker", "mongosweep fleet issue fleet worker --site paris --name paris-3"),
        ("renew everything", "mongosweep fleet issue fleet --renew"),
    ),
    "fleet scheduler": _of(
        ("on the hub", "mongosweep fleet scheduler"),
        ("on one address of it", "mongosweep fleet scheduler --listen 10.0.0.5:8786"),
    ),
    "fleet worker": _of(
        ("at a site; its scheduler is that of the configuration", "mongosweep fleet worker"),
        ("named", "mongosweep fleet worker tls://hub.example.com:8786"),
    ),
    "fleet status": _of(
        ("who works where, and who cannot", "mongosweep fleet status"),
    ),
    "fleet shard": _of(
        ("who this worker is, as its coordinator asks it", "echo describe | mongosweep fleet shard"),
    ),
    "schema": _of(
        ("of a line of a run", "mongosweep schema > line.schema.json"),
        ("of an event", "mongosweep schema --of event"),
    ),
    "completion": _of(
        ("for this shell alone", 'eval "$(mongosweep completion bash)"'),
        (
            "for every bash of this account",
            "mongosweep completion bash \\\n  > ~/.local/share/bash-completion/completions/mongosweep",
        ),
    ),
    "ledger": _of(
        ("remove runs that ended more than 90 days ago", "mongosweep ledger prune --keep 90d"),
    ),
    "ledger prune": _of(
        ("what would be removed", "mongosweep ledger prune --keep 90d --dry-run"),
        ("remove it", "mongosweep ledger prune --keep 90d"),
    ),
    "ledger rebuild": _of(
        ("read every run again", "mongosweep ledger rebuild"),
    ),
    "audit": _of(
        ("the newest run that has ended", "mongosweep audit last"),
        ("against a hash that was kept elsewhere", 'mongosweep audit last --head "$HEAD"'),
    ),
    "data": _of(
        ("how old each table is", "mongosweep data"),
        ("newer ones", "mongosweep data update tables.json --key minisign.pub"),
    ),
    "data update": _of(
        ("from a file that minisign signed", "mongosweep data update tables.json --key minisign.pub"),
        (
            "from a mirror of our own",
            ("mongosweep data update https://mirror.example.com/tables.json \\\n  --signers data-signers"),
        ),
    ),
    "data export": _of(
        ("the tables in use, as one bundle", "mongosweep data export --out tables.json"),
        ("those of a folder", "mongosweep data export tables --out tables.json"),
        (
            "what signs a bundle",
            (
                "mongosweep data export --out tables.json\n"
                "ssh-keygen -Y sign -n mongosweep-data -f KEY tables.json"
            ),
        ),
    ),
    "data reset": _of(("the tables of this version again", "mongosweep data reset")),
}
