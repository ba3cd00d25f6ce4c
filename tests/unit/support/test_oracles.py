"""The converters of recorded data, checked with the naive candle builder: what they give is what the oracles counted."""

import json

import pytest

from tests.support import naive, oracles
from tests.support.lean import moves_the_price

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h")
COUNTS = {
    "fx-oanda": {"lean": (11_082, 11_082)},
    "future-comex": {"lean": (1_500, 1_500)},
    "bequant": {"exchange": (444, 444)},
    "dukascopy": {"bank": (60, 60), "aggregator": (79, 79)},
    "equity-usa": {"lean": (850, 853)},
}


@pytest.mark.usefixtures("recorded_market_data")
@pytest.mark.parametrize("name", oracles.RECORDINGS)
def test_naive_candles_of_the_lines_are_the_oracles_bars(name):
    recording = oracles.recording(name)
    candles = naive.candles(recording.source, recording.lines, TIMEFRAMES)
    agreeing = {
        oracle: (sum(key in candles and bar.agrees_with(candles[key]) for key, bar in bars.items()), len(bars))
        for oracle, bars in recording.oracles.items()
    }
    assert agreeing == COUNTS[name]
    assert recording.expected - len(recording.disagreements(candles)) == recording.agreeing
    assert recording.strangers(candles) == []


@pytest.mark.usefixtures("recorded_market_data")
@pytest.mark.parametrize("name", ["bequant", "dukascopy"])
def test_order_of_the_lines_does_not_matter_because_they_carry_their_sequence(name):
    recording = oracles.recording(name)
    shuffled = recording.shuffled(seed=20)
    assert shuffled.lines != recording.lines
    assert sorted(shuffled.lines) == sorted(recording.lines)
    assert naive.candles("x", shuffled.lines) == naive.candles("x", recording.lines)


@pytest.mark.usefixtures("recorded_market_data")
def test_bequant_delivers_every_trade_four_times_and_late():
    recording = oracles.recording("bequant")
    lines = [json.loads(line) for line in recording.lines]
    assert (len(lines), recording.records) == (4_040, 1_010)
    newest, late = 0, 0
    for line in lines:
        late += line["event_time_us"] < newest
        newest = max(newest, line["event_time_us"])
    assert late == 3_896


@pytest.mark.usefixtures("recorded_market_data")
def test_numbers_of_lines_are_those_of_the_recordings():
    lines = {name: len(oracles.recording(name).lines) for name in ("fx-oanda", "future-comex", "dukascopy")}
    assert lines == {"fx-oanda": 147_247, "future-comex": 40_192 - 10, "dukascopy": 3_733}


@pytest.mark.parametrize(
    ("condition", "suspicious", "moves"),
    [
        (0x0, False, True),
        (0x0, True, False),
        (0x2000, False, True),
        (0x2000 | 0x8, False, True),
        (0x8, False, False),
        (0x1000000, False, False),
        (0x4000000 | 0x2000, False, False),
        (0x20000000, False, True),
        (0x20100000, False, False),
    ],
)
def test_condition_flags_say_whether_a_print_moves_the_price(condition, suspicious, moves):
    assert moves_the_price(condition, suspicious=suspicious) is moves


def test_absent_data_is_said_with_the_place_looked_at(monkeypatch, tmp_path):
    monkeypatch.setenv(oracles.VARIABLE, str(tmp_path))
    with pytest.raises(oracles.NoDataError, match=str(tmp_path)):
        oracles.data_folder()
