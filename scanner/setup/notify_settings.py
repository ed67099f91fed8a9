"""What can be configured about people: deadlines, who is told, when, and over which way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct

from results.durations import seconds_of
from results.ledger.overlay import Deadlines
from scanner.setup.choices import Language

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LENGTH = r"^([1-9][0-9]{0,4}[mhdw])?\Z"
_ONE_LINE = r"^[^\x00-\x1f\x7f]*\Z"
_ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}\Z"
HOST = r"^([A-Za-z0-9_.-]+|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)\Z"  # a name, an address; no `name:port`
_Address = Annotated[str, Meta(pattern=_ADDRESS, description="an e-mail address", examples=["a@example.com"])]
_Length = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,4}[mhdw]\Z")]
CaFile = Annotated[
    str,
    Meta(
        max_length=4096,
        pattern=_ONE_LINE,
        description="certificates (PEM) to trust in place of the system's",
        examples=["/etc/ssl/example-ca.pem"],
    ),
]
Way = Literal["folder", "smtp", "webhook"]


class DeadlineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By when an exposure is to be closed, counted from its first sight: minutes, hours, days or weeks, as
    in `36h` or `14d`. An empty text is no deadline."""

    critical: Annotated[
        str, Meta(pattern=_LENGTH, description="for a critical exposure", examples=["1d"])
    ] = "1d"
    high: Annotated[str, Meta(pattern=_LENGTH, description="for a high one", examples=["3d"])] = "3d"
    medium: Annotated[str, Meta(pattern=_LENGTH, description="for a medium one", examples=["14d"])] = "14d"
    low: Annotated[str, Meta(pattern=_LENGTH, description="for a low one", examples=["30d"])] = "30d"
    info: Annotated[
        str, Meta(pattern=_LENGTH, description="for what is merely worth knowing", examples=["90d"])
    ] = ""

    def in_force(self) -> Deadlines:
        """The same in seconds."""
        texts = {name: getattr(self, name) for name in self.__struct_fields__}
        return Deadlines(**{name: seconds_of(text) if text else None for name, text in texts.items()})


class NotifySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of open exposures, and when. Each owner is told at the address of `[[recipient]]`, or else
    at the `contact` of the allow-list where that is an e-mail address. See [notify](notify.md)."""

    to: Annotated[Way, Meta(description='"folder", "smtp" or "webhook"', examples=["smtp"])] = "folder"
    folder: Annotated[
        str,
        Meta(
            max_length=4096,
            pattern=_ONE_LINE,
            description="where messages are written as files; `notices` in the output folder when left out",
            examples=["/var/spool/mongosweep"],
        ),
    ] = ""
    language: Annotated[Language, Meta(description='"en", "fr", "de" or "es"', examples=["en"])] = "en"
    remind_after: Annotated[
        tuple[_Length, ...],
        Meta(
            max_length=50,
            description="how long after the first message reminders follow, each longer than the one before",
            examples=[["3d", "7d"]],
        ),
    ] = ("3d", "7d")
    escalate_after: Annotated[
        str,
        Meta(
            pattern=_LENGTH,
            description="how long after it `escalate_to` is told; empty: never",
            examples=["14d"],
        ),
    ] = "14d"
    escalate_to: Annotated[
        tuple[_Address, ...],
        Meta(
            max_length=50, description="who is told then, besides the owner", examples=[["ciso@example.com"]]
        ),
    ] = ()
    fallback_to: Annotated[
        tuple[_Address, ...],
        Meta(
            max_length=50,
            description="who is told in place of an owner without an address",
            examples=[["soc@example.com"]],
        ),
    ] = ()
    closed_notice: Annotated[
        bool,
        Meta(description="whether an owner is told once that an exposure was proved closed", examples=[True]),
    ] = False


class RecipientSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to tell for an owner of the allow-list, in which language."""

    owner: Annotated[
        str, Meta(max_length=256, pattern=_ONE_LINE, description="as in [[allow]]", examples=["web platform"])
    ]
    to: Annotated[
        tuple[_Address, ...],
        Meta(
            min_length=1, max_length=50, description="e-mail addresses", examples=[["web-oncall@example.com"]]
        ),
    ]
    language: Annotated[
        Language | Literal[""],
        Meta(description='"en", "fr", "de" or "es"; as in [notify] when left out', examples=["fr"]),
    ] = ""


class SmtpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mail server. Its certificate is verified. The password comes from the environment variable
    MONGOSWEEP_SMTP_PASSWORD, or else from `password_file`; never from here or from the command line."""

    host: Annotated[
        str,
        Meta(
            max_length=253,
            pattern=rf"^\Z|{HOST}",
            description="its name, without its port",
            examples=["mail.example.com"],
        ),
    ] = ""
    port: Annotated[
        int, Meta(ge=1, le=65535, description="a port number from 1 to 65535", examples=[587])
    ] = 587
    tls: Annotated[
        Literal["starttls", "implicit", "none"],
        Meta(
            description='"starttls", "implicit" (TLS from the first byte), or "none" for a relay here',
            examples=["starttls"],
        ),
    ] = "starttls"
    ca_file: CaFile = ""
    sender: Annotated[
        str,
        Meta(pattern=rf"{_ADDRESS}|^\Z", description="who writes", examples=["mongosweep@example.com"]),
    ] = ""
    user: Annotated[
        str,
        Meta(
            max_length=256,
            pattern=_ONE_LINE,
            description="the login; none when left out",
            examples=["mongosweep"],
        ),
    ] = ""
    password_file: Annotated[
        str,
        Meta(
            max_length=4096,
            pattern=_ONE_LINE,
            description="a file that nobody else may read, with the password as its first line",
            examples=["/etc/mongosweep/smtp-password"],
        ),
    ] = ""
    timeout: Annotated[
        float, Meta(ge=1, le=600, description="seconds to wait for each answer, 1 to 600", examples=[30])
    ] = 30.0


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where messages are posted as JSON, signed as Standard Webhooks says (HMAC-SHA256) where there is a
    secret. It comes from MONGOSWEEP_WEBHOOK_SECRET, or else from `secret_file`."""

    url: Annotated[
        str,
        Meta(
            max_length=2048,
            pattern=r"^(https?://[^\s\x00-\x1f\x7f]+)?\Z",
            description="an https address; http to this machine alone",
            examples=["https://hooks.example.com/mongosweep"],
        ),
    ] = ""
    ca_file: CaFile = ""
    secret_file: Annotated[
        str,
        Meta(
            max_length=4096,
            pattern=_ONE_LINE,
            description="a file that nobody else may read, with the secret as its first line",
            examples=["/etc/mongosweep/webhook-secret"],
        ),
    ] = ""
    timeout: Annotated[
        float, Meta(ge=1, le=600, description="seconds that one attempt may take, 1 to 600", examples=[15])
    ] = 15.0
    attempts: Annotated[
        int,
        Meta(
            ge=1,
            le=10,
            description="how often it is tried when the answer is 429 or 5xx, 1 to 10",
            examples=[4],
        ),
    ] = 4


def notify_problems(
    notify: NotifySettings,
    smtp: SmtpSettings,
    webhook: WebhookSettings,
    recipients: Sequence[RecipientSettings],
) -> Iterator[tuple[tuple[Any, ...], str]]:
    """What one field alone cannot tell: (place, reason with remedy) for each contradiction."""
    waits = [seconds_of(text) for text in notify.remind_after]
    if waits != sorted(set(waits)):
        reason = "[notify] remind_after does not grow; write each reminder later than the one before"
        yield ("notify", "remind_after"), f'{reason}, such as remind_after = ["3d", "7d"]'
    if notify.to == "smtp" and not smtp.host:
        yield ("notify", "to"), '[notify] to = "smtp" needs a mail server; write host and sender under [smtp]'
    if smtp.host and not smtp.sender:
        yield (
            ("smtp", "host"),
            '[smtp] has a host and no sender; write one, such as sender = "mongosweep@example.com"',
        )
    if smtp.host and smtp.tls == "none" and not on_this_machine(smtp.host):
        reason = '[smtp] tls = "none" would send names and addresses in the clear to another machine'
        yield ("smtp", "tls"), f'{reason}; write tls = "starttls"'
    if notify.to == "webhook" and not webhook.url:
        yield ("notify", "to"), '[notify] to = "webhook" needs an address; write url under [webhook]'
    if webhook.url.startswith("http://") and not on_this_machine(host_of(webhook.url)):
        yield (
            ("webhook", "url"),
            "[webhook] url is not encrypted and leads to another machine; write https://",
        )
    owners = [recipient.owner for recipient in recipients]
    for number, owner in enumerate(owners):
        if owner in owners[:number]:
            reason = (
                f"[[recipient]] owner = {owner!r} stands there twice; write all its addresses in one `to`"
            )
            yield ("recipient", number, "owner"), reason


def on_this_machine(host: str) -> bool:
    """Whether a host is this machine's loopback, by its literal address or its usual name."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """The host of an address; user names in it count for what they are."""
    authority = (
        url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0].rpartition("@")[2]
    )
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]
