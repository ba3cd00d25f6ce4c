from sink.poison import AT_LEAST, SPAN_S, PoisonLimit


def test_a_handful_is_no_flood_whatever_its_share():
    assert PoisonLimit().exceeded(AT_LEAST - 1, AT_LEAST - 1, 0) is None


def test_more_than_a_twentieth_of_a_minutes_records_is_too_much():
    limit = PoisonLimit()
    assert limit.exceeded(2000, 100, 0) is None
    assert "101 of the 2000 records" in limit.exceeded(0, 1, 1)


def test_many_good_records_carry_many_refused():
    limit = PoisonLimit()
    assert all(limit.exceeded(1000, 40, n) is None for n in range(50))


def test_what_is_older_than_a_minute_no_longer_counts():
    limit = PoisonLimit()
    assert limit.exceeded(100, AT_LEAST - 1, 0) is None
    assert limit.exceeded(100, AT_LEAST - 1, SPAN_S) is None
    assert limit.exceeded(0, 1, SPAN_S + 1) is not None
