"""The Coinbase producer against the simulated venue and real Kafka: every id is published or told as missing."""

import time
from collections import Counter
from dataclasses import replace

import pytest

from producer.history.coinbase import CoinbaseHistory
from producer.history.protocol import BusyError, Question, RefusedError, UnavailableError
from producer.sources.coinbase_ids import SWAP_US
from schemas.topics import TRADES
from tests.support.gaps import a_gap, tell
from tests.support.published import candles, corner, count, dead_letters, gaps, history, statuses, trades
from tests.support.services import Service, wait_until
from tests.support.venue import Venue

pytestmark = pytest.mark.integration
PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
QUIET = "DOGE-BTC"
S = 1_000_000
M = 60 * S


@pytest.fixture
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture
def venue():
    made = Venue("deploy.simulator.coinbase", "--seed", "11")
    yield made
    assert made.stop() == 0


@pytest.fixture
def producer(space, venue, tmp_path):
    """A function (settings) -> a running producer, discarded at the end."""
    made = []

    def start(**settings):
        feed = {
            "COINBASE_URL": venue.ready["ws"],
            "COINBASE_REST_URL": venue.ready["rest"],
            "COINBASE_SYMBOLS": ",".join(PRODUCTS),
            "CANDLEWICK_BOOTSTRAP_DAYS": "0",
        }
        service = Service("producer", {**space.env, **feed, **settings}, tmp_path, "coinbase")
        made.append(service.start())
        return service

    yield start
    for service in made:
        service.discard()


def said(space):
    return statuses(space, "coinbase")


def wait_for_state(space, state, service, times=1):
    def reached():
        told = [s.state for s in statuses(space, "coinbase", 0).get(0, [])]
        runs = [s for n, s in enumerate(told) if n == 0 or told[n - 1] != s]
        return runs.count(state) >= times

    wait_until(reached, 30, f"{times} times {state}", [service])


def losses(space):
    """Return every loss that any status tells, by product."""
    found = {}
    for series in said(space).values():
        for status in series:
            for loss in status.losses:
                found.setdefault(loss.symbol, []).append(loss)
    return found


def ids_of(loss):
    first, last = loss.detail.removeprefix("ids ").split(" to ")
    return range(int(first), int(last) + 1)


def published(space, *, backfill=False):
    return {p: [t for t in trades(space, "coinbase") if t.symbol == p and t.backfill == backfill] for p in PRODUCTS}


def settle(space, venue, service):
    """Let nothing happen any more, until everything sent is published and every hole is judged."""
    venue.fault("pause", seconds=120)
    silent_from = max(e["made_us"] for e in venue.ledger())

    def judged():
        return min(s[-1].complete_to for s in said(space).values()) > silent_from + SWAP_US + 2 * S

    wait_until(judged, 20, "holes to be judged", [service])


def answer_to(space, gap, service):
    """Wait for the result that answers a gap."""

    def found():
        return next((r for r in history(space, "coinbase") if r.record == "result" and r.gap_id == gap.gap_id), None)

    return wait_until(found, 30, f"an answer to {gap.gap_id}", [service])


def is_whole(space, venue, product):
    """Tell whether every id from the first to the newest stands on the topic exactly once, with the venue's own values."""
    came = Counter(int(t.trade_id) for t in trades(space, "coinbase") if t.symbol == product)
    made = {e["trade_id"]: e for e in venue.ledger() if e["symbol"] == product}
    for trade in (t for t in trades(space, "coinbase") if t.symbol == product):
        entry = made[int(trade.trade_id)]
        assert (trade.event_time, trade.price, trade.size) == (entry["time_us"], entry["p"], entry["v"])
        assert trade.side != entry["side"]
    return came == Counter(range(min(came), max(made) + 1))


def newest_gaps(space):
    """Return the newest version of every gap that holds time."""
    newest = {}
    for gap in gaps(space, "coinbase"):
        if gap.version >= newest.get(gap.gap_id, gap).version:
            newest[gap.gap_id] = gap
    return [gap for gap in newest.values() if gap.to_time != gap.from_time]


def newest_candles(space, product):
    """Return the newest versions of the product's 1m candles, open ones included."""
    newest = {}
    for candle in candles(space, "1m"):
        if candle.symbol == product and candle.version >= newest.get(candle.start, candle).version:
            newest[candle.start] = candle
    return list(newest.values())


