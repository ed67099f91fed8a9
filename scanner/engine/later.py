"""What a conversation does when there is room for it, and what becomes of it if that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.contact import Token
    from scanner.network.connect.base import Link
    from targets.scope import Target


class Later:
    """One link with what is to be done on it. Whoever made the room does not end with its faults: `broke` is
    told of them (target, token, error, conversation)."""

    __slots__ = ("_broke", "_do", "_link")

    def __init__(
        self,
        link: Link,
        do: Callable[[], None],
        broke: Callable[[Target, Token, Exception, Any], None],
    ) -> None:
        self._link, self._do, self._broke = link, do, broke

    def hold(self) -> None:
        """See `Link.hold`."""
        self._link.hold()

    def go_on(self) -> None:
        """See `Link.go_on`."""
        link = self._link
        target, token, talk = link.target, link.token, link.talk
        link.go_on()
        try:
            self._do()
        except Exception as error:  # noqa: BLE001 - one probe's bug is reported, the others go on
            link.close()
            self._broke(target, token, error, talk)
