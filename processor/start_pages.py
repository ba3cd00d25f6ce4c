"""SHELL (HTTP, thread). What a worker answers while its start still waits for Kafka or the registry: it lives, and is not ready.

The pages proper belong to the worker's own loop, which does not run yet. These use the socket that is there already, so that a
supervisor sees a process that waits, and not one that hangs.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from processor import telemetry
from schemas.waiting import Waiting

_log = structlog.get_logger()
STOP_S = 0.05
"""How long the end of these pages may take, which the start waits for."""


@contextmanager
def answering(listener: socket.socket | None, waiting: Waiting) -> Iterator[None]:
    """Answer /health (503), /health/ready (503), /health/live (200) and /metrics on `listener` meanwhile; it stays open.

    Args:
        listener: bound and listening; None: nobody asks.
        waiting: what is said.
    """
    if listener is None:
        yield
        return
    server = _Server(listener.getsockname()[:2], _handler(waiting), bind_and_activate=False)
    server.socket.close()
    server.socket = listener.dup()
    thread = Thread(target=server.serve_forever, args=(STOP_S,), name="start-pages", daemon=True)
    thread.start()
    try:
        yield
    finally:
        _tell(waiting)
        server.shutdown()
        server.socket.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of whoever asks and leaves before the answer, as a probe with a limit does; anything else is a fault."""
        if not isinstance(sys.exception(), ConnectionError):
            _log.exception("page.failed")


def _tell(waiting: Waiting) -> None:
    for server, value in waiting.values().items():
        telemetry.START_WAITING.labels(server).set(value)


def _handler(waiting: Waiting) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                _tell(waiting)
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
            elif path == "/health/live":
                self._answer(200, "application/json", json.dumps({"live": True}).encode())
            else:
                said = {"ready": False, "waiting_for": waiting.server, "reason": waiting.why}
                self._answer(503, "application/json", json.dumps(said).encode())

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: one line a scrape helps nobody."""

    return Handler
