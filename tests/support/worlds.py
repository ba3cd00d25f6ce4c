"""PURE. Worlds of trades, statuses and history for the laws as properties, and a reader that takes them in any order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import time
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from processor.core.calendar import Calendar
from processor.core.config import CoreConfig
from processor.core.partition import Partition
from processor.core.restoring import load
from processor.core.snapshot import dump
from schemas.records import Candle, FeedStatus, Gap, HistoryCandle, Served, Trade
from schemas.timeframes import MINUTE, SECOND, parse_list
from tests.support import model
from tests.support.core import ZERO, columns_of

CONFIG = CoreConfig(timeframes=parse_list("10s,1m,5m,1h"), horizon_us=20 * MINUTE)
GOOD_FROM = ZERO + 22 * SECOND
SHUT = model.Outage(ZERO + 10 * MINUTE, ZERO + 20 * MINUTE, "market_closed")
HOURS = replace(CONFIG, sessions=(("sim:*", Calendar("test", "UTC", (4, time(0, 20)), (4, time(0, 10)))),))
"""The same with ten minutes' market closing on that Friday."""
OUTCOMES: tuple[Any, ...] = ("complete", "complete", "partial", "refused")
STATES = {"down": "feed_down", "stale": "feed_stale", "stopping": "producer_down"}


@dataclass(frozen=True)
class World:
    """Everything that exists: trades, statuses and history in topic order, the outages that are told, the last clock."""

    trades: tuple[Trade, ...]
    statuses: tuple[FeedStatus, ...]
    outages: tuple[model.Outage, ...]
    end: int
    history: tuple[HistoryCandle, ...] = ()


