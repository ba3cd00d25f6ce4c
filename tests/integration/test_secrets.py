"""No failure of any provider puts a key where somebody could read it: logs, metrics, topics, errors, what commands print.

A peer that echoes is the worst case: whatever it was sent, key and password included, comes back in its refusal.
"""

import asyncio
import base64
import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import NamedTuple
from urllib.parse import quote, quote_plus

import pytest
import requests
from aiohttp import web

from producer.errors import ProducerError
from producer.history.protocol import Question
from producer.inbox import Inbox
from producer.providers import module_of
from producer.settings import load
from schemas.topics import DEAD_LETTERS, FEED_STATUS, HISTORY, QUOTES, TRADES
from tests.support.published import corner, dead_letters, messages
from tests.support.services import COMMAND, Service, environment, wait_until
from tests.support.venue import Venue

CORE = "q7Zk9w3x"
"""Survives every way of writing a text in an address, in JSON or in an exception."""
MARKER = f"mark/er+{CORE}=&'s"
M = 60_000_000


def is_shown(text: str) -> bool:
    """Tell whether the marker is in a text, in any form that a protocol gives it."""
    coded = {base64.b64encode(MARKER.encode()).decode().rstrip("="), base64.b64encode(quote(MARKER, safe="").encode()).decode()}
    return CORE in text or CORE[::-1] in text or any(form in text for form in coded)


@pytest.mark.parametrize("form", [MARKER, quote(MARKER, safe=""), quote_plus(MARKER), json.dumps(MARKER), repr(MARKER)])
def test_marker_is_found_in_every_form(form):
    assert is_shown(f"GET /?token={form}&symbol=X")
    assert not is_shown("GET /?token=***&symbol=X")


class Kind(NamedTuple):
    """A provider as it is set up against a peer at `address`, with the marker in the place of each of its secrets."""

    name: str
    settings: dict[str, str]
    symbol: str


def kinds(address: str) -> dict[str, Kind]:
    options = {"apiKey": MARKER, "secret": MARKER, "password": MARKER, "urls": {"api": f"http://{address}"}, "timeout": 3000}
    streams = {"urls": {"api": dict.fromkeys(("rest", "public", "private", "ws"), f"http://{address}")}}
    found = [
        Kind(
            "finnhub",
            {
                "FINNHUB_URL": f"ws://{address}",
                "FINNHUB_REST_URL": f"http://{address}/api/v1",
                "FINNHUB_TOKEN": MARKER,
                "FINNHUB_SYMBOLS": "AAPL",
            },
            "AAPL",
        ),
        Kind(
            "ig",
            {
                "IG_URL": f"http://{address}/gateway/deal",
                "IG_IDENTIFIER": f"user {MARKER}",
                "IG_PASSWORD": f"word {MARKER}",
                "IG_API_KEY": f"key {MARKER}",
                "IG_EPICS": "CS.D.EURUSD.MINI.IP",
            },
            "CS.D.EURUSD.MINI.IP",
        ),
        Kind(
            "ccxt",
            {
                "CCXT_EXCHANGE": "coinbaseexchange",
                "CCXT_SYMBOLS": "BTC/USD",
                "CCXT_OPTIONS": json.dumps(options | streams),
            },
            "BTC/USD",
        ),
    ]
    return {kind.name: kind for kind in found}


PROVIDERS = tuple(kinds(""))
ANSWERS: dict[str, str] = {
    "hangs up": "",
    "speaks no HTTP": "{echo}\n",
    "refuses in its status line": "HTTP/1.1 401 no {line}\r\nContent-Length: 0\r\n\r\n",
    "refuses in a page": "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html>{echo}</html>",
    "refuses in JSON": 'HTTP/1.1 401 No\r\nContent-Type: {type}\r\n\r\n{{"error":{json},"errorCode":{json},"message":{json}}}',
    "is busy for as long as the key": "HTTP/1.1 429 Too Many\r\nRetry-After: {line}\r\nContent-Length: 0\r\n\r\n",
    "is broken": "HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\n{echo}",
    "points elsewhere": "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/?{line}\r\nContent-Length: 0\r\n\r\n",
    "answers with a list": "HTTP/1.1 200 OK\r\nContent-Type: {type}\r\n\r\n[{json}]",
    "answers with broken JSON": "HTTP/1.1 200 OK\r\nContent-Type: {type}\r\n\r\n{{{echo}",
    "names itself in every header": "HTTP/1.1 200 OK\r\nCST: {line}\r\nX-SECURITY-TOKEN: {line}\r\nServer: {line}\r\n\r\n{{}}",
}


