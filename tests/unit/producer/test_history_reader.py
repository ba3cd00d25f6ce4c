"""What the history's thread hears, while the registry is away and when it is there again."""

import http.server
import json
import threading

import pytest
from confluent_kafka import Message

from producer.history import reader
from producer.history.planner import Planner
from producer.history.protocol import Limit
from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import Gap
from schemas.registry import Registry
from schemas.topics import GAPS

S = 1_000_000
NOW = 1_700_000_040 * S


class Client:
    limits = (Limit(55, 60.0),)
    longest_us = delay_us = S
    prices = ("trade",)
    bootstrap_limit_us = None

    def scope(self, symbol):
        return "stock"


@pytest.fixture
def server():
    """A registry that gives .answer, (status, body); .asked counts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked += 1
            status, body = self.server.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked, httpd.answer = 0, (503, b"")
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def message(n, schema_id):
    gap = Gap(f"g{n}", "f:A", "f", "A", "trade", NOW - 60 * S, NOW, "feed_down", state="closed", version=1, fillable=True)
    return Message(topic=GAPS.name("md"), key=b"f:A", value=Encoder(Gap, schema_id)(gap), offset=n)


def test_gaps_of_a_schema_that_only_an_absent_registry_knows_wait_for_it(server, monkeypatch):
    url = f"http://127.0.0.1:{server.server_address[1]}"
    heard = reader.Reader("127.0.0.1:1", Registry(url), "f", prefix="md", history_schema_id=3, options={"log_level": 0})
    planner = Planner(Client(), "f", 1, 0)
    try:
        for n in range(3):
            heard.take(message(n, 9), planner)
        assert (len(planner.gaps), server.asked) == (0, 1), "asked once, and not for every one of them"
        heard.hear(planner, 0)
        assert server.asked == 1, "it is not time yet"
        server.answer = 200, json.dumps({"schema": schema_text(Gap)}).encode()
        monkeypatch.setattr(reader, "monotonic", lambda: float("inf"))
        heard.hear(planner, 0)
        assert (len(planner.gaps), server.asked) == (3, 2)
    finally:
        heard.close()
