"""SHELL (WebSocket). The fake Coinbase feed: matches and heartbeats to whoever subscribed, or into the ledger as lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from random import Random
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from deploy.simulator.coinbase_book import Book, Match, frame, iso
from deploy.simulator.coinbase_faults import ONCE, Faults
from deploy.simulator.ledger import Entry, Ledger
from deploy.simulator.market import Market, Print
from deploy.simulator.stream import Client

TICK_S = 0.02
SUBSCRIBE_WITHIN_S = 5.0
BURST_A_TICK = 400  # 20,000 a second
CHANNELS = ("matches", "heartbeat")


class CoinbaseStream:
    """The feed. ``run`` is the market's loop; ``serve`` answers one WebSocket request."""

    def __init__(self, market: Market, book: Book, ledger: Ledger, *, heartbeat_s: float, seed: int) -> None:
        self.book = book
        self.ledger = ledger
        self.faults = Faults()
        self._market = market
        self._heartbeat_s = heartbeat_s
        self._random = Random(seed)  # noqa: S311 - a market, not a secret
        self._clients: set[Client] = set()
        self._held: dict[str, Match] = {}  # the first of a pair that changes places

    async def run(self) -> None:
        """Let time pass until cancelled."""
        next_beat = time.monotonic() + self._heartbeat_s
        while True:
            now_s = time.monotonic()
            self._step(now_s)
            if now_s >= next_beat:
                next_beat += self._heartbeat_s
                self._beat(now_s)
            await asyncio.sleep(TICK_S)

    async def inject(self, fault: dict[str, Any]) -> None:
        """Begin a fault; a drop returns when the connections are cut, with all that was sent before delivered."""
        now_s, kind = time.monotonic(), fault["kind"]
        self.ledger.fault(fault, time.time_ns() // 1000)
        self.faults.add(fault, now_s)
        if kind == "silent":
            for client in self._clients:
                client.silent_until_s = now_s + fault["seconds"]
        elif kind in ("drop", "slow_consume"):
            for client in list(self._clients):
                if kind == "slow_consume":
                    self._queue(client, {"type": "error", "message": "ErrSlowConsume"}, [])
                await self._part(client, fault["how"] if kind == "drop" else "close")
        elif kind in ONCE:
            self._send_once(fault)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a handshake, then obey subscriptions until the connection ends."""
        now_s = time.monotonic()
        refused = self.faults.active("refuse", now_s) or self.faults.active("drop", now_s)
        if refused is not None:
            headers = {} if refused["retry_after"] is None else {"Retry-After": str(refused["retry_after"])}
            return web.Response(status=refused["status"], headers=headers, text="refused by a fault")
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        client = Client(socket, request.transport)
        self.ledger.count("connections")
        self._clients.add(client)
        tasks = [asyncio.create_task(self._send(client)), asyncio.create_task(self._expect_subscription(client))]
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._obey(client, message.data)
                elif message.type is WSMsgType.PING and time.monotonic() >= client.silent_until_s:
                    await socket.pong(message.data)
        except (ConnectionError, RuntimeError):
            pass  # the connection was cut under our hands
        finally:
            self._clients.discard(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while not client.queue.empty():
                self._never_sent(client.queue.get_nowait()[1], "closed")
        return socket

    async def _expect_subscription(self, client: Client) -> None:
        await asyncio.sleep(SUBSCRIBE_WITHIN_S)
        if not client.symbols:
            await client.socket.close(code=WSCloseCode.POLICY_VIOLATION)

    async def _part(self, client: Client, how: str) -> None:
        client.is_leaving = True
        if how != "rst":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.queue.join(), 2.0)
        if how == "close":
            await client.socket.close(code=WSCloseCode.GOING_AWAY)
        client.cut(how)

    def _obey(self, client: Client, text: str | bytes) -> None:
        try:
            wish = json.loads(text)
            kind, products = wish["type"], [str(product) for product in wish["product_ids"]]
            channels = {str(c["name"] if isinstance(c, dict) else c) for c in wish["channels"]}
        except (ValueError, KeyError, TypeError, AttributeError):
            self._queue(client, {"type": "error", "message": "Malformed JSON"}, [])
            return
        unknown = [product for product in products if product not in self.book.listings]
        if kind not in ("subscribe", "unsubscribe") or not channels <= set(CHANNELS):
            self._queue(client, {"type": "error", "message": "Type has to be subscribe or unsubscribe"}, [])
        elif unknown:
            reason = f"{unknown[0]} is not a valid product"
            self._queue(client, {"type": "error", "message": "Failed to subscribe", "reason": reason}, [])
        elif kind == "unsubscribe":
            client.symbols.difference_update(products)
            self._queue(client, self._subscriptions(client), [])
        else:
            new = [product for product in products if product not in client.symbols]
            client.symbols.update(products)
            self._answer_subscription(client, new)

    def _answer_subscription(self, client: Client, new: list[str]) -> None:
        seams = [match for product in new if (match := self.book.newest(product)) is not None]
        answer = self._subscriptions(client)
        first = self._random.random() < 0.5  # the order of the two is not documented
        if first:
            self._queue(client, answer, [])
        for match in seams:
            match.seam = True
            self._queue(client, frame("last_match", match), [])
        if not first:
            self._queue(client, answer, [])

    def _subscriptions(self, client: Client) -> dict[str, Any]:
        names = sorted(client.symbols)
        return {"type": "subscriptions", "channels": [{"name": c, "product_ids": names, "account_ids": None} for c in CHANNELS]}

    async def _send(self, client: Client) -> None:
        while True:
            text, entries = await client.queue.get()
            try:
                await client.socket.send_str(text)
            except (ConnectionError, RuntimeError):
                self._never_sent(entries, "closed")
            else:
                now_us = time.time_ns() // 1000
                for entry in entries:
                    self.ledger.sent(entry, now_us)
            finally:
                client.queue.task_done()

    def _queue(self, client: Client, fields: dict[str, Any] | str, entries: list[Entry]) -> None:
        text = fields if isinstance(fields, str) else json.dumps(fields, separators=(",", ":"))
        try:
            client.queue.put_nowait((text, entries))
        except asyncio.QueueFull:
            client.cut("rst")
            self._never_sent(entries, "slow_client")

    def _never_sent(self, entries: list[Entry], why: str) -> None:
        for entry in entries:
            if not entry.times:
                self.ledger.never_sent(entry, why)

    def _listening(self, now_s: float) -> list[Client]:
        return [client for client in self._clients if now_s >= client.silent_until_s and not client.is_leaving]

    def _beat(self, now_s: float) -> None:
        zero = self.faults.active("zero", now_s)
        at_us = time.time_ns() // 1000
        for client in self._listening(now_s):
            for product in client.symbols:
                newest = self.book.newest(product)
                last = 0 if zero or newest is None else newest.trade_id
                beat = {
                    "type": "heartbeat",
                    "sequence": last * 7,
                    "last_trade_id": last,
                    "product_id": product,
                    "time": iso(at_us),
                }
                self._queue(client, beat, [])

    def _step(self, now_s: float) -> None:
        due = self._market.due(now_s)
        if self.faults.active("pause", now_s):
            return
        now_us = time.time_ns() // 1000
        for symbol, listing in self.book.listings.items():
            due += [Print(symbol, listing.price, 0.01, None)] * self.faults.take("burst", symbol, BURST_A_TICK)
        for tick in due:
            match = self.book.trade(tick, now_us)
            self.ledger.made(match)
            if self.faults.takes("skip", match.symbol):
                self.ledger.never_sent(match, "skipped")
            elif match.symbol not in self._held and self.faults.takes("swap", match.symbol):
                self._held[match.symbol] = match
            else:
                self._tell(match, now_s)
                if (held := self._held.pop(match.symbol, None)) is not None:
                    self._tell(held, now_s)

    def _tell(self, match: Match, now_s: float) -> None:
        why = "heartbeats_only" if self.faults.active("heartbeats_only", now_s) else ""
        clients = [client for client in self._listening(now_s) if match.symbol in client.symbols and not why]
        if not clients:
            self.ledger.never_sent(match, why or ("no_connection" if not self._clients else "not_listening"))
            return
        fields = frame("match", match)
        if self.faults.takes("bad_price", match.symbol):
            fields["price"] = f"-{match.price_text}"
            self.ledger.count("bad_sent")
            self.ledger.never_sent(match, "bad_price")
        times = 2 if self.faults.active("repeat", now_s) else 1
        for client in clients:
            for _ in range(times):
                self._queue(client, fields, [] if match.lost else [match])

    def _send_once(self, fault: dict[str, Any]) -> None:
        frames: dict[str, dict[str, Any] | str] = {
            "malformed": '{"type":"match","trade_id":12',
            "unknown": {"type": "status", "products": []},
            "error": {"type": "error", "message": fault["message"]},
        }
        for client in self._listening(time.monotonic()):
            self._queue(client, frames[fault["kind"]], [])
            self.ledger.count(f"{fault['kind']}_sent")
