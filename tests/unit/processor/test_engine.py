"""The engine between batches and messages: what is sent, to which partition, and which offsets are done by it."""

from dataclasses import dataclass, replace

import pytest

from processor.core import answers
from processor.core.config import CoreConfig
from processor.engine import Engine
from processor.status_input import LONGEST
from schemas import topics
from schemas.avro import schema_of
from schemas.codec import Decoder, Encoder
from schemas.records import Candle, FeedStatus, Gap, HistoryCandle, Quote, Served, Trade
from schemas.timeframes import MINUTE, parse_list
from tests.support.core import ZERO, at

RECORDS = {1: Trade, 2: Quote, 3: FeedStatus, 4: HistoryCandle, 5: Candle, 6: Gap}
IDS = {"candles-1m": 5, "candles-5m": 5, "candles-live": 5, "gaps": 6, "feed-status": 3}
TRADES, STATUS = topics.TRADES.name(), topics.FEED_STATUS.name()


@dataclass
class Message:
    offset: int
    key: bytes | None
    value: bytes | None


class Silent:
    def records(self, topic, number): ...
    def dead_letter(self, reason): ...
    def late(self, reason, number): ...
    def candle(self, state, number): ...
    def gap(self, cause, state): ...


@pytest.fixture
def engine():
    config = CoreConfig(timeframes=parse_list("1m,5m"))
    made = Engine(config, "md", IDS, lambda i: schema_of(RECORDS[i]), Silent(), "processor 0")
    made.assign(made.restored({2: {}}))
    for topic in topics.INPUTS:
        made.seek(topic.name(), 2, 0)
    return made


def trade(offset, time, received=None):
    record = Trade("sim", "X", at(time), at(received or time), 5.0, 1.0, epoch=1, sequence=offset)
    return Message(offset, b"sim:X", Encoder(Trade, 1)(record))


def status(offset, time, trades_offset):
    record = FeedStatus(
        "sim", "live", epoch=1, sent_at=at(time), good_from=ZERO, good_until=at(time), complete_to=at(time),
        trades_offset=trades_offset, symbols=(Served("X", "trades", ZERO),),
    )  # fmt: skip
    return Message(offset, b"sim", Encoder(FeedStatus, 3)(record))


def sent(engine, live=frozenset()):
    return engine.outgoing(set(live), 7)


def state_of(engine):
    return engine.state(engine.partitions.keys())


def test_a_final_candle_goes_to_the_instruments_partition_keyed_by_its_series(engine):
    engine.take(TRADES, 2, [trade(0, "00:10")], 1)
    engine.take(STATUS, 2, [status(0, "01:02", 1)], 1)
    assert engine.pressing
    outgoing = sent(engine)
    (candle,) = [m for m in outgoing.outputs if m.topic == "md.candles-1m.v1"]
    assert (candle.partition, candle.key) == (2, b"sim:X")
    record = Decoder(Candle, lambda i: schema_of(Candle))(candle.value)
    assert (record.state, record.close, record.input_partition, record.input_offset) == ("final", 5.0, 2, 0)
    state = state_of(engine)
    assert {m.topic for m in state.messages} == {topics.changelog_name()}
    assert (state.done[TRADES, 2], state.done[STATUS, 2]) == (1, 1)


def test_a_status_that_waits_for_its_records_is_not_done(engine):
    engine.take(STATUS, 2, [status(0, "00:05", 0), status(1, "01:02", 5)], 1)
    assert state_of(engine).done[STATUS, 2] == 1
    engine.take(TRADES, 2, [trade(n, "00:10") for n in range(5)], 1)
    assert state_of(engine).done[STATUS, 2] == 2
    assert any(m.topic == "md.candles-1m.v1" for m in sent(engine).outputs)


def test_what_is_read_again_after_a_seek_is_not_counted_twice(engine):
    engine.take(TRADES, 2, [trade(n, "00:10") for n in range(5)], 1)
    engine.take(TRADES, 2, [trade(n, "00:10") for n in range(3, 8)], 1)
    engine.take(STATUS, 2, [status(0, "01:02", 8)], 1)
    (candle,) = [m for m in sent(engine).outputs if m.topic == "md.candles-1m.v1"]
    assert Decoder(Candle, lambda i: schema_of(Candle))(candle.value).trade_count == 8


