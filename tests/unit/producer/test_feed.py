"""The feed's loop, turn by turn: what it takes, and when it asks whether that is still its own."""

from threading import Event

import pytest

from producer.backoff import Backoff
from producer.care import Care
from producer.dialer import Dialer
from producer.errors import FatalError
from producer.feed import FeedLoop
from producer.inbox import Inbox
from producer.inflight import Progress
from producer.intake import Intake
from producer.liveness import Liveness
from producer.quiet import Quiet
from producer.sources.finnhub import Finnhub
from producer.status import Feed
from producer.telemetry import Counts
from schemas.records import Loss


class Kept:
    """Stands where the publisher does, and keeps what it is given."""

    partitions = 1

    def __init__(self):
        self.records, self.statuses = [], []

    def send(self, record, stored=None):
        self.records.append(record)

    def send_status(self, partition, status):
        self.statuses.append(status)

    def partition_of(self, symbol):
        return 0

    def progress(self, partition):
        return Progress(0, 0, 0, None)

    def poll(self, timeout_s=0.0):
        pass

    def flush(self, timeout_s):
        pass

    def stop_by(self, deadline):
        pass


class Ours:
    """Stands where the guard does: each look has its answer; an error is raised, a function called."""

    def __init__(self, *answers):
        self._answers = list(answers)

    def may_write(self):
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


class Open:
    """A connection that is there, and has one frame for us."""

    number = 1

    def __init__(self, inbox, frame):
        self._inbox, self._frame = inbox, frame

    def start(self):
        self._inbox.put(1, "opened")
        self._inbox.put(1, "data", self._frame)

    def send(self, text):
        return True

    def ping(self, payload):
        return True

    def kill(self):
        self._inbox.put(1, "closed")

    def join(self, timeout_s):
        return True


def loop_of(guard, stop, source=None):
    """Return the loop and what it publishes to; its connection delivers one trade."""
    source, inbox, counts, kept = source or Finnhub(("AAPL",)), Inbox(), Counts(), Kept()
    frame = b'{"data":[{"p":1.5,"s":"AAPL","t":%d,"v":1}],"type":"trade"}' % (inbox.now_us() // 1000)
    quiet = Quiet(None, 300.0)
    loop = FeedLoop(
        source,
        Feed(source.name, 7, since=0),
        kept,
        inbox,
        counts,
        intake=Intake(source, 7, kept, counts, str),
        dialer=Dialer(lambda box, _: Open(box, frame), inbox, Backoff(60.0), lambda: 0.5),
        care=Care(source, Liveness(45.0, 150.0), quiet),
        quiet=quiet,
        guard=guard,
        roster=None,
        stop=stop,
        without=str,
    )
    return loop, kept


class Owing(Finnhub):
    """A source that knows of a loss and has not told it."""

    def owed(self, now_us):
        return [Loss("AAPL", "skipped_ids", 1, 2, 1, "ids 8 to 8")]


OPENED = (True, True)  # the turn that takes the opening of the connection: before the wait for an item, and after it


def test_frame_that_came_while_another_took_over_is_not_published():
    loop, kept = loop_of(Ours(*OPENED, True, FatalError("another producer has taken over")), Event())
    with pytest.raises(FatalError, match="taken over"):
        loop.run()
    assert kept.records == []


def test_frame_in_hand_waits_until_the_lease_is_proved_and_is_published_then():
    stop = Event()
    loop, kept = loop_of(Ours(*OPENED, True, False, False, True, lambda: stop.set() or True, True, True, True), stop)
    loop.run()
    assert [trade.price for trade in kept.records] == [1.5]
    assert kept.statuses[-1].state == "stopping"


def test_frame_in_hand_is_taken_where_the_lease_is_proved_while_the_process_is_asked_to_stop():
    stop = Event()
    loop, kept = loop_of(Ours(*OPENED, True, lambda: stop.set() or False, True, True, True), stop)
    loop.run()
    assert [trade.price for trade in kept.records] == [1.5]
    assert kept.statuses[-1].state == "stopping"


def test_loss_that_was_not_told_yet_is_told_with_the_last_status():
    stop = Event()
    loop, kept = loop_of(Ours(*OPENED, True, lambda: stop.set() or True, True, True), stop, Owing(("AAPL",)))
    loop.run()
    assert [(s.state, [loss.detail for loss in s.losses]) for s in kept.statuses][-1] == ("stopping", ["ids 8 to 8"])


def test_frame_in_hand_is_left_and_nothing_said_of_it_where_the_lease_stays_in_doubt():
    stop = Event()
    loop, kept = loop_of(Ours(*OPENED, True, lambda: stop.set() or False, False), stop)
    loop.run()
    assert kept.records == []
    assert {status.state for status in kept.statuses} == {"connecting"}
