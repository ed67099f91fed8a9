"""The kinds of `[[sink]]`, one type each: which keys there are, and what they take."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from scanner.setup.notify_settings import HOST, CaFile

_ONE_LINE = r"^[^\x00-\x1f\x7f]*\Z"
_URL = r"^https?://[^\s\x00-\x1f\x7f/?#]+[^\s\x00-\x1f\x7f]*\Z"

_Certificate = Annotated[
    str,
    Meta(
        max_length=4096,
        pattern=_ONE_LINE,
        description="our own certificate (PEM), where the receiver asks for one",
        examples=["/etc/mongosweep/client.pem"],
    ),
]
_Key = Annotated[
    str,
    Meta(
        max_length=4096,
        pattern=_ONE_LINE,
        description="its private key (PEM), where that is not in the same file",
        examples=["/etc/mongosweep/client.key"],
    ),
]
_SecretFile = Annotated[
    str,
    Meta(
        max_length=4096,
        pattern=_ONE_LINE,
        description="a file that nobody else may read, with the secret as its first line",
        examples=["/etc/mongosweep/splunk-token"],
    ),
]
_Timeout = Annotated[
    float, Meta(ge=1, le=600, description="seconds that one sending may take, 1 to 600", examples=[30])
]
_Insecure = Annotated[
    bool,
    Meta(
        description="`true` lets events go to another machine without TLS; a certificate is verified always",
        examples=[True],
    ),
]


class SinkSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """Where events are sent, and how they look there. `kind` decides which keys there are. The secret comes
    from MONGOSWEEP_SINK_NAME_SECRET (the sink's name in capitals, `-` as `_`), or else from `secret_file`;
    never from here or from the command line. See [sinks](sinks.md)."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^([a-z][a-z0-9-]{0,31})?\Z",
            description="a word of up to 32 small letters, digits and dashes that stays the same: what was "
            "delivered is remembered under it; the kind when left out",
            examples=["soc"],
        ),
    ] = ""
    every: Annotated[
        bool,
        Meta(description="whether every observation is sent, and not changes alone", examples=[True]),
    ] = False
    min_severity: Annotated[
        Literal["info", "low", "medium", "high", "critical"],
        Meta(
            description='"info", "low", "medium", "high" or "critical": what is less grave is not sent; runs '
            "and closures always are",
            examples=["medium"],
        ),
    ] = "info"

    @property
    def kind(self) -> str:
        """As it is written in the configuration."""
        tag = self.__struct_config__.tag
        assert isinstance(tag, str)
        return tag

    @property
    def called(self) -> str:
        """The name, which is the kind where none was given."""
        return self.name or self.kind


