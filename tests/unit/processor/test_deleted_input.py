"""Records that were deleted before a processor without state could read them: what it cannot know is not called silence (R17)."""

import pytest

from tests.support.core import Driven

LONG_AGO = "-500:00"


@pytest.fixture
def core():
    """A core whose partition holds no trade before offset 100."""
    made = Driven()
    made.partition.begins = {"trades": 100}
    made.partition.positions["trades"] = 100
    return made


def test_law_4_a_feed_that_is_good_since_before_the_oldest_record_left_tells_no_silence_of_before_it(core):
    core.status("00:30", good_from=LONG_AGO)
    core.traded("02:10", 5.0)
    core.status("04:30", good_from=LONG_AGO)
    assert core.gaps_now() == [("00:00", "00:30", "partial_start"), ("00:30", "02:00", "no_trades"), ("03:00", None, "no_trades")]
    assert list(core.latest()) == ["02:00"]


def test_all_of_it_is_silence_where_nothing_was_deleted():
    core = Driven()
    core.status("00:30", good_from="-02:00")
    core.traded("02:10", 5.0)
    core.status("04:30", good_from="-02:00")
    assert core.gaps_now() == [("-2:00", "02:00", "no_trades"), ("03:00", None, "no_trades")]


def test_statuses_left_of_before_the_oldest_trade_left_do_not_vouch_for_the_trades_between(core):
    for time, offset in (("-30:00", 40), ("-20:00", 70), ("00:10", 99)):
        core.status(time, good_from=LONG_AGO, trades_offset=offset)
    assert core.gaps_now() == []
    core.status("00:40", good_from=LONG_AGO)
    core.status("03:10", good_from=LONG_AGO, symbols=None)
    assert core.gaps_now() == [("00:00", "00:40", "partial_start"), ("00:40", None, "no_trades")]


def test_a_feed_whose_beginning_is_left_is_good_since_it_says_so(core):
    core.status("00:10", "connecting", good_from=None, symbols=None)
    core.status("00:20", good_from="00:12")
    core.status("02:10", good_from="00:12")
    assert core.gaps_now() == [("00:00", "00:12", "partial_start"), ("00:12", None, "no_trades")]


def test_trades_left_of_before_the_oldest_status_left_are_in_candles_of_unknown_coverage(core):
    core.traded("00:10", 5.0)
    core.traded("02:10", 6.0)
    core.status("02:30", good_from=LONG_AGO)
    core.status("03:10", good_from=LONG_AGO)
    assert {start: candle.coverage for start, candle in core.latest().items()} == {"00:00": 0.0, "02:00": 0.5}
    assert core.gaps_now() == [("00:00", "02:30", "partial_start")]


@pytest.mark.parametrize("looking", [True, False])
def test_it_is_not_forgotten_in_a_crash(core, looking):
    if looking:
        core.status("-20:00", good_from=LONG_AGO, trades_offset=70)
    else:
        core.status("00:30", good_from=LONG_AGO)
    core.crash()
    core.status("00:30" if looking else "00:40", good_from=LONG_AGO)
    core.status("02:10", good_from=LONG_AGO)
    assert core.gaps_now() == [("00:00", "00:30", "partial_start"), ("00:30", None, "no_trades")]
