import asyncio

import pytest
from faust.types import TP

from processor.ownership import LEASE_S, SEND_S, SESSION_S, LostError, Ownership

TRADES, STATUS = TP("trades", 0), TP("feed-status", 0)


class Group:
    """What the group answers, and what it was told."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.told = []

    async def commit(self, offsets):
        self.told.append(dict(offsets))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def owning(*answers):
    group = Group(*answers)
    ownership = Ownership(group.commit)
    ownership.begin({TRADES: 5, STATUS: 2})
    return group, ownership


def test_new_owner_asks_before_it_writes():
    group, ownership = owning(True)
    assert not ownership.fresh()
    asyncio.run(ownership.confirm())
    assert ownership.fresh()
    assert group.told == [{TRADES: 5, STATUS: 2}]


def test_offsets_of_what_is_done_stay_committed_with_the_next_lease():
    group, ownership = owning(True, True)
    asyncio.run(ownership.confirm({TRADES: 9}))
    asyncio.run(ownership.confirm())
    assert group.told[-1] == {TRADES: 9, STATUS: 2}


def test_refusal_is_a_loss_and_no_lease():
    _, ownership = owning(False)
    with pytest.raises(LostError):
        asyncio.run(ownership.confirm({TRADES: 9}))
    assert not ownership.fresh()
    assert ownership.committed == {TRADES: 5, STATUS: 2}


def test_no_answer_is_no_lease_and_no_loss():
    _, ownership = owning(TimeoutError())
    with pytest.raises(TimeoutError):
        asyncio.run(ownership.confirm())
    assert not ownership.fresh()


def test_who_owns_nothing_may_write_nothing():
    group, ownership = owning()
    ownership.begin({})
    with pytest.raises(LostError):
        asyncio.run(ownership.confirm())
    assert group.told == []


def test_a_commit_waits_for_the_one_before_it():
    order = []

    async def commit(offsets):
        order.append(("asked", offsets[TRADES]))
        await asyncio.sleep(0)
        order.append(("answered", offsets[TRADES]))
        return True

    ownership = Ownership(commit)
    ownership.begin({TRADES: 5})

    async def both():
        await asyncio.gather(ownership.confirm({TRADES: 9}), ownership.confirm())

    asyncio.run(both())
    assert order == [("asked", 9), ("answered", 9), ("asked", 9), ("answered", 9)], "the second repeats the first, not what was"


def test_a_lease_is_renewed_before_it_ends():
    _, ownership = owning(True)
    assert ownership.ageing()
    asyncio.run(ownership.confirm())
    assert ownership.fresh()
    assert not ownership.ageing()


def test_lease_and_delivery_end_before_the_partitions_can_go():
    assert LEASE_S + SEND_S < SESSION_S
