from hypothesis import given
from hypothesis import strategies as st

from producer.sources.wanted import Wanted


def connected(*symbols):
    wanted = Wanted(symbols)
    wanted.connected()
    return wanted


def test_new_connection_is_told_everything_at_the_asked_pace():
    wanted = connected("A", "B", "C")
    assert wanted.take(2) == [("subscribe", "A"), ("subscribe", "B")]
    assert wanted.take(2) == [("subscribe", "C")]
    assert wanted.take(2) == []
    wanted.connected()
    assert len(wanted.take(9)) == 3


def test_change_unsubscribes_what_is_gone_and_subscribes_what_is_new():
    wanted = connected("A", "B")
    wanted.take(9)
    wanted.want(("B", "C"))
    assert wanted.symbols == ("B", "C")
    assert wanted.take(9) == [("unsubscribe", "A"), ("subscribe", "C")]
    assert wanted.sent == ["B", "C"]
    assert ("A" in wanted, "C" in wanted) == (False, True)


def test_last_records_of_one_that_left_are_known_until_the_next_connection():
    wanted = connected("A", "B")
    wanted.want(("B",))
    assert wanted.has_left("A")
    assert not wanted.has_left("B")
    wanted.connected()
    assert not wanted.has_left("A")


def test_what_was_never_subscribed_is_not_unsubscribed():
    wanted = connected("A", "B")
    wanted.take(1)
    wanted.want(("A",))
    assert wanted.take(9) == []


def test_one_that_comes_back_before_its_end_was_said_costs_nothing():
    wanted = connected("A")
    wanted.take(1)
    wanted.want(("B",))
    wanted.want(("A",))
    assert wanted.take(9) == []
    assert not wanted.has_left("A")


lists = st.lists(st.sampled_from("ABCDE"), unique=True).map(tuple)
steps = st.lists(st.one_of(st.integers(0, 3), lists, st.just("connected")), max_size=20)


@given(first=lists, steps=steps)
def test_the_provider_ends_with_exactly_what_is_wanted(first, steps):
    wanted = connected(*first)
    theirs: list[str] = []
    for step in [*steps, 99]:
        if step == "connected":
            wanted.connected()
            theirs.clear()
        elif isinstance(step, tuple):
            wanted.want(step)
        else:
            for verb, symbol in wanted.take(step):
                (theirs.append if verb == "subscribe" else theirs.remove)(symbol)
            assert len(theirs) == len(set(theirs))
    assert set(theirs) == set(wanted.symbols) == set(wanted.sent)