@st.composite
def worlds(draw: st.DrawFn, *, with_history: bool = False, with_backfill: bool = False, with_absences: bool = False) -> World:
    """A session of some minutes: trades in order of receipt (some late), statuses between them, outages told late or at once.

    With backfill: any of the trades may be one that was fetched later. With history: a bootstrap of what came before, in any
    state of completeness, and answers to some of the outages. With absences: lists of symbols that name it no more, and again.
    """
    kinds = ["trade", "trade", "trade", "status", "outage", "quiet", *(["answer", "answer", "bootstrap"] if with_history else [])]
    kinds += ["list", "list"] if with_absences else []
    steps = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=25))
    now, sequence, known_good = GOOD_FROM, 0, GOOD_FROM
    trades: list[Trade] = []
    statuses: list[FeedStatus] = []
    outages: list[model.Outage] = []
    history: list[HistoryCandle] = []
    good_from = GOOD_FROM
    away: int | None = None
    whole = st.integers(1, 90).map(lambda s: s * SECOND)

    def tell(state: Any, good_until: int | None, **more: Any) -> None:
        statuses.append(
            FeedStatus(
                "sim", state, epoch=1, sent_at=now, good_from=good_from, good_until=good_until, complete_to=now,
                trades_offset=len(trades), history_offset=len(history), **more,
            )
        )  # fmt: skip

    def send(first: int, end: int, origin: Any, gap_id: str | None) -> None:
        for start in range(first // MINUTE * MINUTE, end, MINUTE):
            if start + MINUTE > now or not draw(st.integers(0, 3)):
                continue
            low, opened, closed, high = sorted(draw(st.integers(1, 12)) / 4 for _ in range(4))
            volume = draw(st.one_of(st.none(), st.integers(0, 40).map(lambda v: v / 8)))
            history.append(
                HistoryCandle(
                    "sim", "X", "trade", "candle", origin, start, start + MINUTE, opened, high, low, closed, volume,
                    draw(st.one_of(st.none(), st.integers(0, 9))), gap_id=gap_id, receive_time=now, epoch=1,
                )
            )  # fmt: skip

    tell("live", now, symbols=(Served("X", "trades", GOOD_FROM),))
    for step in steps:
        now += draw(whole)
        if step == "trade":
            sequence += 1
            age = draw(st.one_of(st.integers(0, 3 * SECOND), st.integers(0, 30 * MINUTE)))
            trades.append(
                Trade(
                    "sim", "X", max(ZERO - 40 * MINUTE, now - age), now, draw(st.integers(1, 9)) / 4, draw(st.integers(0, 7)) / 8,
                    draw(st.sampled_from(["trade", "update"])), draw(st.sampled_from(["buy", "sell", "unknown"])),
                    draw(st.one_of(st.none(), st.just(str(sequence)), st.just(f"id-{sequence}"))),
                    draw(st.one_of(st.none(), st.integers(0, 5))), 1, sequence,
                    backfill=with_backfill and draw(st.booleans()),
                )
            )  # fmt: skip
        elif step == "list" and away is None:
            away = known_good = now
            tell("live", now, symbols=())
        elif step == "list" and away is not None:
            back = draw(st.integers(max(away, now - 100 * SECOND), now))
            tell("live", now, symbols=(Served("X", "trades", back),))
            outages.append(model.Outage(away, max(back, now // MINUTE * MINUTE, away + model.INSTANT), "unsubscribed"))
            away, known_good = None, now
        elif step == "quiet":
            now += draw(st.integers(0, 12)) * MINUTE
        elif step == "bootstrap":
            first = ZERO - draw(st.integers(0, 130)) * MINUTE
            end = min(first + draw(st.integers(1, 140)) * MINUTE, now // MINUTE * MINUTE)
            send(first, end, "bootstrap", None)
            if draw(st.booleans()):
                history.append(
                    HistoryCandle(
                        "sim", "X", "trade", "result", start=first, end=end, outcome="complete", receive_time=now, epoch=1
                    )
                )
        elif step == "answer":
            if outages:
                gap = draw(st.sampled_from(outages))
                gap_id = f"sim:X|{gap.cause}|{max(gap.start, first_sight(trades))}"
                send(gap.start, gap.end, "backfill", gap_id)
                if draw(st.booleans()):
                    history.append(
                        HistoryCandle(
                            "sim", "X", "trade", "result", "backfill", gap.start, gap.end, gap_id=gap_id, receive_time=now,
                            epoch=1, outcome=draw(st.sampled_from(OUTCOMES)), reason="because",
                        )
                    )  # fmt: skip
        else:
            if step == "outage" and away is None:
                start = draw(st.integers(max(known_good, now - 150 * SECOND), now))
                state = draw(st.sampled_from(sorted(STATES)))
                tell(state, start)
                for _ in range(draw(st.integers(0, 2))):
                    now += draw(whole)
                    tell(draw(st.sampled_from(["down", "stale", "connecting"])), start)
                now += draw(whole)
                good_from = now
                outages.append(model.Outage(start, now, STATES[state]))
            tell("live", now)
            known_good = now
    now += 2 * SECOND + draw(st.integers(0, 70)) * MINUTE
    tell("live", now)
    if away is not None:
        outages.append(model.Outage(away, model.NEVER, "unsubscribed"))
    return World(tuple(trades), tuple(statuses), tuple(outages), now, tuple(history))


def first_sight(trades: list[Trade]) -> int:
    """Return the start of the 1m window of first sight, as far as these trades and the first status tell."""
    times = [t.event_time for t in trades if t.receive_time - t.event_time <= CONFIG.horizon_us]
    return min([GOOD_FROM, *times]) // MINUTE * MINUTE


class Reader:
    """Reads a world in a given order, in given batches, with crashes; keeps what a consumer of the highest version sees."""

    def __init__(self, world: World, config: CoreConfig = CONFIG) -> None:
        self.world, self.config = world, config
        self.partition = Partition(config, 0)
        self.sources = len({s.source for s in world.statuses})
        self.trades = self.statuses = self.history = 0
        self.committed = (0, 0, 0)
        self.state: dict[bytes, bytes] = {}
        self.candles: dict[tuple[str, int], Candle] = {}
        self.gaps: dict[str, Gap] = {}
        self.late: set[int] = set()

    def step(self, kind: str, number: int, live: bool) -> None:
        """Do one step: read trades, statuses or history, snapshot, crash, or be killed."""
        # Before its first status a source has no clock of its own but its records.
        self.partition.caught_up = live and self.sources == sum(f.epoch > 0 for f in self.partition.feeds.values())
        if kind in ("trades", "statuses", "history"):
            self._read(kind, number)
        elif kind == "flush":
            self._write(dump(self.partition), None)
            waiting = self.partition.oldest_waiting if self.partition.waiting else self.statuses
            held = [self.partition.held.oldest(kind) for kind in ("trades", "history")]
            trades, history = (read if at is None else at for read, at in zip((self.trades, self.history), held, strict=True))
            self.committed = (trades, waiting, history)
        elif kind == "crash":
            # A flush that was cut after `number` of its records, outputs out, offsets not committed.
            self._collect()
            state = dump(self.partition)
            self._write(state, number)
            self._restart()
        elif kind == "killed":
            # Between the journal of what the last records made and its outputs.
            self._collect()
            for of in ("trades", "history", "statuses"):
                self._read(of, number)
            self.partition.take_out()  # made, with what groups make of it, and never sent
            self._write(self.partition.take_journal(), None)
            self._restart()
        self._collect()

    def _read(self, kind: str, number: int) -> None:
        if kind == "trades":
            batch = self.world.trades[self.trades : self.trades + number]
            if batch:
                self.partition.take("trades", columns_of(batch, self.trades), 0)
                self.trades += len(batch)
                self.partition.positions["trades"] = self.trades
                self.partition.release(0)
        elif kind == "statuses":
            for status in self.world.statuses[self.statuses : self.statuses + number]:
                self.partition.take_status(self.statuses, status)
                self.statuses += 1
                self.partition.release(0)
        else:
            records = self.world.history[self.history : self.history + number]
            if records:
                self.partition.take_history(columns_of(records, self.history))
                self.history += len(records)
                self.partition.positions["history"] = self.history
                self.partition.release(0)

    def _restart(self) -> None:
        self.partition = load(self.config, 0, self.state)
        self.trades, self.statuses, self.history = self.committed
        self.partition.positions.update(trades=self.trades, history=self.history)

    def _write(self, records: list[tuple[bytes, bytes | None]], upto: int | None) -> None:
        for key, value in records[:upto]:
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def _collect(self) -> None:
        out = self.partition.take_out()
        self._write(self.partition.take_journal(), None)
        for candle in out.all_candles():
            place = (candle.timeframe, candle.start)
            if place not in self.candles or candle.version >= self.candles[place].version:
                self.candles[place] = candle
        for gap in out.gaps:
            if gap.gap_id not in self.gaps or gap.version >= self.gaps[gap.gap_id].version:
                self.gaps[gap.gap_id] = gap
        for _, rows in out.late:
            self.late |= set(rows["offset"])

    def read_on(self) -> Reader:
        """Read whatever is left."""
        self.step("statuses", 1, False)
        self.step("trades", len(self.world.trades), True)
        self.step("history", len(self.world.history), True)
        self.step("statuses", len(self.world.statuses), True)
        return self

    def content(self) -> tuple[Any, ...]:
        """Return the content of everything out."""
        candles = {
            place: replace(c, state="final", reason="none", updated_at=0, input_offset=0) for place, c in self.candles.items()
        }
        return (
            candles,
            self.gap_set(),
            {(g.gap_id, g.to_time, g.state, g.why_not) for g in self.gaps.values() if g.from_time != g.to_time},
        )

    def gap_set(self) -> set[tuple[int, int | None, str]]:
        """Return (from, to, cause) of all gaps that are not empty."""
        return {(g.from_time, g.to_time, g.cause) for g in self.gaps.values() if g.from_time != g.to_time}


DEATHS = ("crash", "killed")
"""Steps after which what was said is said again: in the middle of a flush of state, and between journal and outputs."""


def plans_of(*kinds: str) -> st.SearchStrategy[list[tuple[str, int, bool]]]:
    """Return plans of reading: portions of these kinds of input, flushes, and crashes in the middle of one."""
    steps = st.sampled_from([*kinds, *kinds, "flush", *DEATHS])
    return st.lists(st.tuples(steps, st.integers(0, 6), st.booleans()), max_size=30)


thorough = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
