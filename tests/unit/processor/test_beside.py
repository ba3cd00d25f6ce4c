import asyncio

import pytest

from processor.beside import Beside


class TroubleError(Exception):
    pass


async def fail():
    raise TroubleError


def run(story):
    """Run a coroutine function (beside, what was heard) and return what was heard."""
    heard = []

    async def told():
        await story(Beside(heard.append))

    asyncio.run(told())
    return heard


def test_work_is_under_way_until_it_is_judged():
    async def story(beside):
        beside.start("state", asyncio.sleep(0))
        assert "state" in beside
        await beside.end()
        assert "state" not in beside

    assert run(story) == [False]


def test_a_failure_is_heard_at_once_and_raised_when_judged():
    async def story(beside):
        beside.start("state", fail())
        beside.start("live", asyncio.sleep(30))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(TroubleError):
            beside.judge()
        assert "state" not in beside
        assert "live" in beside
        await beside.cancel()

    assert run(story) == [True, True]


def test_no_failure_is_left_for_those_who_come_after():
    async def story(beside):
        beside.start("state", fail())
        beside.start("live", fail())
        with pytest.raises(TroubleError):
            await beside.end()
        beside.judge()

    assert run(story) == [True, True]


def test_what_is_cancelled_leaves_nothing():
    async def story(beside):
        beside.start("live", asyncio.sleep(30))
        await asyncio.sleep(0)
        await beside.cancel()
        assert "live" not in beside
        await beside.end()

    assert run(story) == [True]
