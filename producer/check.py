"""SHELL (provider). Tries a configured provider without Kafka: credentials, subscriptions, symbols, history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from time import monotonic

from producer.care import Care
from producer.errors import ProducerError, RemoteError
from producer.history.protocol import HistoryClient, Question, RefusedError
from producer.inbox import Inbox, Item
from producer.link import Link
from producer.liveness import Liveness
from producer.providers import Provider
from producer.quiet import Quiet
from producer.scrub import scrubber
from producer.sources.protocol import Source, VenueError
from schemas.records import Quote, Trade
from schemas.timeframes import HOUR, MINUTE

# Our choices: a handshake with its look-ups, the provider's answers to all subscriptions, a reader's end.
CONNECT_S = 30.0
ANSWER_S = 10.0
JOIN_S = 5.0
STEP_S = 0.1
UNLIMITED_S = 1e9
MAX_TEXT = 500  # characters of what is said of one thing


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: ``ok`` is None where there is nothing to say, as for a symbol that did not trade meanwhile."""

    what: str
    ok: bool | None
    detail: str


def check_provider(provider: Provider, listen_s: float) -> Iterator[Finding]:
    """Yield what works of a provider, as it is found; what a connection showed, then history.

    It connects with the provider's own credentials: where a provider admits one connection a key, a running producer loses its.

    Args:
        provider: as its settings made it.
        listen_s: how long to wait for records of every symbol.
    """
    without = scrubber(provider.secrets)
    for finding in chain(_Feed(provider).findings(listen_s), _history(provider)):
        yield replace(finding, detail=without(finding.detail)[:MAX_TEXT])


class _Feed:
    """One connection of its own, listened to for a while."""

    def __init__(self, provider: Provider) -> None:
        self._where = provider.where
        self._source: Source = provider.source
        self._inbox = Inbox()
        self._link: Link = provider.connect(self._inbox, 1)
        liveness = Liveness(UNLIMITED_S, UNLIMITED_S)  # the pings are wanted, the verdicts are not
        self._care = Care(self._source, liveness, Quiet(None, 0))
        self._seen: dict[str, Trade | Quote] = {}
        self._complaints: list[str] = []
        self._broken = 0
        self._is_proved = False
        self._end: Item | None = None

    def findings(self, listen_s: float) -> Iterator[Finding]:
        self._link.start()
        try:
            first = self._inbox.get(CONNECT_S)
            if first is None or first.kind != "opened":
                why = "no answer" if first is None else first.detail
                refused = first is not None and first.http_status in (401, 403)
                yield Finding("connection", False, f"{self._where}: {'the credentials are refused: ' if refused else ''}{why}")
                return
            yield Finding("connection", True, self._where)
            self._source.connected(first.receive_us)
            self._care.opened(first.at_s)
            self._listen(listen_s)
            yield from self._subscriptions()
            yield from self._symbols(listen_s)
        finally:
            self._link.kill()
            self._inbox.release()
            self._link.join(JOIN_S)

    def _listen(self, listen_s: float) -> None:
        # At the provider's pace; done when every symbol was heard or refused, and the provider has read all we sent.
        began_s = monotonic()
        while self._end is None and monotonic() - began_s < (listen_s if self._is_proved else max(listen_s, ANSWER_S)):
            out = self._care.due(monotonic())
            for text in out.texts:
                self._link.send(text)
            for payload in out.pings:
                self._link.ping(payload)
            item = self._inbox.get(STEP_S)
            if item is not None:
                self._take(item)
            if self._is_proved and not self._unheard():
                return

    def _take(self, item: Item) -> None:
        if item.kind in ("closed", "failed"):
            self._end = item
        elif item.kind == "pong":
            self._is_proved = self._is_proved or self._care.is_proved_by_pong(item.payload, was_stale=False)
        elif item.kind == "data":
            self._is_proved = self._is_proved or self._care.is_proved_by_frame(item.at_s, was_stale=False)
            try:
                events = self._source.receive(item.payload, item.receive_us)
            except RemoteError:
                self._broken += 1
                return
            self._seen |= {event.symbol: event for event in events if isinstance(event, Trade | Quote)}
            self._complaints += [event.message for event in events if isinstance(event, VenueError)]

    def _unheard(self) -> list[str]:
        return [s for s in self._source.symbols if s not in self._seen and s not in self._source.refused_symbols()]

    def _subscriptions(self) -> Iterator[Finding]:
        for message in dict.fromkeys(self._complaints):
            yield Finding("subscription", False, f"the provider complains: {message}")
        if self._broken:
            yield Finding("subscription", False, f"{self._broken} frames are not what the provider documents")
        if self._end is not None:
            yield Finding("subscription", False, f"the connection ended: {self._end.detail}")
        elif self._is_proved:
            yield Finding("subscription", True, f"{len(self._source.symbols)} symbols, and the provider has read them all")
        else:
            yield Finding("subscription", None, "the provider answers no pings; only records show what it delivers")

    def _symbols(self, listen_s: float) -> Iterator[Finding]:
        refused = self._source.refused_symbols()
        for symbol in self._source.symbols:
            if symbol in self._seen:
                yield Finding(symbol, True, _shown(self._seen[symbol]))
            elif symbol in refused:
                yield Finding(symbol, False, "refused: unknown to the provider, or more than the plan delivers")
            else:
                yield Finding(symbol, None, f"nothing within {listen_s:g} s: no trade, a closed market, or no such symbol")


def _shown(record: Trade | Quote) -> str:
    age_ms = max(0, record.receive_time - record.event_time) // 1000
    values = f"price {record.price:g}, size {record.size:g}" if isinstance(record, Trade) else f"{record.bid:g} to {record.ask:g}"
    return f"{values}, received {age_ms} ms after its event"


def _history(provider: Provider) -> Iterator[Finding]:
    # One question for each part of a plan: they are refused together.
    if provider.history is None:
        yield Finding("history", None, "not asked: the provider has none, or none is configured")
        return
    client: HistoryClient | None = None
    try:
        client = provider.history()
        scopes = {client.scope(symbol): symbol for symbol in reversed(provider.source.symbols)}
        now_us = Inbox().now_us()
        for scope, symbol in scopes.items():
            end = (now_us - client.delay_us) // MINUTE * MINUTE
            question = Question(symbol, end - min(HOUR, client.longest_us), end, client.prices[0])
            yield _answer(client, question, scope, now_us)
    except ProducerError as error:
        yield Finding("history", False, str(error))
    finally:
        if client is not None:
            with suppress(ProducerError):
                client.close()


def _answer(client: HistoryClient, question: Question, scope: str, now_us: int) -> Finding:
    what = f"history of {scope or question.symbol}"
    try:
        page = client.ask(question, now_us)
    except RefusedError as error:
        return Finding(what, False, f"{question.symbol}: refused: {error.reason}")
    except ProducerError as error:
        return Finding(what, False, f"{question.symbol}: {error}")
    begun = [candle.start for candle in page.candles] + [trade.event_time for trade in page.trades]
    got = sum(question.start <= at < question.end for at in begun)  # a client may bring more than was asked
    minutes = (question.end - question.start) // MINUTE
    why = page.doubt or page.missing
    detail = f"{question.symbol}: {got} candles or trades of {minutes} minutes{f' ({why})' if why else ''}"
    return Finding(what, True if got else None, detail)
