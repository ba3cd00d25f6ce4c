"""Vendors' candles and the results of backfills: rules 19 and 20, cases K, L and N, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.core.answers import HISTORY_ROWS
from processor.core.config import CoreConfig
from schemas.records import Loss, Quote
from schemas.timeframes import MINUTE, parse_list
from tests.support.core import Driven, at

FEED_DOWN = "sim:X|feed_down|{}"


def outage() -> Driven:
    """Case E: trade 00:50, outage 01:10 to 03:20, trade 03:30, all told by 05:02."""
    core = Driven()
    core.traded("00:50", 10)
    core.status("01:12", "down", good_until="01:10")
    core.status("03:21", good_from="03:20")
    core.traded("03:30", 12)
    core.status("05:02", good_from="03:20")
    return core


def gaps_of(core: Driven) -> list[tuple[str | None, str | None, str]]:
    """Return the gaps without the silence before midnight, when the feed was good already."""
    return [g for g in core.gaps_now() if g[0] != "-10:00"]


def fill(core: Driven, *minutes: str, received: str = "05:10", **more: object) -> None:
    gap_id = FEED_DOWN.format(at("01:10"))
    core.history(
        *(core.vendor(m, received=received, gap_id=gap_id, **more) for m in minutes),
        core.result("01:10", "03:20", received=received, gap="feed_down"),
    )


def test_case_e_is_where_the_fill_begins():
    core = outage()
    assert gaps_of(core) == [("01:00", "01:10", "no_trades"), ("01:10", "03:20", "feed_down"), ("04:00", None, "no_trades")]
    assert core.latest()["03:00"].coverage == pytest.approx(2 / 3)
    assert core.latest("5m")["00:00"].coverage == pytest.approx((1 + 1 / 6 + 0 + 2 / 3 + 1) / 5)
    assert core.gap("feed_down", "01:10").fillable


def test_case_k_a_vendor_fills_the_outage():
    core = outage()
    before = core.latest()["03:00"]
    fill(core, "01:00", "02:00", "03:00")
    core.status("05:11", good_from="03:20")
    candles = core.latest()
    for start in ("01:00", "02:00"):
        c = candles[start]
        assert (c.provenance, c.coverage, c.gap_cause, c.trade_count, c.volume) == ("vendor", 1.0, "none", 0, 100.0)
        assert (c.open, c.high, c.low, c.close) == (5, 9, 4, 6)
        assert (c.state, c.fingerprint, c.vwap) == ("final", 0, pytest.approx((9 + 4 + 6) / 3))
    c = candles["03:00"]
    assert (c.provenance, c.coverage, c.trade_count, c.state, c.reason) == ("vendor", 1.0, 1, "revised", "backfill")
    assert (c.open, c.high, c.low, c.close) == (5, 12, 4, 6)  # widened by our own trade at 12
    assert c.fingerprint == before.fingerprint
    assert c.version > before.version
    assert core.gap("feed_down", "01:10").state == "filled"
    assert core.gap("no_trades", "01:00").to_time == at("01:00")
    assert core.gap("no_trades", "01:00").detail == "traded"
    assert gaps_of(core) == [("01:10", "03:20", "feed_down"), ("04:00", None, "no_trades")]
    whole = core.latest("5m")["00:00"]
    assert (whole.provenance, whole.coverage, whole.trade_count, whole.volume) == ("mixed", 1.0, 2, 301.0)
    assert (whole.open, whole.high, whole.low, whole.close) == (10, 12, 4, 6)


@pytest.mark.parametrize("history_first", [True, False])
def test_case_k_is_the_same_whether_history_or_a_late_trade_is_read_first(history_first):
    core = outage()
    late = core.trade("03:40", 11, received="05:05")
    steps = [lambda: fill(core, "01:00", "02:00", "03:00"), lambda: core.trades(late)]
    for step in steps if history_first else reversed(steps):
        step()
    core.status("05:11", good_from="03:20")
    c = core.latest()["03:00"]
    assert (c.provenance, c.trade_count, c.late_count, c.volume, c.close) == ("vendor", 2, 1, 100.0, 6)
    assert c.version == 2 * 10**9 + 2 + 1


def test_rule_20_minutes_that_the_vendor_left_out_are_no_trades_by_its_word():
    core = outage()
    fill(core, "01:00", "03:00")
    core.status("05:11", good_from="03:20")
    assert gaps_of(core) == [
        ("01:10", "03:20", "feed_down"),
        ("02:00", "03:00", "no_trades"),
        ("04:00", None, "no_trades"),
    ]
    assert core.gap("no_trades", "02:00").detail == "vendor"
    assert core.latest("5m")["00:00"].coverage == 1


def test_rule_20_a_refused_backfill_makes_the_gap_unfillable_with_the_reason():
    core = outage()
    closed = core.gap("feed_down", "01:10")
    core.history(core.result("01:10", "03:20", received="05:10", gap="feed_down", outcome="refused", reason="not entitled"))
    core.status("05:11", good_from="03:20")
    gap = core.gap("feed_down", "01:10")
    assert (gap.state, gap.why_not, gap.fillable) == ("unfillable", "not entitled", False)
    assert gap.version == closed.version + 10**13
    assert core.latest()["03:00"].coverage == pytest.approx(2 / 3)
    fill(core, "01:00", "02:00", "03:00")
    core.status("05:12", good_from="03:20")
    assert core.gap("feed_down", "01:10").state == "filled"
    assert core.gap("feed_down", "01:10").version == closed.version + 2 * 10**13


def test_rule_20_a_partial_answer_covers_what_came():
    core = outage()
    gap_id = FEED_DOWN.format(at("01:10"))
    core.history(
        core.vendor("01:00", received="05:10", gap_id=gap_id),
        core.result("01:10", "03:20", received="05:10", gap="feed_down", outcome="partial", reason="the allowance is spent"),
    )
    core.status("05:11", good_from="03:20")
    assert core.gap("feed_down", "01:10").state == "unfillable"
    assert core.latest()["01:00"].coverage == 1
    assert core.latest("5m")["00:00"].coverage == pytest.approx((1 + 1 + 0 + 2 / 3 + 1) / 5)


def test_rule_19_a_whole_window_of_ours_is_never_replaced():
    core = outage()
    core.history(core.vendor("00:00", received="05:10"))
    core.status("05:11", good_from="03:20")
    c = core.latest()["00:00"]
    assert (c.provenance, c.open, c.volume) == ("trades", 10, 1)
    assert c.version == 10**9 + 1 + 1  # it was seen all the same


def test_rule_19_a_vendor_with_less_volume_than_ours_does_not_win():
    core = outage()
    fill(core, "01:00", "02:00")
    core.history(core.vendor("03:00", received="05:10", volume=0.5))
    core.status("05:11", good_from="03:20")
    c = core.latest()["03:00"]
    assert (c.provenance, c.open, c.volume, c.coverage) == ("trades", 12, 1, 1)  # the gap is filled by the result


def test_rule_19_a_vendor_saw_a_print_that_the_feed_missed():
    core = Driven()
    core.traded("00:10")
    core.status("03:02")
    core.history(core.vendor("01:00", received="03:10"))
    core.status("03:11")
    assert core.latest()["01:00"].provenance == "vendor"
    assert gaps_of(core) == [("02:00", None, "no_trades")]


def test_rule_19_of_several_candles_the_last_counts():
    core = outage()
    fill(core, "01:00", "02:00", "03:00")
    core.history(core.vendor("02:00", received="05:20", ohlc=(1, 2, 1, 2), volume=None))
    core.status("05:21", good_from="03:20")
    c = core.latest()["02:00"]
    assert (c.open, c.high, c.volume, c.vwap) == (1, 2, 0, 0)
    assert c.version == 3 * 10**9 + 1  # two candles seen, one answered gap


def test_case_l_skipped_ids_are_filled_by_trades():
    core = Driven()
    core.trades(core.trade("00:10", trade_id="7"), core.trade("00:11", trade_id="8"), core.trade("00:15", trade_id="12"))
    lost = Loss("X", "skipped_ids", at("00:11"), at("00:15"), 3)
    core.status("01:02", losses=(lost,), ids="contiguous")
    assert core.latest()["00:00"].coverage == pytest.approx(56 / 60)
    gap = core.gap("skipped_ids", "00:11")
    assert (gap.state, gap.missing, gap.to_time) == ("closed", 3, at("00:15"))
    core.trades(*(core.trade(f"00:{12 + i}", trade_id=str(9 + i), received="01:05", backfill=True) for i in range(3)))
    core.history(core.result("00:11", "00:15", received="01:05", gap="skipped_ids"))
    core.status("01:06", ids="contiguous")
    c = core.latest()["00:00"]
    assert (c.trade_count, c.coverage, c.provenance, c.reason) == (6, 1, "trades", "backfill")
    assert core.gap("skipped_ids", "00:11").state == "filled"


def test_rule_10_ids_missing_around_an_outage_keep_the_moments_beside_it_lost_until_both_are_answered():
    core = outage()
    core.status("05:03", good_from="03:20", losses=(Loss("X", "skipped_ids", at("00:50"), at("03:30"), 4),), ids="contiguous")
    assert gaps_of(core) == [
        ("00:50", "01:10", "skipped_ids"),
        ("01:10", "03:20", "feed_down"),
        ("03:20", "03:30", "skipped_ids"),
        ("04:00", None, "no_trades"),
    ]
    assert [core.gap("skipped_ids", start).missing for start in ("00:50", "03:20")] == [4, 4]
    assert core.gap("feed_down", "01:10").missing is None
    core.trades(*(core.trade(f"02:0{i}", trade_id=str(i), received="05:05", backfill=True) for i in range(4)))
    core.history(
        core.result("01:10", "03:20", received="05:05", gap="feed_down"),
        core.result("00:50", "01:10", received="05:05", gap="skipped_ids"),
        core.result("03:20", "03:30", received="05:05", gap="skipped_ids"),
    )
    core.status("05:06", good_from="03:20", ids="contiguous")
    assert {start: c.coverage for start, c in core.latest().items()} == {"00:00": 1, "02:00": 1, "03:00": 1}


def test_rule_6_backfilled_trades_may_be_a_day_old_where_something_was_lost():
    core = outage()
    core.status("08:00:00", good_from="03:20")
    core.trades(core.trade("02:30", 7, received="08:00:01", backfill=True), core.trade("02:31", 7, received="08:00:01"))
    core.status("08:00:02", good_from="03:20")
    assert core.latest()["02:00"].trade_count == 1
    assert core.late == [("horizon", 1)]


def test_case_n_a_bootstrap_fills_what_came_before_the_start():
    core = Driven(CoreConfig(timeframes=parse_list("1m,1h")))
    core.status("30:22", good_from="30:22")
    core.traded("30:40", 20)
    core.status("31:02", good_from="30:22")
    assert core.latest()["30:00"].coverage == pytest.approx(38 / 60)
    assert core.gaps_now() == [("30:00", "30:22", "partial_start")]
    minutes = [f"{m:02d}:00" for m in range(30) if m != 7]
    core.history(
        *(core.vendor(m, received="31:05", origin="bootstrap") for m in minutes),
        core.result("00:00", "30:00", received="31:05", gap=None),
    )
    core.status("31:06", good_from="30:22")
    assert {c.provenance for start, c in core.latest().items() if start < "30:00"} == {"vendor"}
    assert len(core.latest()) == 30
    core.traded("59:30", 21)
    core.status("60:02", good_from="30:22")
    hour = core.latest("1h")["00:00"]
    assert hour.coverage == pytest.approx((30 + 38 / 60 + 29) / 60)
    assert (hour.provenance, hour.open, hour.close, hour.volume) == ("mixed", 5, 21, 2902.0)


def test_history_before_anything_else_is_known_is_published_and_has_no_gaps():
    core = Driven()
    core.history(*(core.vendor(f"-{m}:00", received="00:05", origin="bootstrap") for m in (3, 2, 1)))
    core.status("00:06", "connecting", good_from=None, good_until="00:06")
    assert sorted(core.latest()) == ["-1:00", "-2:00", "-3:00"]
    assert core.gaps == []


def test_history_too_old_for_what_is_kept_is_ignored_and_counted():
    core = Driven()
    core.traded("00:10")
    core.status("01:02")
    core.status("06:00:00")
    core.history(core.vendor("02:00", received="06:00:01"))
    core.status("06:00:02")
    assert "02:00" not in core.latest()
    assert core.ignored == 1


def test_history_acts_only_at_the_status_that_names_it():
    core = outage()
    before = core.content()
    fill(core, "01:00", "02:00", "03:00")
    core.status("05:11", good_from="03:20", history_offset=0)
    assert core.content()[0] == before[0]
    core.status("05:12", good_from="03:20")
    assert core.latest()["02:00"].provenance == "vendor"


def test_a_gap_that_may_be_filled_holds_state_back_for_a_day():
    core = outage()
    core.status("05:00:00", good_from="03:20")
    assert core.partition.series["sim:X"].floor <= at("01:00")
    fill(core, "01:00", "02:00", "03:00", received="05:00:01")
    core.status("05:00:02", good_from="03:20")
    assert core.latest()["02:00"].provenance == "vendor"
    assert core.latest("5m")["00:00"].volume == 301
    core.status("05:02:00", good_from="03:20")
    assert core.partition.series["sim:X"].floor > at("01:00:00")


def test_rule_21_a_vendor_may_answer_for_a_price_of_quotes():
    core = Driven()
    core.status("00:02")
    core.quotes(Quote("sim", "X", at("00:10"), at("00:10"), 1.0, 2.0, epoch=1, sequence=1))
    core.history(core.vendor("-2:00", received="00:20", price="mid", volume=None, origin="bootstrap", approximate=True))
    core.history(core.vendor("-2:00", received="00:20", price="bid", volume=None, origin="bootstrap"))
    core.status("00:21")
    found = [c for c in core.candles if c.provenance == "vendor"]
    assert {c.series for c in found} == {"sim:X@mid"}
    assert core.ignored == 1


def test_law_8_history_survives_a_crash():
    core = outage()
    core.snapshot()
    fill(core, "01:00", "02:00", "03:00")
    core.status("05:11", good_from="03:20")
    told = core.content()
    core.crash()
    core.status("05:30", good_from="03:20")
    assert core.content() == told
    core.trades(core.trade("03:45", 8, received="05:40"))
    core.status("05:41", good_from="03:20")
    c = core.latest()["03:00"]
    assert (c.trade_count, c.volume, c.coverage, c.provenance) == (2, 100, 1, "vendor")
    assert core.latest("5m")["00:00"].volume == 301


def test_a_long_bootstrap_is_taken_in_by_portions():
    core = Driven()
    core.status("00:01")
    minutes = 3 * HISTORY_ROWS // 2
    rows = [
        replace(core.vendor("00:00", received="00:02", origin="bootstrap"), start=at("00:00") - m * MINUTE)
        for m in range(20, minutes + 20)
    ]
    core.history(*(replace(r, end=r.start + MINUTE) for r in rows))
    core.status("00:03")
    assert len(core.latest()) == HISTORY_ROWS
    assert core.partition.held.oldest("history") == HISTORY_ROWS  # the rest is read again after a crash
    core.status("00:04")
    assert len(core.latest()) == minutes
    assert core.partition.held.oldest("history") is None


def test_law_8_a_batch_read_again_with_backfilled_trades_among_others_counts_each_once():
    core = Driven()
    core.status("00:00")
    core.traded("00:05", trade_id="1")
    core.snapshot()
    batch = [
        core.trade("00:10", trade_id="2"),
        core.trade("00:06", trade_id="3", received="00:12", backfill=True),
        core.trade("00:20", trade_id="4"),
        core.trade("00:07", trade_id="5", received="00:21", backfill=True),
    ]
    core.trades(*batch)
    core.crash(keep=False)
    core.partition.positions["trades"] = 1
    core.partition.restored_to = 1
    core.trades(*batch)
    core.status("01:02")
    assert core.latest()["00:00"].trade_count == 5


def test_law_11_12_a_minute_that_a_vendor_sends_thousands_of_times_is_taken_in_like_any_other():
    core = Driven()
    core.status("00:00")
    core.status("01:20", "down", good_until="00:40")
    core.status("03:20", good_from="03:15")
    gap_id = f"sim:X|feed_down|{at('00:40')}"
    sent = [core.vendor("01:00", received="03:30", ohlc=(5, 9, 4, n), gap_id=gap_id) for n in range(1_500)]
    core.history(*sent)
    core.status("04:00", good_from="03:15")
    candle = core.latest()["01:00"]
    assert (candle.close, candle.version) == (1_499, 1_500 * 10**9 + 1)


@pytest.mark.parametrize("traded", [True, False])
def test_law_3_a_bootstrap_that_comes_hours_later_counts_in_the_parent_that_first_sight_lies_in(traded):
    core = Driven(config=CoreConfig(timeframes=parse_list("1m,5m,1d")))
    core.status("03:20", good_from="03:20")
    if traded:
        core.traded("03:30", 5, 2)
    for hour in range(1, 5):
        core.status(f"{hour:02d}:00:00", good_from="03:20")
    core.snapshot()
    core.crash()
    core.history(*(core.vendor(f"{m:02d}:00", received="04:00:10", origin="bootstrap") for m in range(3)))
    core.status("04:01:00", good_from="03:20")
    parent = core.latest("5m")["00:00"]
    assert (parent.trade_count, parent.volume) == ((1, 302) if traded else (0, 300))


def test_rule_20_a_complete_answer_that_ends_before_the_gap_leaves_it_unfillable_and_says_why():
    core = outage()
    core.history(core.result("01:10", "02:00", received="05:10", gap="feed_down"))
    core.status("05:20", good_from="03:20")
    gap = core.gap("feed_down", "01:10")
    assert (gap.state, gap.why_not) == ("unfillable", "answered in part")


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("days", [1, 7])
def test_law_3_a_bootstrap_that_goes_on_days_later_in_the_middle_of_an_hour_makes_it_and_its_day_whole(days, crash):
    core = Driven(config=CoreConfig(timeframes=parse_list("1m,1h,1d")))
    core.status("48:00:00", good_from="48:00:00")

    def load(minutes: range, received: str) -> None:
        core.history(*(core.vendor(f"20:{m:02d}:00", received=received, origin="bootstrap") for m in minutes))

    load(range(30, 60), "48:01:00")
    core.history(*(core.vendor(f"{hour}:00:00", received="48:01:00", origin="bootstrap") for hour in range(21, 48)))
    for hours in range(0, days * 24 + 1, 3):
        core.status(f"{48 + hours}:02:00", good_from="48:00:00")
    if crash:
        core.crash()
    load(range(30), f"{48 + days * 24}:03:00")
    core.status(f"{48 + days * 24}:04:00", good_from="48:00:00")
    assert core.latest("1h")["1200:00"].volume == 6_000
    assert core.latest("1d")["00:00"].volume == 6_300
    rows = core.partition.series["sim:X"].history.vendor.rows
    assert rows.size <= 60 + 3 + (24 if days == 1 else 0)  # of the later days only the last one's, as ever


def test_law_12_answers_to_gaps_do_not_pile_up_beside_the_earliest_day():
    core = Driven(config=CoreConfig(timeframes=parse_list("1m,1h,1d")))
    core.status("48:00:00", good_from="48:00:00")
    core.history(*(core.vendor(f"20:{m:02d}:00", received="48:01:00", origin="bootstrap") for m in range(10)))
    core.history(core.result("20:00:00", "48:00:00", received="48:01:00", gap=None))
    for hour in range(49, 120):
        core.status(f"{hour}:10:00", "down", good_until=f"{hour}:05:00", good_from="48:00:00")
        core.status(f"{hour}:20:00", good_from=f"{hour}:15:00")
        core.history(core.result(f"{hour}:05:00", f"{hour}:15:00", received=f"{hour}:25:00", gap="feed_down"))
        core.status(f"{hour}:30:00", good_from=f"{hour}:15:00")
    history = core.partition.series["sim:X"].history
    assert history.vendor.rows.size == 10
    assert len(history.results.bootstraps) == 1
    assert len(history.results.of_gap) < 30  # of a day and some hours


def test_law_6_a_bootstrap_up_to_first_sight_leaves_the_starts_gap_as_it_was_told():
    # Found by hypothesis: it counted as what an answer had left, and a later answer had the lower version.
    core = Driven()
    core.status("00:22", good_from="00:22")
    core.traded("00:55")
    core.history(core.result("-5:00", "00:00", received="00:56", gap=None))
    core.status("00:57", good_from="00:22")
    core.history(core.result("00:00", "01:00", received="01:01", gap=None))
    core.status("01:02", good_from="00:22")
    told = [(g.version, g.state) for g in core.gaps if g.cause == "partial_start" and g.from_time == at("00:00")]
    assert [state for _, state in told] == ["closed", "filled"]
    assert sorted(told) == told
