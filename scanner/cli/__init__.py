"""The command line: `main`, and one short file a command. No logic lives here.

Start-up is a promise: this file imports nothing, and a command's file is imported when it is run.
"""

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code. Without `arguments` it is the process's own."""
    own = arguments is None
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments in (["--version"], ["-V"]):
        from scanner import __version__

        sys.stdout.write(f"mongosweep {__version__}\n")
        return 0
    from scanner.cli.group import run

    code = run(arguments)
    if own:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done: a late Ctrl-C must not change the code
    return code
