"""README's table of a feed that dies and comes back, in its own numbers."""

from tests.support.core import Driven, shown


def test_when_a_feed_dies_and_comes_back():
    core = Driven()
    told = {}
    for second in range(66):
        time = f"{second // 60:02d}:{second % 60:02d}"
        if second in (10, 50):
            core.traded(time, 100)
        if second <= 20:
            core.status(time, good_from="00:00", symbols=("X",) if second == 0 else None)
        elif 23 <= second < 35:
            core.status(time, "down", good_until="00:20", good_from="00:00", symbols=None)
        elif second >= 35:
            core.status(time, good_from="00:35", symbols=None)
        live = [(c.version, round(c.coverage, 4), c.gap_cause, c.trade_count) for c in core.partition.take_live({0}, 0)]
        gaps = [(g.cause, shown(g.from_time), shown(g.to_time), g.state) for g in core.gaps]
        candles = [(c.state, c.version, c.coverage, c.gap_cause, c.trade_count) for c in core.candles if c.timeframe == "1m"]
        core.gaps, core.candles = [], []
        if live or gaps or candles:
            told[time] = (live, gaps, candles)
    assert told["00:10"] == ([(1, 1.0, "none", 1)], [], [])
    assert told["00:23"] == ([(50_001, 0.95, "feed_down", 1)], [("feed_down", "00:20", None, "open")], [])
    assert [told[f"00:{s}"][0][0][0] for s in range(24, 35)] == sorted(told[f"00:{s}"][0][0][0] for s in range(24, 35))
    assert told["00:34"][0][0][1] == 0.7667
    assert told["00:35"] == ([(250_001, 0.75, "feed_down", 1)], [("feed_down", "00:20", "00:35", "closed")], [])
    assert told["00:50"][0] == [(250_002, 0.75, "feed_down", 2)]
    assert told["01:02"] == ([], [], [("final", 250_003, 0.75, "feed_down", 2)])
    assert set(told) == {"00:10", *(f"00:{s}" for s in range(23, 36)), "00:50", "01:02"}
