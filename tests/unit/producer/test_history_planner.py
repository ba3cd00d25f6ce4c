"""The decisions about the past with plain values: which question is next, and what an answer makes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.history import backfill
from producer.history.planner import DOUBT_WAITS_US, EARLY_RUNS, FAILURES, RECENT_US, RETRY_US, TAKEN_US, TOO_LATE, Planner
from producer.history.protocol import EVERYTHING, Limit, Page, Question, RefusedError, VendorCandle
from schemas.records import Gap, HistoryCandle

S = 1_000_000
M = 60 * S
DAY = 1440 * M
T = 1_700_000_040 * S  # a whole minute
DELAY = 3 * S


class Client:
    limits = (Limit(55, 60.0),)
    longest_us = 7 * DAY
    delay_us = DELAY
    prices = ("trade",)
    bootstrap_limit_us = None

    def scope(self, symbol):
        return "crypto" if ":" in symbol else "stock"


def planner(days=0):
    return Planner(Client(), "sim", 9, days * DAY)


def gap(start=T, end=T + 3 * M, symbol="X", cause="feed_down", **fields):
    told = Gap(f"sim:{symbol}|{cause}|{start}", f"sim:{symbol}", "sim", symbol, "trade", start, end, cause)
    return replace(told, **{"state": "closed", "version": 5, "fillable": True, **fields})


def page(question, **fields):
    # A gap's minutes in full; of days before live, one candle a day will do.
    starts = range(question.start, question.end, M if question.gap else DAY)
    return Page(tuple(VendorCandle(t, 1.0, 2.0, 0.5, 1.5, 10.0) for t in starts), **fields)


def fill(plan, now):
    """Answer everything that can be asked now, in full, and return questions and records."""
    questions, records = [], []
    for _ in range(1000):
        records += plan.unasked(now)
        turn = plan.next(now)
        if turn is None:
            return questions, records
        questions.append(turn.question)
        records += plan.answered(turn, page(turn.question), now)[0]
    raise AssertionError("it never ends")


def results(records):
    return [r for r in records if r.record == "result"]


def test_closed_gap_is_asked_when_its_last_minute_is_over_and_ends_with_its_result():
    plan = planner()
    told = gap(T + 10 * S, T + 40 * S)
    plan.heard_gap(told)
    assert plan.next(T + M + DELAY - 1) is None
    questions, records = fill(plan, T + M + DELAY)
    assert questions == [Question("X", T, T + M, "trade", told)]
    candle, result = records
    assert (candle.start, candle.end, candle.gap_id, candle.origin, candle.epoch) == (T, T + M, told.gap_id, "backfill", 9)
    assert (result.start, result.end, result.outcome, result.reason) == (told.from_time, told.to_time, "complete", "")
    assert plan.next(T + 9 * M) is None
    assert len(plan.gaps) == 0


def test_whole_minutes_of_a_hole_are_asked_at_once_and_the_last_one_when_it_is_over():
    plan = planner()
    plan.heard_gap(gap(T + 10 * S, T + 3 * M + 20 * S))
    questions, records = fill(plan, T + 3 * M + 25 * S)
    assert [(q.start, q.end) for q in questions] == [(T, T + 3 * M)]
    assert results(records) == []
    questions, records = fill(plan, T + 4 * M + DELAY)
    assert [(q.start, q.end) for q in questions] == [(T + 3 * M, T + 4 * M)]
    assert [r.outcome for r in results(records)] == ["complete"]


def test_many_holes_at_once_take_one_request_each():
    plan = planner()
    for number in range(EARLY_RUNS + 1):
        plan.heard_gap(gap(T, T + 2 * M + 20 * S, symbol=f"S{number}"))
    assert plan.next(T + 2 * M + 30 * S) is None
    questions, _ = fill(plan, T + 3 * M + DELAY)
    assert len(questions) == EARLY_RUNS + 1


@pytest.mark.parametrize(
    "told",
    [
        gap(state="open", to_time=None, version=0),
        gap(state="filled", version=99),
        gap(state="unfillable", fillable=False, version=99),
        gap(fillable=False),
        gap(T, T),
    ],
)
def test_gap_that_is_open_answered_or_empty_is_not_asked(told):
    plan = planner()
    plan.heard_gap(told)
    assert plan.next(T + DAY) is None


def test_highest_version_of_a_gap_counts_in_any_order():
    for told in ([gap(), gap(state="filled", version=99)], [gap(state="filled", version=99), gap()]):
        plan = planner()
        for record in told:
            plan.heard_gap(record)
        assert plan.next(T + DAY) is None


def test_gap_that_shrinks_while_it_is_asked_is_asked_as_it_is():
    plan = planner()
    plan.heard_gap(gap())
    assert plan.next(T + DAY).question.end == T + 3 * M
    plan.heard_gap(gap(end=T + M, version=6))
    assert plan.next(T + DAY).question.end == T + M


def test_nothing_is_asked_twice_after_a_restart():
    plan = planner(days=10)
    told = gap()
    plan.heard_gap(told)
    plan.bootstrap.begin(("X", "B:Y"), T)
    _, records = fill(plan, T + DAY)
    again = planner(days=10)
    for result in results(records):
        again.heard_result(result)
    again.heard_gap(told)
    again.bootstrap.begin(("X", "B:Y"), T + DAY)
    assert again.next(T + DAY) is None


def test_bootstrap_goes_side_by_side_from_new_to_old_and_after_gaps():
    plan = planner(days=10)
    plan.bootstrap.begin(("X", "Y"), T + 30 * S)
    plan.heard_gap(gap(T - 9 * M, T - 8 * M))
    questions, records = fill(plan, T + 30 * S)
    spans = [(q.symbol, q.start, q.end) for q in questions]
    assert spans[0] == ("X", T - 9 * M, T - 8 * M)
    assert spans[1:] == [
        ("X", T - 7 * DAY, T),
        ("Y", T - 7 * DAY, T),
        ("X", T - 10 * DAY, T - 7 * DAY),
        ("Y", T - 10 * DAY, T - 7 * DAY),
    ]
    assert len(results(records)) == 5
    assert plan.bootstrap.left_us == 0
    assert plan.bootstrap.wanted_us == 2 * 10 * DAY
    assert {r.gap_id for r in records if r.origin == "bootstrap"} == {None}


@given(st.integers(0, 4))
def test_restart_in_the_middle_of_a_bootstrap_asks_only_what_has_no_result(answered):
    first = planner(days=20)
    first.bootstrap.begin(("X", "Y"), T)
    records, asked = [], []
    for _ in range(answered):
        turn = first.next(T)
        asked.append(turn.question)
        records += first.answered(turn, page(turn.question), T)[0]
    second = planner(days=20)
    for result in results(records):
        second.heard_result(result)
    second.bootstrap.begin(("X", "Y"), T + M)
    more, _ = fill(second, T + M)
    assert not {(q.symbol, q.end) for q in asked} & {(q.symbol, q.end) for q in more}
    loaded = {(q.symbol, t) for q in [*asked, *more] for t in range(q.start, q.end, DAY)}
    for symbol in ("X", "Y"):
        assert len({t for s, t in loaded if s == symbol}) == 20


def test_bootstrap_ends_where_a_series_was_first_seen():
    plan = planner(days=10)
    plan.heard_gap(gap(T - 3 * DAY, T - 3 * DAY + 20 * S, cause="partial_start"))
    plan.bootstrap.begin(("X",), T)
    questions, _ = fill(plan, T)
    assert (T - 10 * DAY, T - 3 * DAY) in [(q.start, q.end) for q in questions]
    assert max(q.end for q in questions) == T - 3 * DAY + M  # the first window itself, which is a gap


def test_first_sights_gap_closes_the_seam_to_what_was_loaded():
    plan = planner(days=1)
    plan.bootstrap.begin(("X",), T + 10 * S)
    fill(plan, T + 10 * S)
    seen = gap(T + 2 * M, T + 2 * M + 5 * S, cause="partial_start")
    plan.heard_gap(seen)
    questions, records = fill(plan, T + 3 * M + DELAY)
    assert [(q.start, q.end) for q in questions] == [(T, T + 3 * M)]
    assert (results(records)[0].start, results(records)[0].end) == (seen.from_time, seen.to_time)


def test_time_before_a_late_first_sight_is_loaded_like_the_days_before():
    plan = planner(days=1)
    plan.bootstrap.begin(("X",), T)
    fill(plan, T)
    loaded_to = T - M  # the minute that ends now may still change
    plan.heard_gap(gap(T + 180 * M, T + 180 * M + 5 * S, cause="partial_start"))
    questions, _ = fill(plan, T + 200 * M)
    assert [(q.start, q.end) for q in questions] == [(T + 180 * M, T + 181 * M), (loaded_to, T + 180 * M)]


def test_what_went_by_while_a_symbol_was_not_wanted_is_loaded_when_it_is_back():
    plan = planner(days=1)
    away = gap(T - 3 * DAY, T - 2 * DAY, cause="unsubscribed", fillable=False)
    plan.heard_gap(away)  # of a run before
    plan.bootstrap.begin(("X",), T)
    fill(plan, T)
    for to in (None, T + 180 * M + 20 * S, T + 180 * M + 20 * S):  # told twice, as after a crash
        plan.heard_gap(gap(T + 60 * M + 5 * S, to, cause="unsubscribed", fillable=False))
    questions, _ = fill(plan, T + 200 * M)
    assert [(q.start, q.end) for q in questions] == [(T + 60 * M, T + 180 * M)]


def test_no_data_is_believed_when_it_comes_three_times():
    plan = planner()
    plan.heard_gap(gap())
    now = T + 60 * M
    empty = Page(doubt="no data", missing="the provider has no data of that time")
    for wait_us in DOUBT_WAITS_US:
        assert plan.answered(plan.next(now), empty, now) == ([], {})
        assert plan.next(now + wait_us - 1) is None
        now += wait_us
    (result,), _ = plan.answered(plan.next(now), empty, now)
    assert (result.outcome, result.reason) == ("refused", "the provider has no data of that time")
    assert result.retry_at is None


def test_doubtful_reply_that_comes_right_is_complete():
    plan = planner()
    plan.heard_gap(gap())
    plan.answered(plan.next(T + 60 * M), Page(doubt="no data", missing="nothing"), T + 60 * M)
    _, records = fill(plan, T + 60 * M + DOUBT_WAITS_US[0])
    assert [r.outcome for r in results(records)] == ["complete"]


def test_reply_that_was_cut_is_asked_for_its_older_part():
    plan = planner()
    plan.heard_gap(gap())
    turn = plan.next(T + 60 * M)
    older = replace(turn.question, end=T + 2 * M, cursor="older")
    candle = VendorCandle(T + 2 * M, 1.0, 1.0, 1.0, 1.0)
    assert len(plan.answered(turn, Page((candle,), rest=older), T + 60 * M)[0]) == 1
    assert plan.next(T + 60 * M).question == older
    _, records = fill(plan, T + 60 * M)
    assert [r.start for r in records if r.record == "candle"] == [T, T + M]
    assert [r.outcome for r in results(records)] == ["complete"]


def test_part_that_the_provider_does_not_have_makes_the_result_partial():
    plan = planner()
    plan.heard_gap(gap())
    turn = plan.next(T + 60 * M)
    records, _ = plan.answered(turn, page(turn.question, missing="older than a day"), T + 60 * M)
    assert [(r.outcome, r.reason) for r in results(records)] == [("partial", "older than a day")]


def test_refusal_of_a_scope_answers_for_its_symbols_unasked_until_it_can_succeed():
    plan = planner()
    for number, symbol in enumerate(("X", "B:Z", "Y")):
        plan.heard_gap(gap(T - number * M, symbol=symbol))
    now, again = T + 60 * M, T + 60 * M + 12 * 60 * M
    turn = plan.next(now)
    assert turn.question.symbol == "X"
    refused = plan.refused(turn, RefusedError("not entitled", again, "stock"), now)
    questions, records = fill(plan, now)
    refused += [r for r in results(records) if r.outcome == "refused"]
    assert {r.symbol for r in refused} == {"X", "Y"}
    assert [q.symbol for q in questions] == ["B:Z"]
    assert {(r.reason, r.retry_at) for r in refused} == {("not entitled", again)}
    assert plan.next(again - 1) is None
    assert plan.next(again) is not None


def test_refusal_of_everything_covers_all_kinds():
    plan = planner(days=1)
    plan.bootstrap.begin(("X", "B:Z"), T)
    plan.refused(plan.next(T), RefusedError("no key", T + M, EVERYTHING), T)
    questions, records = fill(plan, T)
    assert questions == []
    assert [r.outcome for r in results(records)] == ["refused"]


def test_refusal_without_an_end_is_never_asked_again():
    plan = planner()
    plan.heard_gap(gap())
    plan.refused(plan.next(T + 60 * M), RefusedError("no such thing", None, "stock"), T + 60 * M)
    plan.heard_gap(gap(T + 9 * M, T + 10 * M))
    questions, records = fill(plan, T + 20 * 60 * M)
    assert questions == []
    assert [(r.reason, r.retry_at) for r in results(records)] == [("no such thing", None)]


def test_provider_that_never_answers_ends_a_question_for_a_while():
    plan = planner()
    plan.heard_gap(gap())
    now = T + M * 10
    for _ in range(FAILURES - 1):
        assert plan.failed(plan.next(now), "HTTP 502", now) == []
    (result,) = plan.failed(plan.next(now), "HTTP 502", now)
    assert (result.outcome, result.retry_at) == ("refused", now + RETRY_US)
    assert "502" in result.reason
    assert plan.next(now + RETRY_US - 1) is None
    _, records = fill(plan, now + RETRY_US)
    assert [r.outcome for r in results(records)] == ["complete"]


def test_gap_that_cannot_be_answered_within_a_day_of_its_beginning_is_given_up():
    plan = planner()
    plan.heard_gap(gap())
    now = T + 12 * 60 * M
    (result,) = plan.refused(plan.next(now), RefusedError("no points left", T + TAKEN_US + 1, "stock"), now)
    assert (result.reason, result.retry_at) == ("no points left", None)
    assert plan.next(now + 2 * DAY) is None


def test_gap_that_began_more_than_a_day_ago_is_never_complete_and_only_its_last_hours_are_asked():
    plan = planner()
    now = T + 3 * DAY + DELAY
    plan.heard_gap(gap(T, T + 3 * DAY))
    questions, records = fill(plan, now)
    assert [(q.start, q.end) for q in questions] == [((now - RECENT_US) // M * M, T + 3 * DAY)]
    assert [(r.outcome, r.reason, r.start, r.end) for r in results(records)] == [("partial", TOO_LATE, T, T + 3 * DAY)]
    assert plan.next(now + DAY) is None


def test_gap_that_ended_long_ago_needs_no_question():
    plan = planner()
    plan.heard_gap(gap())
    questions, records = fill(plan, T + TAKEN_US + 1)
    assert questions == []
    assert [(r.outcome, r.reason, r.retry_at) for r in records] == [("refused", TOO_LATE, None)]
    assert plan.unasked(T + 2 * DAY) == []


def test_gap_whose_day_is_over_before_its_last_answer_is_not_complete():
    plan = planner()
    plan.heard_gap(gap())
    turn = plan.next(T + TAKEN_US)
    records, _ = plan.answered(turn, page(turn.question), T + TAKEN_US + 1)
    assert [(r.outcome, r.reason) for r in results(records)] == [("partial", TOO_LATE)]


def test_unfillable_gap_whose_answer_may_change_is_asked_again_then():
    plan = planner()
    told = gap(state="unfillable", fillable=False, version=99)
    at = T + DAY
    plan.heard_result(
        HistoryCandle("sim", "X", record="result", origin="backfill", gap_id=told.gap_id, outcome="refused", retry_at=at)
    )
    plan.heard_gap(told)
    assert plan.next(at - 1) is None
    _, records = fill(plan, at)
    assert [r.outcome for r in results(records)] == ["complete"]


@given(st.permutations(range(6)), st.integers(0, 3))
def test_what_was_told_before_the_start_may_be_heard_in_any_order(order, hours):
    told = [gap(), gap(T + 9 * M, T + 10 * M), gap(state="unfillable", fillable=False, version=99)]
    told += [gap(T + 20 * M, T + 21 * M, state="filled", fillable=False, version=99), gap(T + 20 * M, T + 21 * M)]
    again_at = T + 2 * 60 * M
    told.append(
        HistoryCandle("sim", "X", record="result", origin="backfill", gap_id=gap().gap_id, outcome="refused", retry_at=again_at)
    )
    plan = planner()
    for record in (told[number] for number in order):
        plan.heard_result(record) if isinstance(record, HistoryCandle) else plan.heard_gap(record)
    questions, _ = fill(plan, T + hours * 60 * M + 21 * M)
    expected = {T + 9 * M} | ({T} if hours >= 2 else set())
    assert {q.start for q in questions} == expected


def test_more_gaps_than_can_be_remembered_are_forgotten_oldest_first_and_the_rest_answered_once(monkeypatch):
    monkeypatch.setattr(backfill, "MAX_KNOWN", 3)
    plan = planner()
    told = [gap(T + n * 9 * M, T + n * 9 * M + M) for n in range(5)]
    for one in told:
        plan.heard_gap(one)
    assert len(plan.gaps) == 3
    _, records = fill(plan, T + DAY)
    assert {r.gap_id for r in results(records)} == {one.gap_id for one in told[2:]}
    assert len(plan.gaps) == 0


def test_time_to_ask_again_that_has_passed_already_does_not_make_it_ask_in_circles():
    plan = planner()
    plan.heard_gap(gap())
    now = T + 60 * M
    (result,) = plan.refused(plan.next(now), RefusedError("soon", now - M), now)
    assert result.retry_at == now + M
    assert plan.next(now) is None


def test_unfinished_foreign_and_damaged_candles_are_dropped_and_counted():
    plan = planner()
    plan.heard_gap(gap(T, T + 2 * M))
    now = T + 2 * M + DELAY
    good = VendorCandle(T, 1.0, 2.0, 0.5, 1.5, 1.0)
    late = good._replace(start=T + 2 * M)
    bad = [
        good._replace(start=T + M, **change)
        for change in ({"high": 1.2}, {"low": 1.1}, {"close": float("nan")}, {"volume": -1.0})
    ]
    records, dropped = plan.answered(plan.next(now), Page((good, late, good._replace(start=T - M), *bad)), now)
    assert dropped == {"damaged": 4, "unfinished": 1, "outside": 1}
    assert [r.start for r in records if r.record == "candle"] == [T]
    assert [(r.outcome, r.reason) for r in results(records)] == [("partial", "4 candles of the provider were not usable")]


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(1, 300), st.sampled_from(["X", "Y"])),
        max_size=8,
        unique_by=lambda g: (g[0], g[2]),
    )
)
def test_every_closed_gap_ends_with_one_result_and_its_minutes(told):
    plan = planner()
    gaps = [gap(T + start * S, T + (start + length) * S, symbol=symbol) for start, length, symbol in told]
    for one in gaps:
        plan.heard_gap(one)
    records = []
    for now in range(T, T + 20 * M, 7 * S):
        records += fill(plan, now)[1]
    assert sorted(r.gap_id for r in results(records)) == sorted(one.gap_id for one in gaps)
    for one in gaps:
        minutes = {r.start for r in records if r.record == "candle" and r.gap_id == one.gap_id}
        assert minutes == set(range(one.from_time // M * M, one.to_time, M))
        order = [r.record for r in records if r.gap_id == one.gap_id]
        assert order.index("result") == len(order) - 1
