"""The processor's producer on a real Kafka: acknowledged means there, and each sender hears of its own messages."""

import asyncio

import pytest

from processor.outgoing import Send
from processor.publisher import DeliveryError, Publisher
from schemas.topics import GAPS, LATE_TRADES
from tests.support.published import corner, messages

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture
def publisher(space):
    return Publisher(space.kafka, {}, timeout_s=20)


def many(topic, count, partition=0):
    return [Send(topic, partition, b"key", f"{topic} {n}".encode()) for n in range(count)]


def test_senders_that_wait_together_hear_of_their_own_messages_alone(space, publisher):
    good, absent = many(GAPS.name(space.prefix), 3000), many(LATE_TRADES.name(space.prefix), 3, partition=99)

    async def both():
        return await asyncio.gather(publisher.send(good), publisher.send(absent), return_exceptions=True)

    sent, refused = asyncio.run(both())
    assert sent is None
    assert isinstance(refused, DeliveryError)
    assert [m.value() for m in messages(space, GAPS)] == [m.value for m in good], "all there, in order"


def test_a_lease_that_is_lost_under_way_ends_the_sending(space, publisher):
    class LostError(Exception):
        pass

    class Lease:
        asked = 0

        def fresh(self):
            self.asked += 1
            return self.asked <= 10

        async def confirm(self):
            raise LostError

    before = len(messages(space, LATE_TRADES))
    with pytest.raises(LostError):
        asyncio.run(publisher.send(many(LATE_TRADES.name(space.prefix), 1000), Lease()))
    asyncio.run(publisher.send(many(LATE_TRADES.name(space.prefix), 1)))
    assert len(messages(space, LATE_TRADES)) == before + 11, "ten went under the lease, one without any"
