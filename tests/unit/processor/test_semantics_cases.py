"""The worked cases of the semantics, one test each, in their own numbers."""

from __future__ import annotations

from itertools import permutations

import pytest

from processor.core.calendar import parse_sessions
from processor.core.config import CoreConfig
from schemas.records import Loss
from schemas.timeframes import parse_list
from tests.support.core import Driven, at, shown


def ohlc(candle):
    return candle.open, candle.high, candle.low, candle.close


def minute_a(core: Driven) -> None:
    core.status("00:01")
    core.trades(core.trade("00:05", 10, 1), core.trade("00:40", 12, 2), core.trade("00:59.9", 11, 1))


def test_case_a_ordinary_minute():
    core = Driven()
    minute_a(core)
    core.status("01:01")
    assert "00:00" not in core.latest()
    core.status("01:02")
    candle = core.latest()["00:00"]
    assert ohlc(candle) == (10, 12, 10, 11)
    assert (candle.volume, candle.trade_count, candle.vwap, candle.coverage, candle.version) == (4, 3, 11.25, 1, 4)
    assert (candle.state, candle.reason, candle.gap_cause) == ("final", "none", "none")


def test_case_b_ties_and_disorder():
    for order in permutations([("00:10", 5, 3), ("00:10", 7, 2), ("00:09", 6, 1), ("00:10", 4, 4)]):
        for batches in (1, 4):
            core = Driven()
            core.status("00:01")
            made = [core.trade(t, p, 1, venue_sequence=v, received="00:20") for t, p, v in order]
            if batches == 1:
                core.trades(*made)
            else:
                for one in made:
                    core.trades(one)
            core.status("01:02")
            candle = core.latest()["00:00"]
            assert (candle.open, candle.close) == (6, 4)


def test_case_c_quiet():
    core = Driven()
    minute_a(core)
    core.status("01:02")
    core.status("02:02")
    assert core.gaps_now()[-1] == ("01:00", None, "no_trades")
    told = len(core.gaps)
    core.status("03:02")
    assert len(core.gaps) == told
    core.traded("03:10", 9)
    assert core.gaps_now()[-1] == ("01:00", "03:00", "no_trades")
    core.status("05:02")
    five = core.latest("5m")["00:00"]
    assert ohlc(five) == (10, 12, 9, 9)
    assert five.coverage == 1
    assert core.gaps_now()[-1] == ("04:00", None, "no_trades")


def test_case_d_outage_inside_a_window():
    core = Driven()
    core.status("00:01")
    core.traded("00:10")
    core.status("00:20")
    core.status("00:23", "down", good_until="00:20", symbols=None)
    assert core.gaps_now()[-1] == ("00:20", None, "feed_down")
    core.status("00:36", good_from="00:35", symbols=None)
    assert core.gaps_now()[-1] == ("00:20", "00:35", "feed_down")
    core.traded("00:50")
    core.status("01:02", good_from="00:35", symbols=None)
    candle = core.latest()["00:00"]
    assert (candle.coverage, candle.gap_cause, candle.state) == (0.75, "feed_down", "final")


def case_e(core: Driven) -> None:
    core.status("00:01")
    core.traded("00:50")
    core.status("01:10")
    core.status("01:13", "down", good_until="01:10", symbols=None)
    for time in ("02:02", "03:02", "03:19"):
        core.status(time, "down", good_until="01:10", symbols=None)
    core.status("03:20", good_from="03:20", symbols=None)
    core.traded("03:30")
    core.status("04:02", good_from="03:20", symbols=None)
    core.traded("04:30")
    core.status("05:02", good_from="03:20", symbols=None)


def test_case_e_outage_over_empty_windows():
    core = Driven()
    case_e(core)
    gaps = [g for g in core.gaps_now() if not g[0].startswith("-")]
    assert gaps == [("01:00", "01:10", "no_trades"), ("01:10", "03:20", "feed_down")]
    candle = core.latest()["03:00"]
    assert (candle.coverage, candle.gap_cause) == (pytest.approx(2 / 3), "feed_down")
    assert core.latest("5m")["00:00"].coverage == pytest.approx((1 + 1 / 6 + 0 + 2 / 3 + 1) / 5)


def test_case_f_found_late():
    core = Driven()
    core.status("00:01")
    core.traded("00:10")
    core.status("02:02")
    assert (core.latest()["00:00"].coverage, core.latest()["00:00"].version) == (1, 2)
    assert core.gaps_now()[-1] == ("01:00", None, "no_trades")
    core.status("02:40", "stale", good_until="00:10", symbols=None)
    candle = core.latest()["00:00"]
    assert (candle.coverage, candle.gap_cause, candle.version) == (pytest.approx(1 / 6), "feed_stale", 833_336)
    assert (candle.state, candle.reason) == ("revised", "status")
    assert core.gaps_now()[-1] == ("00:10", None, "feed_stale")
    closed = [g for g in core.gaps if g.cause == "no_trades" and shown(g.from_time) == "01:00"][-1]
    assert (closed.state, closed.to_time) == ("closed", closed.from_time)


def test_case_g_producer_killed():
    core = Driven()
    core.status("00:01")
    core.traded("00:10")
    core.status("00:30")
    for second in ("00:35", "01:00", "01:30", "02:02"):
        core.status(second, "producer_down", good_until="00:30", symbols=None, writer="processor")
    assert core.latest()["00:00"].coverage == 0.5
    assert core.gaps_now()[-1] == ("00:30", None, "producer_down")
    core.epoch = 2
    core.status("02:42", good_from="02:41")
    assert core.gaps_now()[-1] == ("00:30", "02:41", "producer_down")


