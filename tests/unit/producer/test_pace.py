import pytest

from producer.pace import Pace, parse_rate


def test_full_speed_waits_for_nothing():
    assert Pace("max", 100.0).due_s(5) == 0.0


def test_rate_spaces_records_evenly():
    pace = Pace(4.0, 100.0)
    assert [pace.due_s(0) for _ in range(3)] == [100.0, 100.25, 100.5]


def test_realtime_keeps_the_recordings_distances():
    pace = Pace("realtime", 100.0)
    assert [pace.due_s(us) for us in (5_000_000, 6_500_000, 6_000_000)] == [100.0, 101.5, 101.0]


@pytest.mark.parametrize(("text", "rate"), [("max", "max"), ("realtime", "realtime"), ("2.5", 2.5), ("1e3", 1000.0)])
def test_rates_are_read(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "nan", "inf"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match="is no rate"):
        parse_rate(text)