class HttpSinkSettings(SinkSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every receiver that is spoken to by HTTP has. Proxies come from HTTPS_PROXY and NO_PROXY."""

    url: Annotated[
        str,
        Meta(
            max_length=2048,
            pattern=_URL,
            description="its address: https, or http to this machine",
            examples=["https://siem.example.com:8088"],
        ),
    ]
    secret_file: _SecretFile = ""
    ca_file: CaFile = ""
    certificate: _Certificate = ""
    key: _Key = ""
    insecure: _Insecure = False
    timeout: _Timeout = 30.0


class SplunkSettings(HttpSinkSettings, frozen=True, kw_only=True, tag="splunk"):
    """Splunk's HTTP Event Collector. The secret is its token."""

    format: Annotated[
        Literal["native", "ecs", "ocsf"], Meta(description='"native", "ecs" or "ocsf"', examples=["native"])
    ] = "native"
    index: Annotated[
        str,
        Meta(
            max_length=255,
            pattern=_ONE_LINE,
            description="the index; the token's own when left out",
            examples=["security"],
        ),
    ] = ""
    source: Annotated[
        str, Meta(max_length=255, pattern=_ONE_LINE, description="the source", examples=["mongosweep"])
    ] = "mongosweep"
    sourcetype: Annotated[
        str,
        Meta(
            max_length=255,
            pattern=_ONE_LINE,
            description="the source type; one for each format when left out",
            examples=["mongosweep:event"],
        ),
    ] = ""
    acknowledge: Annotated[
        bool,
        Meta(description="whether to wait for indexers to have them, where the token can", examples=[True]),
    ] = True
    gzip: Annotated[bool, Meta(description="whether to compress", examples=[True])] = True


class ElasticSettings(HttpSinkSettings, frozen=True, kw_only=True, tag="elastic"):
    """Elasticsearch or OpenSearch, by `_bulk`. The secret is an API key, or the password of `user`."""

    format: Annotated[
        Literal["ecs", "ocsf", "native"], Meta(description='"ecs", "ocsf" or "native"', examples=["ecs"])
    ] = "ecs"
    user: Annotated[
        str,
        Meta(
            max_length=256,
            pattern=r"^[^\x00-\x1f\x7f:]*\Z",
            description="a login, whose password the secret is; an API key when left out",
            examples=["mongosweep"],
        ),
    ] = ""
    index: Annotated[
        str,
        Meta(
            max_length=255,
            pattern=r"^[a-z0-9][a-z0-9._-]*\Z",
            description="a data stream or an index",
            examples=["logs-mongosweep.events-default"],
        ),
    ] = "logs-mongosweep.events-default"


class SentinelSettings(HttpSinkSettings, frozen=True, kw_only=True, tag="sentinel"):
    """Microsoft Sentinel's Logs Ingestion API. `url` is the endpoint of the data collection; the secret is
    that of the application."""

    format: Annotated[
        Literal["sentinel", "ecs", "ocsf", "native"],
        Meta(description='"sentinel" (a row of our table), "ecs", "ocsf" or "native"', examples=["sentinel"]),
    ] = "sentinel"
    tenant: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^[A-Za-z0-9.-]+\Z",
            description="the directory (tenant) id",
            examples=["00000000-0000-0000-0000-000000000000"],
        ),
    ]
    client_id: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^[A-Za-z0-9-]+\Z",
            description="the application (client) id",
            examples=["11111111-1111-1111-1111-111111111111"],
        ),
    ]
    rule_id: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^[A-Za-z0-9-]+\Z",
            description="the immutable id of the data collection rule",
            examples=["dcr-00000000000000000000000000000000"],
        ),
    ]
    stream: Annotated[
        str,
        Meta(
            max_length=128,
            pattern=r"^[A-Za-z0-9_-]+\Z",
            description="the stream that the rule declares",
            examples=["Custom-Mongosweep_CL"],
        ),
    ] = "Custom-Mongosweep_CL"
    authority: Annotated[
        str,
        Meta(
            max_length=2048,
            pattern=_URL,
            description="who gives tokens, for another cloud than the public one",
            examples=["https://login.microsoftonline.us"],
        ),
    ] = "https://login.microsoftonline.com"


class WebhookSinkSettings(HttpSinkSettings, frozen=True, kw_only=True, tag="webhook"):
    """One POST an event, signed as Standard Webhooks says where there is a secret."""

    format: Annotated[
        Literal["native", "ecs", "ocsf"], Meta(description='"native", "ecs" or "ocsf"', examples=["native"])
    ] = "native"


class SyslogSettings(SinkSettings, frozen=True, kw_only=True, tag="syslog"):
    """Syslog by RFC 5424: over TLS (RFC 5425), TCP or UDP. It acknowledges nothing, and has no secret."""

    host: Annotated[
        str,
        Meta(
            max_length=253,
            pattern=HOST,
            description="its name or address, without its port",
            examples=["syslog.example.com"],
        ),
    ]
    port: Annotated[
        int, Meta(ge=0, le=65535, description="its port; 0: 6514 with TLS, else 514", examples=[6514])
    ] = 0
    transport: Annotated[
        Literal["tls", "tcp", "udp"], Meta(description='"tls", "tcp" or "udp"', examples=["tls"])
    ] = "tls"
    format: Annotated[
        Literal["rfc5424", "cef", "cef-src", "leef", "native", "ecs", "ocsf"],
        Meta(
            description='"rfc5424" (structured data), or what the message is: "cef", "cef-src", "leef", '
            '"native", "ecs" or "ocsf"',
            examples=["rfc5424"],
        ),
    ] = "rfc5424"
    ca_file: CaFile = ""
    certificate: _Certificate = ""
    key: _Key = ""
    server_name: Annotated[
        str,
        Meta(
            max_length=253,
            pattern=r"^[A-Za-z0-9_.:-]*\Z",
            description="the name that its certificate is for, where `host` is an address",
            examples=["syslog.example.com"],
        ),
    ] = ""
    facility: Annotated[int, Meta(ge=0, le=23, description="the facility, 0 to 23", examples=[13])] = 13
    sd_id: Annotated[
        str,
        Meta(
            pattern=r"^[!#-<>-\\^-~]{1,24}@[0-9]{1,7}\Z",
            description="the id of the structured data, with an enterprise number",
            examples=["mongosweep@32473"],
        ),
    ] = "mongosweep@32473"
    bom: Annotated[
        bool, Meta(description="whether a text begins with a byte order mark, as RFC 5424 has it")
    ] = True
    max_bytes: Annotated[
        int,
        Meta(ge=480, le=65536, description="bytes of one message at most, 480 to 65536", examples=[8192]),
    ] = 8192
    insecure: _Insecure = False
    timeout: _Timeout = 30.0


