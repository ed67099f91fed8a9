"""Kafka: one record an event, its value in the format of the sink, acknowledged by all replicas in sync.

The key is the exposure's id, or the run's, so that what happens to one stays in order; the header `event_id`
is what a copy is known by. By aiokafka, which is an extra: `pip install mongosweep[kafka]`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from results.formats.fields import fields_of
from results.sinks.sink import Answer, Limits, StoppedError, UnavailableError
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from results.events.event import Event
    from results.formats.fields import Sender
    from results.formats.format import Format
    from results.sinks.sink import Item

_RECORD: Final = 1_000_000
"""Bytes of one event: the broker's own bound is 1,048,588 with what surrounds it (message.max.bytes)."""


_NOBODY: Final = logging.NullHandler()


class KafkaOptions(Struct, frozen=True, kw_only=True):
    """`servers` are "host:port", of which one must answer. `tls` verifies, against `ca_file` or the system's
    authorities; `certificate` and `key` (PEM) are ours. With `user`, SASL by `mechanism`."""

    servers: tuple[str, ...]
    topic: str
    tls: bool = True
    ca_file: str = ""
    certificate: str = ""
    key: str = ""
    user: str = ""
    password: str = ""
    mechanism: str = "SCRAM-SHA-512"
    timeout: float = 30.0

    def __repr__(self) -> str:
        return f"KafkaOptions({', '.join(self.servers)}, {self.topic})"


class KafkaSink:
    """One topic."""

    kind = "kafka"

    def __init__(self, name: str, options: KafkaOptions, format: Format, sender: Sender) -> None:  # noqa: A002
        self.name = name
        self.place = f"kafka://{','.join(options.servers)}/{options.topic}"
        self.limits = Limits(event_bytes=_RECORD)
        self._options, self._format, self._sender = options, format, sender
        self._producer: Any = None

    def render(self, event: Event, line: bytes) -> bytes | None:
        """The key, a line break, and the document."""
        document = line if self._format.name == "native" else self._format.document(event, self._sender)
        if document is None:
            return None
        fields = fields_of(event, self._sender)
        return (fields.exposure_id or fields.run_id).encode("ascii", "backslashreplace") + b"\n" + document

    async def send(self, items: Sequence[Item]) -> Answer:
        """Send them, and wait until the replicas have them."""
        from aiokafka.errors import KafkaError

        try:
            async with asyncio.timeout(self._options.timeout):
                producer = await self._started()
                results = await self._produce(producer, items)
        except (KafkaError, OSError) as error:
            await self.close()
            raise self._failed(error) from error
        return await self._answer(results)

    async def close(self) -> None:
        """Leave the brokers."""
        from aiokafka.errors import KafkaError

        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, OSError):
                async with asyncio.timeout(2):
                    await producer.stop()

    async def _started(self) -> Any:
        if self._producer is None:
            from aiokafka import AIOKafkaProducer
            from aiokafka.errors import KafkaConnectionError

            options = self._options
            security = ("SASL_" if options.user else "") + ("SSL" if options.tls else "PLAINTEXT")
            producer = AIOKafkaProducer(
                bootstrap_servers=list(options.servers),
                client_id="mongosweep",
                acks="all",
                enable_idempotence=True,
                max_request_size=_RECORD + 4096,
                request_timeout_ms=int(options.timeout * 1000),
                security_protocol=security,
                ssl_context=_context(options) if options.tls else None,
                sasl_mechanism=options.mechanism if options.user else "PLAIN",
                sasl_plain_username=options.user or None,
                sasl_plain_password=options.password or None,
            )
            self._producer = producer
            with _heard() as causes:
                try:
                    await producer.start()
                except KafkaConnectionError:
                    if causes:
                        raise causes[0] from None
                    raise
        return self._producer

    async def _produce(self, producer: Any, items: Sequence[Item]) -> list[BaseException | object]:
        from aiokafka.errors import MessageSizeTooLargeError

        under_way: list[asyncio.Future[object]] = []
        for item in items:
            key, _, value = item.body.partition(b"\n")
            headers = [("event_id", item.event_id.encode())]
            try:
                sent = await producer.send(self._options.topic, value, key=key, headers=headers)
            except MessageSizeTooLargeError as error:  # ours would not even try
                sent = asyncio.get_running_loop().create_future()
                sent.set_exception(error)
            under_way.append(sent)
        return await asyncio.gather(*under_way, return_exceptions=True)

    async def _answer(self, results: list[BaseException | object]) -> Answer:
        from aiokafka.errors import MessageSizeTooLargeError

        refused: dict[int, str] = {}
        again, error = set(), None
        for position, result in enumerate(results):
            if isinstance(result, MessageSizeTooLargeError):
                refused[position] = "larger than the topic takes (max.message.bytes)"
            elif isinstance(result, BaseException):
                again.add(position)
                error = result
        if error is None:
            return Answer(f"{len(results) - len(refused)} records", refused=refused)
        await self.close()
        failure = self._failed(error)
        if isinstance(failure, StoppedError) or len(again) == len(results):
            raise failure
        return Answer(str(failure), refused=refused, again=frozenset(again))

    def _failed(self, error: BaseException) -> Exception:
        from aiokafka import errors

        words = visible(" ".join(str(error).split()) or type(error).__name__, 200)
        if isinstance(error, TimeoutError | errors.KafkaTimeoutError):
            return UnavailableError(f"{self.place}: no answer in {self._options.timeout:g} s")
        if isinstance(error, ssl.SSLCertVerificationError):
            why = visible(error.verify_message, 200)
            return StoppedError(f"{self.place}: its certificate does not verify: {why}; see ca_file")
        if isinstance(error, errors.KafkaConnectionError | ConnectionError):
            return UnavailableError(f"{self.place}: none of the servers answers")
        if isinstance(error, errors.AuthenticationFailedError | errors.SaslAuthenticationFailed):
            return StoppedError(f"{self.place}: it refuses the login; mend user and secret")
        if isinstance(error, errors.TopicAuthorizationFailedError | errors.ClusterAuthorizationFailedError):
            return StoppedError(
                f"{self.place}: we may not write to that topic; allow it (ACL: Write, Describe)"
            )
        if isinstance(error, errors.UnknownTopicOrPartitionError):
            return StoppedError(f"{self.place}: there is no such topic; make it, or name another")
        return UnavailableError(f"{self.place}: {words}")


class _Causes(logging.Handler):
    """aiokafka says that it cannot connect, and tells why only its log."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error, whose text is nobody's."""
        causes = record.args if isinstance(record.args, tuple) else ()
        self.found.extend(each for each in causes if isinstance(each, BaseException))


@contextlib.contextmanager
def _heard() -> Iterator[list[BaseException]]:
    log, causes = logging.getLogger("aiokafka"), _Causes()
    # From now on nothing of it goes to stderr, where logging writes what nobody handles.
    log.addHandler(_NOBODY)
    log.addHandler(causes)
    try:
        yield causes.found
    finally:
        log.removeHandler(causes)


def _context(options: KafkaOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_file or None)
        if options.certificate:
            context.load_cert_chain(options.certificate, options.key or None, password="")
    except OSError as error:
        reason = visible(str(error.strerror or error), 200).lower()
        raise StoppedError(f"ca_file, certificate or key: {reason}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
