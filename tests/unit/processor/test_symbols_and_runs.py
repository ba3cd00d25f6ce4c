"""Series that end: symbols that are no longer named (rule 15), and a replay's run that a newer one follows (rule 22)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.core.restoring import load
from processor.core.snapshot import dump
from schemas.records import Gap, Loss, Trade
from tests.support.core import Driven, at


def left(core: Driven) -> Gap:
    return next(g for g in reversed(core.gaps) if g.cause == "unsubscribed")


def test_rule_15_a_symbol_no_longer_named_ends_its_series_with_an_open_gap():
    core = Driven()
    core.status("00:00")
    core.traded("00:10", 5)
    core.status("00:40", symbols=())
    candle = core.latest()["00:00"]
    assert (candle.trade_count, candle.coverage, candle.gap_cause) == (1, pytest.approx(40 / 60), "unsubscribed")
    gap = left(core)
    assert (gap.from_time, gap.to_time, gap.state, gap.fillable) == (at("00:40"), None, "open", False)
    assert core.partition.series == {}
    core.status("20:00", symbols=())
    assert left(core) == gap  # nothing more is said of it


def test_rule_15_a_symbol_named_again_begins_anew_and_its_last_gap_ends_there():
    core = Driven()
    core.status("00:00")
    core.traded("00:10", 5)
    core.status("00:40", symbols=())
    core.status("07:30", symbol_good_from="07:20")
    gap = left(core)
    assert (gap.from_time, gap.to_time, gap.state) == (at("00:40"), at("07:00"), "closed")
    core.traded("07:40", 6)
    core.status("09:02", symbol_good_from="07:20")
    assert core.gaps_now()[-3:] == [
        ("00:40", "07:00", "unsubscribed"),
        ("07:00", "07:20", "partial_start"),
        ("08:00", None, "no_trades"),
    ]


def test_rule_15_an_outage_ends_where_the_symbol_is_left():
    core = Driven()
    core.status("00:00")
    core.status("00:20", "down", good_until="00:10")
    core.status("00:40", "down", good_until="00:10", symbols=())
    assert ("00:10", "00:40", "feed_down") in core.gaps_now()
    assert ("00:40", None, "unsubscribed") in core.gaps_now()


def test_rule_15_other_symbols_go_on():
    core = Driven()
    core.status("00:00", symbols=("X", "Y"))
    core.trades(core.trade("00:10"), core.trade("00:10", symbol="Y"))
    core.status("00:30", symbols=("Y",))
    core.status("01:02", symbols=("Y",))
    assert set(core.partition.series) == {"sim:Y"}
    assert {(c.symbol, c.coverage) for c in core.candles if c.timeframe == "1m"} == {("X", 0.5), ("Y", 1.0)}


def test_law_8_a_symbol_left_and_named_again_between_two_snapshots_keeps_its_new_state():
    core = Driven()
    core.status("00:00")
    core.traded("00:10", 5)
    core.status("01:02")
    core.snapshot()
    core.status("01:40", symbols=())
    core.status("07:30", symbol_good_from="07:20")
    core.traded("07:40", 6)
    core.snapshot()
    core.crash()
    core.traded("07:50", 7)
    core.status("08:02", symbol_good_from="07:20")
    assert core.latest()["07:00"].trade_count == 2
    assert [key for key in core.state if key.startswith(b"s|")] == [b"s|sim:X|0"]


def refusal(until: str) -> tuple[Loss, ...]:
    return (Loss("X", "refused", at("00:20"), at(until), None, "the plan is full"),)


def test_a_refused_symbol_is_one_gap_that_lasts_as_long_as_it_is_said():
    core = Driven()
    for until in ("00:20", "01:20", "02:20"):
        core.status(until, symbol_good_from="", losses=refusal(until))
    assert core.gaps_now() == [("00:00", "00:20", "partial_start"), ("00:20", None, "refused")]
    core.status("03:00", symbols=None)
    core.status("03:10", symbol_good_from="03:05")
    assert core.gap("refused", "00:20").to_time == at("03:05")
    core.traded("03:20")
    core.status("04:02", symbol_good_from="03:05")
    assert core.latest()["03:00"].coverage == pytest.approx(55 / 60)


def test_a_symbol_refused_in_the_middle_loses_from_there_on():
    core = Driven()
    core.status("00:00")
    core.traded("00:10")
    core.status("00:30", losses=refusal("00:30"))
    core.status("01:02", losses=refusal("01:02"))
    assert core.latest()["00:00"].coverage == pytest.approx(20 / 60)
    assert core.gap("refused", "00:20").to_time is None


def run_of(core: Driven, epoch: int, *trades: Trade) -> list[Trade]:
    return [replace(t, epoch=epoch, replay=True) for t in trades]


def told(core: Driven, time: str, epoch: int, state: str = "live", trades: int = 0) -> None:
    core.status(
        time, state, good_from="00:00", good_until=time, epoch=epoch, replay=True, symbols=("X",), trades_offset=trades
    )  # fmt: skip


def test_law_1_two_recordings_read_before_their_statuses_lose_nothing():
    core = Driven()
    first = run_of(core, 1, core.trade("00:10", 5), core.trade("00:20", 6), core.trade("01:10", 6))
    second = run_of(core, 2, core.trade("10:10", 7), core.trade("10:20", 8), core.trade("10:30", 8))
    core.trades(*first, *second)
    told(core, "00:00", 1)
    told(core, "01:30", 1, "finished", trades=3)
    told(core, "10:00", 2, trades=3)
    told(core, "11:00", 2, "finished", trades=6)
    assert {s: c.trade_count for s, c in core.latest().items()} == {"00:00": 2, "01:00": 1, "10:00": 3}
    assert core.late == []


def test_law_7_a_run_that_was_killed_is_told_as_far_as_it_came():
    core = Driven()
    first = run_of(core, 1, core.trade("00:10", 5), core.trade("00:20", 6))
    second = run_of(core, 2, core.trade("05:10", 7))
    told(core, "00:00", 1)
    core.trades(*first, *second)
    told(core, "05:00", 2, trades=2)
    told(core, "06:00", 2, "finished", trades=3)
    assert {s: c.trade_count for s, c in core.latest().items()} == {"00:00": 2, "05:00": 1}


def test_law_8_state_of_a_killed_run_never_counts_towards_the_next():
    core = Driven()
    first = run_of(core, 1, *(core.trade(f"{m:02d}:10", 5) for m in range(6)))
    told(core, "00:00", 1)
    core.trades(*first)
    told(core, "05:30", 1, trades=6)
    core.snapshot()
    again = run_of(core, 2, *(core.trade(f"{m:02d}:10", 5) for m in range(6)))
    told(core, "00:00", 2, trades=6)
    core.trades(*again[:2])
    core.crash()
    core.trades(*again[2:])
    told(core, "06:00", 2, "finished", trades=12)
    assert {s: c.trade_count for s, c in core.latest().items()} == {f"{m:02d}:00": 1 for m in range(6)}
    assert core.latest("5m")["00:00"].trade_count == 5
    core.snapshot()
    core.snapshot()
    assert [key for key in core.state if key[:1] in b"sc"] == []


def test_law_1_records_of_a_run_do_not_pass_those_of_it_that_wait():
    # Found by hypothesis: read in part before the older run's last word, in part after it.
    core = Driven()
    first = run_of(core, 1, core.trade("00:10", 5))
    second = run_of(core, 2, *(core.trade(f"10:1{n}", 7) for n in range(4)))
    told(core, "00:00", 1)
    core.trades(*first, second[0])
    told(core, "00:30", 1, "finished", trades=1)
    core.trades(*second[1:])
    told(core, "10:00", 2, trades=1)
    told(core, "11:00", 2, "finished", trades=5)
    assert {s: c.trade_count for s, c in core.latest().items()} == {"00:00": 1, "10:00": 4}


def test_law_8_a_run_told_to_its_end_does_not_begin_again_when_its_last_flush_was_cut():
    # Found by hypothesis: the series' end was written, that of its feed was not, and its records were committed before.
    core = Driven()
    core.trades(*run_of(core, 1, core.trade("00:10", 5), core.trade("00:20", 6)))
    core.snapshot()

    def statuses() -> None:
        told(core, "00:00", 1)
        told(core, "00:30", 1, "finished", trades=2)

    statuses()
    written = dump(core.partition)
    assert written[-1][0] == b"f|sim"
    core.state.update({key: value for key, value in written[:-1] if value is not None})
    core.crash(keep=False)
    statuses()
    assert core.gaps == []
    assert {s: c.trade_count for s, c in core.latest().items()} == {"00:00": 2}


def test_law_2_a_killed_runs_gaps_are_the_same_whether_its_records_were_read_ahead_of_its_statuses():
    found = []
    for ahead in (True, False):
        core = Driven()
        run = run_of(core, 1, core.trade("00:10", 5), core.trade("02:10", 6))
        if ahead:
            core.trades(*run)
            told(core, "00:00", 1)
        else:
            told(core, "00:00", 1)
            core.trades(*run)
        told(core, "10:00", 2, trades=2)
        found.append((core.gap("no_trades", "01:00").to_time, {s: c.trade_count for s, c in core.latest().items()}))
    assert found[0] == found[1] == (at("02:00"), {"00:00": 1, "02:00": 1})


def test_law_4_8_a_gap_is_told_although_the_crash_came_between_its_journal_and_itself():
    core = Driven()
    core.status("00:00")
    core.traded("00:10")
    core.snapshot()
    core.gaps.clear()
    core.status("03:02")
    wanted = core.gaps_now()
    assert wanted == [("01:00", None, "no_trades")]
    core.gaps.clear()  # the journal was acknowledged, the gap was not
    core.crash(keep=False)
    core.status("03:02")
    assert core.gaps_now() == wanted


def test_law_2_8_a_gap_told_just_before_a_crash_is_taken_back_when_the_topics_are_read_in_another_order():
    core = Driven()
    core.status("00:00")
    core.traded("00:10")
    core.status("02:02")
    late = core.trade("01:10", received="02:10")
    assert core.gap("no_trades", "01:00").to_time is None
    core.partition = load(core.config, 0, core.state)  # killed before any state: only the journal is there
    core.partition.caught_up = True
    core.trades(core.trade("00:10"), late, core.trade("02:20"))  # read ahead of the statuses this time
    core.status("00:00", trades_offset=0)
    core.status("02:02", trades_offset=1)
    core.status("03:02", trades_offset=3)
    gap = core.gap("no_trades", "01:00")
    assert gap.from_time == gap.to_time
    core.snapshot()
    assert not [key for key in core.state if key.startswith(b"t|")]
