from producer.inflight import Lane, Progress, progress_of


def lanes():
    return Lane(5), Lane(0), Lane(9)


def test_nothing_on_its_way_is_complete_to_now():
    assert progress_of(*lanes()) == Progress(5, 0, 9, None)
    assert progress_of(*lanes()).complete_to(1_000) == 1_000


def test_oldest_unacknowledged_record_bounds_what_is_complete():
    trades, quotes, history = lanes()
    for us in (100, 200):
        trades.sent(us)
    quotes.sent(150)
    assert progress_of(trades, quotes, history).complete_to(1_000) == 99
    trades.acknowledged(5)
    assert progress_of(trades, quotes, history) == Progress(6, 0, 9, 150)
    quotes.acknowledged(0)
    assert progress_of(trades, quotes, history).complete_to(1_000) == 199


def test_complete_never_lies_ahead_of_what_was_processed():
    trades, quotes, history = lanes()
    trades.sent(500)
    assert progress_of(trades, quotes, history).complete_to(300) == 300


def test_receive_times_that_descend_are_all_looked_at():
    lane = Lane(0)
    for us in (300, 100, 200):
        lane.sent(us)
    assert lane.oldest_us() == 100
    for offset in range(3):
        lane.acknowledged(offset)
    lane.sent(400)
    lane.sent(500)
    assert (lane.oldest_us(), lane.next_offset) == (400, 3)


def test_offset_gaps_of_other_writers_are_taken_over():
    lane = Lane(0)
    lane.sent(1)
    lane.acknowledged(41)
    assert lane.next_offset == 42


def test_history_on_its_way_holds_back_no_live_candle():
    trades, quotes, history = lanes()
    history.sent(10)
    assert progress_of(trades, quotes, history) == Progress(5, 0, 9, None)
    history.acknowledged(9)
    assert progress_of(trades, quotes, history).history_offset == 10
