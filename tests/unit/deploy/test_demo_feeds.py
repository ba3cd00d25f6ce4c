"""The feeds of the demo: what they are told and how their ledgers are read; and when the line is cut."""

import pytest

from deploy.cli.demo_feeds import FEEDS, chosen
from deploy.cli.demo_timing import BACK_S, OUTAGE_S, filled_by, outage_in
from producer.providers import module_of
from producer.settings import load
from schemas import environment

MINUTE_S = 60.0


def test_feeds_are_chosen_by_name_in_order_and_once():
    assert [feed.source for feed in chosen("ig, finnhub,ig")] == ["ig", "finnhub"]


@pytest.mark.parametrize("names", ["", ",", "finnhub,nasdaq"])
def test_other_names_are_refused(names):
    with pytest.raises(ValueError, match="feeds are finnhub, ig, coinbase"):
        chosen(names)


@pytest.mark.parametrize("name", FEEDS)
def test_settings_make_the_provider_with_its_history_and_its_symbols(name, monkeypatch):
    for variable, value in FEEDS[name].settings("127.0.0.1:1").items():
        if not variable.startswith(environment.PREFIX):
            monkeypatch.setenv(variable, value)
    provider = module_of(name).build(load({}, kafka="", registry=""))
    assert provider.source.name == FEEDS[name].source
    assert provider.history is not None
    assert "127.0.0.1:1" in provider.where
    assert FEEDS[name].busy in FEEDS[name].symbols
    assert len(FEEDS[name].symbols) <= provider.most_symbols


def test_price_update_and_tick_of_a_ledger_are_no_records_of_the_account():
    update = {"symbol": "X", "t": 7, "p": 1.5, "v": 0.0, "sent_us": 9}
    assert FEEDS["finnhub"].read(update) is None
    assert FEEDS["finnhub"].read({**update, "v": 2.0, "sent_us": 0}).sent_us is None
    quote = {"epic": "X", "kind": "price", "t": 7, "bid": 1.0, "ask": 2.0, "bid_size": None, "ask_size": 5.0, "sent_us": 9}
    assert FEEDS["ig"].read({**quote, "kind": "tick"}) is None
    assert FEEDS["ig"].read(quote).record == ("X", 7000, (1.0, 2.0, 0.0, 5.0))


@pytest.mark.parametrize("now_s", [0.0, 17.3, 51.0, 52.0, 59.9])
def test_line_is_back_just_before_a_minute_ends(now_s):
    begin_s = outage_in(now_s, None)
    assert 6.0 <= begin_s < 66.0
    assert (now_s + begin_s + OUTAGE_S + BACK_S) % MINUTE_S == pytest.approx(0.0, abs=1e-6)


def test_where_no_minute_ends_in_time_the_outage_is_still_made():
    assert outage_in(55.0, 30.0) == pytest.approx(12.0)
    assert outage_in(45.0, 30.0) == pytest.approx(7.0)


def test_gap_is_due_some_seconds_after_its_last_minute():
    assert filled_by(121.0) == filled_by(180.0) == pytest.approx(193.0)
