"""Streams of live changes: what a client wants, bounded queues, and how a stream ends."""

import asyncio
import json

import pytest

from processor import events
from processor.events import QUEUE_EVENTS, Client, Hub
from tests.support.feeding import MINUTE, a_candle, a_gap


def in_loop(test):
    return lambda: asyncio.run(asyncio.wait_for(test(), 20))


def parsed(said):
    found = []
    for one in said.decode().split("\n\n"):
        if one:
            kind, data = one.split("\n")
            found.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


@in_loop
async def test_a_client_hears_of_its_series_only_and_one_without_wishes_of_all():
    hub = Hub()
    one, every = Client(["sim:X"], lambda: None), Client([], lambda: None)
    hub.join(one)
    hub.join(every)
    for record in (a_candle(0, 3), a_gap(MINUTE, None), a_candle(0, 4, series="sim:Y")):
        hub.publish(record)
    assert [(kind, r["series"]) for kind, r in parsed(await one.next(1))] == [("candle", "sim:X"), ("gap", "sim:X")]
    heard = parsed(await every.next(1))
    assert [r["series"] for _, r in heard] == ["sim:X", "sim:X", "sim:Y"]
    assert heard[0][1] == vars(a_candle(0, 3))
    hub.leave(one)
    hub.publish(a_candle(0, 5))
    with pytest.raises(TimeoutError):
        await one.next(0.01)


@in_loop
async def test_law_12_a_client_that_does_not_read_is_cut_and_counted_and_costs_the_others_nothing():
    hub, cuts = Hub(), []
    slow, quick = Client([], lambda: cuts.append("slow")), Client([], lambda: cuts.append("quick"))
    hub.join(slow)
    hub.join(quick)
    before = events.telemetry.EVENT_CLIENTS_DROPPED._value.get()
    heard = 0
    for number in range(QUEUE_EVENTS + 10):
        hub.publish(a_candle(0, number))
        if number % 100 == 0:
            heard += len(parsed(await quick.next(1)))
    heard += len(parsed(await quick.next(1)))
    assert heard == QUEUE_EVENTS + 10
    assert cuts == ["slow"]
    assert events.telemetry.EVENT_CLIENTS_DROPPED._value.get() == before + 1


@in_loop
async def test_a_stream_that_is_ended_gives_what_is_queued_first():
    hub = Hub()
    client = Client([], lambda: None)
    hub.join(client)
    hub.publish(a_candle(0, 3))
    hub.end()
    hub.publish(a_candle(0, 4))
    assert len(parsed(await client.next(1))) == 1
    assert await client.next(1) is None
