"""PURE. Whether a connection is alive: by anything at all, and by the provider's own frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["alive", "dead", "stale", "silent"]
"""Silent is not decided here: frames come, and no records (`producer.quiet`)."""


@dataclass
class Liveness:
    """Two watchdogs over one connection. Times are seconds of a clock that never jumps.

    ``transport_s``: nothing arrives, not even answers to our pings: the link is dead. ``feed_s``: the link answers, but the
    provider's own frames, its pings included, have stopped: the feed is stale.
    """

    transport_s: float
    feed_s: float
    last_any_s: float = 0.0
    last_text_s: float = 0.0

    def connected(self, now_s: float) -> None:
        """Begin with a new connection."""
        self.last_any_s = self.last_text_s = now_s

    def heard(self, now_s: float, *, text: bool) -> None:
        """Note a frame; `text` tells the provider's own from control frames."""
        self.last_any_s = max(self.last_any_s, now_s)
        if text:
            self.last_text_s = max(self.last_text_s, now_s)

    def excuse(self, now_s: float) -> None:
        """The provider need not have sent frames of its own until `now_s`."""
        self.last_text_s = max(self.last_text_s, now_s)

    def judge(self, now_s: float) -> Verdict:
        """Return what the silence until `now_s` means. Ask only when everything received has been heard."""
        if now_s - self.last_any_s > self.transport_s:
            return "dead"
        if now_s - self.last_text_s > self.feed_s:
            return "stale"
        return "alive"
