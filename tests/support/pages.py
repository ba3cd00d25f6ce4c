"""SHELL (HTTP). Reads the processor's pages, and its stream of live changes, as a client does."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import quote

import requests

from tests.support.recording import Bar, Key
from tests.support.services import Content, Contents, Gap, Service, allowed, wait_until

_ANSWER_S = 60.0


class Pages:
    """The pages of one processor that logs where it listens."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._session = requests.Session()

    @property
    def url(self) -> str:
        """The address, as logged at the last start; empty before."""
        opened = [line for line in self._service.log.read_text().splitlines() if '"http.opened"' in line]
        return f"http://127.0.0.1:{json.loads(opened[-1])['port']}" if opened else ""

    def get(self, path: str, **query: Any) -> tuple[int, Any]:
        """Return status and JSON of a page."""
        response = self._session.get(self.url + path, params=query, timeout=_ANSWER_S)
        return response.status_code, response.json()

    def candles(self, series: str, timeframe: str, **query: Any) -> tuple[int, Any]:
        """Return status and JSON of the candles of a series."""
        return self.get(f"/candles/{quote(series, safe='')}/{timeframe}", **query)

    def gaps(self, series: str, **query: Any) -> tuple[int, Any]:
        """Return status and JSON of the gaps of a series."""
        return self.get(f"/gaps/{quote(series, safe='')}", **query)

    def metric(self, name: str, default: float | None = None) -> float:
        """Return the value of a metric, named with its labels as on the page; `default` where it has not moved yet."""
        text = self._session.get(self.url + "/metrics", timeout=_ANSWER_S).text
        found = (float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))
        return next(found) if default is None else next(found, default)

    def state(self) -> dict[str, Any]:
        """Return what /health/ready says; nothing where nobody answers."""
        try:
            found: dict[str, Any] = self.get("/health/ready")[1]
        except (requests.RequestException, OSError):
            return {}
        return found

    def wait_rebuilt(self, limit_s: float = 60) -> None:
        """Wait until the worker is ready and its cache is read back."""

        def rebuilt() -> bool:
            return bool(self.state().get("ready")) and self.metric("candlewick_processor_cache_pending_partitions") == 0

        wait_until(rebuilt, limit_s, f"{self._service.name}: cache rebuilt", [self._service])


def contents(answers: list[Mapping[str, Any]]) -> Contents:
    """Return the candles of answers, comparable with those read from Cassandra."""
    found: Contents = {}
    for answer in answers:
        for c in answer["candles"]:
            bar = Bar(*(c[name] for name in ("open", "high", "low", "close", "volume")))
            content = Content(
                bar, c["trade_count"], c["update_count"], c["version"], c["coverage"], c["gap_cause"], c["fingerprint"]
            )
            found[Key(c["series"], c["timeframe"], c["start"] // 1000)] = content
    return found


def gaps_in(answer: Mapping[str, Any]) -> list[Gap]:
    """Return the gaps of an answer, comparable with those read from Cassandra."""
    return [
        Gap(g["series"], _ms(g["from_time"]), None if g["to_time"] is None else _ms(g["to_time"]), g["cause"], g["state"])
        for g in answer["gaps"]
    ]


def _ms(time_us: int) -> int:
    assert time_us % 1000 == 0
    return time_us // 1000


class Stream:
    """A client of /events in a thread: what it hears can be waited for."""

    def __init__(self, url: str, **query: Any) -> None:
        self._heard: SimpleQueue[tuple[str, dict[str, Any]]] = SimpleQueue()
        self._response = requests.get(url + "/events", params=query, stream=True, timeout=_ANSWER_S)
        assert self._response.status_code == 200, self._response.text
        assert self._response.headers["Content-Type"] == "text/event-stream"
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        kind = ""
        try:
            for line in self._response.iter_lines(chunk_size=1):
                if line.startswith(b"event: "):
                    kind = line.removeprefix(b"event: ").decode()
                elif line.startswith(b"data: "):
                    self._heard.put((kind, json.loads(line.removeprefix(b"data: "))))
        except (requests.RequestException, AttributeError, ValueError, OSError):
            pass  # closed, here or there

    @property
    def over(self) -> bool:
        """True once the stream has ended."""
        return not self._thread.is_alive()

    def next(self, limit_s: float = 20.0) -> tuple[str, dict[str, Any]]:
        """Return the next event: its type and record."""
        try:
            return self._heard.get(timeout=allowed(limit_s))
        except Empty:
            raise AssertionError(f"no event within {allowed(limit_s):g} s") from None

    def close(self) -> None:
        """Hang up."""
        self._response.close()
