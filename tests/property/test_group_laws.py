"""Consolidated series as properties: any two feeds, any order of reading, any crash (ARCHITECTURE, R24; case O)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.core.consolidated import Word, choose, word_of
from processor.core.minutes import Consolidated
from processor.core.ohlcv import share_lost_ppm, version_of
from schemas.groups import parse_groups
from schemas.records import Candle, Gap, GapCause
from schemas.timeframes import MINUTE, SECOND
from tests.support.core import ZERO
from tests.support.pairs import GROUP, GROUPED, WITH_HOURS, A, B, PairReader, closed_to, followed, pairs, why_empty
from tests.support.worlds import DEATHS, plans_of

thorough = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
plans = plans_of("trades", "statuses", "history")


@thorough
@given(pairs())
def test_case_o_shown_is_what_the_rule_says_of_the_newest_candles_and_gaps(world):
    reader = PairReader(world).read_on()
    reader.step("history", 0, True)
    end = closed_to(reader, "sim")
    wanted = {s: c for s, c in followed(reader).items() if s + MINUTE <= end}
    found = {s: c for (t, s), c in reader.of(GROUP).items() if t == "1m"}
    assert {s: c.source for s, c in found.items()} == {s: c.source for s, c in wanted.items()}
    for start, candle in found.items():
        assert candle == replace(wanted[start], series=GROUP, version=candle.version)


@thorough
@given(pairs(), plans)
def test_case_o_law_2_7_8_content_and_version_do_not_depend_on_order_batches_or_crashes(world, plan):
    plain = PairReader(world).read_on()
    other = PairReader(world)
    for kind, number, live in plan:
        other.step(kind, number, live)
    other.read_on()
    assert other.of(A) == plain.of(A)
    assert other.of(GROUP) == plain.of(GROUP)


@thorough
@given(pairs(), plans)
def test_case_o_law_6_without_a_crash_every_publication_has_a_higher_version(world, plan):
    reader = PairReader(world)
    for kind, number, live in plan:
        if kind not in DEATHS:
            reader.step(kind, number, live)
    reader.read_on()
    told: dict[tuple[str, int], int] = {}
    for candle in reader.told:
        if candle.series == GROUP:
            assert candle.version > told.get((candle.timeframe, candle.start), 0)
            told[candle.timeframe, candle.start] = candle.version


@thorough
@given(pairs(), st.sampled_from([GROUPED, WITH_HOURS]))
def test_case_o_law_4_5_each_closed_minute_has_a_candle_or_lies_in_one_gap_with_the_word_of_one_that_was_asked(world, config):
    reader = PairReader(world, config).read_on()
    reader.step("history", 0, True)
    end, candles = closed_to(reader, "sim"), {s for t, s in reader.of(GROUP) if t == "1m"}
    holes = [g for g in reader.gaps.values() if g.series == GROUP and g.to_time != g.from_time]
    # It begins when the first of its series was first seen: then that series has a candle of its own records, or a gap.
    own = [c.start for c in reader.newest.values() if c.series in (A, B) and c.timeframe == "1m" and c.provenance == "trades"]
    first = min([*own, *(g.from_time for g in reader.gaps.values() if g.series in (A, B))]) // MINUTE * MINUTE
    assert all(first <= g.from_time < end and (g.to_time is None or g.to_time <= end) for g in holes)
    # The last minute is told of once the other has closed it too, or a minute later.
    for start in range(first, end if closed_to(reader, "alt") >= end else end - MINUTE, MINUTE):
        mine = [g for g in holes if g.from_time <= start and (g.to_time is None or start < g.to_time)]
        if start in candles:
            assert not mine
        else:
            ((cause, series),) = [(g.cause, f"{g.source}:{g.symbol}") for g in mine]
            assert (cause, series) == why_empty(reader, start)


@thorough
@given(pairs(), plans, st.sampled_from([GROUPED, WITH_HOURS]))
def test_case_o_law_2_7_8_gaps_do_not_depend_on_order_batches_or_crashes(world, plan, config):
    plain = PairReader(world, config).read_on()
    other = PairReader(world, config)
    for kind, number, live in plan:
        other.step(kind, number, live)
    other.read_on()
    assert other.holes(GROUP) == plain.holes(GROUP)


@thorough
@given(pairs(), plans)
def test_case_o_law_6_without_a_crash_every_record_of_a_gap_says_something_else_in_a_higher_version(world, plan):
    reader = PairReader(world)
    for kind, number, live in plan:
        if kind not in DEATHS:
            reader.step(kind, number, live)
    reader.read_on()
    told: dict[str, Gap] = {}
    for gap in reader.told_gaps:
        if gap.series == GROUP:
            before = told.get(gap.gap_id)
            assert before is None or gap.version > before.version
            assert before is None or (gap.to_time, gap.source) != (before.to_time, before.source)
            assert not gap.fillable
            told[gap.gap_id] = gap


@thorough
@given(pairs())
def test_case_o_law_3_a_parent_is_the_merge_of_what_was_followed(world):
    candles = PairReader(world).read_on().of(GROUP)
    children = {s: c for (t, s), c in candles.items() if t == "1m"}
    for (timeframe, start), parent in candles.items():
        if timeframe == "1m":
            continue
        mine = [children[s] for s in sorted(children) if start <= s < parent.end]
        assert (parent.open, parent.close) == (mine[0].open, mine[-1].close)
        assert (parent.high, parent.low) == (max(c.high for c in mine), min(c.low for c in mine))
        assert parent.trade_count == sum(c.trade_count for c in mine)
        assert parent.volume == sum(round(c.volume * 1e9) for c in mine) / 1e9
        assert set(parent.source.split(",")) == {c.source for c in mine}


# Words alone: nothing but what is newest counts

SERIES = ("sim:X", "alt:Y", "third:Z")


@st.composite
def histories(draw: st.DrawFn) -> list[list[Word]]:
    """For each of three instruments what it says of one minute, in order: it only learns."""
    found = []
    for name in SERIES:
        words: list[Word] = []
        fills, records, lost, has_candle = 0, 0, 0, draw(st.booleans())
        for what in draw(st.lists(st.sampled_from(["loss", "fill", "record"]), max_size=5)):
            if what == "loss":
                lost = min(MINUTE, lost + draw(st.integers(1, 60)) * SECOND)
            elif what == "fill":
                fills, lost = fills + 1, 0
            else:
                records, has_candle = records + 1, True
            version = version_of(0, fills, records, share_lost_ppm(lost, MINUTE), True)
            cause: GapCause = ("feed_down" if lost < MINUTE // 2 else "producer_down") if lost else "none"
            words.append(_word(name, version, lost) if has_candle else Word(version, lost, cause))
        found.append(words or [Word(1, 0, "none")])
    return found


def _word(series: str, version: int, lost: int) -> Word:
    source, _, symbol = series.partition(":")
    return word_of(
        Candle(
            series, source, symbol, "trade", "1m", ZERO, ZERO + MINUTE, 1, 1, 1, 1, 1, 0, 1, 1, 0, ZERO, ZERO, version,
            "final", coverage=(MINUTE - lost) / MINUTE, fingerprint=version,
        )
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(histories(), st.randoms(use_true_random=False), st.booleans())
def test_any_order_of_words_with_repeats_ends_in_the_choice_of_the_newest(words, random, again):
    group = Consolidated(GROUPED, parse_groups("g=" + ",".join(SERIES))[0], "trade", 0)
    said = [(series, word) for series, of in zip(SERIES, words, strict=True) for word in of]
    random.shuffle(said)
    said += said[: len(said) // 2] if again else []
    told = []
    for series, word in said:
        group.hear(series, ZERO, word)
        group.reach(series, ZERO + MINUTE)
        told += [c for c in group.publish(0) if c.timeframe == "1m"]
    newest = [max(of, key=lambda w: (w.candle is not None, w.version)) for of in words]
    choice = choose(newest)
    assert choice is not None
    assert [c.version for c in told] == sorted({c.version for c in told})
    if choice.word.candle is not None:
        assert told
        assert (told[-1].source, told[-1].version, told[-1].fingerprint) == (
            choice.word.candle.source,
            choice.version,
            choice.word.candle.fingerprint,
        )


@settings(max_examples=200, deadline=None)
@given(histories(), histories(), st.randoms(use_true_random=False))
def test_any_order_of_words_on_two_minutes_ends_in_the_gaps_of_the_newest(one, other, random):
    group, newest = (Consolidated(GROUPED, parse_groups("g=" + ",".join(SERIES))[0], "trade", 0) for _ in range(2))
    said = [(start, n, w) for start, of in ((ZERO, one), (ZERO + MINUTE, other)) for n, ws in enumerate(of) for w in ws]
    random.shuffle(said)
    told: dict[str, Gap] = {}
    for start, n, word in said:
        _hear(group, start, n, word)
        for gap in _gaps_of(group):
            assert gap.gap_id not in told or gap.version > told[gap.gap_id].version
            told[gap.gap_id] = gap
    for start, n, word in said:
        _hear(newest, start, n, word)
    wanted = {(g.gap_id, g.to_time, g.source) for g in _gaps_of(newest)}
    assert {(g.gap_id, g.to_time, g.source) for g in told.values() if g.to_time != g.from_time} == wanted


def _hear(group: Consolidated, start: int, n: int, word: Word) -> None:
    # Windows are closed in order, and what is said of one is said when it closes.
    group.gaps.seen_from(ZERO)
    group.hear(SERIES[n], start, word)
    for end in (ZERO + MINUTE, ZERO + 2 * MINUTE):
        heard = group.minutes.get(end - MINUTE)
        if heard is None or SERIES[n] not in heard.words:
            break
        group.reach(SERIES[n], end)


def _gaps_of(group: Consolidated) -> list[Gap]:
    group.publish(0)
    return group.tell_gaps(0)


def test_b_is_an_instrument_of_the_pair():
    assert GROUPED.groups[0].instruments == (A, B)