@contextlib.contextmanager
def echo(answer: str) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of a peer that answers every request so, and the requests that it got."""
    got: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with contextlib.suppress(OSError), peer:
                    peer.settimeout(3.0)
                    got.append(_request(peer))
                    text = got[-1].decode("latin-1")
                    line = " ".join(text.split())
                    filled = answer.format(echo=text, line=line, json=json.dumps(text), type="application/json")
                    peer.sendall(filled.encode("latin-1"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", got
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def _request(peer: socket.socket) -> bytes:
    text = peer.recv(65536)
    head, _, body = text.partition(b"\r\n\r\n")
    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    while len(body) < length and (more := peer.recv(65536)):
        body, text = body + more, text + more
    return text


def what_a_link_says(provider):
    """Let one connection be tried, and return what it tells; ``retry_after`` is read as a number and shown nowhere."""
    inbox = Inbox()
    link = provider.connect(inbox, 1)
    link.start()
    item = inbox.get(60.0)
    link.kill()
    inbox.release()
    assert link.join(60), "the link does not end"
    assert item is not None, "the link says nothing"
    return f"{item.kind} {item.detail} {item.http_status}"


def what_history_says(provider, symbol):
    """Ask for the past once, and return the error as a log, a status and a topic get it."""
    client = provider.history()
    now_us = time.time_ns() // 1000
    question = Question(symbol, now_us // M * M - 10 * M, now_us // M * M - 5 * M)
    try:
        return repr(client.ask(question, now_us))
    except ProducerError as error:
        return f"{error!r} {vars(error)}"
    finally:
        client.close()


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", PROVIDERS)
def test_peer_that_echoes_what_it_was_sent_finds_no_way_into_an_error(name, answer, monkeypatch, capsys):
    if name == "ccxt":
        pytest.importorskip("ccxt", reason="the extra ccxt is not installed")
    with echo(ANSWERS[answer]) as (address, got):
        kind = kinds(address)[name]
        for variable, value in kind.settings.items():
            monkeypatch.setenv(variable, value)
        provider = module_of(name).build(load({}, kafka="", registry=""))
        said = [what_a_link_says(provider)]
        connected = len(got)
        said.append(what_history_says(provider, kind.symbol))
        assert connected, "the peer was not asked, so nothing was tried"
        if name != "ccxt":  # its public pages need no key
            assert is_shown(b"".join(got).decode("latin-1")), "the key was not sent, so nothing was tried"
    said += capsys.readouterr()
    assert not [text for text in said if is_shown(text)]
    assert provider.secrets
    assert MARKER not in provider.where


@pytest.mark.parametrize("name", PROVIDERS)
def test_check_of_a_provider_that_echoes_prints_no_key(name):
    if name == "ccxt":
        pytest.importorskip("ccxt", reason="the extra ccxt is not installed")
    with echo(ANSWERS["refuses in JSON"]) as (address, _):
        done = subprocess.run(
            [str(COMMAND), "feeds", "check", name, "--seconds", "1"],
            env=environment(kinds(address)[name].settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, "FAILED" in done.stdout) == (1, True)
    assert not is_shown(done.stdout + done.stderr)


class Step(NamedTuple):
    """Faults that begin together, and the log's event that tells what came of them; "" = nothing is told."""

    told: str
    faults: tuple[tuple[str, dict[str, object]], ...]


