"""PURE. Coinbase Exchange's public feed: matches and heartbeats in, trades and proven losses out.

Source of the rules: the provider's pages "WebSocket Feed" and "Channels" (read 2026-11), and a public capture of 2026-08.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Literal

import orjson

from producer.errors import RemoteError
from producer.sources.coinbase_ids import SWAP_US, Skipped, TradeIds
from producer.sources.coinbase_trade import event_time, identity, trade_of
from producer.sources.protocol import Heartbeat, Ignored, Repeated, SourceEvent, VenueError
from producer.sources.wanted import Wanted
from schemas.records import IdOrder, Loss, Trade

CHANNELS = ("matches", "heartbeat")
MAX_TEXT = 200  # of what is kept of a complaint
_REFUSAL = "failed to subscribe"


class Coinbase:
    """One public feed. Ids are contiguous per product, so what does not come is known by number."""

    ids: IdOrder = "contiguous"

    def __init__(self, symbols: tuple[str, ...], name: str = "coinbase") -> None:
        self.name = name
        self._wanted = Wanted(symbols)
        self._products = {symbol: TradeIds() for symbol in symbols}  # outlives connections: the ids are the seam
        self._unanswered: deque[str] = deque()
        self._refused: set[str] = set()

    def kind(self, symbol: str) -> Literal["trades", "quotes"]:
        """Return trades: the quotes of this venue are not taken."""
        return "trades"

    def connected(self, now_us: int) -> None:
        """Begin a connection: every subscription is to be sent again, and every refusal is void."""
        self._wanted.connected()
        self._unanswered.clear()
        self._refused.clear()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The wanted products, in order."""
        return self._wanted.symbols

    def want(self, symbols: tuple[str, ...]) -> None:
        """Want these products from now on. What one that was dropped trades meanwhile is no loss: its count begins anew."""
        self._wanted.want(symbols)
        self._products = {symbol: self._products.get(symbol) or TradeIds() for symbol in symbols}
        self._refused &= self._products.keys()

    def frames_to_send(self, limit: int) -> list[str]:
        """Return the next `limit` subscriptions and their ends, one product each: one that is not known refuses no other."""
        batch = self._wanted.take(limit)
        self._unanswered.extend(symbol for verb, symbol in batch if verb == "subscribe")
        return [json.dumps({"type": verb, "product_ids": [symbol], "channels": CHANNELS}) for verb, symbol in batch]

    def refused_symbols(self) -> frozenset[str]:
        """Return the products whose subscription the venue refused."""
        return frozenset(self._refused)

    def admits(self, trade: Trade) -> bool:
        """Tell whether a trade fetched after the fact is new: once more is never, whichever way was first."""
        ids = self._products.get(trade.symbol)
        return ids is not None and ids.claim(trade.venue_sequence or 0, trade.event_time)

    def receive(self, frame: bytes, now_us: int) -> list[SourceEvent]:
        """Turn one frame into events.

        Example frame: {"type":"match","trade_id":1081862675,"maker_order_id":"f07e...","taker_order_id":"55c8...",
        "side":"sell","size":"0.00000001","price":"80691.53","product_id":"BTC-USD","sequence":134905859982,
        "time":"2026-08-25T03:35:57.096368Z"}. Numbers are texts; `side` is the maker's.
        `last_match` has the same fields and comes once a subscription: the newest trade before it, which after a
        reconnection shows what was missed. `heartbeat` comes each second and product, with `last_trade_id` (0 = unknown).

        Raises:
            RemoteError: no JSON, no object, or a match or heartbeat that is not what the provider documents.
        """
        try:
            message = orjson.loads(frame)
        except orjson.JSONDecodeError as error:
            raise RemoteError("not_json", f"not JSON: {error}") from None
        if type(message) is not dict:
            raise RemoteError("not_an_object", "the frame is JSON, but no object")
        kind = message.get("type")
        if kind in ("match", "last_match"):
            return self._match(message, now_us, is_seam=kind == "last_match")
        if kind == "heartbeat":
            return self._heartbeat(message, now_us)
        if kind == "subscriptions":
            self._accepted(message.get("channels"))
            return [Heartbeat()]
        if kind == "error":
            return [self._complaint(message)]
        return [Ignored("unknown_type")]

    def _match(self, message: dict[str, Any], now_us: int, *, is_seam: bool) -> list[SourceEvent]:
        symbol = self._symbol(message)
        if symbol not in self._products:
            return [Ignored("unsubscribed")]
        ids = self._products[symbol]
        if is_seam:
            number = identity(message, "trade_id", symbol)
            if ids.newest is None:
                ids.begin_at(number, event_time(message, symbol, None))
            if ids.knows(number):
                # It happened before our first sight, perhaps days ago (its age is no fault), or it has come.
                return [Ignored("seam")]
        trade = trade_of(self.name, symbol, message, now_us)
        assert trade.venue_sequence is not None
        if ids.take(trade.venue_sequence, trade.event_time, now_us):
            return [trade, *self._losses(symbol, now_us)]
        return [Repeated(symbol, "trade")]

    def _heartbeat(self, message: dict[str, Any], now_us: int) -> list[SourceEvent]:
        symbol = self._symbol(message)
        if symbol not in self._products:
            return [Heartbeat()]
        last = identity(message, "last_trade_id", symbol, lowest=0)
        at_us = event_time(message, symbol, None)
        if last:  # it was 0 for long periods in 2019 and 2020
            self._products[symbol].told_newest(last, at_us, now_us)
        return [Heartbeat(), *self._losses(symbol, now_us)]

    def _symbol(self, message: dict[str, Any]) -> str:
        symbol = message.get("product_id")
        if type(symbol) is not str or not symbol or not symbol.isprintable():
            raise RemoteError("bad_symbol", "product_id: a printable text is needed")
        if symbol not in self._products and not self._wanted.has_left(symbol):
            raise RemoteError("unwanted_symbol", "a product that was not subscribed", symbol)
        return symbol

    def owed(self, now_us: int) -> list[Loss]:
        """Return what is missing and has not been told yet: the next run knows none of our ids."""
        return [loss for symbol in self._products for loss in self._losses(symbol, now_us + SWAP_US)]

    def _losses(self, symbol: str, now_us: int) -> list[Loss]:
        return [_loss(symbol, skipped) for skipped in self._products[symbol].judge(now_us)]

    def _accepted(self, channels: object) -> None:
        # Each answer lists everything subscribed so far; what it lists is neither refused nor waited for.
        named: set[str] = set()
        for channel in channels if type(channels) is list else []:
            if type(channel) is dict and channel.get("name") == "matches" and type(channel.get("product_ids")) is list:
                named.update(p for p in channel["product_ids"] if type(p) is str)
        self._refused -= named
        self._unanswered = deque(s for s in self._unanswered if s not in named)

    def _complaint(self, message: dict[str, Any]) -> VenueError:
        said = [part for part in (message.get("message"), message.get("reason")) if type(part) is str and part]
        text = ": ".join(said)[:MAX_TEXT] or "an error without a text"
        # Answers come in the order of the questions, so one that names no product means the oldest without an answer.
        named = [symbol for symbol in self._unanswered if symbol in text.split()]
        if not named and _REFUSAL in text.lower():
            named = list(self._unanswered)[:1]
        self._refused.update(named)
        self._unanswered = deque(s for s in self._unanswered if s not in named)
        return VenueError(text)


def _loss(symbol: str, skipped: Skipped) -> Loss:
    # An interval without length would say nothing to whoever measures; the least there is says "damaged".
    to_us = max(skipped.to_us, skipped.from_us + 1)
    which = f"ids {skipped.first} to {skipped.last}" if skipped.missing else f"the venue counts anew from {skipped.first}"
    return Loss(symbol, "skipped_ids", skipped.from_us, to_us, skipped.missing, which)
