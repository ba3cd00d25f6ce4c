"""SHELL (HTTP). A receiver of spans, as a collector is one: OTLP over HTTP, taken apart by OpenTelemetry's own classes."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


@dataclass(frozen=True)
class Told:
    """One span as it arrived: `parent` is empty for a batch, and its span's id for a step; `error` is why it is unfinished."""

    service: str
    name: str
    span: str
    parent: str
    facts: dict[str, Any]
    seconds: float
    error: str


@dataclass
class Receiver:
    """What arrived so far."""

    url: str
    told: list[Told] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    headers: dict[str, str] = field(default_factory=dict)

    def batches(self, service: str) -> list[Told]:
        """Return the batches that a service has followed to their end."""
        return [one for one in list(self.told) if one.service == service and not one.parent and not one.error]

    def steps(self, batch: Told) -> list[str]:
        """Return the names of a batch's steps, in the order of their ends."""
        return [one.name for one in list(self.told) if one.parent == batch.span]

    def take(self, body: bytes) -> None:
        """Take in one request."""
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for scope in resource.scope_spans:
                self.told += [_told(service, span) for span in scope.spans]


def _told(service: str, span: Any) -> Told:
    return Told(
        service,
        span.name,
        span.span_id.hex(),
        span.parent_span_id.hex(),
        {fact.key: _value(fact.value) for fact in span.attributes},
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        span.status.message,
    )


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Yield a receiver on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.headers.update(self.headers.items())
            receiver.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join(60)
