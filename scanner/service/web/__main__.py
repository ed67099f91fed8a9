"""The page process, which `serve` starts: `python -P -m scanner.service.web -o DIR [-c FILE] [--fd N]`.

Once it listens, it writes its address to stdout, one line.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from scanner.cli.ending import describe_end
from scanner.cli.log import configure
from scanner.service.web.server import Options, serve


def main(arguments: list[str]) -> int:
    """Serve until told to end; the exit code."""
    parser = argparse.ArgumentParser(prog=__package__, allow_abbrev=False)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("-c", "--config")
    parser.add_argument("--listen", default="")
    parser.add_argument("--fd", type=int, default=-1)
    asked = parser.parse_args(arguments)
    options = Options(output=asked.output, config=asked.config, listen=asked.listen, fd=asked.fd)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until somebody listens to it
    log = configure()
    try:
        asyncio.run(serve(options, _say))
    except Exception as error:  # noqa: BLE001 - the last handler: each kind of end has its code and words
        return describe_end(error, arguments)
    finally:
        log.close()
    return 0


def _say(address: str) -> None:
    sys.stdout.write(address + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
