import pytest

from producer.care import BARRIER, Care
from producer.liveness import Liveness


class Symbols:
    def __init__(self, count):
        self.left = [str(n) for n in range(count)]

    def frames_to_send(self, limit):
        batch, self.left = self.left[:limit], self.left[limit:]
        return batch


def care(symbols, transport_s=45.0):
    made = Care(Symbols(symbols), Liveness(transport_s, 150.0))
    made.opened(100.0)
    return made


@pytest.mark.parametrize(
    ("symbols", "batches"), [(1, [1]), (9, [9]), (10, [10, 0]), (25, [10, 10, 5]), (50, [10, 10, 10, 10, 10, 0])]
)
def test_subscriptions_go_ten_a_second_and_the_barrier_follows_the_last(symbols, batches):
    c = care(symbols)
    outs = [c.due(100.0 + n) for n in range(len(batches))]
    assert [len(o.texts) for o in outs] == batches
    assert [BARRIER in o.pings for o in outs] == [False] * (len(batches) - 1) + [True]


def test_nothing_more_is_sent_within_the_same_second():
    c = care(25)
    c.due(100.0)
    assert c.due(100.9).texts == ()


def test_only_the_barriers_pong_proves_the_feed_and_only_after_it_was_sent():
    c = care(25)
    assert not c.is_proved_by_pong(BARRIER, was_stale=False)
    for now in (100.0, 101.0, 102.0):
        c.due(now)
    assert not c.is_proved_by_pong(b"", was_stale=False)
    assert c.is_proved_by_pong(BARRIER, was_stale=False)


def test_frame_proves_the_feed_where_no_pong_came_in_five_seconds():
    c = care(1)
    assert not c.is_proved_by_frame(100.0, was_stale=False)
    c.due(100.0)
    assert not c.is_proved_by_frame(104.9, was_stale=False)
    assert c.is_proved_by_frame(105.0, was_stale=False)


def test_stale_feed_is_proved_by_a_frame_and_never_by_a_pong():
    c = care(1)
    c.due(100.0)
    assert not c.is_proved_by_pong(BARRIER, was_stale=True)
    assert c.is_proved_by_frame(100.1, was_stale=True)


def test_pings_go_out_often_enough_for_the_watchdog():
    assert [now for now in range(101, 150) if care_pings(care(1), now)] == list(range(115, 150))
    quick = care(1, transport_s=3.0)
    quick.due(100.0)
    assert [bool(quick.due(100.0 + n / 2).pings) for n in range(1, 5)] == [False, True, False, True]


def care_pings(c, now):
    c.due(100.0)
    return b"" in c.due(now).pings


def test_silence_is_told_in_words():
    c = care(1)
    assert c.judge(146.0) == "dead"
    assert (c.silence("dead"), c.silence("stale")) == ("nothing received for 45 s", "no frame of the feed for 150 s")


def test_more_subscriptions_have_a_barrier_of_their_own_which_the_older_answer_does_not_pass():
    c = care(1)
    assert c.due(100.0).pings == (BARRIER,)
    c._source.left = ["new"]
    c.again()
    assert not c.is_proved_by_pong(BARRIER, was_stale=False)
    out = c.due(101.0)
    assert (out.texts, len(out.pings)) == (("new",), 1)
    assert out.pings[0] != BARRIER
    assert not c.is_proved_by_pong(BARRIER, was_stale=False)
    assert c.is_proved_by_pong(out.pings[0], was_stale=False)


def test_new_connection_begins_with_the_first_barrier_again():
    c = care(1)
    c.again()
    c.opened(200.0)
    assert BARRIER in c.due(200.0).pings
