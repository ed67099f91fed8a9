"""The page process: it starts, says where it listens, and refuses what it must not do."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scanner.errors import RefusedError
from scanner.service.web.server import Options, where_to_listen
from scanner.setup.settings import Settings
from tests.support.page_process import running_page

if TYPE_CHECKING:
    from pathlib import Path


def test_listens_and_ends(tmp_path: Path) -> None:
    """It says its address once it listens, and SIGTERM ends it in order."""
    with running_page(tmp_path) as page:
        assert page.get("/no-such-page").status == 404
    assert page.process.returncode == 0


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("0.0.0.0:0", "passwords in clear"),
        ("[::]:0", "passwords in clear"),
        ("127.0.0.1", "write one such as 127.0.0.1:8017"),
        ("localhost:80", "write one such as 127.0.0.1:8017"),
        ("127.0.0.1:65536", "no port from 0 to 65535"),
        ("203.0.113.9:0", "passwords in clear"),
    ],
)
def test_refuses_to_listen(tmp_path: Path, listen: str, said: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(said)):
        where_to_listen(Options(output=tmp_path, listen=listen), Settings())


def test_what_is_refused_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "scanner.service.web", "-o", str(tmp_path)]
    command += ["--listen", "0.0.0.0:0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "passwords in clear" in done.stderr
    assert len(done.stderr.splitlines()) == 1
