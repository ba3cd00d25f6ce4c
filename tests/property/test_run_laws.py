"""Laws of replays that follow one another under one source (rule 22): a newer run never depends on when the older was read."""

from __future__ import annotations

from hypothesis import given

from schemas.timeframes import MINUTE
from tests.support.runs import run_worlds
from tests.support.worlds import DEATHS, Reader, plans_of, thorough


def is_one_recording_to_its_end(world):
    """Runs share the identities of gaps: what one took back, late, another may never have told."""
    runs = {epoch: [(t.event_time, t.receive_time) for t in world.trades if t.epoch == epoch] for epoch in range(1, 4)}
    ends = sum(s.state == "finished" for s in world.statuses)
    return len({tuple(r) for r in runs.values() if r}) == 1 and ends == max(s.epoch for s in world.statuses)


@thorough
@given(run_worlds(), plans_of("trades", "statuses"))
def test_law_2_7_8_content_of_runs_does_not_depend_on_order_batches_or_crashes(world, plan):
    plain = Reader(world).read_on().content()
    other = Reader(world)
    for kind, number, live in plan:
        other.step(kind, number, live)
    found = other.read_on().content()
    if is_one_recording_to_its_end(world):
        assert found[1:] == plain[1:]
    assert found[0].keys() == plain[0].keys()
    for place, candle in plain[0].items():
        assert found[0][place] == candle


@thorough
@given(run_worlds(), plans_of("trades", "statuses"))
def test_law_1_each_runs_records_are_in_its_candles(world, plan):
    reader = Reader(world)
    told: dict[int, dict[int, int]] = {}

    def note() -> None:
        for (name, start), candle in reader.candles.items():
            if name == "1m":
                run = world.trades[candle.input_offset].epoch
                told.setdefault(run, {})[start] = candle.trade_count

    for kind, number, live in [*plan, ("statuses", 1, False), ("trades", 99, True), ("statuses", 99, True)]:
        if kind not in DEATHS:
            reader.step(kind, number, live)
            note()
    last = max(s.epoch for s in world.statuses)
    if any(s.epoch == last and s.state == "finished" for s in world.statuses):
        wanted: dict[int, int] = {}
        for trade in world.trades:
            if trade.epoch == last:
                start = trade.event_time // MINUTE * MINUTE
                wanted[start] = wanted.get(start, 0) + 1
        hidden = {s for run, starts in told.items() if run != last for s in starts}
        assert {s: n for s, n in told.get(last, {}).items() if s not in hidden} == {
            s: n for s, n in wanted.items() if s not in hidden
        }
