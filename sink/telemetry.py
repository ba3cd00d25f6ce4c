"""SHELL (HTTP). What the sink counts, as /metrics for Prometheus and /health for people and probes."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from sink.errors import FatalError

_log = structlog.get_logger()
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PAGES = {"/health": "ready", "/health/ready": "ready", "/health/live": "live"}
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Telemetry:
    """The numbers of one run. No label holds a series or a symbol."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)  # memory, and the start by which restarts are counted
        n = "candlewick_sink_"
        self.records = Counter(n + "records", "Records read from Kafka.", ["topic"], registry=r)
        self.rows = Counter(n + "rows_written", "Rows acknowledged by Cassandra.", ["table"], registry=r)
        self.coalesced = Counter(n + "coalesced", "Rows left out because the same poll held a newer one.", registry=r)
        # Rises on old replays: raise the table's retention if the rows are wanted.
        self.expired = Counter(n + "expired_before_write", "Rows not written because their life was over.", ["table"], registry=r)
        # Rises when a clock or a unit is wrong.
        self.refused_ahead = Counter(n + "refused_ahead", "Records refused: more than a day ahead.", registry=r)
        # Rises when a peer breaks the contract: read the dead letters' headers.
        self.dead_letters = Counter(n + "dead_letters", "Records kept as dead letters.", ["reason"], registry=r)
        self.skipped = Counter(
            n + "skipped", "Bad input left to the processor, which keeps the dead letter.", ["reason"], registry=r
        )
        # Rises when Cassandra is down, slow or overloaded.
        self.retries = Counter(n + "retries", "Writes repeated.", ["reason"], registry=r)
        self.rewinds = Counter(n + "rewinds", "Times records were read again because the store was lost.", registry=r)
        self.write_seconds = Histogram(
            n + "write_seconds", "From handing rows to the driver to the last acknowledgement.", buckets=_SECONDS, registry=r
        )
        # The number a trader asks for: now - published, of the newest candle of each write.
        self.lag_seconds = Histogram(
            n + "candle_lag_seconds", "From a candle's publication to its acknowledgement.", buckets=_SECONDS, registry=r
        )
        self.start_waiting = Gauge(n + "start_waiting", "1 while the start waits for this server.", ["server"], registry=r)
        self.inflight = Gauge(n + "inflight", "Requests at Cassandra.", registry=r)
        self.commit_lag_seconds = Gauge(
            n + "commit_lag_seconds", "Age of the oldest written record not yet committed.", registry=r
        )
        self.paused = Gauge(n + "paused", "1 while reading is paused because writes fail.", registry=r)
        self.cassandra_up = Gauge(n + "cassandra_up", "1 while the last write was acknowledged.", registry=r)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of whoever asks and leaves before the answer, as a probe with a limit does; anything else is a fault."""
        if not isinstance(sys.exception(), ConnectionError):
            _log.exception("page.failed")


class _Server6(_Server):
    address_family = socket.AF_INET6


def serve(host: str, port: int, telemetry: Telemetry, health: Callable[[], Mapping[str, Any]]) -> ThreadingHTTPServer:
    """Answer /metrics and /health on `host` until ``shutdown``; port 0 takes any free one, which is logged.

    /health and /health/ready answer 200 when ``health()["ready"]`` is true, else 503; /health/live goes by ``["live"]``.

    Raises:
        FatalError: the address cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE, generate_latest(telemetry.registry))
            elif self.path in PAGES:
                state = health()
                self._answer(200 if state[PAGES[self.path]] else 503, "application/json", json.dumps(state).encode())
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