def test_every_id_is_published_or_told_as_missing_and_what_is_missing_is_fetched(space, venue, producer):
    service = producer()
    wait_for_state(space, "live", service)
    wait_until(lambda: count(space, TRADES) > 30, 20, "some trades", [service])
    venue.fault("skip", symbol="BTC-USD", count=7)
    venue.fault("swap", symbol="ETH-USD", count=3)
    venue.fault("bad_price", symbol="SOL-USD")
    for kind in ("malformed", "unknown", "error"):
        venue.fault(kind)
    wait_until(lambda: venue.summary()["bad_sent"], 20, "a bad price", [service])
    venue.fault("repeat", seconds=1)
    wait_until(lambda: venue.summary()["repeats_sent"] > 10, 20, "repeats", [service])
    venue.fault("drop", seconds=1, how="close")
    wait_for_state(space, "live", service, 2)
    wait_until(lambda: count(space, TRADES) > 100, 20, "trades after the outage", [service])
    settle(space, venue, service)

    came, told = published(space), losses(space)
    sent = {e["trade_id"]: e for e in venue.ledger()}
    for product in PRODUCTS:
        numbers = [int(t.trade_id) for t in came[product]]
        assert len(numbers) == len(set(numbers)), "a repeat was published"
        missing = [n for loss in told.get(product, []) for n in ids_of(loss)]
        made = {n for n, e in sent.items() if e["symbol"] == product and n >= min(numbers)}
        assert Counter(numbers) + Counter(missing) == Counter(made)
        assert all(sent[n]["lost"] or sent[n]["seam"] for n in missing)
        for trade in came[product]:
            entry = sent[int(trade.trade_id)]
            assert (trade.event_time, trade.price, trade.size) == (entry["time_us"], entry["p"], entry["v"])
            assert trade.side != entry["side"]
        for loss in told.get(product, []):
            assert loss.cause == "skipped_ids"
            assert loss.missing == len(ids_of(loss))
            assert all(loss.from_time <= sent[n]["time_us"] <= loss.to_time for n in ids_of(loss))
    skipped = {n for n, e in sent.items() if e["lost"] == "skipped"}
    assert len(skipped) == 7
    assert skipped <= {n for loss in told["BTC-USD"] for n in ids_of(loss)}
    holes = [a_gap("coinbase", p, "skipped_ids", x.from_time, x.to_time) for p, found in told.items() for x in found]
    tell(space, *holes)
    assert {answer_to(space, gap, service).outcome for gap in holes} == {"complete"}
    assert service.stop() == 0
    assert [product for product in PRODUCTS if not is_whole(space, venue, product)] == []
    for product in PRODUCTS:
        found = [t for t in trades(space, "coinbase") if t.symbol == product]
        assert [t.sequence for t in found] == list(range(len(found))), "live and fetched trades are numbered as one"
    letters = Counter(headers["reason"] for _, _, headers in dead_letters(space, "coinbase"))
    assert letters == {"not_json": 1, "bad_price": 1}
    assert {s.ids for series in said(space).values() for s in series} == {"contiguous"}


def test_skipped_ids_an_outage_and_a_kill_are_filled_to_the_last_trade(space, venue, producer, tmp_path):
    """With the real processor: it makes the gaps, the producer fetches, the gaps are filled and no id is missing.

    Trades between the last status and the kill are in Kafka though the gap begins before them: they must not come again.
    Of a product without a trade in the hole, the venue's ids prove that it cost nothing: filled, with no record.
    """
    products = (*PRODUCTS, QUIET)
    processor = Service("processor", space.env, tmp_path).start()
    try:
        service = producer(COINBASE_SYMBOLS=",".join(products))
        both = [service, processor]

        def is_filled(cause, *wanted):
            found = [gap for gap in newest_gaps(space) if gap.cause == cause]
            return {gap.symbol for gap in found} >= set(wanted) and {gap.state for gap in found} == {"filled"}

        wait_for_state(space, "live", service)
        wait_until(lambda: count(space, TRADES) > 30, 20, "some trades", both)
        venue.fault("skip", symbol="BTC-USD", count=7)
        wait_until(lambda: is_filled("skipped_ids", "BTC-USD"), 60, "the skipped ids to be filled", both)
        skipped = sorted(e["trade_id"] for e in venue.ledger() if e["lost"] == "skipped")
        fetched = [int(t.trade_id) for t in trades(space, "coinbase") if t.backfill and t.symbol == "BTC-USD"]
        assert len(skipped) == 7
        assert [number for number in fetched if number in skipped] == skipped
        venue.fault("drop", seconds=1)
        wait_until(lambda: is_filled("feed_down", *products), 60, "the outage to be filled", both)
        service.kill()
        service.start()
        wait_until(lambda: is_filled("producer_down", *products), 60, "the kill to be filled", both)
        settle(space, venue, service)
        assert [product for product in PRODUCTS if not is_whole(space, venue, product)] == []
        number = count(space, TRADES)
        made = lambda: [candle for product in products for candle in newest_candles(space, product)]  # noqa: E731
        wait_until(lambda: sum(candle.trade_count for candle in made()) == number, 20, "every trade to be in a candle", both)
        assert {candle.coverage for candle in made()} == {1.0}
        assert service.stop() == 0
        assert processor.stop() == 0
    finally:
        processor.discard()


