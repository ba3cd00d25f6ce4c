"""In which order things reach Kafka, and what waits for what. Engine, publisher and group write down what they hear."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from faust.types import TP

from processor.flushing import Flusher
from processor.intake import Intake
from processor.outgoing import Made, Outgoing, Send, State
from processor.ownership import LostError, Ownership
from tests.support.feeding import a_candle

LIVE, FINAL, STATE = "live", "final", "state"


class Scene:
    """A flusher and all it talks to."""

    def __init__(self, live=(), final=(), state=()):
        self.events = []
        self.held = set()
        """Topics whose messages are not acknowledged until they are let go."""
        self.refused = {}
        """Topic -> what its sending raises."""
        self.released = asyncio.Event()
        self.crashed = []
        self.stopping = False
        self.partitions = {0: None}
        self.pressing = False
        self._live, self._final, self._state = list(live), list(final), list(state)
        self.intake = Intake(last="status")
        ownership = Ownership(self._commit)
        ownership.begin({TP("trades", 0): 0})
        watch = SimpleNamespace(tick=lambda: None, look=lambda: None, for_the_silent=self._nobody)
        pulse = SimpleNamespace(due=lambda _: {0}, due_in=lambda _: 0.0, sent=lambda *_: None, stretch=1.0)
        self.flusher = Flusher(self, self.intake, self, ownership, watch, pulse, 0.01, lambda records: None)
        self.flusher.ready = self.flusher.assigned = True

    # The engine

    def state(self, numbers):
        taken, self._state = self._state, []
        return State(taken, {("trades", 0): 7})

    def outgoing(self, live, now):
        final, self._final = self._final, []
        lives, self._live = (self._live, []) if live else ([], self._live)
        return Outgoing([], final + lives, len(lives), [Made(a_candle(0, 1), 0, (b"",))] * len(final + lives))

    def release(self):
        self.events.append("released")
        self.partitions = {}

    # The publisher

    async def send(self, messages, lease):
        topics = sorted({m.topic for m in messages})
        self.events += [f"{topic} sent" for topic in topics]
        for topic in topics:
            if topic in self.refused:
                raise self.refused[topic]
            if topic in self.held:
                await self.released.wait()
            self.events.append(f"{topic} acknowledged")

    # The group

    async def _commit(self, offsets):
        if offsets[TP("trades", 0)]:
            self.events.append(f"committed {offsets[TP('trades', 0)]}")
        return True

    async def _nobody(self):
        return []

    async def _crash(self, error):
        self.crashed.append(error)

    async def run(self, until, limit_s=10.0):
        """Run the loop until something is true."""
        running = asyncio.create_task(self.flusher.run(self._crash, lambda: self.stopping))
        deadline = time.monotonic() + limit_s
        while not until() and not running.done():
            assert time.monotonic() < deadline, self.events
            await asyncio.sleep(0.001)
        self.stopping = True
        self.released.set()
        await asyncio.gather(running, return_exceptions=True)


def message(topic):
    return Send(topic, 0, b"key", b"value")


def test_a_final_candle_does_not_wait_for_live_ones():
    async def story():
        scene = Scene(live=[message(LIVE)], final=[message(FINAL)])
        scene.held = {LIVE}
        await scene.run(lambda: "final acknowledged" in scene.events)
        assert scene.events.index("final acknowledged") < scene.events.index("live acknowledged")

    asyncio.run(story())


def test_state_follows_the_outputs_and_offsets_follow_the_state():
    async def story():
        scene = Scene(final=[message(FINAL)], state=[message(STATE)])
        await scene.run(lambda: "committed 7" in scene.events)
        wanted = ["final acknowledged", "state sent", "state acknowledged", "committed 7"]
        assert [e for e in scene.events if e in wanted][:4] == wanted

    asyncio.run(story())


def test_outputs_that_fail_leave_neither_state_nor_offsets():
    async def story():
        scene = Scene(final=[message(FINAL)], state=[message(STATE)])
        scene.refused = {FINAL: RuntimeError("refused")}
        await scene.run(lambda: bool(scene.crashed))
        assert scene.events == ["final sent"]
        assert not scene.flusher.ready

    asyncio.run(story())


@pytest.mark.parametrize("topic", [LIVE, STATE])
def test_what_fails_beside_the_loop_ends_the_worker_all_the_same(topic):
    async def story():
        scene = Scene(live=[message(LIVE)], state=[message(STATE)])
        scene.refused = {topic: RuntimeError("refused")}
        await scene.run(lambda: bool(scene.crashed))
        assert not scene.flusher.ready

    asyncio.run(story())


def test_lost_partitions_are_let_go_without_a_crash():
    async def story():
        scene = Scene(live=[message(LIVE)], final=[message(FINAL)], state=[message(STATE)])
        scene.refused = {FINAL: LostError("another generation")}
        scene.held = {LIVE}
        await scene.run(lambda: "released" in scene.events)
        assert scene.crashed == []
        assert not scene.flusher.assigned
        assert "state sent" not in scene.events

    asyncio.run(story())


def test_partitions_are_handed_over_written_and_committed():
    async def story():
        scene = Scene(final=[message(FINAL)], state=[message(STATE)])
        scene.intake.put("trades", 0, [SimpleNamespace(offset=1)], 0.0, urgent=False)
        await scene.flusher.part()
        assert scene.events[-2:] == ["committed 7", "released"]
        assert scene.intake.take() == [], "what was not folded is read by the next owner"
        assert not scene.flusher.ready

    asyncio.run(story())


def test_handing_over_waits_for_what_is_under_way():
    async def story():
        scene = Scene(live=[message(LIVE)])
        scene.held = {LIVE}
        running = asyncio.create_task(scene.flusher.run(scene._crash, lambda: scene.stopping))
        while "live sent" not in scene.events:
            await asyncio.sleep(0.001)
        scene.stopping = True
        parting = asyncio.create_task(scene.flusher.part())
        await asyncio.wait([parting], timeout=0.05)
        assert not parting.done()
        scene.released.set()
        await asyncio.gather(parting, running)
        assert scene.events[-1] == "released"

    asyncio.run(story())
