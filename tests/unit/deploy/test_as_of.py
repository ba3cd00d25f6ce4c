from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.as_of import known_at

rows = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(0, 30)), unique_by=lambda r: r[:2])


@given(rows, st.integers(-1, 31))
def test_each_start_shows_the_highest_version_published_by_then_and_no_later_one(published, moment):
    ordered = [SimpleNamespace(start=s, version=v, published_us=p) for s, v, p in sorted(published)]
    found = {row.start: row.version for row in known_at(ordered, moment)}
    wanted = {}
    for start, version, published_us in published:
        if published_us <= moment:
            wanted[start] = max(version, wanted.get(start, 0))
    assert found == wanted


@given(rows, st.integers(-1, 31))
def test_what_is_published_later_changes_nothing(published, moment):
    both = [
        [
            (r.start, r.version)
            for r in known_at([SimpleNamespace(start=s, version=v, published_us=p) for s, v, p in part], moment)
        ]
        for part in (sorted(published), sorted(r for r in published if r[2] <= moment))
    ]
    assert both[0] == both[1]
