"""What several tests of the page share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.watched_page import watched_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.watched_page import Watched


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One for all tests of the group "page in the browser"."""
    with watched_page(tmp_path_factory.mktemp("watched")) as started:
        yield started
