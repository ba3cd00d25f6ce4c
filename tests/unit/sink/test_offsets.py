from sink.offsets import Offsets

P, Q = ("t", 0), ("t", 1)


def test_nothing_is_written_before_it_is_done():
    offsets = Offsets(lag_us=0)
    span = offsets.take(P, 5, 10)
    assert offsets.news() == {P: 5}
    offsets.done(span, 100)
    assert offsets.news() == {P: 10}


def test_a_later_span_waits_for_the_one_before():
    offsets = Offsets(lag_us=0)
    first, second = offsets.take(P, 0, 10), offsets.take(P, 10, 20)
    offsets.done(second, 100)
    assert offsets.news() == {P: 0}
    assert offsets.committable(100) == {}
    offsets.done(first, 101)
    assert offsets.committable(101) == {P: 20}


def test_an_offset_is_committed_only_after_the_lag():
    offsets = Offsets(lag_us=15)
    offsets.done(offsets.take(P, 0, 10), 100)
    offsets.done(offsets.take(P, 10, 20), 110)
    assert offsets.oldest_waiting_us() == 100
    assert offsets.committable(114) == {}
    assert offsets.committable(115) == {P: 10}
    assert offsets.committable(124) == {}
    assert offsets.committable(125) == {P: 20}
    assert offsets.oldest_waiting_us() is None


def test_the_same_offset_is_not_committed_twice():
    offsets = Offsets(lag_us=0)
    offsets.done(offsets.take(P, 0, 10), 1)
    offsets.committed(offsets.committable(1))
    assert offsets.committable(2) == {}


def test_positions_are_reported_until_they_are_stored():
    offsets = Offsets(lag_us=99)
    offsets.done(offsets.take(P, 0, 10), 1)
    offsets.done(offsets.take(Q, 4, 6), 1)
    assert offsets.news() == {P: 10, Q: 6}
    offsets.reported({P: 10})
    assert offsets.news() == {Q: 6}


def test_a_partition_that_was_taken_away_is_never_committed():
    offsets = Offsets(lag_us=0)
    span = offsets.take(P, 0, 10)
    offsets.drop([P])
    offsets.done(span, 1)
    assert offsets.committable(2) == {}
    assert offsets.news() == {}


def test_a_span_from_before_a_reassignment_says_nothing_about_the_one_after():
    offsets = Offsets(lag_us=0)
    before = offsets.take(P, 0, 10)
    offsets.drop([P])
    offsets.take(P, 0, 10)
    offsets.done(before, 1)
    assert offsets.committable(2) == {}


def test_after_a_loss_reading_goes_back_to_the_last_commit_else_to_the_beginning():
    offsets = Offsets(lag_us=10)
    offsets.done(offsets.take(P, 3, 10), 100)
    offsets.done(offsets.take(Q, 7, 8), 100)
    offsets.committed({P: 10} if offsets.committable(110) else {})
    offsets.done(offsets.take(P, 10, 20), 120)
    assert offsets.rewind() == {P: 10, Q: 7}
    assert offsets.committable(999) == {}
    assert offsets.news() == {P: 10, Q: 7}
    offsets.done(offsets.take(P, 10, 20), 130)
    assert offsets.committable(140) == {P: 20}