class KafkaSettings(SinkSettings, frozen=True, kw_only=True, tag="kafka"):
    """Kafka, a record an event. Needs the extra `kafka`. The secret is the password of `user`."""

    servers: Annotated[
        list[Annotated[str, Meta(max_length=261, pattern=r"^[A-Za-z0-9_.\[\]:-]+:[0-9]{1,5}\Z")]],
        Meta(
            min_length=1,
            max_length=100,
            description="brokers to begin with, with their ports",
            examples=[["kafka-1.example.com:9093"]],
        ),
    ]
    topic: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9._-]{1,249}\Z", description="the topic", examples=["mongosweep"])
    ] = "mongosweep"
    format: Annotated[
        Literal["native", "ecs", "ocsf"], Meta(description='"native", "ecs" or "ocsf"', examples=["native"])
    ] = "native"
    user: Annotated[
        str,
        Meta(
            max_length=255,
            pattern=_ONE_LINE,
            description="who logs in (SASL), where anybody has to",
            examples=["mongosweep"],
        ),
    ] = ""
    mechanism: Annotated[
        Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"],
        Meta(description='"SCRAM-SHA-512", "SCRAM-SHA-256" or "PLAIN"', examples=["SCRAM-SHA-512"]),
    ] = "SCRAM-SHA-512"
    tls: Annotated[bool, Meta(description="`false`, with `insecure = true`, leaves TLS out")] = True
    secret_file: _SecretFile = ""
    ca_file: CaFile = ""
    certificate: _Certificate = ""
    key: _Key = ""
    insecure: _Insecure = False
    timeout: _Timeout = 30.0


class JournaldSettings(SinkSettings, frozen=True, kw_only=True, tag="journald"):
    """The journal of this machine, with one field for each fact."""

    socket: Annotated[
        str,
        Meta(
            max_length=107,
            pattern=r"^/[^\x00-\x1f\x7f]+\Z",
            description="its socket",
            examples=["/run/systemd/journal/socket"],
        ),
    ] = "/run/systemd/journal/socket"


class FileSettings(SinkSettings, frozen=True, kw_only=True, tag="file"):
    """A file that outlives runs and that a shipper can read, a line an event, rotated by us."""

    path: Annotated[
        str,
        Meta(
            max_length=4096,
            pattern=r"^/[^\x00-\x1f\x7f]+\Z",
            description="where it is, from the root",
            examples=["/var/log/mongosweep/findings.jsonl"],
        ),
    ]
    format: Annotated[
        Literal["native", "ecs", "ocsf", "cef", "cef-src", "leef", "zgrab2", "shadowserver", "csv"],
        Meta(
            description='"native", "ecs", "ocsf", "cef", "cef-src", "leef", "zgrab2", "shadowserver" or '
            '"csv"',
            examples=["native"],
        ),
    ] = "native"
    mode: Annotated[
        str,
        Meta(pattern=r"^0[67][0-7][0-7]\Z", description="its mode, in quotes", examples=["0640"]),
    ] = "0640"
    group: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^[A-Za-z0-9_.-]*\Z",
            description="the group that may read it; the process's own when left out",
            examples=["adm"],
        ),
    ] = ""
    rotate_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=2**40,
            description="bytes before which the next file begins; 0 leaves that to somebody else",
            examples=[67108864],
        ),
    ] = 64 * 1024 * 1024
    keep: Annotated[
        int, Meta(ge=0, le=10_000, description="how many files before it are kept", examples=[7])
    ] = 7
