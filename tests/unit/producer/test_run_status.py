from producer.inflight import Progress
from producer.run_status import Plan, RunStatus
from schemas.records import Served

M = 60_000_000
PLAN = Plan({("B", "quotes"): 3 * M + 5, ("A", "trades"): 2 * M + 7}, lines=9)


def status(run, clock, waiting=None, **options):
    return run.status(0, clock, Progress(1, 2, 3, waiting), **options)


def test_good_from_the_window_of_the_earliest_record():
    said = status(RunStatus("r", 1, PLAN), 2 * M + 7)
    assert (said.state, said.good_from, said.good_until, said.replay) == ("live", 2 * M, 2 * M + 7, True)
    assert (said.trades_offset, said.quotes_offset, said.history_offset) == (1, 2, 3)


def test_each_series_is_good_from_its_own_window_and_named_on_its_partition():
    run = RunStatus("r", 1, PLAN)
    assert run.served({"A": 0, "B": 0}, 0) == (Served("A", "trades", 2 * M), Served("B", "quotes", 3 * M))
    assert run.served({"A": 0, "B": 1}, 1) == (Served("B", "quotes", 3 * M),)


def test_complete_to_waits_for_acknowledgement_and_never_goes_back():
    run = RunStatus("r", 1, PLAN)
    said = [status(run, clock, waiting).complete_to for clock, waiting in ((3 * M, None), (4 * M, 100), (5 * M, 4 * M))]
    assert said == [3 * M, 3 * M, 4 * M - 1]
