"""From the settings to sinks: each with its secret, its format and what it is sent."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.durations import seconds_of
from results.formats.fields import Sender
from results.formats.registry import format_named
from results.sinks.severity_filter import SeverityFilter
from results.verdict import Severity
from scanner import __version__
from scanner.errors import RefusedError
from scanner.setup.config_file import FILE_NAME, find_config, read_config
from scanner.setup.secret import (
    require_certificates,
    require_own_certificate,
    require_signing_key,
    secret,
)
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
from scanner.setup.sink_settings import secret_variable
from targets.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from results.sinks.forward import SinkPlan
    from results.sinks.sink import Sink
    from scanner.setup.config_file import ConfigFile
    from scanner.setup.settings import Settings
    from scanner.setup.sink_settings import AnySink

_PATH = "/var/log/mongosweep/findings.jsonl"
_EXAMPLE = (
    '[[sink]], and below it kind = "splunk" and url = "https://splunk.example.com:8088", '
    f'or kind = "file" and path = "{_PATH}"'
)


def config_with_sinks(asked: str | None, environment: Mapping[str, str]) -> ConfigFile:
    """The configuration, which names a sink at least. Raises RefusedError with one to write."""
    path = find_config(asked, environment)
    if path is None:
        raise RefusedError(f"no {FILE_NAME} here, so no sink is known; write one with {_EXAMPLE}")
    config = read_config(path)
    require_sinks(config)
    return config


def require_sinks(config: ConfigFile) -> None:
    """Raises RefusedError where no sink is configured."""
    if not config.settings.sink:
        raise RefusedError(f"{config.path} names no sink; write {_EXAMPLE}")


def require_usable_sinks(config: ConfigFile, environment: Mapping[str, str], output: Path) -> None:
    """Raises RefusedError where a sink has not what it needs, or there is none; without making one, which
    takes the libraries that speak to it."""
    require_sinks(config)
    for settings in config.settings.sink:
        with _placed(config, settings):
            _require_apart(settings, output)
            if isinstance(settings, HttpSinkSettings | KafkaSettings):
                _secret(settings, environment)
            if isinstance(settings, HttpSinkSettings | SyslogSettings | KafkaSettings):
                _require_files(settings)


def chosen(settings: Settings, names: Sequence[str], option: str) -> list[AnySink]:
    """The sinks of these names, all where none is given. Raises RefusedError for a name that is none's."""
    known = [sink.called for sink in settings.sink]
    for name in names:
        if name not in known:
            raise RefusedError(f"{option} {name!r} is no sink; {did_you_mean(name, known)}")
    return [sink for sink in settings.sink if not names or sink.called in names]


def plans_of(
    config: ConfigFile,
    sinks: Sequence[AnySink],
    environment: Mapping[str, str],
    output: Path,
    *,
    every: bool = False,
) -> list[SinkPlan]:
    """Each sink, ready to send what is in `output`, and whether it gets every observation: as configured, or
    as `every` says.

    Raises RefusedError with the place in the file; no message holds a secret. Nothing is connected here.
    """
    from results.sinks.forward import SinkPlan

    organisation = config.settings.organisation.name
    sender = Sender(version=__version__, host=platform.node(), organisation=organisation)
    for settings in sinks:
        with _placed(config, settings):
            _require_apart(settings, output)
    return [
        SinkPlan(_made(config, settings, environment, sender), every or settings.every) for settings in sinks
    ]


def remind_every(settings: Settings) -> int | None:
    """Seconds after which an exposure is told again; None for never."""
    text = settings.forward.remind_every
    return seconds_of(text) if text else None


def _made(config: ConfigFile, settings: AnySink, environment: Mapping[str, str], sender: Sender) -> Sink:
    with _placed(config, settings):
        sink = _sink(settings, environment, sender)
    least = Severity(settings.min_severity)
    return SeverityFilter(sink, least) if least is not Severity.INFO else sink


@contextlib.contextmanager
def _placed(config: ConfigFile, settings: AnySink) -> Iterator[None]:
    """Let a refusal name the place in the file."""
    place = config.place(("sink", config.settings.sink.index(settings), "kind"))
    try:
        yield
    except RefusedError as error:
        raise RefusedError(f"{place}: {error}") from None
    except ValueError as error:  # what a sink itself does not take
        raise RefusedError(f"{place}: [[sink]] {settings.called}: {error}") from None


def _sink(settings: AnySink, environment: Mapping[str, str], sender: Sender) -> Sink:
    if isinstance(settings, HttpSinkSettings):
        return _by_http(settings, environment, sender)
    name = settings.called
    if isinstance(settings, SyslogSettings):
        from results.sinks.syslog import SyslogOptions, SyslogSink

        _require_files(settings)
        options = SyslogOptions(
            host=settings.host,
            port=settings.port or (6514 if settings.transport == "tls" else 514),
            transport=settings.transport,
            ca_file=settings.ca_file,
            certificate=settings.certificate,
            key=settings.key,
            server_name=settings.server_name,
            facility=settings.facility,
            sd_id=settings.sd_id,
            bom=settings.bom,
            max_bytes=settings.max_bytes,
            timeout=settings.timeout,
        )
        return SyslogSink(name, options, format_named(settings.format), sender)
    if isinstance(settings, KafkaSettings):
        return _kafka(settings, environment, sender)
    if isinstance(settings, JournaldSettings):
        from results.sinks.journald import JournaldOptions, JournaldSink

        return JournaldSink(name, JournaldOptions(socket=settings.socket), format_named("native"), sender)
    assert isinstance(settings, FileSettings)
    from results.sinks.file import FileOptions, FileSink

    where = FileOptions(
        path=Path(settings.path),
        mode=int(settings.mode, 8),
        group=settings.group,
        rotate_bytes=settings.rotate_bytes,
        keep=settings.keep,
    )
    return FileSink(name, where, format_named(settings.format), sender)


