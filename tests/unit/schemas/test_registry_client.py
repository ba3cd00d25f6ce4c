"""The registry client against a server that misbehaves; against a real registry: tests/integration/test_registry.py."""

import http.server
import json
import threading

import pytest

from schemas.avro import schema_text
from schemas.records import Quote, Trade
from schemas.registry import Registry, RegistryError, RegistryUnavailableError
from schemas.wire import WireError


@pytest.fixture
def server():
    """An HTTP server on loopback that gives .answer, (status, body), to everything; .asked are the requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.server.asked.append(f"{self.command} {self.path}")
            status, body = self.server.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_GET  # noqa: N815 - the names that the base class looks for

        def log_message(self, *_):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked, httpd.answer = [], (200, b"{}")
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def registry(server):
    return Registry(f"http://127.0.0.1:{server.server_address[1]}/base/")


def answered(schema_text_, **more):
    return 200, json.dumps({"schema": schema_text_, **more}).encode()


def test_a_schema_is_asked_for_once(server, registry):
    server.answer = answered(schema_text(Trade))
    assert registry.schema_by_id(3) == registry.schema_by_id(3)
    assert server.asked == ["GET /base/schemas/ids/3"]


@pytest.mark.parametrize(
    "answer", [(404, b"{}"), (400, b""), answered('"string"'), answered("{"), answered("{}", schemaType="JSON"), (200, b"[]")]
)
def test_an_id_without_a_record_schema_is_unknown_and_not_asked_for_again_at_once(server, registry, answer):
    server.answer = answer
    for _ in range(3):
        with pytest.raises(WireError) as refused:
            registry.schema_by_id(3)
        assert refused.value.reason == "unknown_schema"
    assert len(server.asked) == 1


@pytest.mark.parametrize("schema_id", [-1, 2**31, 2**32 - 1])
def test_an_id_that_no_registry_can_have_given_is_not_asked_for(server, registry, schema_id):
    with pytest.raises(WireError):
        registry.schema_by_id(schema_id)
    assert server.asked == []


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_registry_in_trouble_says_nothing_about_the_message(server, registry, status):
    server.answer = (status, b'{"message": "later"}')
    with pytest.raises(RegistryUnavailableError, match="later"):
        registry.schema_by_id(3)
    server.answer = answered(schema_text(Trade))
    assert registry.schema_by_id(3)["name"] == "Trade"


def test_no_answer_is_unavailable_and_the_url_is_named(server):
    port = server.server_address[1]
    server.shutdown()
    server.server_close()
    with pytest.raises(RegistryUnavailableError, match=rf"127\.0\.0\.1:{port}"):
        Registry(f"http://127.0.0.1:{port}").lookup("s", "{}")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, b"<html>"), "not JSON"),
        ((200, b"{}"), "no id"),
        ((200, b'{"id": "x"}'), "no id"),
        ((403, b'{"message": "who?"}'), "403: who"),
    ],
)
def test_answers_that_make_no_sense_or_refuse_are_said_clearly(server, registry, answer, said):
    server.answer = answer
    with pytest.raises(RegistryError, match=said) as refused:
        registry.register("s", "{}")
    assert not isinstance(refused.value, RegistryUnavailableError)


def test_an_unregistered_schema_is_an_error_that_says_what_to_do(server, registry):
    server.answer = (404, b'{"error_code": 40403}')
    with pytest.raises(RegistryError, match="candlewick schemas apply"):
        registry.lookup("md.trades.v1-value", "{}")


def test_subjects_are_escaped_in_paths(server, registry):
    server.answer = (200, b'{"id": 1}')
    registry.lookup("a/b c", "{}")
    assert server.asked == ["POST /base/subjects/a%2Fb%20c"]


def test_a_schema_that_was_looked_up_needs_no_second_answer(server, registry):
    server.answer = 200, b'{"id":7}'
    assert registry.lookup("md.trades.v1-value", schema_text(Trade)) == 7
    server.answer = 503, b""
    assert registry.schema_by_id(7) == json.loads(schema_text(Trade))
    assert registry.lookup("md.trades.v1-value", schema_text(Trade)) == 7


def test_pinned_ids_stand_in_for_a_registry_that_is_away_and_for_none_that_says_otherwise(server):
    url, pins = f"http://127.0.0.1:{server.server_address[1]}", {"md.trades.v1-value": 7}
    server.answer = 503, b""
    registry = Registry(url, pins=pins)
    assert registry.lookup("md.trades.v1-value", schema_text(Trade)) == 7
    assert registry.schema_by_id(7) == json.loads(schema_text(Trade))
    with pytest.raises(RegistryUnavailableError):
        registry.lookup("md.quotes.v1-value", schema_text(Quote))
    server.answer = 200, b'{"id":8}'
    with pytest.raises(RegistryError, match="pinned to the id 7, and registered as 8"):
        Registry(url, pins=pins).lookup("md.trades.v1-value", schema_text(Trade))
    server.answer = 404, b"{}"
    with pytest.raises(RegistryError, match="not registered"):
        Registry(url, pins=pins).lookup("md.trades.v1-value", schema_text(Trade))
