"""PURE. What is known of a session that the client library keeps: in sight or not, and up to when it surely delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from producer.ig.verdicts import last_heard_us, sent_by_us

Change = Literal["none", "opened", "recovered", "out_of_sight", "gone"]
_OUT_OF_SIGHT = ("STALLED", "DISCONNECTED:TRYING-RECOVERY")
_GONE = "DISCONNECTED:WILL-RETRY"


@dataclass(frozen=True)
class Patience:
    """How long the client waits for a line, milliseconds: for the server's sign of life, then stalled, then to reconnect."""

    keepalive_ms: int
    stalled_ms: int
    reconnect_ms: int


@dataclass
class Sight:
    """The session of one link. Nobody is told while the client tries to recover it: either nothing is lost, or it is gone.

    Attributes:
        is_open: it has begun.
        is_connected: its stream is there now.
        heard_us: while it is not, the last moment at which it surely delivered, microseconds UTC; None while it is.
        has_heartbeat: the heartbeat item comes, so that no silence is long.
    """

    is_open: bool = False
    is_connected: bool = False
    heard_us: int | None = None
    has_heartbeat: bool = False
    _sent_by_us: int = 0

    def came(self, kind: str, fields: Mapping[str, str | None], now_us: int) -> None:
        """Note an item."""
        self._sent_by_us = max(self._sent_by_us, sent_by_us(kind, fields, now_us))

    def turned(self, state: str, now_us: int, patience: Patience) -> Change:
        """Note a state of the client, by its name in the library; return what it changes.

        A session that is gone would be followed by one of the client's own, with a loss that nobody tells: that one is not
        for us, the next attempt begins it in our sight.
        """
        if state.startswith("CONNECTED:"):
            change: Change = "none" if self.is_connected else "recovered" if self.is_open else "opened"
            self.is_open = self.is_connected = True
            self.heard_us = None
            return change
        if state not in _OUT_OF_SIGHT and state != _GONE:
            return "none"
        self.is_connected = False
        news = self.heard_us is None and self.is_open
        if news:
            self.heard_us = self._last_heard(state, now_us, patience)
        if state == _GONE:
            return "gone"
        return "out_of_sight" if news else "none"

    def ended(self) -> None:
        """Note that the server has ended the session in words: no silence has to be guessed, the items prove what they prove."""
        if self.heard_us is None:
            self.heard_us = self._sent_by_us or None

    def _last_heard(self, state: str, now_us: int, patience: Patience) -> int:
        # The first of several states knows best: it came after the shortest silence.
        if self.has_heartbeat:
            return self._sent_by_us
        silence_ms = patience.keepalive_ms + patience.stalled_ms
        if state != "STALLED":
            silence_ms += patience.reconnect_ms
        return last_heard_us(now_us, silence_ms, self._sent_by_us)
