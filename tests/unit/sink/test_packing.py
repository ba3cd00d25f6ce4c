import struct

import pytest
from cassandra.cqltypes import BooleanType, DateType, DoubleType, Int32Type, LongType, UTF8Type
from hypothesis import given
from hypothesis import strategies as st

from sink.packing import packed, packers

TYPES = (UTF8Type, LongType, DateType, Int32Type, DoubleType, BooleanType)
longs = st.integers(-(2**63), 2**63 - 1)
rows = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"])), longs, longs, st.integers(-(2**31), 2**31 - 1), st.floats(), st.booleans()
)


@given(rows)
def test_the_bytes_are_those_of_the_driver(row):
    columns = packers(t.typename for t in TYPES)
    assert packed(columns, row) == [t.serialize(value, 5) for t, value in zip(TYPES, row, strict=True)]


@pytest.mark.parametrize(
    ("name", "value"), [("bigint", 2**63), ("int", None), ("double", "1"), ("text", None), ("text", "\ud800")]
)
def test_a_value_that_does_not_fit_is_refused(name, value):
    with pytest.raises((struct.error, TypeError, ValueError)):
        packed(packers([name]), [value])
