"""A real Kafka broker on loopback: over TLS, with a login by SCRAM."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives import serialization

from tests.support.kinds import SERVERS
from tests.support.ports import free_port
from tests.support.receivers.installed import brought, installed
from tests.support.receivers.running import running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.receivers.tls import Certificates

USER, PASSWORD = "mongosweep", "s3cret-of-kafka"
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{between}
listeners=SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{between}
advertised.listeners=SASL_SSL://127.0.0.1:{port}
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={jaas}
ssl.keystore.type=PEM
ssl.keystore.location={home}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={ca}
log.dirs={home}/data
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
"""
_JAAS = (
    "org.apache.kafka.common.security.scram.ScramLoginModule required "
    f'username="{USER}" password="{PASSWORD}";'
)
_JAVA = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{SERVERS}/kafka/jars/*"]


class Broker(NamedTuple):
    """Topics come into being when they are named; `server` is "host:port"."""

    server: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def kafka(home: Path, certificates: Certificates) -> Iterator[Broker]:
    """Kafka 4.1, a broker and its own controller in one process."""
    brought("kafka/jars", "Maven")
    program: list[str | Path] = [installed("java", "default-jre-headless"), *_JAVA]
    home.mkdir(exist_ok=True)
    _write_pem(certificates.server_file, home / "server.pem")
    port, between = free_port(), free_port()
    settings = home / "server.properties"
    settings.write_text(
        _PROPERTIES.format(
            port=port,
            between=between,
            home=home,
            ca=certificates.ca_file,
            jaas=_JAAS,
        )
    )
    login = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
    made: list[str | Path] = [
        "kafka.tools.StorageTool",
        "format",
        "-t",
        "MkU3OEVBNTcwNTJENDM2Qg",
        "-c",
        settings,
    ]
    subprocess.run([*program, *made, "--add-scram", login], check=True, capture_output=True)
    with running([*program, "kafka.Kafka", settings], home) as process:
        until(lambda: _speaks_tls(port, certificates), "Kafka", process)
        yield Broker(f"127.0.0.1:{port}", process)


def _write_pem(source: Path, target: Path) -> None:
    """Kafka reads keys of PKCS #8 alone."""
    pem = source.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    certificates = pem[pem.index(b"-----BEGIN CERTIFICATE-----") :]
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    target.write_bytes(key.private_bytes(*form) + certificates)


def _speaks_tls(port: int, certificates: Certificates) -> bool:
    try:
        ssl.get_server_certificate(("127.0.0.1", port), ca_certs=str(certificates.ca_file), timeout=5)
    except OSError:
        return False
    return True