def _kafka(settings: KafkaSettings, environment: Mapping[str, str], sender: Sender) -> Sink:
    try:
        import aiokafka  # noqa: F401  # an extra
    except ImportError:
        remedy = "install it with: pip install 'mongosweep[kafka]'"
        raise RefusedError(f"Kafka needs aiokafka, which is not installed; {remedy}") from None
    from results.sinks.kafka import KafkaOptions, KafkaSink

    _require_files(settings)
    options = KafkaOptions(
        servers=tuple(settings.servers),
        topic=settings.topic,
        tls=settings.tls,
        ca_file=settings.ca_file,
        certificate=settings.certificate,
        key=settings.key,
        user=settings.user,
        password=_secret(settings, environment),
        mechanism=settings.mechanism,
        timeout=settings.timeout,
    )
    return KafkaSink(settings.called, options, format_named(settings.format), sender)


def _by_http(settings: HttpSinkSettings, environment: Mapping[str, str], sender: Sender) -> Sink:
    from results.sinks.http import Endpoint

    _require_files(settings)
    key = _secret(settings, environment)
    name = settings.called
    endpoint = Endpoint(
        url=settings.url,
        ca_file=settings.ca_file,
        certificate=settings.certificate,
        key=settings.key,
        timeout=settings.timeout,
        insecure=settings.url.startswith("http://"),  # what may be sent so was looked at with the settings
    )
    if isinstance(settings, SplunkSettings):
        from results.sinks.splunk import SplunkOptions, SplunkSink

        options = SplunkOptions(
            endpoint=endpoint,
            token=key,
            index=settings.index,
            source=settings.source,
            sourcetype=settings.sourcetype,
            acknowledge=settings.acknowledge,
            gzip=settings.gzip,
        )
        return SplunkSink(name, options, format_named(settings.format), sender)
    if isinstance(settings, ElasticSettings):
        from results.sinks.elastic import ElasticOptions, ElasticSink

        login: dict[str, Any] = (
            {"user": settings.user, "password": key} if settings.user else {"api_key": key}
        )
        elastic = ElasticOptions(endpoint=endpoint, index=settings.index, **login)
        return ElasticSink(name, elastic, format_named(settings.format), sender)
    if isinstance(settings, SentinelSettings):
        from results.sinks.sentinel import SentinelOptions, SentinelSink

        sentinel = SentinelOptions(
            endpoint=endpoint,
            tenant=settings.tenant,
            client_id=settings.client_id,
            client_secret=key,
            rule_id=settings.rule_id,
            stream=settings.stream,
            authority=settings.authority,
        )
        return SentinelSink(name, sentinel, format_named(settings.format), sender)
    assert isinstance(settings, WebhookSinkSettings)
    from results.sinks.webhook import WebhookOptions, WebhookSink

    hook = WebhookOptions(endpoint=endpoint, secret=key)
    return WebhookSink(name, hook, format_named(settings.format), sender)


def _secret(settings: HttpSinkSettings | KafkaSettings, environment: Mapping[str, str]) -> str:
    """The secret of a sink. Raises RefusedError where it needs one and there is none, or it cannot be
    sent."""
    variable = secret_variable(settings.called)
    found = secret(environment, variable, settings.secret_file)
    needs = {
        SplunkSettings: "a token",
        SentinelSettings: "a secret of its application",
    }.get(type(settings), "")
    if isinstance(settings, ElasticSettings | KafkaSettings) and settings.user:
        needs = "a password"
    if needs and not found:
        remedy = f"set {variable}, or name a secret_file"
        raise RefusedError(f"[[sink]] {settings.called} needs {needs} and has none; {remedy}")
    if isinstance(settings, WebhookSinkSettings):
        require_signing_key(found, f"the secret of [[sink]] {settings.called}")
    return found


def _require_apart(settings: AnySink, output: Path) -> None:
    """A sink that wrote among our own files would be sent what it has just written, without an end."""
    if not isinstance(settings, FileSettings):
        return
    if Path(os.path.realpath(settings.path)).is_relative_to(os.path.realpath(output)):
        reason = f"[[sink]] path = {settings.path} lies in {output}, where runs are"
        raise RefusedError(f'{reason}; write one outside it, such as path = "{_PATH}"')


def _require_files(settings: HttpSinkSettings | SyslogSettings | KafkaSettings) -> None:
    require_certificates(settings.ca_file, "[[sink]] ca_file")
    require_own_certificate(settings.certificate, settings.key, "[[sink]] certificate")
