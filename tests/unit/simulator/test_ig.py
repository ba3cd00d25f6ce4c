from random import Random

import pytest

from deploy.simulator.ig_accounts import WEEK_S, Accounts, RestError
from deploy.simulator.ig_candles import IgCandles
from deploy.simulator.ig_faults import parse_fault
from deploy.simulator.ig_items import Item, parse_item, price_row, tick_row
from deploy.simulator.ig_ledger import Entry, IgLedger
from deploy.simulator.ig_market import EPICS, IgMarket, Move, text

START = 1_700_000_040
FTSE = EPICS[2]


def accounts(**options):
    return Accounts("user", "word", "key", "ABC", Random(1), **options)


def entry(kind="price"):
    return Entry("X", kind, 1, 1.0, 2.0, None, None, None, None, 5)


def test_same_seed_gives_the_same_market_however_often_time_is_looked_at():
    one, two = IgMarket(3, 0.0), IgMarket(3, 0.0)
    rarely = one.due(20.0)
    often = [move for tenth in range(1, 201) for move in two.due(tenth / 10)]
    by_epic = lambda moves: {name: [m for m in moves if m.epic == name] for name in one.epics}  # noqa: E731
    assert by_epic(rarely) == by_epic(often)
    assert all(0 < move.bid <= move.ask for move in rarely)
    assert {m.epic for m in rarely if m.ltp is not None} == {"UA.D.AAPL.CASH.IP"}


@pytest.mark.parametrize(
    ("number", "digits", "shown"), [(1.0831, 5, "1.0831"), (8260.0, 1, "8260"), (20.0, 0, "20"), (None, 2, None)]
)
def test_numbers_are_texts_without_idle_zeros(number, digits, shown):
    assert text(number, digits) == shown


def test_only_the_right_login_gets_tokens_and_only_both_together_admit():
    made = accounts()
    with pytest.raises(RestError, match="invalid-details"):
        made.login("user", "wrong", 0.0)
    cst, xst = made.login("user", "word", 0.0)
    made.check(cst, xst, 1.0)
    for pair in ((cst, "other"), ("other", xst), (None, None)):
        with pytest.raises(RestError, match="client-token"):
            made.check(*pair, 1.0)


def test_tokens_live_from_use_to_use():
    made = accounts(token_s=10.0)
    cst, xst = made.login("user", "word", 0.0)
    made.check(cst, xst, 9.0)
    made.check(cst, xst, 18.0)
    with pytest.raises(RestError, match="invalid"):
        made.check(cst, xst, 28.5)


def test_stream_of_the_other_account_needs_a_switch():
    made = accounts()
    cst, xst = made.login("user", "word", 0.0)
    assert made.may_stream("ABC", cst, xst, 1.0)
    assert not made.may_stream("ABCB", cst, xst, 1.0)
    token = made.switch(cst, "ABCB", 1.0)
    assert made.may_stream("ABCB", cst, token, 2.0)
    with pytest.raises(RestError, match="accountId"):
        made.switch(cst, "XYZ", 2.0)


def test_week_of_points_begins_with_the_first_request_and_a_refusal_takes_nothing():
    made = accounts(points=100)
    assert made.charge(60, 50.0) == (40, int(WEEK_S))
    with pytest.raises(RestError, match="historical-data") as caught:
        made.charge(41, 60.0)
    assert caught.value.status == 403
    assert made.charge(40, 60.0)[0] == 0
    assert made.charge(10, 50.0 + WEEK_S)[0] == 90


def test_requests_of_a_minute_are_limited_and_a_key_is_needed():
    made = accounts(per_minute=2)
    made.call("key", 0.0)
    made.call("key", 1.0)
    with pytest.raises(RestError, match="exceeded-account-allowance"):
        made.call("key", 59.0)
    made.call("key", 61.5)
    with pytest.raises(RestError, match="api-key-invalid"):
        made.call("other", 200.0)
    with pytest.raises(RestError, match="api-key-missing"):
        made.call(None, 200.0)


