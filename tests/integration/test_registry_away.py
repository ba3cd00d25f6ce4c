"""Producer and processor are started while the registry or Kafka is away: with pinned ids they work, without they wait."""

import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from deploy.cli import subjects
from deploy.local import ports
from schemas import timeframes
from schemas.registry import Registry
from tests.support.published import candles, corner, trades
from tests.support.services import Service, candlewick, wait_until

pytestmark = pytest.mark.integration
M = 60_000_000
NOWHERE = "http://127.0.0.1:1/apis/ccompat/v7"
# A venue that is away, too, is told in the feed's status and no matter of the start.
FEED = {"FINNHUB_URL": "ws://127.0.0.1:1", "FINNHUB_TOKEN": "word", "FINNHUB_SYMBOLS": "A", "CANDLEWICK_BOOTSTRAP_DAYS": "0"}


class FrontDoor(ThreadingHTTPServer):
    """Stands before the real registry: answers 503 until it is `open`, then passes questions on."""

    daemon_threads = True

    def __init__(self, port, url):
        super().__init__(("127.0.0.1", port), Passing)
        self.url, self.open, self.refused = url, threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Passing(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.open.is_set():
            self.server.refused.set()
            self.send_error(503)
            return
        kind = {"Content-Type": self.headers["Content-Type"]}
        answer = requests.post(self.server.url + self.path, data=body, headers=kind, timeout=20)
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_):
        pass


def said(service, event):
    return [json.loads(line) for line in service.log.read_text().splitlines() if f'"event": "{event}"' in line]


def page(port, path):
    return requests.get(f"http://127.0.0.1:{port}{path}", timeout=10)


def test_services_start_with_pinned_ids_while_the_registry_is_away(stack, tmp_path):
    with corner(stack) as space:
        ids = subjects.apply(Registry(space.registry), space.prefix, timeframes.parse_list("1m")).ids
        away = {**space.env, "CANDLEWICK_REGISTRY": NOWHERE}
        pinned = {**away, "CANDLEWICK_SCHEMA_IDS": json.dumps(ids)}
        file = tmp_path / "f.jsonl"
        lines = [{"type": "trade", "symbol": "A", "event_time_us": n * M + 1, "price": n, "size": 1} for n in (1, 2, 3)]
        file.write_text("\n".join(map(json.dumps, lines)))
        candlewick(away, "replay", str(file), "--source", "rec", status=1)
        assert not trades(space, "rec")
        processor = Service("processor", pinned, tmp_path).start()
        try:
            candlewick(pinned, "replay", str(file), "--source", "rec", "--finish")
            # Read with the registry, whose word on the ids is the last.
            assert [t.price for t in trades(space, "rec")] == [1.0, 2.0, 3.0]
            final = lambda: {c.close for c in candles(space, "1m") if c.state == "final"}  # noqa: E731 - one expression
            wait_until(lambda: final() == {1.0, 2.0, 3.0}, 60, "the candles", [processor])
            assert processor.stop() == 0
        finally:
            processor.discard()


def test_services_wait_for_the_server_that_is_away_and_go_on_when_it_answers_or_end_in_order(stack, tmp_path):
    with corner(stack) as space, socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # and does not listen
        free = ports.choose(dict.fromkeys(("door", "producer", "processor"), 0))
        env = {**space.env, **FEED, "CANDLEWICK_REGISTRY": f"http://127.0.0.1:{free['door']}/apis/ccompat/v7"}
        services = {
            name: Service(name, {**env, "CANDLEWICK_METRICS_PORT": str(free[name])}, tmp_path, *arguments).start()
            for name, arguments in (("producer", ["finnhub"]), ("processor", []))
        }
        (lonely := tmp_path / "lonely").mkdir()
        away = {**env, "CANDLEWICK_KAFKA": f"127.0.0.1:{unheard.getsockname()[1]}"}
        both, third = list(services.values()), Service("processor", away, lonely).start()
        door = None
        try:
            # First nobody listens at the registry's place; a producer that is told to end while it waits does so, another waits.
            wait_until(lambda: said(both[0], "start.waiting"), 30, "the producer to wait", both)
            assert both[0].stop() == 0
            assert said(both[0].start(), "producer.stopped")
            wait_until(lambda: len(said(both[0], "start.waiting")) == 2, 30, "the second producer to wait", both)
            wait_until(lambda: said(both[1], "start.waiting"), 30, "the processor to wait", both)
            for name in services:
                assert page(free[name], "/health/live").status_code == 200
                assert page(free[name], "/health/ready").status_code == 503
                assert page(free[name], "/health/ready").json()["waiting_for"] == "registry"
                assert waits(free[name], name, "registry") == 1
            # Then there is one that has trouble itself.
            door = FrontDoor(free["door"], space.registry.removesuffix("/apis/ccompat/v7"))
            assert door.refused.wait(60)
            door.open.set()
            wait_until(lambda: said(both[0], "producer.started"), 30, "the producer to go on", both)
            wait_until(lambda: page(free["processor"], "/health/ready").ok, 30, "the processor to be ready", both)
            assert page(free["producer"], "/health/ready").status_code == 200
            assert [len(said(service, "start.went_on")) for service in both] == [1, 1]
            assert [len(said(service, "start.waiting")) for service in both] == [2, 1]
            assert [waits(free[name], name, "registry") for name in services] == [0, 0]
            assert [service.stop() for service in both] == [0, 0]
            # The third waited for Kafka meanwhile.
            wait_until(lambda: said(third, "start.waiting"), 30, "the third to wait", [third])
            assert said(third, "start.waiting")[0]["waiting_for"] == "kafka"
            assert third.stop() == 0
            assert said(third, "processor.stopped")
        finally:
            for service in (*both, third):
                service.discard()
            if door is not None:
                door.shutdown()
                door.server_close()


def waits(port, name, server):
    """Return the metric that says whether a service's start waits for a server."""
    found = re.search(rf'^candlewick_{name}_start_waiting{{.*server="{server}".*}} (.*)$', page(port, "/metrics").text, re.M)
    return float(found[1])
