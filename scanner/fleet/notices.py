"""What a person is told while a fleet sweeps: the same words once a minute, and no more than can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.text import visible

if TYPE_CHECKING:
    from scanner.clock import Clock
    from scanner.sweep.progress import Screen

AGAIN = 60.0  # seconds in which the same words are not said again
MOST = 200  # different words that are said in that time


class Notices:
    """Lines on a screen, of whatever workers and carriers say."""

    def __init__(self, screen: Screen, clock: Clock) -> None:
        self._screen = screen
        self._clock = clock
        self._said: dict[str, float] = {}

    def say(self, text: str) -> None:
        """One line, unless it was said just now."""
        text, now = visible(text, 300), self._clock.monotonic()
        if now - self._said.get(text, -AGAIN) < AGAIN:
            return
        self._said = {each: at for each, at in self._said.items() if now - at < AGAIN}
        if len(self._said) >= MOST:
            text = "more is said than can be told here; workers say it on their own machines, too"
            if text in self._said:
                return
        self._said[text] = now
        self._screen.notice(text)
