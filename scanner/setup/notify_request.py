"""From the settings to rules and a way: who is told when, over what, and with which secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from results.durations import seconds_of
from results.notify.folder import FolderWay
from results.notify.rules import Recipient, Rules
from results.notify.send import NOTICES_FOLDER
from scanner.errors import RefusedError
from scanner.setup.secret import require_certificates, require_signing_key, secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from results.notify.way import Way
    from scanner.setup.settings import Settings

SMTP_PASSWORD, WEBHOOK_SECRET = "MONGOSWEEP_SMTP_PASSWORD", "MONGOSWEEP_WEBHOOK_SECRET"


def rules_of(settings: Settings) -> Rules:
    """The rules in seconds."""
    notify = settings.notify
    return Rules(
        remind_after=tuple(map(seconds_of, notify.remind_after)),
        escalate_after=seconds_of(notify.escalate_after) if notify.escalate_after else None,
        escalate_to=notify.escalate_to,
        fallback_to=notify.fallback_to,
        closed_notice=notify.closed_notice,
        language=notify.language,
        recipients={each.owner: Recipient(each.to, each.language) for each in settings.recipient},
    )


def domain_of(settings: Settings) -> str:
    """What stands behind the `@` of message ids: the sender's, which is ours."""
    return settings.smtp.sender.partition("@")[2] or "mongosweep.invalid"


def way_of(settings: Settings, output: Path, asked: str, environment: Mapping[str, str]) -> Way:
    """The way that is configured, or that was `asked` for. Raises RefusedError with what is missing."""
    to = asked or settings.notify.to
    if to == "smtp":
        return _smtp(settings, environment)
    if to == "webhook":
        return _webhook(settings, environment)
    return FolderWay(Path(settings.notify.folder) if settings.notify.folder else output / NOTICES_FOLDER)


def _smtp(settings: Settings, environment: Mapping[str, str]) -> Way:
    smtp = settings.smtp
    if not smtp.host:
        raise RefusedError("[smtp] has no host; write host and sender, or use --to folder")
    try:
        from results.notify.smtp import SmtpServer, SmtpWay
    except ImportError:
        remedy = "install it with: pip install 'mongosweep[notify]'"
        raise RefusedError(f"e-mail needs aiosmtplib, which is not installed; {remedy}") from None
    password = secret(environment, SMTP_PASSWORD, smtp.password_file)
    if smtp.user and not password:
        raise RefusedError(f"[smtp] user has no password; set {SMTP_PASSWORD}, or name a password_file")
    if smtp.user and smtp.tls == "none":
        raise RefusedError('[smtp] tls = "none" and a login do not go together; write tls = "starttls"')
    require_certificates(smtp.ca_file, "[smtp] ca_file")
    return SmtpWay(
        SmtpServer(
            host=smtp.host,
            port=smtp.port,
            tls=smtp.tls,
            sender=smtp.sender,
            ca_file=smtp.ca_file,
            user=smtp.user,
            password=password,
            timeout=smtp.timeout,
        )
    )


def _webhook(settings: Settings, environment: Mapping[str, str]) -> Way:
    from results.notify.webhook import Hook, WebhookWay

    webhook = settings.webhook
    if not webhook.url:
        raise RefusedError("[webhook] has no url; write one, or use --to folder")
    key = secret(environment, WEBHOOK_SECRET, webhook.secret_file)
    require_signing_key(key, "the webhook's secret")
    require_certificates(webhook.ca_file, "[webhook] ca_file")
    return WebhookWay(
        Hook(
            url=webhook.url,
            ca_file=webhook.ca_file,
            secret=key,
            timeout=webhook.timeout,
            attempts=webhook.attempts,
        )
    )