def test_silent_feed_is_stale_after_fifteen_heartbeats_or_what_is_set(space, venue, producer):
    service = producer(CANDLEWICK_LIVENESS_FEED_S="2")
    wait_for_state(space, "live", service)
    venue.fault("silent", seconds=20)
    wait_for_state(space, "live", service, 2)
    states = [s.state for s in statuses(space, "coinbase", 0)[0]]
    assert "stale" in states
    assert service.stop() == 0


def test_unknown_product_is_refused_and_the_others_are_live(space, venue, producer):
    service = producer(COINBASE_SYMBOLS="BTC-USD,FOO-BAR,ETH-USD")
    wait_for_state(space, "live", service)
    wait_until(lambda: any(loss.cause == "refused" for loss in losses(space).get("FOO-BAR", [])), 10, "refusal", [service])
    wait_until(lambda: count(space, TRADES) > 10, 20, "some trades", [service])
    assert service.stop() == 0
    assert set(losses(space)) == {"FOO-BAR"}
    assert {t.symbol for t in trades(space, "coinbase")} == {"BTC-USD", "ETH-USD"}
    served = {s.symbol: s.good_from for series in said(space).values() for st in series for s in st.symbols or ()}
    assert served["FOO-BAR"] is None
    assert served["BTC-USD"] is not None


def test_history_client_tells_what_kind_of_failure_it_met(venue):
    client = CoinbaseHistory(venue.ready["rest"], "coinbase", lambda _symbol, _since: frozenset())
    now_us = time.time_ns() // 1000
    question = Question("BTC-USD", now_us // M * M - 10 * M, now_us // M * M - 5 * M)
    venue.fault("rest", status=429, retry_after=7)
    with pytest.raises(BusyError) as busy:
        client.ask(question, now_us)
    assert busy.value.wait_s == 7
    venue.fault("rest", status=500)
    with pytest.raises(UnavailableError):
        client.ask(question, now_us)
    venue.fault("rest", status=403)
    with pytest.raises(RefusedError) as refused:
        client.ask(question, now_us)
    assert refused.value.reason == "HTTP 403: refused by a fault"
    assert refused.value.retry_at > now_us
    venue.fault("rest", seconds=0)
    with pytest.raises(RefusedError, match="does not know the product"):
        client.ask(replace(question, symbol="FOO-BAR"), now_us)
    page = client.ask(question, now_us)
    assert [candle.start for candle in page.candles] == list(range(question.end - M, question.start - M, -M))

    # Of a gap at first sight with minutes before it: candles up to its window, and then trades, of which there were none yet.
    gap = a_gap("coinbase", "BTC-USD", "partial_start", question.end, question.end + M // 2)
    page = client.ask(replace(question, start=question.end - 2 * M, end=question.end + M, gap=gap), now_us)
    assert [candle.start for candle in page.candles] == [question.end - M, question.end - 2 * M]
    assert page.rest.start == question.end
    pages = 0
    while page.rest is not None:
        page, pages = client.ask(page.rest, now_us), pages + 1
        assert (page.candles, page.trades, page.missing) == ((), (), "")
        assert pages < 5
    # A gap older than a day's merging is filled with candles.
    old = a_gap("coinbase", "BTC-USD", "feed_down", question.start - 1440 * M, question.start - 1439 * M)
    page = client.ask(replace(question, start=old.from_time, end=old.to_time, gap=old), now_us)
    assert (len(page.candles), page.trades) == (1, ())
    client.close()
    with pytest.raises(UnavailableError):
        CoinbaseHistory("http://127.0.0.1:1", "coinbase", lambda _symbol, _since: frozenset()).ask(question, now_us)
