"""Real recorded ticks through Kafka, the processor and Cassandra give the very bars that others computed from them.

Law 2 (order-free) in the large: the same lines in an order of chance give the same content, bit for bit.
Law 4 (every minute accounted for): between a series' first candle and its last, what is no candle is a gap.
"""

from itertools import pairwise

import pytest

from tests.support import oracles
from tests.support.services import Service, bars_of, of_source, read_candles, read_gaps, replay

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600), pytest.mark.usefixtures("recorded_market_data")]

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
SETTINGS = {
    "CANDLEWICK_TIMEFRAMES": ",".join(TIMEFRAMES),
    "CANDLEWICK_QUOTE_PRICES": "mid,bid,ask",
    # These candles are years old: kept for ever, so that none has expired before it is written. The trades and quotes
    # themselves are not needed: by default they have expired, and are not written.
    **{f"CANDLEWICK_RETENTION_{name}": "0" for name in (*TIMEFRAMES, "GAPS")},
}
MINUTE_MS = 60_000


def shuffled_source(name):
    return f"{name}-shuffled"


@pytest.fixture(scope="module")
def settings(recorded_market_data, make_space):
    return make_space(SETTINGS).env


@pytest.fixture(scope="module")
def services(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    running = [Service("processor", settings, folder).start(), Service("sink", settings, folder).start()]
    yield running
    for service in running:
        service.discard()


@pytest.fixture(scope="module")
def summaries(settings, services, tmp_path_factory):
    """Everything replayed once, in file order and shuffled, each under a source of its own; the summaries by source."""
    folder = tmp_path_factory.mktemp("lines")
    done = {}
    for name in oracles.RECORDINGS:
        recording = oracles.recording(name)
        done[recording.source] = replay(settings, recording, folder)
        other = shuffled_source(recording.source)
        done[other] = replay(settings, recording.shuffled(seed=3), folder, source=other)
    return done


@pytest.fixture(scope="module")
def candles(settings, summaries):
    """All candles by source, keyed without the source's name."""
    everything = read_candles(settings, *TIMEFRAMES)
    return {source: of_source(everything, source) for source in summaries}


@pytest.mark.parametrize("name", oracles.RECORDINGS)
def test_candles_are_the_oracles_bars(name, candles):
    recording = oracles.recording(name)
    mine = bars_of(candles[recording.source], recording.source)
    disagreements = recording.disagreements(mine)
    assert len(disagreements) == recording.expected - recording.agreeing, "\n".join(disagreements[:20])
    assert recording.strangers(mine) == []


@pytest.mark.parametrize("name", oracles.RECORDINGS)
def test_law_2_shuffled_lines_give_the_same_content_bit_for_bit(name, candles):
    source = oracles.recording(name).source
    ordered, shuffled = candles[source], candles[shuffled_source(source)]
    different = [(key, ordered.get(key), shuffled.get(key)) for key in sorted(ordered | shuffled)]
    different = [line for line in different if line[1] != line[2]]
    assert different == [], f"{len(different)} of {len(ordered)} candles differ: {different[:5]}"


@pytest.mark.parametrize("name", oracles.RECORDINGS)
def test_law_1_every_record_is_in_exactly_one_candle_of_each_timeframe(name, candles, summaries):
    recording = oracles.recording(name)
    summary = summaries[recording.source]
    assert summary["read"] == len(recording.lines)
    assert summary["published"] == recording.records
    assert summary["repeats_dropped"] == len(recording.lines) - recording.records
    counts = dict.fromkeys(TIMEFRAMES, 0)
    prices = {key.series.partition("@")[2] for key in candles[recording.source]}
    for key, content in candles[recording.source].items():
        counts[key.timeframe] += content.trade_count + content.update_count
    assert counts == dict.fromkeys(TIMEFRAMES, recording.records * len(prices))


@pytest.mark.parametrize("name", oracles.RECORDINGS)
def test_replayed_feeds_are_known_to_be_whole(name, candles):
    contents = candles[oracles.recording(name).source]
    damaged = {k: (c.coverage, c.gap_cause) for k, c in contents.items() if k.timeframe == "1m" and c.coverage != 1}
    assert damaged == {}


def test_law_4_every_minute_is_accounted_for_between_the_first_candle_and_the_last(candles, settings):
    gaps = {}
    for gap in read_gaps(settings):
        if gap.to_ms is None or gap.to_ms > gap.from_ms:
            gaps.setdefault(gap.series, []).append(gap)
    for name in oracles.RECORDINGS:
        source = oracles.recording(name).source
        starts = {}
        for key in candles[source]:
            if key.timeframe == "1m":
                starts.setdefault(f"{source}:{key.series}", []).append(key.start_ms)
        for series, minutes in starts.items():
            minutes.sort()
            empty = [(before + MINUTE_MS, after) for before, after in pairwise(minutes) if after > before + MINUTE_MS]
            of_silence = [g for g in gaps.get(series, []) if minutes[0] <= g.from_ms and (g.to_ms or 0) <= minutes[-1]]
            assert [(g.from_ms, g.to_ms) for g in of_silence] == empty, series
            assert {g.cause for g in of_silence} <= {"no_trades", "market_closed"}, series


def test_services_end_by_themselves_when_asked(candles, services):
    assert [service.stop() for service in services] == [0, 0]
