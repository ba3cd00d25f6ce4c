"""Series that pause or end: symbols that are no longer named (rule 15), and a replay's run that a newer one follows (rule 22)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.core import answers
from processor.core.restoring import load
from processor.core.snapshot import dump
from schemas.records import Gap, Loss, Trade
from schemas.timeframes import MINUTE
from tests.support.core import Driven, at


def left(core: Driven) -> Gap:
    return next(g for g in reversed(core.gaps) if g.cause == "unsubscribed")


def test_rule_15_a_symbol_no_longer_named_has_an_open_gap_from_there_on():
    core = Driven()
    core.status("00:00")
    core.traded("00:10", 5)
    core.status("00:40", symbols=())
    gap = left(core)
    assert (gap.from_time, gap.to_time, gap.state, gap.fillable) == (at("00:40"), None, "open", False)
    core.status("01:02", symbols=())
    candle = core.latest()["00:00"]
    assert (candle.trade_count, candle.coverage, candle.gap_cause) == (1, pytest.approx(40 / 60), "unsubscribed")
    core.status("20:00", symbols=())
    assert core.latest("5m")["00:00"].coverage == pytest.approx(40 / 300)
    assert left(core) == gap  # nothing more is said of it
    assert core.gaps_now()[-1] == ("00:40", None, "unsubscribed")


def test_rule_15_a_symbol_named_again_goes_on_and_its_gap_ends_where_it_is_good():
    core = Driven()
    core.status("00:00")
    core.traded("00:10", 5)
    core.status("00:40", symbols=())
    core.status("07:30", symbol_good_from="07:20")
    gap = left(core)
    assert (gap.from_time, gap.to_time, gap.state) == (at("00:40"), at("07:20"), "closed")
    core.traded("07:40", 6)
    core.status("09:02", symbol_good_from="07:20")
    assert core.gaps_now()[-2:] == [("00:40", "07:20", "unsubscribed"), ("08:00", None, "no_trades")]
    assert core.latest()["07:00"].coverage == pytest.approx(40 / 60)


def test_law_1_3_a_symbol_left_and_named_again_within_one_window_loses_no_trade_of_it():
    core = Driven()
    core.status("00:00")
    core.trades(core.trade("00:50", 5), core.trade("03:10", 6))
    core.status("03:30", symbols=())
    core.status("03:45", symbol_good_from="03:40")
    core.traded("03:50", 7)
    core.status("05:02", symbol_good_from="03:40")
    minute, parent = core.latest()["03:00"], core.latest("5m")["00:00"]
    assert (minute.trade_count, minute.coverage) == (2, pytest.approx(50 / 60))
    assert (parent.trade_count, parent.open, parent.close) == (3, 5, 7)
    assert ("03:30", "03:40", "unsubscribed") in core.gaps_now()


def test_law_1_a_trade_on_its_way_when_its_symbol_was_left_is_merged():
    core = Driven()
    core.status("00:00")
    core.trades(core.trade("00:10", 5), core.trade("00:20", 5))
    core.status("00:40", symbols=())
    core.status("01:02", symbols=())
    core.traded("00:39", 6, received="00:41")
    core.status("05:02", symbols=())
    assert core.latest()["00:00"].trade_count == core.latest("5m")["00:00"].trade_count == 3


@pytest.mark.parametrize("comes_back", [False, True])
def test_law_1_a_vendors_answer_for_a_symbol_that_left_never_takes_the_place_of_our_trades(comes_back):
    core = Driven()
    core.status("00:00")
    core.traded("00:50", 5)
    core.status("01:20", "down", good_until="00:40")
    core.status("03:20", good_from="03:15")
    core.traded("03:30", 6)
    core.status("04:30", good_from="03:15", symbols=())
    if comes_back:
        core.status("06:30", good_from="03:15", symbol_good_from="06:20")
    gap_id = f"sim:X|feed_down|{at('00:40')}"
    answers = [core.vendor(f"{m:02d}:00", received="07:10", gap_id=gap_id) for m in range(4)]
    loaded = [core.vendor(f"{m:02d}:00", received="07:10", origin="bootstrap") for m in range(7)]
    core.history(*answers, core.result("00:40", "03:15", received="07:10", gap="feed_down"), *loaded)
    core.status("07:30", good_from="03:15", symbols=("X",) if comes_back else (), symbol_good_from="06:20")
    assert {s: c.trade_count for s, c in core.latest().items() if c.trade_count} == {"00:00": 1, "03:00": 1}
    assert core.latest("5m")["00:00"].trade_count == 2
    assert core.gap("feed_down", "00:40").state == "filled"


def test_rule_19_a_bootstrap_fills_an_absence_however_long_ago_it_began():
    core = Driven()
    core.status("00:00")
    core.trades(*(core.trade(f"{m:02d}:10", 5) for m in range(3)))
    core.status("03:30", symbols=())
    core.status("09:00:00", symbols=())
    core.status("09:07:00", symbol_good_from="09:06:30")
    loaded = [core.vendor(f"{m // 60:02d}:{m % 60:02d}:00", received="09:07:30", origin="bootstrap") for m in range(9 * 60 + 7)]
    core.history(*loaded)
    core.status("09:10:02", symbol_good_from="09:06:30")
    found = core.latest()
    assert [found[f"{m:02d}:00"].trade_count for m in (0, 1, 2)] == [1, 1, 1]
    assert {m for m in range(9 * 60 + 6) if f"{m:02d}:00" in found} == {0, 1, 2, *range(4, 9 * 60 + 6)}
    assert core.latest("5m")["00:00"].trade_count == 3
    assert core.ignored == 4  # whose minutes have ours, or are shared with the absence


@pytest.mark.parametrize("snapshot", [True, False])
def test_law_8_a_symbol_left_and_named_again_between_two_snapshots_keeps_its_state(snapshot):
    core = Driven()
    core.status("00:00")
    core.traded("00:10", 5)
    core.status("01:02")
    core.snapshot()
    core.status("01:40", symbols=())
    core.status("07:30", symbol_good_from="07:20")
    core.traded("07:40", 6)
    if snapshot:
        core.snapshot()
        core.crash()
        core.traded("07:50", 7)
    else:  # only the feed's part of it was written
        core.state |= {key: value for key, value in dump(core.partition) if key.startswith(b"f|")}
        core.partition = load(core.config, 0, core.state)
        core.partition.caught_up = True
        core.partition.positions.update(trades=1)
        core.trades(core.trade("07:40", 6), core.trade("07:50", 7))
    core.status("08:02", symbol_good_from="07:20")
    assert core.latest()["07:00"].trade_count == 2
    assert ("01:40", "07:20", "unsubscribed") in core.gaps_now()
    core.snapshot()
    assert [key for key in core.state if key.startswith(b"s|")] == [b"s|sim:X|0"]


def test_rule_15_an_outage_ends_where_the_symbol_is_left():
    core = Driven()
    core.status("00:00")
    core.status("00:20", "down", good_until="00:10")
    core.status("00:40", "down", good_until="00:10", symbols=())
    core.status("02:00", "down", good_until="00:10", symbols=())
    core.status("03:10", good_from="03:05", symbol_good_from="03:08")
    assert core.gaps_now()[1:] == [("00:10", "00:40", "feed_down"), ("00:40", "03:08", "unsubscribed")]


def test_rule_15_named_again_and_not_good_yet_it_is_still_away():
    core = Driven()
    core.status("00:00")
    core.status("00:40", symbols=())
    core.status("02:00", symbol_good_from="")
    core.status("03:00", symbols=())
    core.status("04:10", symbol_good_from="")
    assert core.gaps_now()[-1] == ("00:40", None, "unsubscribed")
    core.status("05:10", symbol_good_from="05:05")
    assert core.gaps_now()[-1] == ("00:40", "05:05", "unsubscribed")


def test_rule_15_named_again_while_it_is_refused_the_gap_is_the_refusals_from_there():
    core = Driven()
    core.status("00:00")
    core.status("00:40", symbols=())
    core.status("02:00", symbol_good_from="", losses=(Loss("X", "refused", at("01:50"), at("02:00"), None, "full"),))
    assert core.gaps_now()[-2:] == [("00:40", "02:00", "unsubscribed"), ("02:00", None, "refused")]


def test_rule_15_other_symbols_go_on():
    core = Driven()
    core.status("00:00", symbols=("X", "Y"))
    core.trades(core.trade("00:10"), core.trade("00:10", symbol="Y"))
    core.status("00:30", symbols=("Y",))
    core.status("01:02", symbols=("Y",))
    assert {(c.symbol, c.coverage) for c in core.candles if c.timeframe == "1m"} == {("X", 0.5), ("Y", 1.0)}


def test_rule_15_a_symbol_that_is_away_keeps_nothing_but_the_windows_it_shares_with_its_absence():
    core = Driven()
    core.status("00:00")
    core.trades(*(core.trade(f"{m:02d}:10", 5) for m in range(30)))
    core.status("30:02")
    core.status("30:40", symbols=())
    for hour in range(1, 40):
        core.status(f"{hour:02d}:50:00", symbols=())
    (series,) = core.partition.series.values()
    assert sum(len(f.windows) for f in series.frames) <= 2
    core.snapshot()
    core.status("41:00:00", symbols=())
    assert core.partition.dirty_series == set()  # and costs nothing


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


def test_law_4_8_a_run_whose_feed_was_written_and_not_itself_ends_knowing_all_it_knew():
    # A flush cut behind the feed's record, which knows of the next run already: this one's last word is not read again.
    core = Driven()
    told(core, "00:00", 1)
    core.trades(*run_of(core, 1, core.trade("00:10", 5)))
    told(core, "03:02", 1, trades=1)
    core.snapshot()

    def statuses() -> None:
        told(core, "05:30", 1, "finished", trades=1)
        told(core, "00:00", 2, trades=1)

    statuses()
    wanted = core.gaps_now()
    assert wanted == [("01:00", "06:00", "no_trades")]
    written = dump(core.partition)
    upto = next(i for i, (key, _) in enumerate(written) if key == b"f|sim") + 1
    core.state.update({key: value for key, value in written[:upto] if value is not None})
    core.crash(keep=False)
    core.read_again(2)
    statuses()
    assert core.gaps_now() == wanted


def test_law_2_8_what_a_run_said_just_before_a_crash_is_taken_back_although_another_sources_history_is_due(monkeypatch):
    monkeypatch.setattr(answers, "HISTORY_ROWS", 1)
    core = Driven()
    told(core, "00:00", 1)
    run = run_of(core, 1, core.trade("00:10"), core.trade("01:10", received="02:10"), core.trade("02:20"))
    core.trades(run[0])
    told(core, "02:05", 1, trades=1)
    assert core.gaps_now() == [("01:00", None, "no_trades")]
    core.partition = load(core.config, 0, core.state)  # killed before any state: only the journal is there
    core.partition.caught_up = True
    core.trades(*run)
    loading = replace(core.vendor("00:00", received="02:30", origin="bootstrap"), source="other")
    core.history(*(replace(loading, start=at("00:00") - n * MINUTE, end=at("01:00") - n * MINUTE) for n in range(20)))
    other = Driven(source="other")
    other.partition, other.state = core.partition, core.state
    other.status("02:30")
    core.read_again(2)
    told(core, "00:00", 1)
    told(core, "02:05", 1, trades=1)
    told(core, "02:40", 1, "finished", trades=3)
    assert core.partition.held.is_due
    gap = core.gap("no_trades", "01:00")
    assert gap.from_time == gap.to_time


def test_law_4_8_a_batch_with_backfilled_trades_among_others_is_known_as_a_whole():
    # Found by hypothesis: with half of a batch folded all of it seemed known, and a gap told before the kill was taken back.
    core = Driven()
    core.status("00:00")
    live = [core.trade(time) for time in ("00:10", "01:13", "03:03")]
    core.trades(*live)
    assert core.gap("no_trades", "02:00").to_time == at("03:00")
    core.partition = load(core.config, 0, core.state)  # killed before any state: only the journal is there
    core.partition.caught_up = True
    core.read_again(1)
    core.status("00:00")
    core.trades(*live, core.trade("03:04", backfill=True))
    core.status("03:10")
    assert core.gap("no_trades", "02:00").to_time == at("03:00")
