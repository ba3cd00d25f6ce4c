import pytest

from producer.inflight import Progress
from producer.status import MAX_REASON, Feed, Proof, good_until_at_close
from schemas.records import Loss, Served

S = 1_000_000
NOTHING = Progress(3, 2, 1, None)


def feed():
    return Feed("finnhub", epoch=1, since=10 * S)


def test_before_the_first_good_moment_no_outage_is_opened():
    f = feed()
    f.trying(1, "attempt 1")
    assert not f.bad("down", 11 * S, 11 * S, "refused by the peer")
    status = f.status(NOTHING, 12 * S, None)
    assert (status.state, status.good_from, status.good_until, status.attempts) == ("connecting", None, None, 1)


def test_live_feed_is_good_until_now():
    f = feed()
    f.good(11 * S)
    status = f.status(NOTHING, 12 * S, None)
    assert (status.state, status.good_from, status.good_until, status.since) == ("live", 11 * S, 12 * S, 11 * S)
    assert (status.complete_to, status.trades_offset, status.quotes_offset, status.history_offset) == (12 * S, 3, 2, 1)


def test_outage_keeps_its_beginning_while_attempts_go_on():
    f = feed()
    f.good(11 * S)
    assert f.bad("down", 20 * S, 21 * S, "closed")
    f.trying(2, "attempt 2")
    assert not f.bad("down", 25 * S, 25 * S, "HTTP 503")
    status = f.status(NOTHING, 30 * S, None)
    assert (status.state, status.good_from, status.good_until, status.since) == ("down", 11 * S, 20 * S, 21 * S)
    assert f.bad("stopping", 31 * S, 31 * S, "asked to stop")
    assert f.status(NOTHING, 31 * S, None).good_until == 20 * S


def test_good_again_begins_a_new_interval():
    f = feed()
    f.good(11 * S)
    f.bad("stale", 20 * S, 60 * S, "silent")
    f.good(70 * S)
    status = f.status(NOTHING, 71 * S, None)
    assert (status.state, status.good_from, status.good_until, status.attempts) == ("live", 70 * S, 71 * S, 0)


def test_outage_never_begins_before_the_interval_it_ends():
    f = feed()
    f.good(11 * S)
    f.bad("down", 5 * S, 12 * S, "closed at once")
    assert f.status(NOTHING, 12 * S, None).good_until == 11 * S


def test_refused_key_is_said_also_before_the_first_good_moment():
    f = feed()
    assert f.bad("refused", 11 * S, 11 * S, "HTTP 401")
    assert f.status(NOTHING, 12 * S, None).state == "refused"


def test_refused_symbol_is_a_loss_from_its_beginning_and_not_known_to_be_good():
    f = feed()
    f.good(11 * S)
    assert f.refusing(frozenset({"B"}), 20 * S)
    assert not f.refusing(frozenset({"B"}), 21 * S)
    status = f.status(NOTHING, 30 * S, (("A", "trades"), ("B", "quotes")))
    assert status.symbols == (Served("A", "trades", 11 * S), Served("B", "quotes", None))
    assert status.losses == (Loss("B", "refused", 20 * S, 30 * S, None, "the provider delivers no more symbols"),)
    assert f.status(NOTHING, 30 * S, None).losses == ()


@pytest.mark.parametrize(
    ("closed", "last_text", "newest_event", "until"),
    [
        (10.0, 9.9, 9.8, 9.8),  # the frame proves everything up to its own newest event
        (10.0, 5.0, 4.9, 9.75),  # a quiet feed: what closed visibly had delivered all but the last quarter of a second
        (10.0, 9.9, None, 9.9),  # a ping proves everything up to its receipt
        (10.0, 9.9, 9.95, 9.9),  # a venue's clock ahead of ours proves nothing of the time to come
        (10.0, None, None, 9.75),
    ],
)
def test_border_of_an_outage_seen_to_begin(closed, last_text, newest_event, until):
    us = [None if t is None else round(t * S) for t in (closed, last_text, newest_event, until)]
    proof = Proof()
    if last_text is not None:
        proof.heard(us[1], us[2])
    assert good_until_at_close(us[0], proof.until_us) == us[3]


