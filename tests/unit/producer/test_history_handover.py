"""The handover between the history's thread and the feed's loop, with real threads."""

from threading import Event, Thread

import pytest

from producer.errors import FatalError
from producer.history.handover import STEP, Handover
from schemas.records import Trade

TRADES = [Trade("sim", "X", n, n, 1.0, 1.0, trade_id=str(n)) for n in range(STEP + 5)]


def test_delivery_ends_when_kafka_has_every_trade_and_each_turn_takes_a_bounded_number():
    handover, answers, published = Handover(), [], []
    giver = Thread(target=lambda: answers.append(handover.deliver(TRADES, 10.0, lambda: False)))
    giver.start()
    waiting = []
    turns = []
    while len(published) < len(TRADES):
        before = len(published)
        handover.step(lambda trade, stored: (published.append(trade), waiting.append(stored)))
        if len(published) > before:
            turns.append(len(published) - before)
    assert max(turns) <= STEP
    assert published == TRADES
    for stored in waiting[:-1]:
        stored()
    assert answers == []
    waiting[-1]()
    giver.join(60)
    assert answers == [True]


def test_stop_ends_a_delivery_that_is_not_stored():
    handover, stopped, answers = Handover(), Event(), []
    giver = Thread(target=lambda: answers.append(handover.deliver(TRADES, 10.0, stopped.is_set)))
    giver.start()
    stopped.set()
    handover.wake()
    giver.join(60)
    assert answers == [False]


def test_kafka_that_takes_nothing_is_fatal():
    with pytest.raises(FatalError, match="did not acknowledge 205 trades"):
        Handover().deliver(TRADES, 0.01, lambda: False)
