"""A mail server with its authority, as fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.mail import Authority, MailServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificates of these tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def mail(authority: Authority) -> Iterator[MailServer]:
    """A mail server that takes what comes over STARTTLS."""
    with MailServer(authority) as server:
        yield server
