"""SHELL (HTTP). What the producer counts, as /metrics for Prometheus and /health for people and probes.

Counting is plain addition, because it happens for every record; metrics are made of it only when somebody asks.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from producer.errors import FatalError
from producer.history.counts import HistoryCounts
from schemas.waiting import Waiting

_log = structlog.get_logger()
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
READY = "/health/ready"
PAGES = ("/health", "/health/live", READY)


class Counts:
    """The numbers of one run. Reasons and kinds are from fixed sets, so that labels stay bounded."""

    def __init__(self) -> None:
        self.published = Counter[str]()  # dataset -> records given to Kafka
        self.acknowledged = 0  # records and statuses Kafka has confirmed
        self.refused = Counter[str]()  # reason -> dead letters; rises when a peer breaks its contract: look at them
        self.ignored = Counter[str]()  # kind -> frames of no use: unknown types, frames without data
        self.repeats = Counter({"trade": 0, "update": 0})  # kind -> dropped; rises when frames come more than once
        self.frames = 0  # frames of any kind received
        self.connects = Counter[str]()  # outcome -> connection attempts
        self.backpressure = 0  # times Kafka's client was full; rises when the broker is slower than the feed
        self.history = HistoryCounts()
        self.waiting = Waiting()  # for a server, before anything can be done
        self.turned_s: float | None = None  # when the loop last turned, of the monotonic clock; None while it is not begun
        self.is_active = True  # false while another producer of the source has the lease
        self.epoch = 0
        self.state = "connecting"
        self.since_us = 0  # of the state
        self.reason = ""  # of the state; free text, so no label
        self.attempts = 0  # to connect, since the feed was last good
        self.last_frame_us: int | None = None
        self.last_record_us: dict[
            str, int
        ] = {}  # wanted symbol -> receive time, 0 = none; old alone is no alarm: it may not trade
        self.refused_symbols: frozenset[str] = frozenset()

    def hangs(self, limit_s: float, now_s: float) -> bool:
        """Tell whether the loop has not turned for `limit_s`; before its first turn every step has a limit of its own."""
        return self.turned_s is not None and now_s - self.turned_s > limit_s

    def facts(self) -> dict[str, Any]:
        """Return what a person wants to know first, by name."""
        return {
            "waiting_for": self.waiting.server,
            "active": self.is_active,
            "state": "waiting" if self.waiting.server else self.state if self.is_active else "standby",
            "since_us": self.since_us,
            "reason": self.waiting.why or self.reason,
            "attempts": self.attempts,
            "epoch": self.epoch,
            "last_frame_us": self.last_frame_us,
            "last_record_us": dict(self.last_record_us),
            "refused_symbols": sorted(self.refused_symbols),
        }


class _Collector(Collector):
    def __init__(self, source: str, counts: Counts) -> None:
        self._source = source
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        c, source = self._counts, self._source
        yield _family("published", "Records given to Kafka", "dataset", source, c.published)
        yield _family("refused", "Input refused, kept as dead letters", "reason", source, c.refused)
        yield _family("ignored_frames", "Frames without a record", "kind", source, c.ignored)
        yield _family("connection_attempts", "Connection attempts", "outcome", source, c.connects)
        yield _family("acknowledged", "Records and statuses confirmed by Kafka", None, source, {"": c.acknowledged})
        yield _family("repeats_dropped", "Repeats dropped", "kind", source, c.repeats)
        yield _family("frames", "Frames received", None, source, {"": c.frames})
        yield _family("backpressure", "Times the Kafka client was full", None, source, {"": c.backpressure})
        yield from _history(source, c.history)
        yield _gauge(
            "active", "1 for the one producer of the source that has the lease, 0 for a standby", source, float(c.is_active)
        )
        waiting = GaugeMetricFamily(
            "candlewick_producer_start_waiting", "1 while the start waits for this server", labels=["source", "server"]
        )
        for server, value in c.waiting.values().items():
            waiting.add_metric([source, server], value)
        yield waiting
        if c.is_active:
            yield from _liveness(source, c)


def _liveness(source: str, c: Counts) -> Iterator[Metric]:
    is_live = c.state in ("live", "market_closed")
    yield _gauge("feed_live", "1 while the feed is known to deliver", source, float(is_live))
    yield _gauge("feed_since_seconds", "Since when the feed is in its state, seconds UTC", source, c.since_us / 1e6)
    yield _gauge("feed_attempts", "Attempts to connect since the feed was last good", source, c.attempts)
    if c.last_frame_us is not None:
        yield _gauge("last_frame_seconds", "Receive time of the newest frame, seconds UTC", source, c.last_frame_us / 1e6)
    yield _gauge("symbols_wanted", "Symbols that are to be delivered", source, len(c.last_record_us))
    yield _gauge("symbols_refused", "Of them, those that the provider does not deliver", source, len(c.refused_symbols))
    record = GaugeMetricFamily(
        "candlewick_producer_last_record_seconds",
        "Receive time of a symbol's newest record, seconds UTC; 0 = none yet",
        labels=["source", "symbol"],
    )
    for symbol, us in list(c.last_record_us.items()):
        record.add_metric([source, symbol], us / 1e6)
    yield record


def _history(source: str, h: HistoryCounts) -> Iterator[Metric]:
    yield _family("history_requests", "Requests for candles or trades of the past", "outcome", source, h.requests)
    yield _family("history_records", "Records given to the history topic", "record", source, h.records)
    yield _family("history_dropped", "Candles of replies not taken", "why", source, h.dropped)
    yield _family("backfilled_trades", "Exact trades fetched into gaps", None, source, {"": h.trades})
    results = CounterMetricFamily(
        "candlewick_producer_history_results", "Questions that came to an end", labels=["source", "origin", "outcome"]
    )
    for (origin, outcome), count in list(h.results.items()):
        results.add_metric([source, origin, outcome], count)
    yield results
    yield _gauge("gaps_waiting", "Gaps that may be filled and are not yet", source, h.gaps_waiting)
    yield _gauge("bootstrap_wanted_seconds", "Time to load before live, over all series", source, h.bootstrap_wanted_us / 1e6)
    yield _gauge("bootstrap_settled_seconds", "Of it, what has its result", source, h.bootstrap_settled_us / 1e6)


def _gauge(name: str, doc: str, source: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(f"candlewick_producer_{name}", doc, labels=["source"])
    gauge.add_metric([source], value)
    return gauge


def _family(name: str, doc: str, label: str | None, source: str, values: Mapping[str, int]) -> Metric:
    labels = ["source"] if label is None else ["source", label]
    family = CounterMetricFamily(f"candlewick_producer_{name}", doc, labels=labels)
    for value, count in list(values.items()):
        family.add_metric([source] if label is None else [source, value], count)
    return family


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of whoever asks and leaves before the answer, as a probe with a limit does; anything else is a fault."""
        if not isinstance(sys.exception(), ConnectionError):
            _log.exception("page.failed")


