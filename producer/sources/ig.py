"""PURE. IG's stream: item updates in, quotes and trades out; subscriptions to ask for.

Frames are the link's own JSON (`producer.ig.frames`), one an event of the Lightstreamer client, because the protocol below them
is the client library's business. Source of the rules: IG's streaming reference, its users' issue trackers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from producer.errors import RemoteError
from producer.ig import frames
from producer.sources.ig_fields import event_time, number, positive
from producer.sources.protocol import Heartbeat, Ignored, Refused, SourceEvent, VenueError
from producer.sources.wanted import Wanted
from schemas.records import IdOrder, Loss, Quote, Trade
from schemas.timeframes import MINUTE

SNAPSHOT_AGE_US = 15 * MINUTE
"""Our choice: what a subscription begins with repeats the last change; after a quiet night that is hours old and no news."""
MAX_SUBSCRIPTIONS = 40
"""IG's limit for one connection; more connections breach its terms."""
CLOSED_FLAGS = frozenset({"CLOSED", "SUSPEND"})
_MOVES = frozenset({"BIDPRICE1", "ASKPRICE1", "BIDSIZE1", "ASKSIZE1", "TIMESTAMP"})


@dataclass
class _State:
    """What is known of one epic; it outlives connections, for a new subscription brings the last quote again."""

    last: tuple[float, float, float, float, int] | None = None
    newest_us: int = 0
    flag: str = ""
    is_delayed: bool = False
    is_ticking: bool = False


