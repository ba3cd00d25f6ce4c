from deploy.simulator.candles import Candles
from deploy.simulator.market import LISTINGS

BUSY, STOCK, FOREX = LISTINGS[0], LISTINGS[3], LISTINGS[5]
START = 1_700_000_040


def test_prints_make_the_minutes_candle():
    candles = Candles(1, START)
    for t_ms, price, volume in ((0, 10.0, 1.0), (5_000, 12.0, 2.0), (59_999, 11.0, 0.5), (60_000, 20.0, 1.0)):
        candles.add(BUSY.symbol, START * 1000 + t_ms, price, volume)
    answer = candles.answer(BUSY, "1", START, START + 59)
    assert answer == {"o": [10.0], "h": [12.0], "l": [10.0], "c": [11.0], "v": [3.5], "t": [START], "s": "ok"}
    assert candles.answer(BUSY, "1", START, START + 60)["t"] == [START, START + 60]


def test_history_before_the_start_is_the_same_every_time():
    one, two = (Candles(7, START).answer(BUSY, "5", START - 3600, START - 1) for _ in range(2))
    assert one == two
    assert len(one["t"]) == 12
    assert all(low <= first <= high for low, first, high in zip(one["l"], one["o"], one["h"], strict=True))


def test_minutes_without_a_print_are_absent_and_no_data_has_both_of_its_shapes():
    candles = Candles(1, START)
    assert candles.answer(STOCK, "1", START, START + 600) == {"s": "no_data"}
    assert candles.answer(FOREX, "1", START, START + 600)["t"] is None


def test_long_request_keeps_its_newest_part():
    answer = Candles(1, START).answer(BUSY, "D", START - 100 * 86_400, START - 1)
    assert len(answer["t"]) <= 32
