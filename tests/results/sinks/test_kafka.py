"""Kafka: a real broker over TLS with a login, read back by a consumer."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from results.events.event import ChangeEvent
from results.sinks.kafka import KafkaOptions, KafkaSink
from results.sinks.sink import StoppedError, UnavailableError
from tests.support.ports import free_port
from tests.support.receivers.kafka import PASSWORD, USER, Broker, kafka
from tests.support.receivers.sent import NATIVE, SENDER, change_event, items_of, run_event
from tests.support.receivers.tls import Certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The certificates of these tests."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Broker]:
    """One broker."""
    with kafka(tmp_path_factory.mktemp("kafka"), certificates) as started:
        yield started


def sink_to(server: str, certificates: Certificates, topic: str = "events", **options: Any) -> KafkaSink:
    given: dict[str, Any] = {"ca_file": str(certificates.ca_file), "user": USER, "password": PASSWORD}
    given |= {"timeout": 15.0} | options
    return KafkaSink("soc", KafkaOptions(servers=(server,), topic=topic, **given), NATIVE, SENDER)


async def consumed(broker: Broker, certificates: Certificates, topic: str, count: int) -> list[Any]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.server,
        auto_offset_reset="earliest",
        security_protocol="SASL_SSL",
        ssl_context=ssl.create_default_context(cafile=str(certificates.ca_file)),
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=USER,
        sasl_plain_password=PASSWORD,
    )
    await consumer.start()
    try:
        return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.mark.slow
@pytest.mark.exhaustive
async def test_a_real_broker_gets_every_event_under_its_key(
    broker: Broker, certificates: Certificates, tmp_path: Path
) -> None:
    sink = sink_to(broker.server, certificates)
    items = items_of(sink, [change_event(1), run_event(), *(change_event(n) for n in range(2, 300))])
    answer = await sink.send(items)
    assert (answer.said, answer.refused, answer.again) == ("300 records", {}, frozenset())
    large = items[0]._replace(body=b"k\n" + b"x" * 1_200_000)
    answer = await sink.send([large, items[1]])
    assert list(answer.refused) == [0]
    await sink.close()
    opened, ended, *_ = records = await consumed(broker, certificates, "events", 301)
    assert msgspec.json.decode(opened.value, type=ChangeEvent) == change_event(1)
    assert (opened.key.decode(), ended.key.decode()) == (change_event(1).exposure_id, "run-1")
    assert [dict(each.headers)["event_id"].decode() for each in records[:300]] == [i.event_id for i in items]

    with pytest.raises(StoppedError, match="refuses the login; mend user and secret") as refused:
        await sink_to(broker.server, certificates, password="wrong-s3cret").send(items[:1])
    assert "s3cret" not in str(refused.value)
    (tmp_path / "other").mkdir()
    other = Certificates(tmp_path / "other")
    with pytest.raises(StoppedError, match="its certificate does not verify"):
        await sink_to(broker.server, other).send(items[:1])

    sink = sink_to(broker.server, certificates, timeout=3.0)
    await sink.send(items[:1])
    broker.process.kill()
    with pytest.raises(UnavailableError, match=r"no answer in 3 s|none of the servers"):
        await sink.send(items[:1])
    await sink.close()


async def test_a_broker_that_is_not_there_is_unavailable(certificates: Certificates) -> None:
    sink = sink_to(f"127.0.0.1:{free_port()}", certificates)
    with pytest.raises(UnavailableError, match="none of the servers answers"):
        await sink.send(items_of(sink, [change_event(1)]))
    await sink.close()


def test_the_password_is_in_no_text() -> None:
    assert "s3cret" not in repr(KafkaOptions(servers=("a:1",), topic="t", user="u", password="s3cret"))
