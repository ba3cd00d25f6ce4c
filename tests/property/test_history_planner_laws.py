"""Laws of filling gaps, over any faults of the provider and kills at any moment: everything is answered, nothing twice."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from producer.history.planner import RETRY_US, Planner
from producer.history.protocol import Limit, Page, RefusedError, VendorCandle
from schemas.records import Gap

S = 1_000_000
M = 60 * S
T = 1_700_000_040 * S
FAULTS = ("answer", "answer", "answer", "cut", "doubt", "unavailable", "refuse", "refuse_kind", "kill", "kill_after_candles")


class Client:
    limits = (Limit(55, 60.0),)
    longest_us = 4 * M  # so that most gaps take several questions
    delay_us = 3 * S
    prices = ("trade",)
    bootstrap_limit_us = None

    def scope(self, symbol):
        return "stock"


def a_gap(symbol, start_s, length_s):
    name = f"sim:{symbol}|feed_down|{start_s}"
    from_us = T + start_s * S
    told = Gap(name, f"sim:{symbol}", "sim", symbol, "trade", from_us, from_us + length_s * S, "feed_down")
    return replace(told, state="closed", version=5, fillable=True)


def begun(gaps, written):
    """A producer that starts: it hears what stands on the topics."""
    plan = Planner(Client(), "sim", 1, 20 * M)
    for record in written:
        if record.record == "result":
            plan.heard_result(record)
    for gap in gaps:
        plan.heard_gap(gap)
    plan.bootstrap.begin(("X", "Y"), T)
    return plan


def page(question, quiet):
    starts = [t for t in range(question.start, question.end, M) if t not in quiet]
    return Page(tuple(VendorCandle(t, 1.0, 2.0, 0.5, 1.5, 10.0) for t in starts))


def cut(whole, question):
    if len(whole.candles) < 2:
        return whole
    newest = whole.candles[-1]
    return Page((newest,), rest=replace(question, end=newest.start, cursor="older"))


def answer(plan, turn, fault, now, quiet):
    """Return what is written for one turn; None when the process is killed before it is."""
    whole = page(turn.question, quiet)
    if fault in ("unavailable", "kill"):
        return plan.failed(turn, "HTTP 502", now) if fault == "unavailable" else None
    if fault == "refuse":
        return plan.refused(turn, RefusedError("not now", now + 60 * M), now)
    if fault == "refuse_kind":
        return plan.refused(turn, RefusedError("not entitled", now + 60 * M, "stock"), now)
    reply = {"cut": cut(whole, turn.question), "doubt": Page(doubt="no data")}.get(fault, whole)
    return plan.answered(turn, reply, now)[0]


GAPS = st.lists(st.tuples(st.sampled_from("XY"), st.integers(0, 600), st.integers(1, 900)), max_size=5, unique_by=lambda g: g[:2])


@settings(max_examples=150, deadline=None)
@given(GAPS, st.lists(st.sampled_from(FAULTS), max_size=60), st.sets(st.integers(-20, 30).map(lambda n: T + n * M)))
def test_law_8_whatever_fails_and_whenever_it_is_killed_everything_is_answered_and_nothing_twice(told, faults, quiet):
    gaps = [a_gap(*one) for one in told]
    written, final, plan, now = [], set(), begun(gaps, []), T
    faults, asks = list(faults), 0
    while now < T + 12 * 60 * M:
        written += plan.unasked(now)
        turn = plan.next(now)
        if turn is None:
            now += 10 * S if now < T + 30 * M else RETRY_US
            continue
        asks += 1
        assert asks < 2_000, "it asks for ever"
        key = turn.run.stamp.gap_id or (turn.run.symbol, turn.run.asked)
        assert key not in final, "asked again after a final answer"
        fault = faults.pop(0) if faults else "answer"
        records = answer(plan, turn, fault, now, quiet)
        if fault == "kill_after_candles":
            records = [r for r in records if r.record == "candle"]
        written += records or []
        if fault.startswith("kill"):
            plan = begun(gaps, written)
        final |= {r.gap_id or (r.symbol, (r.start, r.end)) for r in written if r.record == "result" and r.outcome == "complete"}
        now += S
    assert {gap.gap_id for gap in gaps} <= final
    for gap in gaps:
        minutes = set(range(gap.from_time // M * M, gap.to_time, M)) - quiet
        assert minutes == {r.start for r in written if r.gap_id == gap.gap_id and r.record == "candle"}
    for symbol in "XY":
        loaded = {r.start for r in written if r.origin == "bootstrap" and r.record == "candle" and r.symbol == symbol}
        assert set(range(T - 20 * M, T - M, M)) - quiet <= loaded
