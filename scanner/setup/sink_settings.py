"""What can be configured about sinks: `[[sink]]`, whose keys depend on its `kind`, `[forward]`,
and what is contradictory in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Struct

from scanner.setup.notify_settings import host_of, on_this_machine
from scanner.setup.sink_kinds import (
    ElasticSettings,
    FileSettings,
    HttpSinkSettings,
    JournaldSettings,
    KafkaSettings,
    SentinelSettings,
    SplunkSettings,
    SyslogSettings,
    WebhookSinkSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_INSECURE = "insecure = true"

AnySink = (
    SplunkSettings
    | ElasticSettings
    | SentinelSettings
    | WebhookSinkSettings
    | SyslogSettings
    | KafkaSettings
    | JournaldSettings
    | FileSettings
)


class ForwardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How events are sent on to all sinks."""

    remind_every: Annotated[
        str,
        Meta(
            pattern=r"^([1-9][0-9]{0,4}[mhdw])?\Z",
            description="how often an exposure that stays open is told again; empty: never",
            examples=["7d"],
        ),
    ] = "7d"
    patience: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="seconds that `forward` tries a receiver that is not there; what waits is sent next "
            "time",
            examples=[30],
        ),
    ] = 30.0


def secret_variable(name: str) -> str:
    """The environment variable that holds the secret of the sink of this name."""
    return f"MONGOSWEEP_SINK_{name.upper().replace('-', '_')}_SECRET"


def sink_problems(sinks: Sequence[AnySink]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """What one field alone cannot tell: (place, reason with remedy) for each contradiction."""
    names: list[str] = []
    paths: list[str] = []
    for number, sink in enumerate(sinks):
        if sink.called in names:
            key = "name" if sink.name else "kind"
            reason = f"two [[sink]] are called {sink.called!r}, and what was delivered is remembered by name"
            yield ("sink", number, key), f'{reason}; write a name of its own, such as name = "{sink.kind}-2"'
        names.append(sink.called)
        if isinstance(sink, FileSettings):
            if (path := os.path.realpath(sink.path)) in paths:
                reason = f"two [[sink]] write to {sink.path}, and each event would stand there twice"
                yield ("sink", number, "path"), f"{reason}; write a path of its own"
            paths.append(path)
        if isinstance(sink, SyslogSettings):
            if sink.transport != "tls" and not (sink.insecure or on_this_machine(sink.host)):
                reason = f'[[sink]] transport = "{sink.transport}" would send events in the clear to another'
                remedy = f'write transport = "tls", or spell out {_INSECURE}'
                yield ("sink", number, "transport"), f"{reason} machine; {remedy}"
        elif isinstance(sink, KafkaSettings):
            hosts = (server.rpartition(":")[0].strip("[]") for server in sink.servers)
            if not (sink.tls or sink.insecure or all(on_this_machine(host) for host in hosts)):
                reason = "[[sink]] tls = false would send events in the clear to another machine"
                yield ("sink", number, "tls"), f"{reason}; leave it out, or spell out {_INSECURE}"
        elif isinstance(sink, HttpSinkSettings):
            yield from _url_problems(sink, number, "url", sink.url)
            if isinstance(sink, SentinelSettings):
                yield from _url_problems(sink, number, "authority", sink.authority)
        if (
            isinstance(sink, HttpSinkSettings | SyslogSettings | KafkaSettings)
            and sink.key
            and not sink.certificate
        ):
            reason = "[[sink]] has a key and no certificate; write certificate, the PEM file that it is for"
            yield ("sink", number, "key"), reason


def _url_problems(
    sink: HttpSinkSettings, number: int, key: str, url: str
) -> Iterator[tuple[tuple[Any, ...], str]]:
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
    if "@" in authority:  # it is not shown: a password may stand before it
        reason = f"[[sink]] {key} holds a login; write it without, and the secret into"
        yield ("sink", number, key), f"{reason} {secret_variable(sink.called)} or a secret_file"
    elif url.startswith("http://") and not (sink.insecure or on_this_machine(host_of(url))):
        reason = f"[[sink]] {key} has no TLS and leads to another machine"
        yield ("sink", number, key), f"{reason}; write https://, or spell out {_INSECURE}"
