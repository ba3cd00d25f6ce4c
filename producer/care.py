"""PURE. What an open connection needs: subscriptions at the provider's pace, pings, and the proof that it delivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from producer.liveness import Liveness, Verdict
from producer.quiet import Quiet

# Our choices, with the reason beside each.
PING_S = 20.0  # or a third of the transport watchdog, if that is less: a lost ping alone kills no link
BARRIER_S = 5.0  # a front that answers no pings must not keep a feed from being good; then its next frame says so
BURST = 10  # subscriptions sent at once, and then a second: providers cut off clients that flood them
BARRIER = b"candlewick-all-subscribed"


class Subscriptions(Protocol):
    """The part of a source that is needed here."""

    def frames_to_send(self, limit: int) -> list[str]:
        """Return the next frames, at most `limit`; empty when all are sent."""


@dataclass(frozen=True)
class Out:
    """Frames to send, in this order: texts, then pings with these payloads."""

    texts: tuple[str, ...] = ()
    pings: tuple[bytes, ...] = ()


class Care:
    """The state of one connection after the other; times are seconds of a clock that never jumps.

    A feed is good from the moment the answer comes to a ping that was sent after the last subscription: the provider has
    read all of them by then, and what it sends from then on is all it has to send. Finnhub acknowledges nothing itself.
    """

    def __init__(self, source: Subscriptions, liveness: Liveness, quiet: Quiet) -> None:
        self._source = source
        self._liveness = liveness
        self._quiet = quiet
        self._sent_s = self._pinged_s = 0.0
        self._barrier_s: float | None = None
        self._barrier = BARRIER
        self._rounds = 0
        self._all_sent = False

    def opened(self, now_s: float) -> None:
        """Begin with a new connection."""
        self._liveness.connected(now_s)
        self._sent_s = float("-inf")
        self._pinged_s = now_s
        self._rounds = 0
        self._begin_round()

    def again(self) -> None:
        """The source has more to say: what was proved before stays, and the next proof waits for the new barrier's answer."""
        self._rounds += 1
        self._begin_round()

    def _begin_round(self) -> None:
        self._barrier = BARRIER + b"-%d" % self._rounds if self._rounds else BARRIER
        self._barrier_s = None
        self._all_sent = False

    def heard(self, now_s: float, *, text: bool) -> None:
        """Note a frame; `text` tells the provider's own from control frames."""
        self._liveness.heard(now_s, text=text)

    def due(self, now_s: float) -> Out:
        """Return what is to be sent now."""
        texts: tuple[str, ...] = ()
        pings: tuple[bytes, ...] = ()
        if not self._all_sent and now_s - self._sent_s >= 1.0:
            texts = tuple(self._source.frames_to_send(BURST))
            self._sent_s = now_s
            if len(texts) < BURST:
                self._all_sent = True
                self._barrier_s = now_s
                pings = (self._barrier,)
        if now_s - self._pinged_s >= min(PING_S, self._liveness.transport_s / 3):
            self._pinged_s = now_s
            pings = (*pings, b"")
        return Out(texts, pings)

    def is_proved_by_pong(self, payload: bytes, *, was_stale: bool) -> bool:
        """Tell whether a pong shows the feed to be good. One found stale answered pings all the time: never that one."""
        return payload == self._barrier and self._barrier_s is not None and not was_stale

    def is_proved_by_frame(self, now_s: float, *, was_stale: bool) -> bool:
        """Tell whether a frame of the provider shows the feed to be good: where no pong will, or none has come in time."""
        return self._barrier_s is not None and (was_stale or now_s - self._barrier_s >= BARRIER_S)

    def judge(self, now_s: float, now_us: int) -> Verdict:
        """Return what the silence until now means. Ask only when everything received has been heard.

        Args:
            now_s: of the clock that never jumps.
            now_us: the same moment in microseconds UTC.
        """
        if self._quiet.is_closed(now_us):
            # Frames are not due either, and the hour of opening finds no old silence.
            self._quiet.begin(now_us, now_s)
            self._liveness.excuse(now_s)
        verdict = self._liveness.judge(now_s)
        return "silent" if verdict == "alive" and self._quiet.is_suspicious(now_s) else verdict

    def silence(self, verdict: Verdict) -> str:
        """Return the reason to give for a verdict, for people."""
        if verdict == "silent":
            return f"no record of any symbol for {self._quiet.limit_s:g} s in an open market"
        if verdict == "stale":
            return f"no frame of the feed for {self._liveness.feed_s:g} s"
        return f"nothing received for {self._liveness.transport_s:g} s"
