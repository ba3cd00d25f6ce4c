from collections import Counter
from itertools import pairwise

from deploy.simulator.market import LISTINGS, Market, paced


def prints(seed, looks):
    market = Market(seed, 0.0)
    return [p for now in looks for p in market.due(now)]


def by_symbol(found):
    return {s: [p for p in found if p.symbol == s] for s in {p.symbol for p in found}}


def test_same_seed_gives_the_same_market_however_often_it_is_looked_at():
    assert by_symbol(prints(1, [10.0])) == by_symbol(prints(1, [n / 50 for n in range(501)]))


def test_another_seed_gives_another_market():
    assert prints(1, [5.0]) != prints(2, [5.0])


def test_symbols_keep_their_pace():
    counts = Counter(p.symbol for p in prints(3, range(601)) if not p.twin_of_last)
    for listing in LISTINGS:
        assert abs(counts[listing.symbol] - 600 * listing.per_second) < 6 * (600 * listing.per_second) ** 0.5 + 1


def test_fx_gives_price_updates_and_the_others_trades():
    volume = {listing.symbol: listing.has_volume for listing in LISTINGS}
    found = prints(1, range(300))
    assert all((p.v > 0) == volume[p.symbol] and p.p > 0 for p in found)


def test_twins_equal_the_print_before_them():
    found = prints(1, range(60))
    twins = [(a, b) for a, b in pairwise(found) if b.twin_of_last]
    assert twins
    assert all((a.symbol, a.p, a.v, a.c) == (b.symbol, b.p, b.v, b.c) for a, b in twins)


def test_a_faster_market_has_the_same_symbols_and_more_prints():
    fast = Market(3, 0.0, paced(LISTINGS, 10))
    assert list(fast.listings) == [listing.symbol for listing in LISTINGS]
    assert 7 < len(fast.due(1.5)) / len(Market(3, 0.0).due(1.5)) < 13