LONG = {"seconds": 600}
FAILURES: dict[str, tuple[Step, ...]] = {
    "finnhub": (
        Step("history.was_throttled", (("rest_refuse", {"status": 429, "retry_after": 1, **LONG}),)),
        Step("history.was_unavailable", (("rest_refuse", {"status": 502, **LONG}),)),
        Step("connection.lost", (("drop", {"seconds": 0.3, "how": "rst"}),)),
        Step("", (("malformed", {}), ("bad_price", {}), ("repeat", {"seconds": 1}))),
        Step("history.was_refused", (("rest_refuse", {"status": 403, **LONG}),)),
        Step("feed.went_bad", (("silent", {"seconds": 3}),)),
        Step("connection.lost", (("refuse", {"status": 401, **LONG}), ("drop", {"seconds": 0}))),
    ),
    "ig": (
        Step("connection.lost", (("rest", {"code": 500, **LONG}),)),
        Step("feed.went_live", (("rest", {"seconds": 0}),)),
        Step("connection.lost", (("end", {"code": 48}),)),
        Step("connection.lost", (("malformed", {}), ("overflow", {"times": 2}), ("bad_price", {}))),
        Step("connection.lost", (("conerr", {"code": 5, "seconds": 1}), ("cut", {"recover": False}))),
        Step("", (("invalidate", {}),)),
        Step("connection.lost", (("rest", {"code": 403, **LONG}), ("cut", {"recover": False}))),
    ),
    "ccxt": (
        Step("connection.lost", (("rest", {"status": 503, **LONG}),)),
        Step("feed.went_live", (("rest", {"seconds": 0}),)),
        Step("connection.lost", (("drop", {"seconds": 0.3}),)),
        Step("connection.lost", (("malformed", {}), ("bad_price", {"symbol": "BTC-USD"}))),
        Step("connection.lost", (("error", {}),)),
        Step("connection.lost", (("slow_consume", {}),)),
        Step("connection.lost", (("rest", {"status": 403, **LONG}), ("drop", {"seconds": 0.3}))),
    ),
}
SIMULATORS = {
    "finnhub": ("deploy.simulator", "--token", MARKER),
    "ig": (
        "deploy.simulator.ig",
        *("--identifier", f"user {MARKER}", "--password", f"word {MARKER}", "--api-key", f"key {MARKER}"),
    ),
    "ccxt": ("deploy.simulator.coinbase",),
}
QUICK = {"CANDLEWICK_BACKOFF_MAX_S": "0.5", "CANDLEWICK_LIVENESS_TRANSPORT_S": "2", "CANDLEWICK_BOOTSTRAP_DAYS": "1"}


def told(service, event):
    return service.log.read_text().count(f'"{event}"') if service.log.exists() else 0


def is_live(service):
    text = service.log.read_text()
    return text.rfind('"feed.went_live"') > max(text.rfind(f'"{event}"') for event in ("connection.lost", "feed.went_bad"))


@pytest.mark.integration
def test_no_failure_of_any_provider_puts_its_key_into_logs_metrics_or_topics(stack, tmp_path):
    pytest.importorskip("ccxt", reason="the extra ccxt is not installed")
    venues, services = {}, {}
    with corner(stack) as space, contextlib.ExitStack() as ending:
        for name, (module, *arguments) in SIMULATORS.items():
            venue = venues[name] = Venue(module, *arguments)
            ending.callback(venue.stop)
            folder = tmp_path / name
            folder.mkdir()
            address = venue.ready["ctl"].removeprefix("http://").removesuffix("/_ctl")
            settings = {**space.env, **kinds(address)[name].settings, **QUICK}
            services[name] = Service("producer", settings, folder, name)
        for number in range(max(map(len, FAILURES.values()))):
            step = {name: steps[number] for name, steps in FAILURES.items()}
            for name, service in services.items():
                if number and step[name].told != "feed.went_live":
                    wait_until(lambda s=service: is_live(s), 30, f"{name}: live before {number}", [service])
            before = {name: told(services[name], step[name].told) for name in step}
            for name, venue in venues.items():
                for kind, options in step[name].faults:
                    venue.fault(kind, **options)
                if number == 0:
                    ending.callback(services[name].start().discard)
            for name, service in services.items():
                if event := step[name].told:
                    wait_until(
                        lambda s=service, e=event, n=before[name]: told(s, e) > n, 30, f"{name}: {event} of {number}", [service]
                    )
        texts = [page for service in services.values() for page in pages(service)]
        assert [service.stop() for service in services.values()] == [0, 0, 0]
        texts += [service.log.read_text() for service in services.values()]
        for topic in (FEED_STATUS, DEAD_LETTERS, TRADES, QUOTES, HISTORY):
            found = [str((m.key(), m.value(), m.headers())) for m in messages(space, topic)]
            assert found, f"nothing is on {topic.dataset}, so nothing was looked at"
            texts += found
    assert not [text[:500] for text in texts if is_shown(text) or "CST-" in text]


