import hashlib

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from processor.core.fingerprint import identities, identity, mix, of_columns, of_record

LONG = st.integers(-(2**63), 2**63 - 1)
ODD = ["0", "00", "007", "x-1", "", "9" * 19, "9" * 18]
IDS = st.one_of(st.none(), st.integers(0, 2**64).map(str), st.sampled_from(ODD), st.text())
ROW = st.tuples(LONG, st.floats(allow_nan=False), st.floats(0, 1e12), IDS, st.one_of(st.none(), LONG), LONG, LONG)
ROWS = st.lists(ROW, min_size=1, max_size=20)


@given(ROWS)
def test_columns_give_what_the_reference_gives_row_by_row(rows):
    names = ("event_time", "price", "size", "trade_id", "venue_sequence", "epoch", "sequence")
    schema = dict.fromkeys(names, pl.Int64) | {"price": pl.Float64, "size": pl.Float64, "trade_id": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    found = of_columns(frame["event_time"], frame["price"], frame["size"], identities(frame))
    assert found.to_list() == [of_record(t, p, s, identity(i, v, e, n)) for t, p, s, i, v, e, n in rows]


def test_known_values_that_auditors_in_other_languages_can_compare_with():
    assert mix(1) == 0x5692161D100B05E5
    assert identity("7", None, 0, 0) == (mix(7) + 1) % 2**64
    digest = int.from_bytes(hashlib.sha256(b"a-7").digest()[:8], "big")
    assert identity("a-7", 9, 0, 0) == (mix(digest) + 2) % 2**64
    assert identity(None, 9, 0, 0) == (mix(9) + 3) % 2**64
    assert identity(None, None, 5, 6) == (mix((mix(5) + 6) % 2**64) + 4) % 2**64


def test_every_part_of_a_record_matters():
    parts = (1, 2.0, 3.0, 4)
    changed = [(*parts[:i], parts[i] * 2, *parts[i + 1 :]) for i in range(4)]
    assert len({of_record(*p) for p in (parts, *changed)}) == 5
