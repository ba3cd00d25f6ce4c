"""Finnhub's client against a server on loopback: what each answer means, and that no text holds the key."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from pydantic import SecretStr

from producer.history.finnhub import KEY_US, PLAN_US, FinnhubHistory
from producer.history.protocol import EVERYTHING, BusyError, Question, RefusedError, UnavailableError
from producer.secret import Secret

KEY = "marker/of a key"
SECRET = Secret("FINNHUB_TOKEN", SecretStr(KEY))
S = 1_000_000
M = 60 * S
T = 1_700_000_040 * S
NOW = T + 600 * M
QUESTION = Question("AAPL", T, T + M)
JSON, TEXT, HTML = "application/json", "text/plain", "text/html"


class Answers(HTTPServer):
    """Gives each request the answer that was set last, and keeps the paths."""

    answer: tuple[int, str, bytes, dict[str, str]] = (200, JSON, b"{}", {})

    def __init__(self):
        self.paths = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, kind, body, headers = self.server.answer
        self.server.paths.append(self.path)
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = Answers()
    thread = Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(60)


@pytest.fixture
def client(server):
    made = FinnhubHistory(f"http://127.0.0.1:{server.server_port}/api/v1", SECRET, per_minute=55, delay_s=3)
    yield made
    made.close()


def refusal(client, error, question=QUESTION):
    with pytest.raises(error) as caught:
        client.ask(question, NOW)
    assert "marker" not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize(
    ("symbol", "path"), [("AAPL", "stock"), ("OANDA:EUR_USD", "forex"), ("BINANCE:BTCUSDT", "crypto")], ids=str
)
def test_candles_come_from_the_address_of_their_kind(server, client, symbol, path):
    body = {"c": [1.0], "h": [1.0], "l": [1.0], "o": [1.0], "s": "ok", "t": [T // S], "v": [2.0]}
    server.answer = (200, JSON, json.dumps(body).encode(), {})
    page = client.ask(Question(symbol, T, T + M), NOW)
    assert [c.start for c in page.candles] == [T]
    assert f"/{path}/candle?" in server.paths[0]
    assert "resolution=1&" in server.paths[0]


def test_wrong_key_refuses_everything_for_a_while(server, client):
    server.answer = (401, JSON, json.dumps({"error": f"Invalid API key {KEY}."}).encode(), {})
    error = refusal(client, RefusedError)
    assert (error.scope, error.retry_at) == (EVERYTHING, NOW + KEY_US)
    assert "***" in error.reason


def test_plan_without_candles_refuses_the_kind_for_hours(server, client):
    server.answer = (403, JSON, b'{"error":"You don\'t have access to this resource."}', {})
    error = refusal(client, RefusedError)
    assert (error.scope, error.retry_at) == ("stock", NOW + PLAN_US)
    assert client.scope("MSFT") == "stock"
    assert client.scope("BINANCE:BTCUSDT") != "stock"


def test_plan_without_one_exchange_refuses_that_alone(server, client):
    server.answer = (403, JSON, b'{"error":"You don\'t have access to this resource."}', {})
    error = refusal(client, RefusedError, Question("BMW.DE", T, T + M))
    assert (error.scope, error.retry_at) == ("stock .DE", NOW + PLAN_US)
    assert error.reason.startswith("not entitled to stock .DE candles")
    assert [client.scope(s) for s in ("SAP.DE", "AAPL", "OANDA:EUR_USD", "FXCM:EUR/USD", "BINANCE:BTCUSDT")] == [
        "stock .DE",
        "stock",
        "forex OANDA",
        "forex FXCM",
        "crypto BINANCE",
    ]


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": format_datetime(datetime.fromtimestamp(NOW // S + 5000, UTC), usegmt=True)}, 5000.0),
        ({"X-Ratelimit-Reset": str(NOW // S + 9)}, 9.0),
        ({"X-Ratelimit-Reset": "soon"}, None),
    ],
)
def test_busy_provider_says_how_long(server, client, headers, wait_s):
    server.answer = (429, JSON, b'{"error":"API limit reached."}', headers)
    assert refusal(client, BusyError).wait_s == wait_s


@pytest.mark.parametrize(
    "answer",
    [
        (502, JSON, b'{"error":"x"}', {}),
        (502, HTML, b"<html>marker/of a key</html>", {}),
        (200, HTML, b"<html>marker/of a key</html>", {}),
        (200, TEXT, b"API limit reached. token=marker/of a key", {}),
        (200, JSON, b"{broken marker/of a key", {}),
        (200, JSON, b'["marker/of a key"]', {}),
        (200, JSON, b"[" * 100_000, {}),
        (502, JSON, b'"an error with marker/of a key"', {}),
        (502, JSON, b"null", {}),
        (502, JSON, b"[" * 100_000, {}),
    ],
)
def test_everything_else_is_unavailable_and_says_no_secret(server, client, answer):
    server.answer = answer
    refusal(client, UnavailableError)


def test_unknown_question_is_refused_alone(server, client):
    server.answer = (422, JSON, b'{"error":"Wrong symbol"}', {})
    error = refusal(client, RefusedError)
    assert (error.scope, error.retry_at) == ("", None)


def test_provider_that_cannot_be_reached_is_unavailable_and_its_address_with_the_key_is_not_told():
    client = FinnhubHistory("http://127.0.0.1:1/api/v1", SECRET, per_minute=55, delay_s=3)
    assert str(refusal(client, UnavailableError)) == "no reply: ConnectionError"


def test_key_that_is_replaced_in_its_file_is_used_from_the_next_request_on_and_neither_is_told(server, tmp_path):
    file = tmp_path / "key"
    file.write_text("marker-old\n")
    client = FinnhubHistory(
        f"http://127.0.0.1:{server.server_port}/api/v1", Secret("K", SecretStr(""), file), per_minute=55, delay_s=3
    )
    server.answer = (401, JSON, b'{"error":"marker-old is no key"}', {})
    refusal(client, RefusedError)
    server.answer = (401, JSON, b'{"error":"neither marker-old nor marker-new is a key"}', {})
    file.write_text("marker-new\n")
    refusal(client, RefusedError)
    assert ["token=marker-old" in server.paths[0], "token=marker-new" in server.paths[1]] == [True, True]
    client.close()
