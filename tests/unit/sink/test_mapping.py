import pytest

from schemas.avro import schema_of
from schemas.codec import Encoder
from schemas.records import Candle, FeedStatus, Gap, Quote, Trade
from schemas.registry import RegistryUnavailableError
from schemas.wire import WireError, header
from sink.mapping import Mapper
from sink.overrides import Retention
from tests.support.feeding import a_candle, a_gap, a_trade

NOW = 1_800_000_000_000_000
TOPICS = {"trades": Trade, "quotes": Quote, "candles": Candle, "gaps": Gap, "status": FeedStatus}
IDS = dict(enumerate(TOPICS.values(), start=1))
KEEP = Retention({"1m": 0, "trades": 0, "quotes": 0, "gaps": 0, "candle_versions": 0})


class AMessage:
    def __init__(self, topic, key, value):
        self._topic, self._key, self._value = topic, key, value

    def topic(self):
        return self._topic

    def key(self):
        return self._key

    def value(self):
        return self._value

    def timestamp(self):
        return (1, NOW // 1000)


def schema_by_id(schema_id):
    if schema_id not in IDS:
        raise WireError("unknown_schema", str(schema_id))
    return schema_of(IDS[schema_id])


def encoded(record):
    number = next(n for n, kind in IDS.items() if isinstance(record, kind))
    return Encoder(type(record), number)(record)


def trades(*values, key=b"sim:X"):
    return [AMessage("trades", key, v) for v in values]


@pytest.fixture
def mapper():
    return Mapper(TOPICS, {"trades", "quotes", "status"}, schema_by_id, KEEP)


GOOD = [encoded(a_trade(n, NOW)) for n in range(20)]
BAD = [
    (GOOD[1][:-3], "undecodable"),
    (GOOD[2] + b"\0", "trailing_bytes"),
    (b"\x07" + GOOD[3][1:], "wrong_magic"),
    (header(999) + GOOD[4][5:], "unknown_schema"),
    (b"\0\0", "too_short"),
    (None, "tombstone"),
    (encoded(a_trade(5, NOW, symbol="Y")), "key_mismatch"),
    (encoded(a_trade(5, NOW, price=-1.0)), "invalid"),
]


def test_a_block_of_good_trades_becomes_rows_in_order(mapper):
    work = mapper(trades(*GOOD), NOW)
    assert [r.values[3] for r in work.rows] == [str(n) for n in range(20)]
    assert work.poison == []


@pytest.mark.parametrize(("value", "reason"), BAD, ids=[reason for _, reason in BAD])
@pytest.mark.parametrize("place", [0, 7, 20])
def test_one_bad_trade_in_a_block_harms_no_neighbour(mapper, value, reason, place):
    messages = trades(*GOOD[:place], value, *GOOD[place:])
    work = mapper(messages, NOW)
    assert [r.values[3] for r in work.rows] == [str(n) for n in range(20)]
    assert [(p.reason, p.message) for p in work.poison] == [(reason, messages[place])]


def test_bad_trades_are_the_processors_to_keep_but_a_future_one_is_ours(mapper):
    work = mapper(trades(GOOD[1][:-3], encoded(a_trade(1, NOW, receive_time=NOW * 2))), NOW)
    assert [(p.reason, p.judged) for p in work.poison] == [("undecodable", True), ("too_far_ahead", False)]


def test_bad_candles_are_ours_to_keep(mapper):
    work = mapper([AMessage("candles", b"sim:X", b"\0\0\0\0\4rubbish")], NOW)
    assert [(p.reason, p.judged) for p in work.poison] == [("undecodable", False)]


def test_a_candle_asks_for_its_row_the_latest_and_the_list(mapper):
    work = mapper([AMessage("candles", b"sim:X", encoded(a_candle(NOW, 3)))], NOW)
    assert [r.table for r in work.rows] == ["candles_1m", "candle_versions", "series_list", "latest"]
    assert work.newest_us == NOW + 3


def test_an_open_candle_leaves_no_version_behind(mapper):
    work = mapper([AMessage("candles", b"sim:X", encoded(a_candle(NOW, 3, closed=False)))], NOW)
    assert [r.table for r in work.rows] == ["candles_1m", "series_list", "latest"]


def test_gaps_and_statuses_become_rows(mapper):
    messages = [AMessage("gaps", b"sim:X", encoded(a_gap(NOW, None)))]
    messages.append(AMessage("status", b"sim", encoded(FeedStatus("sim", "live", sent_at=NOW, since=NOW))))
    assert [r.table for r in mapper(messages, NOW).rows] == ["gaps", "series_list", "feed_status", "feed_status_log"]


def test_a_registry_that_does_not_answer_condemns_nobody():
    def down(_schema_id):
        raise RegistryUnavailableError("no answer")

    with pytest.raises(RegistryUnavailableError):
        Mapper(TOPICS, set(), down, KEEP)(trades(*GOOD), NOW)
