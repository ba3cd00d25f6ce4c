"""The laws of the processor as properties: any trades, any outages, any order of reading, any crash; judged by the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.core.calendar import Calendar
from processor.core.config import CoreConfig
from processor.core.fingerprint import identity, of_record
from processor.core.partition import Partition
from processor.core.snapshot import dump, load
from schemas.records import FeedStatus, Served, Trade
from schemas.timeframes import MINUTE, SECOND, parse_list
from tests.support import model
from tests.support.core import ZERO, columns_of

CONFIG = CoreConfig(timeframes=parse_list("10s,1m,5m,1h"), horizon_us=20 * MINUTE)
GOOD_FROM = ZERO + 22 * SECOND
SHUT = model.Outage(ZERO + 10 * MINUTE, ZERO + 20 * MINUTE, "market_closed")
HOURS = replace(CONFIG, sessions=(("sim:*", Calendar("test", "UTC", (4, time(0, 20)), (4, time(0, 10)))),))
"""The same with ten minutes' market closing on that Friday."""
STATES = {"down": "feed_down", "stale": "feed_stale", "stopping": "producer_down"}


@dataclass(frozen=True)
class World:
    """Everything that exists: trades in topic order, statuses in topic order, the outages they tell, the last clock."""

    trades: tuple[Trade, ...]
    statuses: tuple[FeedStatus, ...]
    outages: tuple[model.Outage, ...]
    end: int


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A session of some minutes: trades in order of receipt (some late), statuses between them, outages told late or at once."""
    steps = draw(st.lists(st.sampled_from(["trade", "trade", "trade", "status", "outage", "quiet"]), min_size=1, max_size=25))
    now, sequence, known_good = GOOD_FROM, 0, GOOD_FROM
    trades: list[Trade] = []
    statuses: list[FeedStatus] = []
    outages: list[model.Outage] = []
    good_from = GOOD_FROM
    whole = st.integers(1, 90).map(lambda s: s * SECOND)

    def tell(state: str, good_until: int | None, **more) -> None:
        statuses.append(
            FeedStatus(
                "sim", state, epoch=1, sent_at=now, good_from=good_from, good_until=good_until, complete_to=now,
                trades_offset=len(trades), **more,
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
                )
            )  # fmt: skip
        elif step == "quiet":
            now += draw(st.integers(0, 12)) * MINUTE
        else:
            if step == "outage":
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
    return World(tuple(trades), tuple(statuses), tuple(outages), now)


class Reader:
    """Reads a world in a given order, in given batches, with crashes; keeps what a consumer of the highest version sees."""

    def __init__(self, world: World, config: CoreConfig = CONFIG) -> None:
        self.world, self.config = world, config
        self.partition = Partition(config, 0)
        self.trades = self.statuses = 0
        self.committed = (0, 0)
        self.state: dict[bytes, bytes] = {}
        self.candles: dict[tuple[str, int], object] = {}
        self.gaps: dict[str, object] = {}
        self.late: set[int] = set()

    def step(self, kind: str, number: int, live: bool) -> None:
        """Do one step: read trades or statuses, snapshot, or crash."""
        # Before its first status a source has no clock of its own but its records.
        self.partition.caught_up = live and bool(self.partition.feeds)
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
        elif kind == "flush":
            self._write(dump(self.partition), None)
            waiting = self.partition.oldest_waiting if self.partition.waiting else self.statuses
            self.committed = (self.trades, waiting)
        elif kind == "crash":
            # A flush that was cut after `number` of its records, outputs out, offsets not committed.
            self._collect()
            self._write(dump(self.partition), number)
            self.partition = load(self.config, 0, self.state)
            self.trades, self.statuses = self.committed
            self.partition.positions["trades"] = self.trades
        self._collect()

    def _write(self, records, upto) -> None:
        for key, value in records[:upto]:
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def _collect(self) -> None:
        out = self.partition.take_out()
        for candle in out.candles:
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
        self.step("statuses", len(self.world.statuses), True)
        return self

    def content(self):
        """Return the content of everything out."""
        candles = {
            place: replace(c, state="final", reason="none", updated_at=0, input_offset=0) for place, c in self.candles.items()
        }
        return candles, self.gap_set()

    def gap_set(self):
        """Return (from, to, cause) of all gaps that are not empty."""
        return {(g.from_time, g.to_time, g.cause) for g in self.gaps.values() if g.from_time != g.to_time}


plans = st.lists(
    st.tuples(st.sampled_from(["trades", "trades", "statuses", "statuses", "flush", "crash"]), st.integers(0, 6), st.booleans()),
    max_size=30,
)
thorough = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@thorough
@given(worlds(), plans, st.sampled_from([CONFIG, HOURS]))
def test_law_2_3_7_8_content_does_not_depend_on_order_batches_or_crashes(world, plan, config):
    plain = Reader(world, config).read_on().content()
    other = Reader(world, config)
    for kind, number, live in plan:
        other.step(kind, number, live)
    candles, gaps = other.read_on().content()
    assert gaps == plain[1]
    assert candles == plain[0]


@thorough
@given(worlds(), st.sampled_from([CONFIG, HOURS]))
def test_law_1_2_6_candles_are_what_the_model_says(world, config):
    reader = Reader(world, config).read_on()
    outages = model.within_hours(world.outages, SHUT) if config is HOURS else world.outages
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    assert reader.late == {i for i, t in enumerate(world.trades) if t not in kept}
    closed = world.end - CONFIG.lateness_us
    for timeframe in CONFIG.timeframes:
        if timeframe.us < MINUTE:
            continue
        wanted = model.candles(kept, outages, GOOD_FROM, timeframe.us // MINUTE)
        wanted = {start: c for start, c in wanted.items() if start + timeframe.us <= closed}
        found = {start: c for (name, start), c in reader.candles.items() if name == timeframe.name}
        assert found.keys() == wanted.keys()
        for start, candle in found.items():
            m = wanted[start]
            assert (candle.open, candle.high, candle.low, candle.close) == (m.open, m.high, m.low, m.close)
            assert candle.volume == float(m.volume)
            assert candle.coverage == pytest.approx(float(m.coverage), abs=1e-12)
            assert candle.trade_count + candle.update_count == m.records
            assert candle.version == m.records + -(-m.lost * 1_000_000 // timeframe.us) + 1
            inside = [t for t in kept if start <= t.event_time < start + timeframe.us]
            prints = [
                of_record(t.event_time, t.price, t.size, identity(t.trade_id, t.venue_sequence, t.epoch, t.sequence))
                for t in inside
            ]
            assert candle.fingerprint & (1 << 64) - 1 == sum(prints) & (1 << 64) - 1


@thorough
@given(worlds())
def test_law_4_5_every_minute_is_accounted_for_by_a_candle_or_one_gap_with_a_cause(world):
    reader = Reader(world).read_on()
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    closed_to = (world.end - CONFIG.lateness_us) // MINUTE * MINUTE
    assert reader.gap_set() == model.gaps(kept, world.outages, GOOD_FROM, closed_to)


@thorough
@given(worlds())
def test_law_4_5_holds_with_market_hours_where_nothing_is_lost_while_the_market_is_closed(world):
    reader = Reader(world, HOURS).read_on()
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    closed_to = (world.end - CONFIG.lateness_us) // MINUTE * MINUTE
    outages = model.within_hours(world.outages, SHUT)
    assert reader.gap_set() == model.gaps(kept, outages, GOOD_FROM, closed_to, SHUT)


@thorough
@given(worlds())
def test_law_3_a_parent_is_the_merge_of_its_children(world):
    reader = Reader(world).read_on()
    children = {start: c for (name, start), c in reader.candles.items() if name == "1m"}
    for (name, start), parent in reader.candles.items():
        if name != "5m":
            continue
        mine = [children[s] for s in sorted(children) if start <= s < parent.end]
        assert (parent.open, parent.close) == (mine[0].open, mine[-1].close)
        assert (parent.high, parent.low) == (max(c.high for c in mine), min(c.low for c in mine))
        assert parent.trade_count == sum(c.trade_count for c in mine)
        assert parent.fingerprint & (1 << 64) - 1 == sum(c.fingerprint for c in mine) & (1 << 64) - 1


@thorough
@given(worlds(), plans)
def test_law_6_a_version_never_shrinks_without_a_crash(world, plan):
    reader = Reader(world)
    told: dict[object, int] = {}
    for kind, number, live in [*plan, ("trades", 99, True), ("statuses", 99, True)]:
        if kind == "crash":
            continue
        before = reader.partition.out
        reader.step(kind, number, live)
        for record in (*before.candles, *before.gaps):
            place = (record.timeframe, record.start) if hasattr(record, "timeframe") else record.gap_id
            assert record.version > told.get(place, -1)
            told[place] = record.version
