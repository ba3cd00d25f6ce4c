"""The hot cache: bounded, the highest version wins, and the order of delivery does not matter."""

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.cache import CELL_BYTES, ENTRY_BYTES, GAPS, MOST, Cache, Place, place_of
from schemas.codec import Encoder
from schemas.records import Candle, Gap
from tests.support.feeding import MINUTE, a_candle, a_gap

PLENTY = 1 << 30


def place(start, version=1, series="sim:X", kind="1m"):
    return Place(series, kind, (start, ""), version)


def body(start, version=1, size=8):
    return f"{start}.{version}".encode().ljust(size, b".")


def as_is(value):
    return value


def held(cache, series="sim:X", kind="1m", limit=MOST):
    return cache.newest(series, kind, limit, as_is).records


publications = st.lists(
    st.tuples(st.sampled_from(["sim:X", "sim:Y"]), st.sampled_from(["1m", "5m", GAPS]), st.integers(0, 12), st.integers(0, 4)),
    max_size=60,
)


@given(publications, st.integers(1, 6), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_gives_the_newest_records_in_their_highest_versions(published, most, chance):
    model = {}
    for series, kind, start, version in published:
        entry = model.setdefault((series, kind), {})
        entry[start] = max(entry.get(start, 0), version)
    again = published + chance.sample(published, len(published) // 2)
    chance.shuffle(again)
    cache = Cache(PLENTY, most)
    for series, kind, start, version in again:
        cache.put(0, place(start, version, series, kind), body(start, version))
    for (series, kind), entry in model.items():
        newest = sorted(entry)[-most:]
        assert held(cache, series, kind) == [body(start, entry[start]) for start in newest]
        assert held(cache, series, kind, 2) == [body(start, entry[start]) for start in newest[-2:]]
    assert sorted(cache.series) == sorted({series for series, _ in model})
    assert cache.records == sum(min(len(entry), most) for entry in model.values())


actions = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5), st.integers(0, 30), st.integers(0, 2000)),
        st.tuples(st.just("read"), st.integers(0, 5), st.integers(1, 30), st.integers(0, 2000)),
        st.tuples(st.just("keep"), st.integers(0, 2), st.just(0), st.just(0)),
    ),
    max_size=80,
)


@given(actions)
def test_law_12_memory_never_exceeds_the_budget_and_the_account_is_exact(steps):
    budget = 4 * ENTRY_BYTES + 10 * CELL_BYTES
    cache = Cache(budget, 10)
    for step, number, at, size in steps:
        if step == "put":
            cache.put(number % 3, place(at, size, f"sim:{number}"), body(at, size, size))
        elif step == "read":
            cache.newest(f"sim:{number}", "1m", at, lambda b, size=size: b"{" + b * 2 + b"}" * (size % 7))
        else:
            cache.keep({number})
        assert 0 <= cache.size <= budget
        assert cache.records <= budget // CELL_BYTES
    everything = {series: held(cache, series) for series in cache.series}
    sizes = sum(ENTRY_BYTES + sum(CELL_BYTES + len(b) for b in bodies) for bodies in everything.values())
    assert cache.size == sizes
    cache.keep(())
    assert (cache.size, cache.records, cache.series) == (0, 0, [])


def test_the_least_recently_read_entry_goes_first_and_is_counted():
    cache = Cache(3 * (ENTRY_BYTES + CELL_BYTES + 8) + 7)
    for name in ("a", "b", "c"):
        cache.put(0, place(1, series=name), body(1))
    held(cache, "a")
    cache.put(0, place(1, 2, "b"), body(1, 2))  # writing is no use
    cache.put(0, place(1, series="d"), body(1))
    assert sorted(cache.series) == ["a", "c", "d"]
    assert cache.evictions == 1


def test_an_answer_says_when_older_records_may_have_been_given_up():
    cache = Cache(2 * (ENTRY_BYTES + 3 * CELL_BYTES), most=3)
    for start in range(3):
        cache.put(0, place(start, series="a"), body(start))
        cache.put(0, place(start, series="b"), body(start))
    assert not cache.newest("b", "1m", 3, as_is).truncated
    cache.put(0, place(9, series="a"), body(9))
    assert cache.newest("a", "1m", 3, as_is).truncated
    assert not cache.newest("a", "1m", 1, as_is).truncated
    assert not cache.newest("b", "1m", 3, as_is).truncated or "b" not in cache
    assert cache.newest("nobody", "1m", 3, as_is).truncated


def test_a_record_is_rendered_once_until_it_changes():
    asked = []

    def render(value):
        asked.append(value)
        return b"<" + value + b">"

    cache = Cache(PLENTY)
    cache.put(0, place(1), b"old")
    cache.put(0, place(2), b"other")
    assert cache.newest("sim:X", "1m", 5, render).records == [b"<old>", b"<other>"]
    cache.put(0, place(1, 2), b"new")
    assert cache.newest("sim:X", "1m", 5, render).records == [b"<new>", b"<other>"]
    assert asked == [b"old", b"other", b"new"]


def test_an_equal_version_changes_nothing_and_a_lower_one_is_refused():
    cache = Cache(PLENTY)
    assert cache.put(0, place(1, 5), b"five")
    assert not cache.put(0, place(1, 5), b"again")
    assert not cache.put(0, place(1, 4), b"four")
    assert held(cache) == [b"five"]


def test_what_begins_before_a_full_entry_is_refused():
    cache = Cache(PLENTY, most=2)
    for start in (5, 6):
        cache.put(0, place(start), body(start))
    assert not cache.put(0, place(4), body(4))
    assert cache.put(0, place(7), body(7))
    assert held(cache) == [body(6), body(7)]


def test_records_know_their_place():
    candle = a_candle(3 * MINUTE, 7)
    gap = a_gap(5, None)
    assert place_of(candle) == ("sim:X", "1m", (3 * MINUTE, ""), 8)
    assert place_of(gap) == ("sim:X", GAPS, (5, gap.gap_id), 0)


@pytest.mark.parametrize("record", [Candle, Gap])
def test_the_estimate_of_memory_is_no_lower_than_what_python_takes_and_not_twice_as_high(record):
    encode = Encoder(record, 1)
    chance = random.Random(1)
    start = 1_700_000_000_000_000
    if record is Candle:
        made = [a_candle(start + i * MINUTE, chance.randrange(1, 10**6)) for i in range(2 * MOST)]
    else:
        made = [a_gap(start + i * MINUTE, start + i * MINUTE + 5) for i in range(2 * MOST)]
    encoded = [(one, encode(one)) for one in made]  # what the encoder remembers is not the cache's
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        cache = Cache(PLENTY)
        for one, data in encoded:
            cache.put(0, place_of(one), bytes(bytearray(data)))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert cache.records == MOST
    assert 0.5 * cache.size < taken <= cache.size
