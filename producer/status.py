"""PURE. What a live source knows of its feed, as the statuses it writes (SEMANTICS: what is known of the feed)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from producer.inflight import Progress
from schemas.records import FeedState, FeedStatus, IdOrder, Loss, Served
from schemas.timeframes import SECOND

Wanted = tuple[tuple[str, Literal["trades", "quotes"]], ...]
"""Symbols of one partition, each with what is delivered for it."""
GOOD: frozenset[FeedState] = frozenset({"live", "market_closed"})
MAX_REASON = 300  # characters; what a peer says in a handshake or at a close can be of any length, a message of Kafka's not
IN_FLIGHT_US = SECOND // 4
"""Our choice. A connection that closes visibly has delivered all that was sent before; what was traded in the last quarter
of a second may not have been sent yet. Finnhub's prints take about 0.1 s to arrive."""


def good_until_at_close(closed_us: int, proved_us: int | None, seen_us: int | None = None) -> int:
    """Return the moment up to which a feed was good when its connection closed in our sight (close frame, FIN, RST).

    Args:
        closed_us: when we saw it close, microseconds UTC.
        proved_us: up to when its text frames prove it, see `Proof`; None before the first.
        seen_us: the last moment before at which it had not closed for sure: a reader that was held by a slow Kafka, or asleep,
            sees late what happened long ago. None: it looked all the time.
    """
    there_us = closed_us if seen_us is None else min(closed_us, seen_us)
    return min(closed_us, max(proved_us or 0, there_us - IN_FLIGHT_US))


@dataclass
class Proof:
    """Up to when one connection's text frames prove its feed: to their newest event, or, where the last held none, its receipt.

    A trade that is reported late takes nothing back of what newer ones have proved. A receipt counts only as long as it is the
    last: under load, what was sent long ago is received only now. Microseconds UTC; None before the first frame.
    """

    until_us: int | None = None
    _newest_us: int = 0

    def heard(self, receive_us: int, newest_event_us: int | None) -> None:
        """Note a text frame, and the newest event time in it; None where it held no record."""
        if newest_event_us is None:
            self.until_us = receive_us
        else:
            self.until_us = self._newest_us = max(self._newest_us, min(newest_event_us, receive_us))


@dataclass
class Feed:
    """The state of one feed. One outage keeps its beginning and its first cause until the feed is good again.

    ``ids`` is what the provider's trade ids promise; ``note`` is said as the reason while the feed is good;
    ``is_closed`` that nothing is expected of it: then a good feed is called market_closed, and is as good as a live one.
    """

    source: str
    epoch: int
    since: int
    state: FeedState = "connecting"
    reason: str = ""
    good_from: int | None = None
    good_until: int | None = None
    attempts: int = 0
    last_frame: int | None = None
    ids: IdOrder = "none"
    note: str = ""
    is_closed: bool = False
    _refused_from: dict[str, int] = field(default_factory=dict)
    _joining: set[str] = field(default_factory=set)
    _joined_at: dict[str, int] = field(default_factory=dict)

    def trying(self, attempts: int, why: str) -> None:
        """Note an attempt to connect. It changes no state: while down, the feed stays down, so that an outage has one cause."""
        self.attempts = attempts
        self.reason = why

    def good(self, at_us: int) -> None:
        """The feed delivers from `at_us` on."""
        self.state, self.reason, self.since = "live", self.note, at_us
        self.good_from, self.good_until = at_us, None
        self.attempts = 0
        self._joining.clear()
        self._joined_at.clear()

    def symbols_changed(self, added: tuple[str, ...], removed: tuple[str, ...]) -> None:
        """Other symbols are wanted: a new one is named once it is known to be delivered, one that is gone never again."""
        self._joining = (self._joining | set(added)).difference(removed)
        for symbol in removed:
            self._joined_at.pop(symbol, None)

    def joined(self, at_us: int) -> bool:
        """Those added to a good feed are delivered from `at_us` on; return whether that is news."""
        for symbol in self._joining:
            self._joined_at[symbol] = at_us
        news = bool(self._joining)
        self._joining.clear()
        return news

    def bad(self, state: FeedState, until_us: int, now_us: int, reason: str) -> bool:
        """The feed does not deliver; return whether that is news.

        Args:
            state: stale, down, refused or stopping.
            until_us: last moment known to be good; counts only if the feed was good until now.
            now_us: when this is known.
            reason: for people; holds no secret.
        """
        if self.good_from is not None and self.state in GOOD:
            self.good_until = max(until_us, self.good_from)
        elif self.good_from is None and state not in ("refused", "stopping"):
            state = "connecting"  # nothing was good yet, so nothing has gone bad
        news = state != self.state
        if news:
            self.since = now_us
        self.state = state
        self.because(reason)
        return news

    def because(self, reason: str) -> None:
        """Say why it is as it is; for people, and without a secret."""
        self.reason = reason[:MAX_REASON]

    def refusing(self, symbols: frozenset[str], now_us: int) -> bool:
        """Note which symbols the provider does not deliver; return whether that is news."""
        if symbols == self._refused_from.keys():
            return False
        self._refused_from = {s: self._refused_from.get(s, now_us) for s in symbols}
        return True

    def served(self, wanted: Wanted) -> tuple[Served, ...]:
        """Return the entries of `wanted`; a refused one is not known to be good, one just added is not named yet."""
        return tuple(Served(s, kind, self._good_from_of(s)) for s, kind in wanted if s not in self._joining)

    def _good_from_of(self, symbol: str) -> int | None:
        return None if symbol in self._refused_from else self._joined_at.get(symbol, self.good_from)

    def refusals(self, wanted: Wanted, now_us: int) -> tuple[Loss, ...]:
        """Return the losses of those that are refused, each from its beginning, so that they may be said again and again."""
        detail = "the provider delivers no more symbols"
        return tuple(
            Loss(s, "refused", self._refused_from[s], now_us, None, detail) for s, _ in wanted if s in self._refused_from
        )

    def status(
        self, progress: Progress, processed_to_us: int, served: Wanted | None, losses: tuple[Loss, ...] = ()
    ) -> FeedStatus:
        """Return the status of one partition.

        Args:
            progress: what is acknowledged there.
            processed_to_us: now, or, where received frames still wait, the moment before the oldest of them.
            served: the partition's symbols, where they are to be said.
            losses: of these symbols, to be said now.
        """
        is_good = self.state in GOOD
        return FeedStatus(
            source=self.source,
            state="market_closed" if self.state == "live" and self.is_closed else self.state,
            reason=self.reason,
            epoch=self.epoch,
            since=self.since,
            sent_at=processed_to_us,
            good_from=self.good_from,
            good_until=processed_to_us if is_good else self.good_until,
            complete_to=progress.complete_to(processed_to_us),
            trades_offset=progress.trades_offset,
            quotes_offset=progress.quotes_offset,
            history_offset=progress.history_offset,
            ids=self.ids,
            losses=losses if served is None else (*losses, *self.refusals(served, processed_to_us)),
            symbols=None if served is None else self.served(served),
            attempts=self.attempts,
            last_frame=self.last_frame,
        )
