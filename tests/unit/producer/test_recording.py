import json

import pytest

from producer.errors import RemoteError
from producer.sources.recording import Recording, parse
from schemas.records import Quote, Trade

TRADE = {"type": "trade", "symbol": "X", "event_time_us": 1_000, "receive_time_us": 2_000, "price": 1.5, "size": 2.0}
QUOTE = {"type": "quote", "symbol": "X", "event_time_us": 1_000, "receive_time_us": 2_000, "bid": 1.0, "ask": 1.1}


def line(base=TRADE, **changes):
    return json.dumps({**base, **changes}).encode()


def without(base, name):
    return json.dumps({k: v for k, v in base.items() if k != name}).encode()


def test_full_trade_keeps_every_field_of_the_line():
    run = Recording("replay", epoch=7)
    trade = run.read(line(side="buy", id="7", sequence=9))
    assert trade == Trade(
        "replay", "X", 1_000, 2_000, 1.5, 2.0, "trade", "buy", "7", 9, epoch=7, sequence=0, backfill=False, replay=True
    )


def test_full_quote_keeps_every_field_of_the_line():
    quote = Recording("replay", epoch=7).read(line(QUOTE, bid_size=3, ask_size=4.5, sequence=9))
    assert quote == Quote("replay", "X", 1_000, 2_000, 1.0, 1.1, 3.0, 4.5, 9, epoch=7, sequence=0, replay=True)


def test_trade_of_size_zero_is_a_price_update():
    assert Recording("r", 1).read(line(size=0)).kind == "update"


def test_missing_receive_time_is_the_newest_event_time_so_far():
    run = Recording("r", 1)
    times = [run.read(without({**TRADE, "event_time_us": t}, "receive_time_us")).receive_time for t in (5, 9, 7, 10)]
    assert times == [5, 9, 9, 10]


def test_trades_and_quotes_of_a_symbol_are_numbered_apart_from_zero():
    run = Recording("r", 1)
    records = [run.read(line()), run.read(line(QUOTE)), run.read(line()), run.read(line(symbol="Y")), run.read(line(QUOTE))]
    assert [r.sequence for r in records] == [0, 0, 1, 0, 1]


def test_repeat_of_symbol_and_id_is_dropped_and_takes_no_number():
    run = Recording("r", 1)
    records = [run.read(line(id=i, symbol=s)) for s, i in (("X", "7"), ("X", 7), ("Y", "7"), ("X", "007"), ("X", "8"))]
    assert [r and r.sequence for r in records] == [0, None, 0, 1, 2]


def test_equal_trades_without_ids_are_both_kept():
    run = Recording("r", 1)
    assert run.read(line()) is not None
    assert run.read(line()) is not None


def test_refused_line_takes_no_number():
    run = Recording("r", 1)
    with pytest.raises(RemoteError):
        run.read(line(price=-1))
    assert run.read(line()).sequence == 0


def test_clock_never_runs_ahead_of_a_late_recording():
    run = Recording("r", 1)
    run.read(line(event_time_us=1_000, receive_time_us=90_000))
    assert run.clock_us == 1_000
    run.read(line(event_time_us=3_000, receive_time_us=2_500))
    assert run.clock_us == 2_500
    run.read(line(event_time_us=100, receive_time_us=99_000))
    assert run.clock_us == 2_500


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"nonsense", "not_json"),
        (b"", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[1]", "not_an_object"),
        (b"null", "not_an_object"),
        (line(type="tick"), "unknown_type"),
        (without(TRADE, "type"), "missing_field"),
        (without(TRADE, "symbol"), "missing_field"),
        (line(symbol=""), "bad_symbol"),
        (line(symbol=7), "bad_symbol"),
        (line(symbol="a\nb"), "bad_symbol"),
        (line(symbol="x" * 201), "bad_symbol"),
        (line(symbol="\ud800"), "bad_symbol"),
        (without(TRADE, "event_time_us"), "missing_field"),
        (line(event_time_us=1.5), "bad_time"),
        (line(event_time_us=0), "bad_time"),
        (line(event_time_us=10**18), "bad_time"),
        (line(receive_time_us="1"), "bad_time"),
        (line(event_time_us=70_000_000), "ahead"),
        (without(TRADE, "price"), "missing_field"),
        (line(price=None), "bad_price"),
        (line(price="1.5"), "bad_price"),
        (line(price=True), "bad_price"),
        (line(price=-1.5), "bad_price"),
        (line(price=0), "bad_price"),
        (line(price=float("nan")), "bad_price"),
        (line(price=float("inf")), "bad_price"),
        (line(price=10**400), "bad_price"),
        (without(TRADE, "size"), "missing_field"),
        (line(size=-1), "bad_size"),
        (line(side="long"), "bad_side"),
        (line(id=1.5), "bad_id"),
        (line(id=""), "bad_id"),
        (line(sequence=1.5), "bad_sequence"),
        (line(sequence=2**63), "bad_sequence"),
        (line(QUOTE, bid=0), "bad_price"),
        (line(QUOTE, ask=float("nan")), "bad_price"),
        (line(QUOTE, bid_size=-1), "bad_size"),
    ],
)
def test_what_is_no_record_is_refused_with_a_reason(text, reason):
    with pytest.raises(RemoteError) as refused:
        parse(text)
    assert refused.value.reason == reason


def test_refusal_names_the_symbol_where_it_could_be_read():
    with pytest.raises(RemoteError) as refused:
        parse(line(symbol="IC MARKETS:1", price=float("nan")))
    assert refused.value.symbol == "IC MARKETS:1"


def test_event_a_minute_ahead_of_its_receipt_is_still_a_record():
    assert parse(line(event_time_us=60_002_000))
