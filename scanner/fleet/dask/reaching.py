"""A connection to a scheduler, and what to do about it when there is none.

Dask tries a connection again and again, whatever is wrong with it, and then says that it took too long: so
it is tried without Dask before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from results.text import visible
from scanner import __version__
from scanner.errors import RefusedError
from scanner.fleet.authority import identity_of
from scanner.fleet.dask.settings import security

if TYPE_CHECKING:
    from distributed import Client

    from scanner.fleet.authority import Own

CLOSING = 3.0  # seconds that a scheduler has to hear that we leave
PATIENCE = 5.0  # seconds for a connection with its handshake, and again for the first bytes


async def connect(address: str, own: Own, timeout: float) -> Client:  # noqa: ASYNC109 - it is Dask's
    """A client that is connected to the scheduler at `tls://HOST:PORT`. Dask has `timeout` seconds for it.

    Raises RefusedError.
    """
    from distributed import Client

    await reach(address, own)
    client = Client(
        address,
        security=security(own),
        asynchronous=True,
        set_as_default=False,
        direct_to_workers=False,
        timeout=timeout,
        name="mongosweep",
    )
    try:
        await client
        async with asyncio.timeout(timeout):
            problem = _other_version(await client.scheduler.fleet_status())
    except (OSError, ImportError, ValueError, AttributeError) as error:  # Dask's, for what it does not know
        await close(client)
        raise RefusedError(
            f"the scheduler at {address} ended the conversation: {short(error)}; look into its log"
        ) from None
    if problem:
        await close(client)
        raise RefusedError(f"the scheduler at {address} {problem}")
    for topic in ("print", "warn"):  # by which a worker may write on its client's terminal
        client.subscribe_topic(topic, lambda event: None)
    return client


async def close(client: Client) -> None:
    """Leave; the scheduler forgets all that was asked for by this client."""
    with contextlib.suppress(OSError, TimeoutError):
        await client.close(timeout=CLOSING)


def _other_version(status: Any) -> str:
    """What is wrong with a scheduler by what it says of itself; "" for one of our version."""
    theirs = status.get("version") if isinstance(status, dict) else None
    if not isinstance(theirs, str):
        return "does not say what it is; start `mongosweep fleet scheduler` there"
    if theirs == __version__:
        return ""
    return f"is version {visible(theirs, 40)}, this machine has {__version__}; install the same on both"


async def reach(address: str, own: Own) -> None:
    """Connect to the scheduler at `tls://HOST:PORT`, have it show its certificate and take ours, and leave.

    Raises RefusedError that says which of these failed, and what to do.
    """
    parts = urlsplit(address)
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(parts.hostname, parts.port, ssl=_context(own)), PATIENCE
        )
    except ssl.SSLCertVerificationError as error:
        raise RefusedError(
            f"{address} shows a certificate that this fleet's authority ({own.ca}) does not vouch for: "
            f"{visible(error.verify_message, 200)}; use certificates of one authority on both machines, or "
            "renew it with `mongosweep fleet issue`"
        ) from None
    except ssl.SSLError as error:
        raise RefusedError(
            f"what listens at {address} does not speak TLS as a scheduler does ({_reason(error)}); start "
            "`mongosweep fleet scheduler` there"
        ) from None
    except TimeoutError:
        raise RefusedError(
            f"nobody answers at {address} within {PATIENCE:.0f} s; is `mongosweep fleet scheduler` running "
            "there, and does a firewall let this machine through?"
        ) from None
    except OSError as error:
        raise RefusedError(
            f"no connection to {address}: {_reason(error)}; is `mongosweep fleet scheduler` running there?"
        ) from None
    try:
        found = identity_of(dict(writer.get_extra_info("peercert") or {}))
        if found is None or found.role != "scheduler":
            who = str(found) if found is not None else "nobody of a fleet"
            raise RefusedError(
                f"{address} shows the certificate of {who}, not that of a scheduler; copy the folder "
                "`scheduler` that `mongosweep fleet init` made to that machine"
            )
        await _taken(address, reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 1)


async def _taken(address: str, reader: asyncio.StreamReader) -> None:
    """In TLS 1.3 what the other end thinks of our certificate comes with, or instead of, its first bytes;
    Dask's scheduler is the first to speak (`distributed/comm/core.py: Listener.on_connection`)."""
    try:
        first = await asyncio.wait_for(reader.read(1), PATIENCE)
    except TimeoutError:
        raise RefusedError(
            f"what listens at {address} says nothing; is it `mongosweep fleet scheduler`?"
        ) from None
    except OSError as error:
        why = f" ({_reason(error)})" if isinstance(error, ssl.SSLError) else ""
        raise RefusedError(_not_taken(address, why)) from None
    if not first:
        raise RefusedError(_not_taken(address, ""))


def _not_taken(address: str, why: str) -> str:
    return (
        f"the scheduler at {address} does not take this machine's certificate{why}; use certificates of one "
        "authority on both machines, and look into the scheduler's log"
    )


def short(error: BaseException) -> str:
    """An error's first line."""
    return visible(str(error).partition("\n")[0], 300) or type(error).__name__


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return visible((error.reason or str(error)).replace("_", " ").lower(), 200)
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return visible(error.strerror, 200) if error.strerror else short(error)  # of a name that is not found


def _context(own: Own) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(own.ca))
    context.check_hostname = False  # certificates of a fleet name roles, not hosts
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(own.certificate, own.key)
    return context
