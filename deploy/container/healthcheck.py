"""Whether what runs in the container is well: a service answers, and anything else is well while it runs.

Exit code 0 or 1, and why on stdout, which `docker inspect` shows. HEALTH_URL says where the service
listens, if not at its default. The first argument is the process that is asked about, 1 if there is none.
"""

import os
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

DEFAULT = "http://127.0.0.1:8017/healthz"
SECONDS = 4.0  # less than the time after which the container's runtime gives up


def main(pid: str = "1") -> int:
    """The exit code."""
    if b"serve" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
        print("no service")
        return 0
    url = os.environ.get("HEALTH_URL", DEFAULT)
    if not url.startswith(("http://", "https://")):
        print("HEALTH_URL: write http:// or https:// in front")
        return 1
    own = ssl.create_default_context()  # our own page: its certificate names the host, not loopback
    own.check_hostname, own.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=SECONDS, context=own) as answer:
            print(answer.status)
            return 0
    except (OSError, ValueError) as error:
        print(f"{url}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