class _Server6(_Server):
    address_family = socket.AF_INET6


def serve(
    host: str,
    port: int,
    source: str,
    counts: Counts,
    health: Callable[[], Mapping[str, Any]],
    hangs: Callable[[], bool],
) -> ThreadingHTTPServer:
    """Answer /metrics and /health on `host` until ``shutdown``; port 0 takes any free one, which is logged.

    /health and /health/live answer 503 while the loop `hangs`, for that a restart cures. A feed that is down, or a broker, is no
    reason for one. /health/ready does so too while the start waits for a server; a standby is ready.

    Raises:
        FatalError: the address cannot be had.
    """
    registry = CollectorRegistry()
    registry.register(_Collector(source, counts))
    ProcessCollector(registry=registry)  # memory, and the start by which restarts are counted

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE, generate_latest(registry))
            elif self.path in PAGES:
                is_hanging = hangs()
                is_well = not is_hanging and not (counts.waiting.asks and self.path == READY)
                body = json.dumps({"hangs": is_hanging, **health()}).encode()
                self._answer(200 if is_well else 503, "application/json", body)
            else:
                self.send_error(404)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: one line a scrape helps nobody."""

    try:
        server = (_Server6 if ":" in host else _Server)((host, port), Handler)
    except OSError as error:
        raise FatalError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    _log.info("metrics.opened", port=server.server_address[1], host=host)
    return server