class Ig:
    """One account's stream of quotes, and of trades for the epics in `traded`.

    Args:
        symbols: the epics.
        traded: those of them that trade on an exchange, whose CHART ticks are asked for too.
        scales: what IG's prices are divided by, by epic; None: the link tells them (from /markets) before the first quote.
        heartbeat: ask for IG's heartbeat item, which proves the feed in quiet markets, while a subscription is left for it.
        name: the source's name; a second account is a second source.
    """

    def __init__(
        self,
        symbols: tuple[str, ...],
        *,
        traded: frozenset[str] = frozenset(),
        scales: Mapping[str, Decimal] | None = None,
        heartbeat: bool = True,
        name: str = "ig",
    ) -> None:
        self.name = name
        self.symbols = symbols
        self.ids: IdOrder = "none"
        self._traded = traded
        self._told: dict[str, Decimal] | None = {} if scales is None else None
        self._scales = scales or {}
        self._heartbeat = heartbeat
        self._states = {symbol: _State() for symbol in symbols}
        self._items = Wanted(self._items_of(symbols))
        self._refused: set[str] = set()

    def kind(self, symbol: str) -> Literal["trades", "quotes"]:
        """Return quotes: trades come beside them, where there are any."""
        return "quotes"

    def admits(self, trade: Trade) -> bool:
        """Tell that no trade fetched later is new: IG gives none."""
        return False

    def connected(self, now_us: int) -> None:
        """Begin a connection: everything is to be subscribed again, and every refusal is void."""
        self._refused.clear()
        for state in self._states.values():
            state.is_ticking = False
        self._items.connected()

    def want(self, symbols: tuple[str, ...]) -> None:
        """Want these epics from now on."""
        self.symbols = symbols
        self._states = {symbol: self._states.get(symbol) or _State() for symbol in symbols}
        self._refused.intersection_update(symbols)
        self._items.want(self._items_of(symbols))

    def _items_of(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        # Each item is subscribed by itself: one bad epic refuses all that come with it.
        ticks = (f"tick {symbol}" for symbol in symbols if symbol in self._traded)
        items = (*(f"price {symbol}" for symbol in symbols), *ticks)
        return ("heartbeat ", *items) if self._heartbeat and len(items) < MAX_SUBSCRIPTIONS else items

    def frames_to_send(self, limit: int) -> list[str]:
        """Return the next `limit` subscriptions, each of one item, and their ends."""
        return [frames.wish_for(verb, item) for verb, item in self._items.take(limit)]

    def refused_symbols(self) -> frozenset[str]:
        """Return the epics whose prices IG has refused on this connection."""
        return frozenset(self._refused)

    def is_market_closed(self) -> bool:
        """Tell whether IG says of every epic it delivers that it is closed; False while any is unknown."""
        flags = [state.flag for symbol, state in self._states.items() if symbol not in self._refused]
        return bool(flags) and all(flag in CLOSED_FLAGS for flag in flags)

    def receive(self, frame: bytes, now_us: int) -> list[SourceEvent]:
        """Turn one frame of the link into events.

        Example frame: {"type":"price","epic":"CS.D.EURUSD.MINI.IP","snapshot":false,"changed":["BIDPRICE1","TIMESTAMP"],
        "fields":{"BIDPRICE1":"1.0831","ASKPRICE1":"1.0833","BIDSIZE1":null,"ASKSIZE1":null,"TIMESTAMP":"1795575181652",
        "DLG_FLAG":"DEAL    ","DELAY":"0"}}. Values are texts or null, unchanged ones are carried along. TIMESTAMP and UTM
        are milliseconds UTC, set by the venue; UPDATE_TIME (local time) is never asked for.

        Raises:
            RemoteError: not a frame of the link. One bad value is a `Refused` instead.
        """
        message = frames.parsed(frame)
        kind, epic = message["type"], message.get("epic", "")
        if kind in ("heartbeat", "alive"):
            return [Heartbeat()]
        if epic not in self._states:
            if self._items.has_left(f"price {epic}"):
                return [Ignored("unsubscribed")]
            raise RemoteError("unwanted_symbol", "an epic that was not subscribed")
        if kind == "price":
            return self._guarded(frame, lambda: self._price(epic, message, now_us), epic)
        if kind == "tick":
            return self._guarded(frame, lambda: self._tick(epic, message, now_us), epic)
        if kind == "scale":
            return self._scale(epic, message)
        if kind == "subscribed":
            return [Ignored("subscribed")]
        if kind == "refused":
            return self._refuse(epic, message)
        return self._loss(epic, message, now_us)

    def _guarded(self, frame: bytes, parse: Any, epic: str) -> list[SourceEvent]:
        try:
            events: list[SourceEvent] = parse()
        except RemoteError as error:
            return [Refused(frame, RemoteError(error.reason, str(error), epic))]
        return events

    def _price(self, epic: str, message: dict[str, Any], now_us: int) -> list[SourceEvent]:
        fields, changed = message["fields"], frozenset(message["changed"])
        state = self._states[epic]
        state.flag = (fields.get("DLG_FLAG") or state.flag).strip()  # padded with blanks
        events: list[SourceEvent] = []
        if fields.get("DELAY") == "1" and not state.is_delayed:
            state.is_delayed = True
            events.append(VenueError(f"{epic}: the account gets delayed prices"))
        if fields.get("BIDPRICE1") is None or fields.get("ASKPRICE1") is None:
            return [*events, Ignored("no_price")]
        if not message["snapshot"] and not changed & _MOVES:
            return [*events, Ignored("flag_only")]
        scale = self._scale_of(epic)
        bid, ask = positive(fields, "BIDPRICE1", scale), positive(fields, "ASKPRICE1", scale)
        sizes = (number(fields, "BIDSIZE1"), number(fields, "ASKSIZE1"))
        event_us = event_time(fields, "TIMESTAMP", now_us)
        this = (bid, ask, *sizes, event_us)
        if message["snapshot"]:
            if this == state.last:
                return [*events, Ignored("repeated_snapshot")]
            if now_us - event_us > SNAPSHOT_AGE_US:
                return [*events, Ignored("old_snapshot")]
        state.last = this
        state.newest_us = max(state.newest_us, min(event_us, now_us))
        quote = Quote(self.name, epic, event_us, now_us, bid, ask, *sizes, snapshot=message["snapshot"])
        return [*events, quote]

    def _tick(self, epic: str, message: dict[str, Any], now_us: int) -> list[SourceEvent]:
        # A tick of the book repeats the last trade; a trade moves the day's volume, or, where there is none, itself. So the first
        # tick of a subscription, in which everything is new, only tells where they stand.
        fields, changed, state = message["fields"], frozenset(message["changed"]), self._states[epic]
        if not state.is_ticking:
            state.is_ticking = True
            return [Ignored("first_tick")]
        traded = "TTV" in changed if fields.get("TTV") is not None else bool(changed & {"LTP", "LTV"})
        if fields.get("LTP") is None or not traded:
            return [Ignored("no_trade")]
        price = positive(fields, "LTP", self._scale_of(epic))
        size = number(fields, "LTV")
        event_us = event_time(fields, "UTM", now_us)
        return [Trade(self.name, epic, event_us, now_us, price, size, kind="trade" if size else "update")]

    def _scale_of(self, epic: str) -> Decimal:
        if self._told is None:
            return self._scales.get(epic, Decimal(1))
        if epic not in self._told:
            raise RemoteError("unknown_scale", "/markets has not told by what the epic's prices are to be divided")
        return self._told[epic]

    def _scale(self, epic: str, message: dict[str, Any]) -> list[SourceEvent]:
        if self._told is not None:
            self._told[epic] = Decimal(message["divisor"])
        return [Ignored("scale")]

    def _refuse(self, epic: str, message: dict[str, Any]) -> list[SourceEvent]:
        of, what = message["of"], "prices" if message["of"] == "price" else "trades"
        if of == "price":
            self._refused.add(epic)
        return [VenueError(f"{epic}: {what} refused with code {message['code']}: {message['message']}")]

    def _loss(self, epic: str, message: dict[str, Any], now_us: int) -> list[SourceEvent]:
        count = message["count"]
        if message["type"] == "overflow":
            detail = "more came than Kafka took; the oldest waiting were kept"
            begin = min(message["from"], now_us)
            return [Loss(epic, "overflow", begin, max(message["to"], begin), count, detail)]
        # Dropped between the last update that came and this notice.
        begin = min(self._states[epic].newest_us or now_us, now_us)
        return [Loss(epic, "lost_updates", begin, now_us, count, f"the venue dropped {message['of']} updates")]
