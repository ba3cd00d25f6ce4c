from types import SimpleNamespace

import pytest

from processor.intake import FULL, HOLD_S, Intake, releases
from schemas.records import FeedStatus


def batch(*offsets):
    return [SimpleNamespace(offset=o) for o in offsets]


def offsets(taken):
    return [(place, [m.offset for m in messages]) for place, messages in taken]


@pytest.fixture
def intake():
    return Intake(last="status")


def test_batches_of_one_partition_become_one(intake):
    intake.put("trades", 0, batch(1, 2), 0.0, urgent=False)
    intake.put("trades", 0, batch(3), 0.1, urgent=False)
    assert offsets(intake.take()) == [(("trades", 0), [1, 2, 3])]


def test_a_hole_in_the_log_does_not_part_them(intake):
    intake.put("trades", 0, batch(1), 0.0, urgent=False)
    intake.put("trades", 0, batch(5), 0.0, urgent=False)
    assert offsets(intake.take()) == [(("trades", 0), [1, 5])]


def test_what_is_read_again_after_a_seek_stays_a_batch_of_its_own(intake):
    intake.put("trades", 0, batch(4, 5), 0.0, urgent=False)
    intake.put("trades", 0, batch(3, 4, 5, 6), 0.0, urgent=False)
    assert offsets(intake.take()) == [(("trades", 0), [4, 5]), (("trades", 0), [3, 4, 5, 6])]


def test_statuses_come_after_all_they_speak_of(intake):
    intake.put("status", 1, batch(7), 0.0, urgent=True)
    intake.put("trades", 1, batch(8), 0.0, urgent=False)
    intake.put("quotes", 0, batch(2), 0.0, urgent=False)
    assert [place for place, _ in intake.take()] == [("quotes", 0), ("trades", 1), ("status", 1)]


def test_a_batch_waits_so_long_and_later_ones_do_not_prolong_it(intake):
    assert intake.due_in(0.0) == float("inf")
    intake.put("trades", 0, batch(1), 10.0, urgent=False)
    intake.put("trades", 0, batch(2), 10.1, urgent=False)
    assert intake.due_in(10.1) == pytest.approx(HOLD_S - 0.1)
    assert intake.due_in(11.0) == 0.0


def test_an_urgent_batch_takes_all_along(intake):
    intake.put("trades", 0, batch(1), 10.0, urgent=False)
    intake.put("status", 0, batch(1), 10.0, urgent=True)
    intake.put("trades", 1, batch(1), 10.0, urgent=False)
    assert intake.due_in(10.0) == 0.0
    assert len(intake.take()) == 3
    assert intake.due_in(10.0) == float("inf")


def test_enough_is_full(intake):
    intake.put("trades", 0, batch(*range(FULL - 1)), 0.0, urgent=False)
    assert not intake.full
    intake.put("trades", 1, batch(0), 0.0, urgent=False)
    assert intake.full
    intake.clear()
    assert not intake.full
    assert intake.take() == []


def test_a_large_batch_is_handed_on_as_it_came(intake):
    large = batch(*range(10))
    intake.put("trades", 0, large, 0.0, urgent=False)
    ((_, taken),) = intake.take()
    assert taken is large


def test_the_last_records_that_a_status_waits_for_are_urgent():
    waiting = [FeedStatus("sim", "live", trades_offset=100, quotes_offset=7)]
    assert releases(waiting, "trades", reached=90, following=100)
    assert releases(waiting, "trades", reached=90, following=130)
    assert not releases(waiting, "trades", reached=90, following=99), "more are to come"
    assert not releases(waiting, "trades", reached=100, following=110), "it does not wait for these"
    assert releases(waiting, "quotes", reached=6, following=7)
    assert not releases([], "trades", reached=90, following=100)
