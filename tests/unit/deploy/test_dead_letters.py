"""Which dead letters are worth a second try, and which would come back for ever."""

import pytest

from deploy.cli.letters import FORCEABLE, Letter, Why, judged

TRADES, CANDLES, STATUS = "md.trades.v1", "md.candles-1m.v1", "md.feed-status.v1"


def a_letter(offset, origin=7, topic=TRADES, reason="unknown_schema", value=b"bytes", service="processor 1.0", **more):
    headers = {
        "reason": reason,
        "service": service,
        "__connect.errors.topic": topic,
        "__connect.errors.partition": "2",
        "__connect.errors.offset": str(origin),
        **more,
    }
    return Letter(2, offset, 1000 + offset, b"finnhub:X", value, headers)


def verdicts(*letters):
    return list(judged(letters, {TRADES, STATUS}, {CANDLES}, STATUS).values())


@pytest.mark.parametrize("reason", ["unknown_schema", "refused_by_store", "unknown_timeframe"])
def test_what_lay_outside_of_the_bytes_can_be_cured(reason):
    assert verdicts(a_letter(0, topic=CANDLES, reason=reason, service="sink")) == [None]


@pytest.mark.parametrize("reason", ["undecodable", "bad_price", "key_mismatch", "ahead", "a reason of a later release"])
def test_bytes_at_fault_would_come_back(reason):
    assert verdicts(a_letter(0, reason=reason)) == [Why.AT_FAULT]


def test_a_message_refused_again_after_a_replay_is_left():
    assert verdicts(a_letter(0, origin=7), a_letter(1, origin=9)) == [Why.REPEAT, Why.RETURNED]


def test_a_letter_written_twice_by_a_service_that_crashed_is_sent_once():
    assert verdicts(a_letter(0, origin=7), a_letter(1, origin=7)) == [Why.REPEAT, None]


def test_other_bytes_of_the_same_key_are_another_message():
    assert verdicts(a_letter(0, origin=7), a_letter(1, origin=9, value=b"others")) == [None, None]


def test_a_trade_the_processor_has_taken_is_not_counted_twice():
    assert verdicts(a_letter(0, reason="refused_by_store", service="sink")) == [Why.TAKEN]


def test_a_providers_frame_has_no_topic_to_go_back_to():
    assert verdicts(Letter(0, 0, 0, b"finnhub", b"{", {"reason": "not_json", "service": "producer", "origin": "finnhub"})) == [
        Why.NO_ORIGIN
    ]


def test_a_feed_status_is_not_told_twice():
    assert verdicts(a_letter(0, topic=STATUS)) == [Why.STATUS]


def test_bytes_that_were_cut_and_topics_of_others_are_left():
    assert verdicts(a_letter(0, original_bytes="2000000"), a_letter(1, topic="theirs", value=b"x")) == [Why.CUT, Why.FOREIGN]


def test_only_what_harms_nobody_can_be_forced():
    assert frozenset({Why.AT_FAULT, Why.RETURNED}) == FORCEABLE