@pytest.mark.parametrize(
    ("seen", "proved", "until"),
    [
        (9.9, None, 9.65),
        (4.0, None, 3.75),  # held, or asleep, for six seconds: it may have closed just after the last look
        (4.0, 8.0, 8.0),  # what it had sent by then was read afterwards, and proves what it proves
        (11.0, None, 9.75),
        (None, None, 9.75),
    ],
)
def test_connection_that_may_have_closed_long_before_that_was_seen_was_good_until_the_last_look(seen, proved, until):
    us = [None if t is None else round(t * S) for t in (seen, proved, until)]
    assert good_until_at_close(10 * S, us[1], us[0]) == us[2]


def test_trade_that_is_reported_late_takes_nothing_back_of_what_a_connection_has_proved():
    proof = Proof()
    proof.heard(900 * S, 899 * S)
    proof.heard(901 * S, 300 * S)
    assert proof.until_us == 899 * S
    proof.heard(950 * S, None)
    assert proof.until_us == 950 * S
    proof.heard(951 * S, 940 * S)  # sent before the ping, as under load: so the ping was sent before its receipt, too
    assert proof.until_us == 940 * S


def test_reason_of_any_length_stays_a_reason():
    f = feed()
    f.good(11 * S)
    f.bad("down", 12 * S, 12 * S, "Invalid status line: " + "x" * 2_000_000)
    assert len(f.status(NOTHING, 13 * S, None).reason) == MAX_REASON
    f.because("y" * 2_000_000)
    assert len(f.reason) == MAX_REASON


def test_loss_told_once_stands_beside_those_that_last():
    f = feed()
    f.good(11 * S)
    f.refusing(frozenset({"B"}), 20 * S)
    skipped = Loss("A", "skipped_ids", 12 * S, 13 * S, 3, "ids 9 to 11")
    assert f.status(NOTHING, 30 * S, None, (skipped,)).losses == (skipped,)
    assert [x.cause for x in f.status(NOTHING, 30 * S, (("B", "trades"),), (skipped,)).losses] == ["skipped_ids", "refused"]


def test_what_a_source_cannot_prove_is_the_reason_while_it_is_good():
    f = Feed("ccxt-x", epoch=1, since=0, ids="increasing", note="no gap proof")
    f.good(11 * S)
    status = f.status(NOTHING, 12 * S, None)
    assert (status.state, status.reason, status.ids) == ("live", "no gap proof", "increasing")


def both(f):
    return f.status(NOTHING, 40 * S, (("A", "trades"), ("B", "trades"))).symbols


def test_added_symbol_is_named_once_it_is_delivered_and_from_then_on_good():
    f = feed()
    f.good(11 * S)
    f.symbols_changed(("B",), ())
    assert both(f) == (Served("A", "trades", 11 * S),)
    assert f.joined(20 * S)
    assert not f.joined(21 * S)
    assert both(f) == (Served("A", "trades", 11 * S), Served("B", "trades", 20 * S))


def test_after_an_outage_all_are_good_from_the_same_moment():
    f = feed()
    f.good(11 * S)
    f.symbols_changed(("B",), ())
    f.bad("down", 15 * S, 15 * S, "closed")
    assert both(f) == (Served("A", "trades", 11 * S),)
    f.good(30 * S)
    assert both(f) == (Served("A", "trades", 30 * S), Served("B", "trades", 30 * S))


def test_symbol_that_left_and_came_back_begins_anew():
    f = feed()
    f.good(11 * S)
    f.symbols_changed((), ("B",))
    f.symbols_changed(("B",), ())
    f.joined(20 * S)
    assert both(f)[1] == Served("B", "trades", 20 * S)


@pytest.mark.parametrize(("bad", "state"), [(None, "market_closed"), ("down", "down")])
def test_only_a_good_feed_is_called_closed(bad, state):
    f = feed()
    f.good(11 * S)
    f.is_closed = True
    if bad:
        f.bad(bad, 12 * S, 12 * S, "closed")
    status = f.status(NOTHING, 20 * S, None)
    assert (status.state, status.good_until) == (state, 12 * S if bad else 20 * S)
