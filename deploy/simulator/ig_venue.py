"""SHELL (clock). The fake IG's market and schedule: quotes go to whoever subscribed, sessions are rebound, faults are done."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

from deploy.simulator.ig_accounts import Accounts
from deploy.simulator.ig_candles import IgCandles
from deploy.simulator.ig_items import HEARTBEAT, Row, beat_row, flag, parse_item, price_row, tick_row
from deploy.simulator.ig_ledger import Entry, IgLedger, Kind
from deploy.simulator.ig_lightstreamer import IgSession, Lightstreamer, subscribed
from deploy.simulator.ig_market import IgMarket, Move
from deploy.simulator.tlcp import Request, Subscribed

TICK_S = 0.02
HEARTBEAT_S = 1.0
MAX_SUBSCRIPTIONS = 40


class Venue:
    """One market, one account, its streams. ``scale`` speeds up the schedule (LOOPs, tokens, allowances), not the quotes."""

    def __init__(
        self,
        market: IgMarket,
        candles: IgCandles,
        accounts: Accounts,
        ledger: IgLedger,
        *,
        scale: float = 1.0,
        loop_s: float = 0.0,
        keepalive_ms: int = 2000,
    ) -> None:
        self.market = market
        self.candles = candles
        self.accounts = accounts
        self.ledger = ledger
        self.streams = Lightstreamer(ledger, admit=self._admit, opened=self._opened, keepalive_ms=keepalive_ms)
        self.rest_code: tuple[int, float] = (0, 0.0)
        self._scale = scale
        self._loop_s = loop_s
        self._start_s = time.monotonic()
        self._paused_until_s = self._closed_until_s = 0.0
        self._is_closed = False
        self._last_ms: defaultdict[str, int] = defaultdict(int)
        self._asked: set[tuple[str, str]] = set()
        self._present: dict[str, tuple[Move, Entry]] = {}
        self._overflow: dict[str, int] = {}
        self._bad: set[str] = set()
        self._volume: defaultdict[str, float] = defaultdict(float)
        self._traded: dict[str, Move] = {}
        self._asked_loops: list[float] = []

    def now_s(self) -> float:
        """Return the venue's schedule clock: seconds since the start, scaled."""
        return (time.monotonic() - self._start_s) * self._scale

    async def run(self) -> None:
        """Let time pass until cancelled."""
        next_loop_s = self._loop_s or float("inf")
        next_beat_s = 0.0
        while True:
            now_s = time.monotonic()
            self._step(now_s)
            if now_s >= next_beat_s:
                next_beat_s = now_s + HEARTBEAT_S
                self._beat()
            if self.now_s() >= next_loop_s and self._loop():
                next_loop_s = self.now_s() + self._loop_s
            if self._asked_loops and now_s >= self._asked_loops[0] and self._loop():
                self._asked_loops.pop(0)
            self.streams.forget_unbound()
            await asyncio.sleep(TICK_S)

    async def inject(self, fault: dict[str, Any]) -> None:
        """Do what a fault asks for."""
        now_s, seconds, kind = time.monotonic(), fault["seconds"], fault["kind"]
        self.ledger.count(f"fault_{kind}")
        if kind == "cut":
            await self.streams.cut(fault["how"], recover=fault["recover"], seconds=seconds)
        elif kind == "silent":
            for session in self.streams.sessions.values():
                session.silent_until_s = now_s + seconds
        elif kind == "loop":
            self._asked_loops += [now_s + seconds * n for n in range(fault["times"])]
        elif kind == "end":
            self.streams.finish(f"END,{fault['code']},ended by a fault")
        elif kind == "conerr":
            self.streams.refusing = (fault["code"], now_s + seconds)
        elif kind in ("overflow", "bad_price"):
            epic = fault["epic"] or next(iter(self.market.epics))
            if kind == "overflow":
                self._overflow[epic] = fault["times"]
            else:
                self._bad.add(epic)
        elif kind == "pause":
            self._paused_until_s = now_s + seconds
        elif kind == "closed":
            self._closed_until_s = now_s + seconds
        elif kind == "no_websocket":
            self.streams.no_websocket_until_s = now_s + seconds
        elif kind == "malformed":
            for session in self.streams.sessions.values():
                for target in list(session.subscriptions.values())[:1]:
                    session.add(f"U,{target.number},1,^P{{")
        elif kind == "invalidate":
            self.accounts.tokens.clear()
        elif kind == "rest":
            self.rest_code = (fault["code"], now_s + seconds)
        elif kind == "allowance":
            self.accounts.points = self.accounts.spent + fault["times"]

    def _loop(self) -> bool:
        # A client that is busy binding is not asked to bind.
        is_asked = self.streams.finish("LOOP,0")
        self.ledger.count("loops", int(is_asked))
        return is_asked

    # Who may stream what.

    def _admit(self, user: str, password: str) -> int:
        cst, _, xst = password.removeprefix("CST-").partition("|XST-")
        return 0 if self.accounts.may_stream(user, cst, xst, self.now_s()) else 1

    def _opened(self, session: IgSession, wish: Request) -> tuple[int, str] | None:
        if len(session.subscriptions) >= MAX_SUBSCRIPTIONS:
            return -1, "Too many subscriptions"
        if wish.get("LS_group") == HEARTBEAT:
            target = session.subscribe(wish)
            session.update(target, beat_row(time.time_ns() // 1_000_000, target.fields))
            return None
        item = parse_item(wish.get("LS_group"))
        if item.kind in ("MARKET", "L1"):
            return -1, "Subscription withdrawn"
        if item.adapter and item.adapter != wish.get("LS_data_adapter"):
            return 17, "Bad Data adapter name"
        if item.epic not in self.market.epics or (item.kind == "PRICE" and item.account != session.user):
            return 21, "Invalid group"
        if wish.get("LS_mode") != item.mode:
            return 24, "Subscription mode not allowed"
        target = session.subscribe(wish)
        kind, epic = item.kind, item.epic
        self._asked.add((kind, epic))
        if kind == "PRICE" and wish.get("LS_snapshot") != "false":
            # The present values with the time at which they came up, be that long ago: told before, or lost, or new.
            move, entry = self._present.get(epic) or (self.market.last[epic], self._made(self.market.last[epic], "price"))
            self._present[epic] = (move, entry)
            session.update(target, self._row(move, entry.t, target, "price"), entry)
        return None

    # What happens.

    def _step(self, now_s: float) -> None:
        due = self.market.due(now_s)
        closed = now_s < self._closed_until_s
        if closed != self._is_closed:
            self._is_closed = closed
            self._tell_flags()
        if closed or now_s < self._paused_until_s:
            return
        now_ms = time.time_ns() // 1_000_000
        for waiting, move in zip(range(len(due) - 1, -1, -1), due, strict=True):
            # Not in the future, and never twice the same for an epic, so that tests can tell changes apart.
            self._last_ms[move.epic] = max(now_ms - waiting, self._last_ms[move.epic] + 1)
            self.candles.add(move, self._last_ms[move.epic])
            if self._overflow.get(move.epic, 0) > 0:
                self._drop(move)
                continue
            self._send(move, "price")
            if self.market.epics[move.epic].has_trades:
                self._tick(move)

    def _send(self, move: Move, kind: Kind) -> None:
        item, ending = ("PRICE", f":{move.epic}") if kind == "price" else ("CHART", f":{move.epic}:TICK")
        if (item, move.epic) not in self._asked:
            return
        entry = self._made(move, kind)
        if kind == "price":
            self._present[move.epic] = (move, entry)
        targets = subscribed(self.streams.sessions, ending)
        if not targets:
            self.ledger.never_sent(entry, "not_subscribed")
        for session, target in targets:
            session.update(target, self._row(move, entry.t, target, kind), entry)

    def _tick(self, move: Move) -> None:
        # A tick of the book alone repeats the last trade, and the day's volume stands.
        if move.ltp is not None:
            self._volume[move.epic] += move.ltv or 0.0
            self._traded[move.epic] = move
            self._send(move, "tick")
        elif move.epic in self._traded:
            book = replace(self._traded[move.epic], bid=move.bid, ask=move.ask)
            for session, target in subscribed(self.streams.sessions, f":{move.epic}:TICK"):
                session.update(target, self._row(book, self._last_ms[move.epic], target, "tick"))

    def _drop(self, move: Move) -> None:
        self._overflow[move.epic] -= 1
        entry = self._made(move, "price")
        self.ledger.never_sent(entry, "overflow")
        if self._overflow[move.epic] == 0:
            total = sum(1 for e in self.ledger.entries if e.epic == move.epic and e.lost == "overflow")
            told = self.ledger.summary().get(f"overflow_told_{move.epic}", 0)
            self.ledger.count(f"overflow_told_{move.epic}", total - told)
            for session, target in subscribed(self.streams.sessions, f":{move.epic}"):
                session.overflow(target, total - told)

    def _made(self, move: Move, kind: Kind) -> Entry:
        now_us = time.time_ns() // 1000
        t = self._last_ms[move.epic] or now_us // 1000 - 1
        entry = Entry(move.epic, kind, t, move.bid, move.ask, move.bid_size, move.ask_size, move.ltp, move.ltv, now_us)
        self.ledger.made(entry)
        return entry

    def _row(self, move: Move, t: int, target: Subscribed, kind: Kind) -> Row:
        digits = self.market.epics[move.epic].digits
        if kind == "tick":
            return tick_row(move, t, digits, target.fields, day_volume=self._volume[move.epic])
        bad = move.epic in self._bad and target.row is not None
        if bad:
            self._bad.discard(move.epic)
            self.ledger.count("bad_sent")
        return price_row(move, t, digits, target.fields, closed=self._is_closed, bad=bad)

    def _tell_flags(self) -> None:
        for epic in self.market.epics:
            for session, target in subscribed(self.streams.sessions, f":{epic}"):
                if target.row is not None and "DLG_FLAG" in target.fields:
                    row = list(target.row)
                    row[target.fields.index("DLG_FLAG")] = flag(closed=self._is_closed)
                    session.update(target, row)

    def _beat(self) -> None:
        for session, target in subscribed(self.streams.sessions, HEARTBEAT):
            session.update(target, beat_row(time.time_ns() // 1_000_000, target.fields))
