"""Law 9 (idempotent sink) against a model of last-write-wins, and: no offset ever passes what is not acknowledged."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from schemas.timeframes import MINUTE
from sink.batches import bound, plan
from sink.directory import Directory
from sink.offsets import Offsets
from sink.overrides import Retention
from sink.rows import candle_row, gap_row, trade_row, version_row
from tests.support.feeding import a_candle, a_gap, a_trade

NOW = 30_000_000 * MINUTE
KEEP = Retention({"1m": 0, "trades": 0, "gaps": 0, "candle_versions": 0})


class Table:
    """A store in which, as in Cassandra, the highest write timestamp of a row wins and ties go to the greater value."""

    def __init__(self):
        self.rows = {}

    def write(self, batches):
        for batch in batches:
            for row in batch:
                name, news = row[:3], (row.stamp, bound(row, NOW))
                self.rows[name] = max(news, self.rows.get(name, news), key=lambda r: (r[0], repr(r[1])))


starts = st.integers(0, 4).map(lambda n: NOW - n * MINUTE)
candles = st.builds(
    lambda start, count, closed, series, told: a_candle(start, count, closed=closed, series=series, updated_at=start + told),
    starts,
    st.integers(1, 6).map(lambda n: 2 * n),  # an open and a closed candle of neighbouring counts never share a version
    st.booleans(),
    st.sampled_from(["sim:X", "sim:Y"]),
    st.just(MINUTE),
)
gaps = st.builds(
    lambda start, length: a_gap(start, None if length is None else start + length), starts, st.none() | st.integers(0, 5)
)
trades = st.integers(0, 20).map(lambda n: a_trade(n, NOW - n // 3))
records = st.lists(st.one_of(candles, gaps, trades), min_size=1, max_size=40)


def rows_of(record, directory):
    match type(record).__name__:
        case "Candle":
            row = candle_row(record, KEEP, NOW)
            version = version_row(record, row, KEEP)
            return [row, *([version] if version else []), *directory.of_candle(record)]
        case "Gap":
            return [gap_row(record, KEEP, NOW), *directory.of_gap(record)]
        case _:
            return [trade_row(record, KEEP, NOW)]


def written(order, poll):
    table, directory = Table(), Directory()
    for i in range(0, len(order), poll):
        table.write(plan([row for record in order[i : i + poll] for row in rows_of(record, directory)], NOW).batches)
    return table.rows


@given(records, st.data())
@settings(deadline=None)
def test_law_9_any_order_with_duplicates_in_any_polls_leaves_the_same_rows(given_records, data):
    again = data.draw(st.lists(st.sampled_from(given_records), max_size=20))
    shuffled = data.draw(st.permutations([*given_records, *again]))
    one = written(given_records, data.draw(st.integers(1, 40)))
    other = written(shuffled, data.draw(st.integers(1, 40)))
    assert {n: r for n, r in one.items() if n[0] != "series_list"} == {n: r for n, r in other.items() if n[0] != "series_list"}
    assert {(n, r[1][:7]) for n, r in one.items() if n[0] == "series_list"} == {
        (n, r[1][:7]) for n, r in other.items() if n[0] == "series_list"
    }, "which sight of a series came first is its stamp; what is listed is the same"


@given(st.lists(candles, min_size=1, max_size=20), st.data())
@settings(deadline=None)
def test_law_9_an_older_version_never_overwrites_a_newer_one(given_candles, data):
    rows = written(data.draw(st.permutations(given_candles)), 1)
    for candle in given_candles:
        stamp, _ = rows["candles_1m", candle.series, candle.start]
        assert stamp >= candle.start + candle.version


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(MINUTE, 10 * MINUTE)), min_size=1, max_size=12), st.data())
@settings(deadline=None)
def test_law_9_of_a_version_published_again_the_first_publication_stays(published, data):
    candles = [a_candle(NOW, 2 * count, updated_at=NOW + told) for count, told in published]
    rows = written(data.draw(st.permutations(candles)), data.draw(st.integers(1, 12)))
    first = {}
    for count, told in published:
        first[2 * count + 1] = min(told, first.get(2 * count + 1, told))
    found = {key[2][1]: values[1] - NOW for key, (_, values) in rows.items() if key[0] == "candle_versions"}
    assert found == first


class Commits(RuleBasedStateMachine):
    """Spans are taken in order and done in any; partitions come and go; the node is lost; commits fail or not."""

    spans = Bundle("spans")

    @initialize(lag=st.sampled_from([0, 5, 15]))
    def begin(self, lag):
        self.lag, self.now = lag, 0
        self.offsets = Offsets(lag)
        self.next = {("t", n): 0 for n in range(3)}  # where reading goes on
        self.acknowledged = {p: {} for p in self.next}  # offset -> when
        self.committed = dict.fromkeys(self.next, 0)
        self.owned = set()

    @rule(target=spans, number=st.integers(0, 2), count=st.integers(1, 5))
    def take(self, number, count):
        partition = ("t", number)
        if partition not in self.owned:
            self.owned.add(partition)
            self.next[partition] = self.committed[partition]
        first = self.next[partition]
        self.next[partition] = first + count
        return self.offsets.take(partition, first, first + count), first

    @rule(taken=consumes(spans))
    def finish(self, taken):
        span, first = taken
        for offset in range(first, span.next_offset):
            self.acknowledged[span.partition].setdefault(offset, self.now)
        self.offsets.done(span, self.now)

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds):
        self.now += seconds

    @rule(number=st.integers(0, 2))
    def revoke(self, number):
        self.owned.discard(("t", number))
        self.offsets.drop([("t", number)])

    @rule(works=st.booleans())
    def commit(self, works):
        ripe = self.offsets.committable(self.now)
        for partition, end in ripe.items():
            for offset in range(end):
                assert self.acknowledged[partition].get(offset, self.now + 1) <= self.now - self.lag
        if works:
            self.offsets.committed(ripe)
            self.committed |= ripe

    @precondition(lambda self: self.owned)
    @rule()
    def lose_the_node(self):
        for partition, offset in self.offsets.rewind().items():
            assert offset <= self.next[partition]
            self.next[partition] = offset
        # What was acknowledged and not committed may be gone.
        for partition, acknowledged in self.acknowledged.items():
            self.acknowledged[partition] = {o: at for o, at in acknowledged.items() if o < self.committed[partition]}

    @invariant()
    def never_past_what_is_acknowledged(self):
        for partition, position in getattr(self, "offsets", Offsets(0)).news().items():
            assert all(offset in self.acknowledged[partition] for offset in range(position))


Commits.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestNoOffsetPassesWhatIsNotAcknowledged = Commits.TestCase