def test_quotes_make_the_minutes_prices_and_empty_minutes_are_absent():
    made = IgCandles(1, START)
    for second, bid in ((0, 10.0), (5, 12.0), (59, 11.0)):
        made.add(Move(FTSE.name, bid, bid + 1, None, None), (START + second) * 1000)
    (price,) = made.between(FTSE, START, START + 600)
    assert price["snapshotTimeUTC"] == "2023-11-14T22:14:00"
    names = ("openPrice", "highPrice", "lowPrice", "closePrice")
    assert [price[name]["bid"] for name in names] == [10.0, 12.0, 10.0, 11.0]
    assert [price[name]["ask"] for name in names] == [11.0, 13.0, 11.0, 12.0]


def test_prices_before_the_start_are_the_same_every_time_and_the_newest_are_counted():
    one, two = (IgCandles(7, START).between(FTSE, START - 3600, START - 1) for _ in range(2))
    assert one == two
    assert len(one) == 60
    assert len(IgCandles(7, START).newest(FTSE, 5, START - 60)) == 5


def test_every_update_is_sent_once_or_lost():
    ledger = IgLedger()
    sent, lost = entry(), entry()
    for made in (sent, lost):
        ledger.made(made)
    ledger.sent(sent, 9)
    ledger.sent(sent, 10)  # again after a recovery
    ledger.never_sent(sent, "session_lost")
    ledger.never_sent(lost, "session_lost")
    ledger.never_sent(lost, "again")
    summary = ledger.summary()
    assert (summary["prices_made"], summary["prices_sent"], summary["prices_lost"]) == (2, 1, 1)
    assert (sent.sent_us, sent.lost, lost.lost) == (9, "", "session_lost")


def test_what_was_lost_may_still_come_as_the_present_value():
    ledger = IgLedger()
    late = entry()
    ledger.made(late)
    ledger.never_sent(late, "not_subscribed")
    ledger.sent(late, 9)
    assert (ledger.summary()["prices_sent"], ledger.summary()["prices_lost"], late.lost) == (1, 0, "")


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"kind": "fire"},
        {"kind": "cut", "secs": 2},
        {"kind": "cut", "seconds": -1},
        {"kind": "cut", "how": "softly"},
        {"kind": "cut", "recover": "no"},
        {"kind": "loop", "times": -1},
        {"kind": "end", "code": "33"},
        {"kind": "overflow", "epic": 5},
    ],
)
def test_what_is_no_fault_is_refused(body):
    with pytest.raises(ValueError, match=r".+"):
        parse_fault(body)


def test_fault_has_defaults():
    assert parse_fault({"kind": "cut"}) == {
        "kind": "cut", "seconds": 0.0, "how": "fin", "recover": True, "code": 48, "times": 1, "epic": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("PRICE:ABC:X", Item("PRICE", "X", "ABC", adapter="Pricing")),
        ("CHART:X:TICK", Item("CHART", "X", mode="DISTINCT")),
        ("MARKET:X", Item("MARKET", "X")),
        ("CHART:X:SECOND", Item("CHART", "SECOND")),
        ("", Item("", "")),
    ],
)
def test_items_are_known_by_their_names(name, item):
    assert parse_item(name) == item


def test_rows_follow_the_fields_that_were_asked_for():
    move = Move("X", 1.0, 1.5, None, 2.0, ltp=1.5, ltv=3.0)
    row = price_row(move, 7, 2, ["TIMESTAMP", "ASKPRICE1", "BIDSIZE1", "DLG_FLAG", "NO_SUCH"], closed=True, bad=False)
    assert row == ["7", "1.5", None, "CLOSED  ", None]
    assert tick_row(move, 7, 2, ["LTP", "TTV"], day_volume=12.0) == ["1.5", "12"]
