"""`candlewick feeds check` against the simulated venue: what works is said, what does not makes it fail."""

import pytest

from tests.integration.test_producer_finnhub import Venue
from tests.support.services import candlewick

pytestmark = pytest.mark.integration
MARKER = "a-marker-as-key"


@pytest.fixture(scope="module")
def venue():
    made = Venue("--seed", "3")
    yield made
    assert made.stop() == 0


def check(venue, *arguments, status, token="simulator", symbols=("AAPL", "BINANCE:BTCUSDT")):
    feed = {
        "FINNHUB_URL": venue.ready["ws"],
        "FINNHUB_REST_URL": venue.ready["rest"],
        "FINNHUB_TOKEN": token,
        "FINNHUB_SYMBOLS": ",".join(symbols),
    }
    said = candlewick(feed, "feeds", "check", *arguments, status=status)
    return [line.split(maxsplit=2) for line in said.splitlines()]


def test_everything_that_works_is_said_and_the_configured_provider_is_found(venue):
    lines = check(venue, status=0)
    assert {(name, mark) for name, mark, _ in lines} == {("finnhub", "ok")}
    whats = [text.split(":")[0] for _, _, text in lines]
    assert whats == ["connection", "subscription", "AAPL", "BINANCE", "history of crypto BINANCE", "history of stock"]


def test_symbol_that_says_nothing_is_no_failure_and_is_named(venue):
    lines = check(venue, "finnhub", "--seconds", "1", status=0, symbols=("AAPL", "NOPE"))
    assert [text.split(":")[0] for _, mark, text in lines if mark == "?"] == ["NOPE"]


def test_wrong_key_fails_and_is_not_shown(venue):
    lines = check(venue, status=1, token=MARKER)
    assert {mark for _, mark, _ in lines} == {"FAILED"}
    assert "the credentials are refused: HTTP 401" in lines[0][2]
    assert MARKER not in str(lines)


def test_part_of_a_plan_that_is_not_included_fails_alone(venue):
    venue.fault("rest_refuse", status=403, market="stock", seconds=60)
    lines = check(venue, status=1)
    assert [text.split(":")[0] for _, mark, text in lines if mark == "FAILED"] == ["history of stock"]


def test_provider_without_its_settings_fails_by_name(venue):
    said = candlewick({}, "feeds", "check", "finnhub", status=1)
    assert "FAILED" in said
    assert "FINNHUB_TOKEN" in said


def test_symbol_that_a_provider_refuses_fails_and_its_neighbours_do_not():
    coinbase = Venue("--seed", "3", module="deploy.simulator.coinbase")
    feed = {
        "COINBASE_URL": coinbase.ready["ws"],
        "COINBASE_REST_URL": coinbase.ready["rest"],
        "COINBASE_SYMBOLS": "BTC-USD,NO-PE",
    }
    said = candlewick(feed, "feeds", "check", "coinbase", "--seconds", "5", status=1)
    assert coinbase.stop() == 0
    marks = {text.split(":")[0]: mark for _, mark, text in (line.split(maxsplit=2) for line in said.splitlines())}
    assert (marks["BTC-USD"], marks["NO-PE"], marks["history of BTC-USD"]) == ("ok", "FAILED", "ok")
