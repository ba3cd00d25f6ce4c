"""Arbitrary runs of replays under one source, one after the other: of the same recording or of others, finished or killed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from schemas.records import FeedState, FeedStatus, Served, Trade
from schemas.timeframes import MINUTE, SECOND
from tests.support.core import ZERO
from tests.support.worlds import World


@st.composite
def recordings(draw: st.DrawFn) -> list[Trade]:
    """Some minutes' trades in order of receipt, some late."""
    now = ZERO + draw(st.integers(0, 6)) * MINUTE
    found = []
    for n, (pause, age) in enumerate(draw(st.lists(st.tuples(st.integers(0, 150), st.integers(0, 90)), min_size=1, max_size=8))):
        now += pause * SECOND
        price, size = draw(st.integers(1, 9)) / 4, draw(st.integers(0, 7)) / 8
        found.append(Trade("sim", "X", now - age * SECOND, now, price, size, "trade", epoch=0, sequence=n, replay=True))
    return found


@st.composite
def run_worlds(draw: st.DrawFn) -> World:
    """Return two or three runs' trades and statuses in topic order; a run that is killed ends anywhere and says no last word."""
    recorded = draw(st.lists(recordings(), min_size=1, max_size=2))
    trades: list[Trade] = []
    statuses: list[FeedStatus] = []
    for epoch in range(1, draw(st.integers(2, 3)) + 1):
        recording = [replace(t, epoch=epoch) for t in draw(st.sampled_from(recorded))]
        earliest = min(t.event_time for t in recording) // MINUTE * MINUTE
        killed_at = draw(st.one_of(st.none(), st.integers(0, len(recording))))
        clock = earliest

        def tell(state: FeedState, clock: int, *, first: bool, epoch: int = epoch, earliest: int = earliest) -> None:
            statuses.append(
                FeedStatus(
                    "sim", state, epoch=epoch, since=earliest, sent_at=clock, good_from=earliest, good_until=clock,
                    complete_to=clock, trades_offset=len(trades), replay=True,
                    symbols=(Served("X", "trades", earliest),) if first else None,
                )
            )  # fmt: skip

        tell("live", clock, first=True)
        for trade in recording[:killed_at]:
            trades.append(trade)
            clock = max(clock, trade.receive_time)
            if draw(st.booleans()):
                tell("live", clock, first=False)
        if killed_at is None:
            tell("finished", clock, first=draw(st.booleans()))
    if statuses[-1].state != "finished":
        tell("live", clock, first=False)  # else what its newest records close would depend on when they were read
    return World(tuple(trades), tuple(statuses), (), 0)
