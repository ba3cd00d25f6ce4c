"""The example that other teams check candles with finds what the processor has put into them."""

import importlib.util
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from processor.core.fingerprint import identity, of_record
from tests.support.examples import FOLDER

LONG = st.integers(-(2**63), 2**63 - 1)
IDS = st.one_of(st.none(), st.integers(0, 2**64).map(str), st.sampled_from(["0", "00", "007", "x-1", "", "9" * 5000]), st.text())
ROWS = st.lists(
    st.tuples(st.integers(0, 10**16), st.floats(1e-9, 1e12), st.floats(0, 1e12), IDS, st.one_of(st.none(), LONG), LONG, LONG)
)
NAMES = ("event_time", "price", "size", "trade_id", "venue_sequence", "epoch", "sequence")


def example(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fingerprint = example("fingerprint").fingerprint


@given(ROWS)
def test_the_fingerprint_other_teams_compute_is_the_candles(rows):
    ours = sum(of_record(t, p, s, identity(i, v, e, n)) for t, p, s, i, v, e, n in rows) % 2**64
    trades = [dict(zip(NAMES, row, strict=True)) for row in rows]
    for trade in trades:
        trade["event_time"] = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=trade["event_time"])
    assert fingerprint(trades) % 2**64 == ours
    assert -(2**63) <= fingerprint(trades) < 2**63