def test_a_late_trade_goes_on_as_it_came_with_the_reason(engine):
    late = trade(0, "00:10", received="02:30:00")
    engine.take(TRADES, 2, [late], 1)
    (message,) = sent(engine).outputs
    assert (message.topic, message.key, message.value) == ("md.late-trades.v1", late.key, late.value)
    assert dict(message.headers)["reason"] == b"horizon"


def test_a_dead_letter_keeps_the_bytes_and_says_where_they_came_from(engine):
    engine.take(TRADES, 2, [Message(0, b"sim:X", b"\0\0\0\0\1rubbish"), trade(1, "00:10")], 1)
    (message,) = sent(engine).outputs
    headers = dict(message.headers)
    assert (message.topic, message.key, message.value) == ("md.dead-letters.v1", b"sim:X", b"\0\0\0\0\1rubbish")
    assert headers["__connect.errors.topic"] == TRADES.encode()
    assert (headers["__connect.errors.partition"], headers["__connect.errors.offset"]) == (b"2", b"0")
    assert (headers["reason"], headers["schema_id"]) == (b"undecodable", b"1")


def test_live_candles_are_told_once_a_change_and_only_for_the_timeframes_asked(engine):
    engine.take(TRADES, 2, [trade(0, "00:10")], 1)
    first = sent(engine, {0})
    assert [m.key for m in first.outputs] == [b"sim:X|1m"]
    assert sent(engine, {0}).outputs == []
    assert [m.key for m in sent(engine, {0, 1}).outputs] == [b"sim:X|5m"]


def test_a_silent_producer_is_declared_down_with_the_owners_positions(engine):
    engine.take(TRADES, 2, [trade(n, "00:10") for n in range(5)], 1)
    engine.take(STATUS, 2, [status(0, "00:30", 5)], 1)
    message = engine.producer_down(2, "sim", at("00:35"))
    record = Decoder(FeedStatus, lambda i: schema_of(FeedStatus))(message.value)
    assert (message.topic, message.partition, message.key) == (STATUS, 2, b"sim")
    assert (record.state, record.good_until, record.complete_to, record.trades_offset) == (
        "producer_down", at("00:30"), at("00:35"), 5,
    )  # fmt: skip


def test_a_status_too_long_for_a_gap_to_repeat_it_is_a_dead_letter(engine):
    engine.take(STATUS, 2, [Message(0, b"sim" * 1000, bytes(LONGEST + 1)), status(1, "00:30", 0)], 1)
    (letter,) = [m for m in sent(engine).outputs if m.topic == topics.DEAD_LETTERS.name()]
    assert (len(letter.key), len(letter.value), dict(letter.headers)["reason"]) == (1000, LONGEST + 1, b"too_long")
    assert "sim" in engine.partitions[2].feeds


def history(offset, minute):
    record = HistoryCandle(
        "sim", "X", start=at(minute), end=at(minute) + MINUTE, open=5.0, high=9.0, low=4.0, close=6.0, volume=1.0,
        receive_time=at("00:00"), epoch=1,
    )  # fmt: skip
    return Message(offset, b"sim:X", Encoder(HistoryCandle, 4)(record))


def test_history_waits_for_its_status_is_taken_in_by_portions_and_is_done_when_it_had_its_effect(engine, monkeypatch):
    monkeypatch.setattr(answers, "HISTORY_ROWS", 2)
    topic = topics.HISTORY.name()
    engine.take(topic, 2, [history(n, f"-{60 - n}:00") for n in range(5)], 1)
    assert state_of(engine).done[topic, 2] == 0
    named = replace(Decoder(FeedStatus, lambda i: schema_of(FeedStatus))(status(0, "00:02", 0).value), history_offset=5)
    engine.take(STATUS, 2, [Message(0, b"sim", Encoder(FeedStatus, 3)(named))], 1)
    done = [state_of(engine).done[topic, 2]]
    candles = []
    while engine.pressing:
        candles += [m for m in sent(engine).outputs if m.topic == "md.candles-1m.v1"]
        done.append(state_of(engine).done[topic, 2])
    assert done == [2, 4, 5]
    assert len(candles) == 5
