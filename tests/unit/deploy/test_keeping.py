from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.keeping import decided, listing, seconds_of, surely_alive, text_of
from schemas.timeframes import SECOND
from sink.overrides import Retention, checked


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60 * 86_400), ("60d", 60 * 86_400), ("0.125", 10_800), ("12h", 43_200), ("90s", 90), ("ever", 0)]
)
def test_lengths_are_days_unless_they_say_otherwise(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "0", "1w", "1 d", "x", "7301d", "0.1s", "nan", "inf"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(ValueError, match="ever"):
        seconds_of(text)


@given(st.integers(0, 630_720_000))
def test_what_is_written_reads_back(seconds):
    assert seconds_of(text_of(seconds)) == seconds


patterns = st.lists(st.sampled_from(["*", "a:*", "a:X", "a:X*", "*X", "b:*", "a:X@mid"]), unique=True)


@given(patterns)
def test_each_series_is_decided_about_by_one_override_and_it_is_the_one_the_sink_takes(names):
    overrides = {(name, "1m"): place + 1 for place, name in enumerate(names)}
    series = ["a:X", "a:X@mid", "a:Y", "b:X"]
    keep = Retention({"1m": 0}, overrides)
    by_series = {s: [n for n in names if s in decided(overrides, n, "1m", series)] for s in series}
    for s, deciders in by_series.items():
        assert [overrides[n, "1m"] for n in deciders] == ([keep.keep_s("1m", s)] if keep.keep_s("1m", s) else [])


def test_what_has_no_effect_is_shown_with_the_reason():
    rows = [
        SimpleNamespace(series="a:*", timeframe="1m", ttl_seconds=60, note="why"),
        SimpleNamespace(series="a:X", timeframe="2m", ttl_seconds=60, note=None),
        SimpleNamespace(series="a:X", timeframe="1m", ttl_seconds=None, note=None),
        SimpleNamespace(series="a:X", timeframe="trades", ttl_seconds=0, note=None),
    ]
    good, _ = checked((r.series, r.timeframe, r.ttl_seconds) for r in rows)
    lines = listing({"1m": 30, "trades": 7}, rows, good, ["a:X@mid", "b:Y"], ["a:X", "b:Y"])
    assert [(line["what"], line["series"], line["kept"]) for line in lines[:2]] == [("1m", "*", "30s"), ("trades", "*", "7s")]
    decides = {(line["what"], line["series"]): line["decides"] for line in lines[2:]}
    assert decides["1m", "a:*"] == "1 of 2"
    assert decides["trades", "a:X"] == "1 of 2"
    assert decides["2m", "a:X"] == "nothing: there is no such table"
    assert decides["1m", "a:X"].startswith("nothing: None")


@pytest.mark.parametrize(
    ("own_s", "kept_s", "alive"),
    [
        (950, 20, False),  # shorter than the table's 100 s, and over
        (990, 20, True),
        (950, 500, True),  # longer, and written after it was set
        (850, 500, False),  # longer, but perhaps written before: the table's life is over
        (910, 500, True),
        (850, 0, False),
    ],
)
def test_what_may_have_been_written_before_an_override_is_expected_only_as_long_as_the_table_says(own_s, kept_s, alive):
    keep = Retention({"1m": 100}, {("a:*", "1m"): kept_s})
    assert surely_alive(keep, 920 * SECOND, "1m", "a:X", own_s * SECOND, 1000 * SECOND) is alive
