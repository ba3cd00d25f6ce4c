"""Real frames of a real exchange: through ccxt's own parser and our source nothing is refused, dropped or changed.

The recording is looked for beside the checkout; where it is absent, these tests are skipped and say so.
"""

import gzip
import json
import random
from contextlib import suppress

import pytest

from producer.errors import RemoteError
from producer.sources.ccxt import Ccxt
from producer.sources.coinbase import Coinbase
from producer.sources.coinbase_ids import SWAP_US, TradeIds
from producer.sources.protocol import Heartbeat, Ignored, Refused, Repeated, VenueError
from schemas.records import Loss, Trade

FIELDS = ("id", "symbol", "timestamp", "price", "amount", "side")
SYMBOL = "BTC/USDT"
EVENTS = (Trade, Loss, Heartbeat, Ignored, Refused, Repeated, VenueError)


@pytest.fixture(scope="module")
def recorded(recorded_market_data):
    """[(receive time in us, the exchange's trade)] of twelve minutes of BTCUSDT, as they came."""
    found = []
    for day in ("20240808", "20240809"):
        with gzip.open(recorded_market_data / "hft-binance-spot" / f"btcusdt_{day}.gz", "rb") as lines:
            for line in lines:
                if b"@trade" in line:
                    received, _, frame = line.partition(b" ")
                    found.append((int(received) // 1000, json.loads(frame)["data"]))
    assert len(found) > 10_000
    return found


@pytest.fixture(scope="module")
def unified(recorded):
    """The same as ccxt unifies them."""
    pro = pytest.importorskip("ccxt.pro", reason="the extra ccxt is not installed")
    exchange = pro.binance()
    exchange.number = str
    market = exchange.safe_market_structure({"id": "BTCUSDT", "symbol": SYMBOL, "spot": True, "option": False})
    trades = [exchange.parse_ws_trade(trade, market) for _, trade in recorded]
    return [{name: trade.get(name) for name in FIELDS} for trade in trades]


def test_every_recorded_trade_is_published_once_with_its_own_values(recorded, unified):
    source = Ccxt((SYMBOL,), "ccxt-binance")
    source.connected(recorded[0][0])
    for (received, raw), trade in zip(recorded, unified, strict=True):
        (event,) = source.receive(json.dumps({"trades": [trade]}).encode(), received)
        assert type(event) is Trade, event
        assert (event.trade_id, event.event_time) == (str(raw["t"]), raw["T"] * 1000)
        assert (event.price, event.size) == (float(raw["p"]), float(raw["q"]))
        assert event.side == ("sell" if raw["m"] else "buy")  # m: the buyer was the maker
        (again,) = source.receive(json.dumps({"trades": [trade]}).encode(), received)
        assert type(again) is Repeated


def test_recorded_ids_are_contiguous_and_a_hole_cut_into_them_is_found_exactly(recorded):
    ids, told = TradeIds(), []
    numbers = [raw["t"] for _, raw in recorded]
    cut = set(numbers[5_000:5_007])
    for received, raw in recorded:
        if raw["t"] not in cut:
            ids.take(raw["t"], raw["T"] * 1000, received)
            told += ids.judge(received)
    told += ids.judge(recorded[-1][0] + SWAP_US)
    (hole,) = told
    assert (hole.first, hole.last) == (min(cut), max(cut))
    times = {raw["t"]: raw["T"] * 1000 for _, raw in recorded}
    assert (hole.from_us, hole.to_us) == (times[min(cut) - 1], times[max(cut) + 1])


def test_recorded_trades_with_damaged_bytes_give_events_or_the_documented_error(recorded, unified):
    chance = random.Random(3)
    sources = (Ccxt((SYMBOL,), "ccxt-binance"), Coinbase(("BTC-USD",)))
    for (received, raw), trade in zip(recorded[:2_000], unified, strict=False):
        match = {
            "type": "match",
            "trade_id": raw["t"],
            "side": "buy" if raw["m"] else "sell",
            "size": raw["q"],
            "price": raw["p"],
            "product_id": "BTC-USD",
            "time": "2024-08-08T23:54:15.342000Z",
        }
        for source, frame in zip(sources, ({"trades": [trade]}, match), strict=True):
            damaged = bytearray(json.dumps(frame).encode())
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            events = []
            with suppress(RemoteError):
                events = source.receive(bytes(damaged), received)
            assert all(isinstance(event, EVENTS) for event in events)
