import pytest

from producer.care import BARRIER, Care
from producer.hours import parse_hours
from producer.liveness import Liveness
from producer.quiet import Quiet

S = 1_000_000
SUNDAY = 3 * 86_400 * S  # 1970-01-04


class Symbols:
    def __init__(self, count):
        self.left = [str(n) for n in range(count)]

    def frames_to_send(self, limit):
        batch, self.left = self.left[:limit], self.left[limit:]
        return batch


def care(symbols, transport_s=45.0, hours=None):
    made = Care(Symbols(symbols), Liveness(transport_s, 150.0), Quiet(hours, 300.0))
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
    assert c.judge(146.0, 0) == "dead"
    assert [c.silence(v) for v in ("dead", "stale", "silent")] == [
        "nothing received for 45 s",
        "no frame of the feed for 150 s",
        "no record of any symbol for 300 s in an open market",
    ]


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


def test_feed_without_frames_is_excused_while_the_market_is_closed_and_has_its_time_again_when_it_opens():
    c = care(1, hours=parse_hours("Mon-Fri 00:00-24:00 UTC"))
    opening_s = 100.0 + 86_400
    for now_s in range(100, round(opening_s), 40):
        c.heard(now_s, text=False)
        assert c.judge(now_s, SUNDAY + (now_s - 100) * S) == "alive"
    c.heard(opening_s + 100, text=False)
    assert c.judge(opening_s + 100, SUNDAY + 86_400 * S + 100 * S) == "alive"
    c.heard(opening_s + 151, text=False)
    assert c.judge(opening_s + 151, SUNDAY + 86_400 * S + 151 * S) == "stale"


def test_dead_link_is_dead_also_while_the_market_is_closed():
    c = care(1, hours=parse_hours("Mon-Fri 00:00-24:00 UTC"))
    assert c.judge(146.0, SUNDAY) == "dead"
