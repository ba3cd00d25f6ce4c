"""SHELL (the feed's loop). Connects, reads, publishes, says what it knows: one thread in which everything happens in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from time import monotonic

import structlog

from producer.care import Care
from producer.dialer import Dialer
from producer.guard import Guard
from producer.herald import Herald
from producer.inbox import Inbox, Item
from producer.intake import Intake
from producer.liveness import Verdict
from producer.publisher import Publisher
from producer.quiet import Quiet
from producer.roster import Roster
from producer.sources.protocol import ClosingSource, ProvingSource, Source
from producer.status import GOOD, Feed, Proof, good_until_at_close
from producer.telemetry import Counts
from schemas.records import FeedState

_log = structlog.get_logger()
# Our choices, with the reason beside each.
IDLE_S = 0.25  # longest sleep: watchdogs and acknowledgements are looked at four times a second
STOP_DRAIN_S = 5.0
STOP_FLUSH_S = 10.0

Chore = Callable[[], bool]
"""A bounded piece of other work in the loop's thread, once a turn, such as publishing history; true where more of it waits.
Turns come at least every IDLE_S; live frames go first, so a chore takes milliseconds."""


class FeedLoop:
    """One supervised feed. `run` returns after `stop`, when everything received is acknowledged."""

    def __init__(
        self,
        source: Source,
        feed: Feed,
        publisher: Publisher,
        inbox: Inbox,
        counts: Counts,
        *,
        intake: Intake,
        dialer: Dialer,
        care: Care,
        quiet: Quiet,
        guard: Guard,
        roster: Roster | None,
        stop: Event,
        without: Callable[[str], str],
        chores: Sequence[Chore] = (),
    ) -> None:
        self._source = source
        self._feed = feed
        self._publisher = publisher
        self._inbox = inbox
        self._counts = counts
        self._intake = intake
        self._herald = Herald(source, feed, publisher, inbox, counts)
        self._dialer = dialer
        self._care = care
        self._quiet = quiet
        self._guard = guard
        self._roster = roster
        self._stop = stop
        self._without = without
        self._chores = chores
        self._good_s = 0.0
        self._is_silent = False  # stale although frames come: then only a record proves that it delivers
        self._proof = Proof()

    def run(self) -> None:
        """Serve the feed until `stop`.

        Raises:
            FatalError: Kafka does not take what was received, or another producer has taken over.
        """
        busy, held = False, None
        while not self._stop.is_set():
            self._counts.turned_s = monotonic()
            if not self._guard.may_write():
                self._publisher.poll(IDLE_S)
                self._look_after_link(idle=False)
                continue
            if self._herald.until_due_s() <= 0.0:
                # For the first time before anything is connected: a predecessor that was frozen meanwhile finds it.
                self._quiet.told_closed = isinstance(self._source, ClosingSource) and self._source.is_market_closed()
                self._feed.is_closed = self._quiet.is_closed(self._inbox.now_us())
                self._herald.say()
            if self._dialer.is_due():
                self._feed.trying(self._dialer.attempts, f"attempt {self._dialer.attempts}")
                self._dialer.begin()
            item = self._inbox.get(0.0 if busy else min(IDLE_S, self._herald.until_due_s()))
            # Asked again: in this wait a frozen process may have slept for longer than a session, and what came after that
            # has been received by its successor, too. What was in hand before the answer is ours to take.
            if not self._is_still_ours():
                held = item
                break
            if item is not None:
                self._take(item)
            busy = False
            for chore in self._chores:
                busy |= chore()
            self._publisher.poll()
            if self._roster is not None and self._roster.follow(self._inbox.now_us()):
                self._care.again()
                self._herald.say(symbols=True)
            self._look_after_link(idle=item is None)
            if self._feed.refusing(self._source.refused_symbols(), self._inbox.now_us()):
                self._herald.say(symbols=True)
        self._end(held)

    def _is_still_ours(self) -> bool:
        # Waits for the answer, for an item is in hand; False where the process is asked to stop meanwhile.
        while not self._guard.may_write():
            if self._stop.is_set():
                return False
            self._counts.turned_s = monotonic()
            self._publisher.poll(IDLE_S)
            self._look_after_link(idle=False)
        return True

    def _take(self, item: Item) -> None:
        # Items of one connection only: the next is begun after the one before has put its last.
        if item.kind == "opened":
            self._counts.connects["opened"] += 1
            self._dialer.opened()
            self._source.connected(item.receive_us)
            self._care.opened(item.at_s)
            self._proof = Proof()
            _log.info("connection.opened", source=self._source.name, attempt=self._dialer.attempt)
        elif item.kind in ("closed", "failed"):
            self._lost(item)
        else:
            self._heard(item)

    def _heard(self, item: Item) -> None:
        is_text, was_stale = item.kind == "data", self._feed.state == "stale"
        self._counts.frames += 1
        self._care.heard(item.at_s, text=is_text)
        self._feed.last_frame = self._counts.last_frame_us = item.receive_us
        if is_text:
            taken = self._intake.frame(item.payload, item.receive_us)
            self._proof.heard(item.receive_us, taken.newest_event_us)
            self._herald.lost(taken.losses)
            if (event_us := taken.newest_event_us) is not None:
                self._quiet.heard(min(event_us, item.receive_us), item.at_s)
            if (event_us is not None or not self._is_silent) and self._care.is_proved_by_frame(item.at_s, was_stale=was_stale):
                self._now_good(item)
        elif item.kind == "pong" and self._care.is_proved_by_pong(item.payload, was_stale=was_stale):
            self._now_good(item)

    def _now_good(self, item: Item) -> None:
        if self._dialer.is_killed:
            return
        if self._feed.state in GOOD:
            if self._feed.joined(item.receive_us):
                self._herald.say(symbols=True)
            return
        self._feed.good(item.receive_us)
        self._quiet.begin(item.receive_us, item.at_s)
        self._is_silent = False
        self._good_s = item.at_s
        _log.info("feed.went_live", source=self._source.name, good_from=item.receive_us, attempt=self._dialer.attempt)
        self._herald.say(symbols=True)

    def _look_after_link(self, *, idle: bool) -> None:
        link, now_s = self._dialer.link, monotonic()
        if link is None or self._dialer.is_killed:
            return
        if not self._dialer.is_open:
            self._dialer.kill_if_stuck()
            return
        out = self._care.due(now_s)
        for text in out.texts:
            link.send(text)
        for payload in out.pings:
            link.ping(payload)
        # Judged only when nothing waits: behind a slow Kafka, frames wait here that would prove the link alive.
        if idle and (verdict := self._care.judge(now_s, self._inbox.now_us())) != "alive":
            self._give_up(verdict)

    def _give_up(self, verdict: Verdict) -> None:
        until = self._proof.until_us or self._feed.good_from or 0
        if verdict == "silent":
            self._is_silent, until = True, self._quiet.silent_since()
        if self._feed.state in GOOD:
            self._dialer.was_live(monotonic() - self._good_s)
        self._turn("down" if verdict == "dead" else "stale", until, self._care.silence(verdict))
        self._dialer.kill()

    def _lost(self, item: Item) -> None:
        if self._feed.state in GOOD:
            self._dialer.was_live(item.at_s - self._good_s)
        wait_s = self._dialer.lost(item)
        state: FeedState = "refused" if item.http_status in (401, 403) else "down"
        if item.kind == "failed":
            self._counts.connects["refused" if state == "refused" else "failed"] += 1
        reason = self._without(item.detail)
        _log.warning("connection.lost", source=self._source.name, reason=reason, wait_s=round(wait_s, 2))
        if self._feed.state == "stale" and state == "down":
            self._feed.because(reason)  # it stays stale until a frame comes: one outage, one cause
        else:
            until = item.good_until_us
            if until is None:
                until = good_until_at_close(item.receive_us, self._proof.until_us, item.seen_us)
            self._turn(state, until, reason)

    def _turn(self, state: FeedState, until_us: int, reason: str) -> None:
        if self._feed.bad(state, until_us, self._inbox.now_us(), reason):
            _log.warning("feed.went_bad", source=self._source.name, state=state, good_until=self._feed.good_until, reason=reason)
            self._herald.say(symbols=True)

    def _end(self, held: Item | None) -> None:
        # Stop reading, take what is in hand and what was read, wait for Kafka, and say how far it went.
        self._publisher.stop_by(monotonic() + STOP_DRAIN_S + STOP_FLUSH_S)
        stopped_us = self._inbox.now_us()
        self._dialer.kill()
        deadline = monotonic() + STOP_DRAIN_S
        is_ours, item, seen_us = self._guard.may_write(), held, None
        while is_ours:
            if item is not None:
                self._take(item)
            if self._dialer.link is None or (left := deadline - monotonic()) <= 0:
                break
            item = self._inbox.get(left)
            self._counts.turned_s = monotonic()
            is_ours = self._guard.may_write()
            if item is None or item.kind in ("closed", "failed"):
                seen_us = None if item is None else item.seen_us
                break
        stopped_us = min(stopped_us, self._inbox.processed_to())  # where it was not all taken in time
        self._inbox.release()
        self._publisher.flush(STOP_FLUSH_S)
        if not is_ours:
            _log.warning("feed.was_abandoned", source=self._source.name, reason="asked to stop while the lease was in doubt")
            return
        if isinstance(self._source, ProvingSource):
            self._herald.lost(tuple(self._source.owed(self._inbox.now_us())))
        until = good_until_at_close(stopped_us, self._proof.until_us, seen_us)
        self._turn("stopping", until, "the producer was asked to stop")
        self._publisher.flush(STOP_FLUSH_S)
        _log.info("feed.stopped", source=self._source.name, published=dict(self._counts.published))