def test_a_change_of_epoch_without_an_open_gap_is_producer_down():
    core = Driven()
    core.status("00:01")
    core.status("00:30")
    core.epoch = 2
    core.status("00:31", "connecting", good_from=None, symbols=None)
    assert core.gaps_now()[-1] == ("00:30", None, "producer_down")
    core.status("00:33", good_from="00:32")
    assert core.gaps_now()[-1] == ("00:30", "00:32", "producer_down")


def test_case_h_lag_closes_nothing_early():
    core = Driven()
    minute_a(core)
    core.partition.caught_up = False
    ahead = core.partition.positions["trades"] + 1
    core.status("09:02", trades_offset=ahead)
    assert core.latest() == {}
    core.traded("03:10", 9)
    core.partition.release(0)
    core.status("09:03")
    assert list(core.latest()) == ["00:00", "03:00"]


def test_case_i_late():
    core = Driven()
    minute_a(core)
    core.status("01:02")
    core.traded("00:30", 15, 1, received="01:30")
    candle = core.latest()["00:00"]
    assert (candle.high, candle.volume, candle.trade_count, candle.version) == (15, 5, 4, 5)
    assert (candle.state, candle.reason, candle.late_count) == ("revised", "late_trade", 1)
    before = len(core.candles)
    core.traded("00:30", 99, 1, received="02:31:00")
    assert core.late == [("horizon", 1)]
    assert len(core.candles) == before


def test_case_j_crash_in_between():
    core = Driven()
    minute_a(core)
    core.status("01:02")
    core.snapshot()
    late = [core.trade("00:20", 20, 1, received=f"01:{30 + i}") for i in range(3)]
    core.trades(late[0])
    core.trades(late[1])
    assert [c.version for c in core.candles if c.start == core.candles[0].start and c.timeframe == "1m"] == [4, 5, 6]
    core.crash(keep=False)
    core.partition.positions["trades"] -= 2
    core.trades(*late)
    assert core.latest()["00:00"].version == 7
    assert core.latest()["00:00"].volume == 7


def test_case_n_start_in_the_middle():
    core = Driven()
    core.status("30:23", good_from="30:22")
    core.traded("30:40", 5)
    for minute in range(31, 60):
        core.traded(f"{minute}:10", 5)
    core.status("60:02", good_from="30:22")
    candle = core.latest()["30:00"]
    assert (candle.coverage, candle.gap_cause) == (38 / 60, "partial_start")
    assert core.gaps_now() == [("30:00", "30:22", "partial_start")]
    assert core.latest("5m")["30:00"].coverage == pytest.approx((38 / 60 + 4) / 5)


def test_a_restored_partition_tells_nothing_twice():
    core = Driven()
    case_e(core)
    core.crash()
    out = core.partition.take_out()
    assert (out.candles, out.gaps) == ([], [])


def test_case_m_weekend():
    core = Driven(config=CoreConfig(timeframes=parse_list("1m"), sessions=parse_sessions("sim:*=fx")))
    core.status("fri 21:50:00", good_from="fri 21:40:00")
    core.traded("fri 21:59:30")
    core.status("fri 22:01:02", symbols=None, good_from="fri 21:40:00")
    assert core.gaps_now()[-1] == ("fri 22:00:00", None, "market_closed")
    core.status("sat 10:00:10", "down", good_until="sat 10:00:00", symbols=None, good_from="fri 21:40:00")
    core.status("sat 12:00:01", good_from="sat 12:00:00", symbols=None)
    core.status("sun 21:59:00", good_from="sat 12:00:00", symbols=None)
    assert core.gaps_now()[-1] == ("fri 22:00:00", None, "market_closed")
    core.status("sun 22:02:02", good_from="sat 12:00:00", symbols=None)
    core.traded("sun 22:03:10")
    assert core.gaps_now()[-2:] == [
        ("fri 22:00:00", "sun 22:00:00", "market_closed"),
        ("sun 22:00:00", "sun 22:03:00", "no_trades"),
    ]


def test_law_4_a_connection_that_breaks_and_returns_while_the_market_is_closed_cuts_nothing_in_two():
    # Found by hypothesis: records read ahead had closed the minute in which the feed only began to be down.
    core = Driven(config=CoreConfig(timeframes=parse_list("1m"), sessions=parse_sessions("sim:*=fx")))
    core.status("fri 21:50:00", good_from="fri 21:40:00")
    core.traded("fri 21:59:30")
    core.traded("fri 22:08:02")
    core.status("fri 22:07:58", "down", good_until="fri 22:07:58", good_from="fri 21:40:00", trades_offset=1)
    core.status("fri 22:07:59", good_from="fri 22:07:59", trades_offset=1)
    core.status("fri 22:08:04", good_from="fri 22:07:59")
    assert core.gaps_now()[-1] == ("fri 22:00:00", "fri 22:08:00", "market_closed")


def test_rule_10_14_an_outage_begins_at_good_until_and_takes_its_moments_from_lesser_losses():
    core = Driven()
    core.status("00:00")
    core.traded("00:50")
    given_up = Loss(None, "overflow", at("01:10"), at("01:20"), 5, "")
    dropped = Loss("X", "lost_updates", at("01:15"), at("01:25"), 2, "")
    core.status("01:30", losses=(given_up, dropped))
    assert core.gaps_now()[-2:] == [("01:10", "01:20", "overflow"), ("01:20", "01:25", "lost_updates")]
    core.status("01:40", "down", good_until="01:18")
    core.status("02:00", good_from="01:50")
    core.status("03:02", good_from="01:50")
    assert [g for g in core.gaps_now() if g[2] != "no_trades"] == [
        ("01:10", "01:18", "overflow"),
        ("01:18", "01:50", "feed_down"),
    ]
