"""CAP_NET_RAW as a service has it: out of effect, and handed on or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import socket, subprocess, sys
from scanner.network.syn import privilege
getattr(privilege, sys.argv[1])()
TRY = '''
import socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 6).close()
    print("may")
except PermissionError:
    print("may not")
'''
exec(TRY)
sys.stdout.flush()
subprocess.run([sys.executable, "-c", TRY], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux")
@pytest.mark.parametrize(
    ("how", "said"),
    [("lay_down_net_raw", ["may not", "may"]), ("renounce_net_raw", ["may not", "may not"])],
)
def test_a_service_opens_no_raw_socket_and_its_sweeps_may_where_they_need_to(
    how: str, said: list[str]
) -> None:
    words = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(words, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == said
