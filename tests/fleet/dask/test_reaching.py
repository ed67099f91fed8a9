"""Why there is no connection to a scheduler: said in one line with a remedy, before Dask tries for long."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest

from scanner.errors import RefusedError
from scanner.fleet.authority import Own, Role, read_own
from scanner.fleet.dask import reaching
from scanner.fleet.dask.reaching import reach
from scanner.fleet.issuing import issue, make_authority
from tests.support.streams import stream_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def own(folder: Path, role: Role) -> Own:
    """Certificates of the authority of `folder`, which is made when it is not there."""
    make_authority(folder, time.time())
    site = "paris" if role == "worker" else ""
    issued = issue(folder, role, f"{role}-1" if role == "worker" else role, time.time(), site=site)
    return read_own(issued.folder, role, time.time(), site)


@contextlib.asynccontextmanager
async def listening(shows: Own | None, takes: Own | None = None, says: bytes = b"x") -> AsyncIterator[str]:
    """Something that shows certificates of `shows`, takes those of the authority of `takes`, and speaks."""
    context = None
    if shows is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(shows.certificate, shows.key)
        context.load_verify_locations((takes or shows).ca)
        context.verify_mode = ssl.CERT_REQUIRED

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.read()

    async with stream_server(speak, context=context) as port:
        yield f"tls://127.0.0.1:{port}"


async def refused(address: str, who: Own) -> str:
    started = time.monotonic()
    with pytest.raises(RefusedError) as caught:
        await reach(address, who)
    assert time.monotonic() - started < 25
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_scheduler_of_the_same_authority_is_reached(tmp_path: Path) -> None:
    async with listening(own(tmp_path / "ca", "scheduler")) as address:
        await reach(address, own(tmp_path / "ca", "coordinator"))


async def test_nobody_is_there(tmp_path: Path) -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        address = f"tls://127.0.0.1:{bound.getsockname()[1]}"
        said = await refused(address, own(tmp_path / "ca", "coordinator"))
    assert said == (
        f"no connection to {address}: Connection refused; is `mongosweep fleet scheduler` running there?"
    )


async def test_a_name_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio, "open_connection", unknown)
    said = await refused("tls://hubb:8786", own(tmp_path / "ca", "coordinator"))
    assert said.startswith("no connection to tls://hubb:8786: Name or service not known; is ")


async def test_without_tls(tmp_path: Path) -> None:
    async with listening(None, says=b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        said = await refused(address, own(tmp_path / "ca", "coordinator"))
    assert said.startswith(f"what listens at {address} does not speak TLS as a scheduler does")


async def test_another_authority_on_either_side(tmp_path: Path) -> None:
    theirs, ours = own(tmp_path / "theirs", "scheduler"), own(tmp_path / "ours", "coordinator")
    async with listening(theirs) as address:
        said = await refused(address, ours)
    assert said.startswith(f"{address} shows a certificate that this fleet's authority")
    assert "mongosweep fleet issue" in said
    scheduler = own(tmp_path / "ours", "scheduler")
    async with listening(scheduler, takes=theirs) as address:
        said = await refused(address, ours)
    assert said.startswith(f"the scheduler at {address} does not take this machine's certificate")


async def test_a_worker_that_poses_as_a_scheduler(tmp_path: Path) -> None:
    async with listening(own(tmp_path / "ca", "worker")) as address:
        said = await refused(address, own(tmp_path / "ca", "coordinator"))
    assert (
        f"{address} shows the certificate of worker worker-1 of site paris, not that of a scheduler" in said
    )


async def test_one_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "PATIENCE", 0.5)
    async with listening(own(tmp_path / "ca", "scheduler"), says=b"") as address:
        said = await refused(address, own(tmp_path / "ca", "coordinator"))
    assert said == f"what listens at {address} says nothing; is it `mongosweep fleet scheduler`?"