ECHOES = (
    json.dumps({"type": "error", "msg": "x" * (200 - len(MARKER) // 2) + MARKER}),
    '{"type":"trade","data":[{"s":"AAPL","p":' + MARKER,
    json.dumps({"type": "trade", "data": [{"s": MARKER, "p": 1.0, "v": 1, "t": 1}, {"s": "AAPL", "p": MARKER}]}),
    json.dumps({"type": "trade", "data": f"/?token={quote(MARKER, safe='')}&x"}),
)
"""Of a peer that repeats the key: in a text that is cut in the middle of it, in what is no JSON, as a symbol, in an address."""


@contextlib.contextmanager
def echoing() -> Iterator[str]:
    """Yield the address of a WebSocket that answers the first subscription with `ECHOES`, and then says nothing."""
    ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def handler(request):
        peer = web.WebSocketResponse()
        await peer.prepare(request)
        await peer.receive()
        for text in ECHOES:
            await peer.send_str(text)
        async for _ in peer:
            pass
        return peer

    async def serve():
        app = web.Application()
        app.router.add_get("/", handler)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        over = asyncio.Event()
        ready.set_result((f"ws://127.0.0.1:{runner.addresses[0][1]}", asyncio.get_running_loop(), over))
        await over.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    url, loop, over = ready.result(10.0)
    yield url
    loop.call_soon_threadsafe(over.set)
    thread.join(60)


@pytest.mark.integration
def test_peer_that_repeats_the_key_in_its_frames_brings_it_neither_into_the_log_nor_onto_a_topic(stack, tmp_path):
    with corner(stack) as space, echoing() as url:
        settings = {"FINNHUB_URL": url, "FINNHUB_TOKEN": MARKER, "FINNHUB_SYMBOLS": "AAPL"}
        service = Service("producer", {**space.env, **settings}, tmp_path, "finnhub").start()
        try:
            wait_until(lambda: told(service, "venue.complained"), 30, "the complaint", [service])
            wait_until(lambda: len(dead_letters(space, "finnhub")) == len(ECHOES), 20, "the dead letters", [service])
            texts = pages(service)
            assert service.stop() == 0
        finally:
            service.discard()
        texts.append(service.log.read_text())
        for topic in (FEED_STATUS, DEAD_LETTERS):
            texts += [str((m.key(), m.value(), m.headers())) for m in messages(space, topic)]
        letters = {letter[2]["reason"]: letter for letter in dead_letters(space, "finnhub")}
    # Half a key is a key too: the text was cut after 200 characters.
    assert not [text[:500] for text in texts if is_shown(text) or MARKER[: len(MARKER) // 2] in text]
    assert {reason: len(value) for reason, (_, value, _) in letters.items()} == {
        "not_json": len(ECHOES[1]),
        "bad_time": len(json.dumps(json.loads(ECHOES[2])["data"][0])),
        "missing_field": len(json.dumps(json.loads(ECHOES[2])["data"][1])),
        "bad_data": len(ECHOES[3]),
    }, "positions stay"
    assert letters["not_json"][1] == ECHOES[1].replace(MARKER, "*" * len(MARKER)).encode()
    assert letters["not_json"][2]["masked_bytes"] == str(len(MARKER))
    assert letters["bad_time"][0] == b"finnhub:" + b"*" * len(MARKER), "its symbol is the key's place"


def pages(service):
    """Return the producer's metrics and health, which have to be there."""
    line = next(line for line in service.log.read_text().splitlines() if '"metrics.opened"' in line)
    port = json.loads(line)["port"]
    return [requests.get(f"http://127.0.0.1:{port}/{page}", timeout=60).text for page in ("metrics", "health")]
