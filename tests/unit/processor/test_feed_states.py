"""What pages say of the feeds, out of what the partitions have heard."""

from processor.core.feed import Feed
from processor.feed_states import changed, feed_states
from schemas.records import FeedStatus

GOOD = 1_000_000


def a_feed(*statuses, source="sim"):
    feed = Feed(source)
    for status in statuses:
        feed.apply(status)
    return feed


def a_status(state, at, **changes):
    return FeedStatus("sim", state, epoch=changes.pop("epoch", 1), good_from=GOOD, good_until=at, complete_to=at, **changes)


def test_a_good_feed_is_so_since_it_began_and_one_that_is_down_since_its_last_good_moment():
    up = a_feed(a_status("live", GOOD + 5))
    assert feed_states([{"sim": up}]) == [{"source": "sim", "state": "live", "reason": "", "since": GOOD, "updated_at": GOOD + 5}]
    down = a_feed(a_status("live", GOOD + 5), a_status("stale", GOOD + 5))
    assert feed_states([{"sim": down}]) == [
        {"source": "sim", "state": "stale", "reason": "feed_stale", "since": GOOD + 5, "updated_at": GOOD + 5}
    ]


def test_of_several_partitions_the_one_that_has_heard_most_speaks():
    old, new = a_feed(a_status("live", GOOD + 5)), a_feed(a_status("live", GOOD + 5), a_status("down", GOOD + 9))
    for partitions in ([{"sim": old}, {"sim": new}], [{"sim": new}, {"sim": old}]):
        assert [f["state"] for f in feed_states(partitions)] == ["down"]
    again = a_feed(a_status("connecting", GOOD, epoch=2))
    assert [f["state"] for f in feed_states([{"sim": again}, {"sim": new}])] == ["connecting"]


def test_a_source_of_which_nothing_was_heard_is_not_named():
    assert feed_states([{"sim": Feed("sim")}, {}]) == []


def test_only_changes_are_told_and_each_once():
    told = {}
    live = feed_states([{"sim": a_feed(a_status("live", GOOD))}])
    assert changed(told, live) == live
    assert changed(told, live) == []
    down = feed_states([{"sim": a_feed(a_status("live", GOOD), a_status("down", GOOD))}])
    assert changed(told, down) == down
