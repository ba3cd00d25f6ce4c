"""Drills: what an operator does to a running pipeline, tried under load. `make test-drills`; minutes long, so not by default."""

import os
import sys
import time
from contextlib import ExitStack

import pytest
import requests

from deploy.cassandra.connect import connected
from deploy.cli import arrivals
from deploy.cli.account import OUTAGES, Outage, counted, in_gaps, missing
from deploy.cli.caught_up import wait_until_caught_up
from deploy.cli.demo_feeds import FEEDS
from deploy.cli.targets import Targets
from deploy.cli.venue import Venue as Ledger
from schemas.timeframes import parse_list
from schemas.topics import DEAD_LETTERS, FEED_STATUS, HISTORY, LATE_TRADES, TRADES
from tests.support.services import Service, candlewick, wait_until
from tests.support.venue import Venue

LOSSES = {*OUTAGES, "producer_down", "overflow"}
LEDGER_S = 120


def pytest_collection_modifyitems(items):
    for item in items:
        if "drills" in str(item.path) and not os.environ.get("E2E_DRILLS"):
            item.add_marker(pytest.mark.skip(reason="minutes long: make test-drills"))


@pytest.fixture
def say(capsys):
    """A function that writes a line to the terminal, captured or not: the figures of a drill are its result."""

    def line(text):
        with capsys.disabled():
            sys.stdout.write(f"\n{text.rstrip()}\n")

    return line


class Pipeline:
    """All three services on one space, several of each, fed by a simulated venue; the account at the end."""

    def __init__(self, space, source, folder, pace):
        self.space, self._folder = space, folder
        self._feed = FEEDS[source]
        self.venue = Venue(self._feed.module, "--seed", "5", "--pace", str(pace))
        self._ledger = Ledger(self._feed, self.venue.ready["port"])
        self.services = {}
        self._open = ExitStack()
        self._session = self._open.enter_context(connected(space.cassandra))
        self.targets = Targets(space.kafka, space.registry, space.cassandra)

    @property
    def source(self):
        return self._feed.source

    @property
    def series(self):
        return [f"{self.source}:{symbol}" for symbol in self._feed.symbols]

    def start(self, name, number, **more):
        """Start one more process of a service, with `more` in its environment."""
        folder = self._folder / f"{name}-{number}"
        folder.mkdir()
        arguments = [self.source] if name == "producer" else []
        # A month of the vendor's candles would be loaded first; it is no part of what is tried here.
        feed = {**self._ledger.settings, "CANDLEWICK_BOOTSTRAP_DAYS": "0"} if name == "producer" else {}
        settings = {**self.space.env, **feed, **more}
        service = self.services[name, number] = Service(name, settings, folder, *arguments).start()
        return service

    def said(self, name, number, event):
        """Return how often a process, over all its restarts, has logged an event."""
        return self.services[name, number].log.read_text(errors="replace").count(f'"event": "{event}"')

    def await_said(self, name, number, event, before=0, limit_s=60):
        """Wait until a process has logged an event more than `before` times."""
        running = [service for service in self.services.values() if service.running]
        wait_until(lambda: self.said(name, number, event) > before, limit_s, f"{event} of {name} {number}", running)

    def restart(self, name, number, event):
        """End a process by SIGTERM, which has to be in order, and start it again; return when it has logged `event`."""
        assert self.services[name, number].stop() == 0
        before = self.said(name, number, event)
        self.services[name, number].start()
        self.await_said(name, number, event, before)

    def candles(self):
        """Return the sum of trade_count over the 1m rows in Cassandra."""
        return sum(row.trade_count for row in self._rows("trade_count", "candles_1m"))

    def outages(self):
        """Return the recorded intervals in which trades may be missing."""
        rows = self._rows("series, cause, state, from_us, to_us", "gaps")
        return [
            Outage(r.series, r.cause, r.from_us, None if r.state == "open" else r.to_us, r.state)
            for r in rows
            if r.cause in LOSSES
        ]

    def _rows(self, columns, table):
        query = self._session.prepare(f"SELECT {columns} FROM {self.space.keyspace}.{table} WHERE series = ?")
        return [row for name in self.series for row in self._session.execute(query, (name,), timeout=60)]

    def settle(self, limit_s=120):
        """Let the venue fall silent and everything arrive; return the account of every trade."""
        self._ledger.pause()
        # Statuses close the last windows only after the silence has begun.
        later = time.monotonic() + 5
        wait_until(lambda: time.monotonic() > later, 10, "the last statuses", list(self.services.values()))
        ends = arrivals.ends(self.space.kafka, (TRADES, HISTORY, FEED_STATUS), self.space.prefix)
        written = {place: end for place, end in ends.items() if end}
        frames = parse_list(self.space.env["CANDLEWICK_TIMEFRAMES"])
        wait_until_caught_up(
            self.targets, written, prefix=self.space.prefix, keyspace=self.space.keyspace, timeframes=frames, timeout_s=limit_s
        )
        arrived = arrivals.trades(self.space.kafka, self.space.registry, self.space.prefix, self.source)
        sent = counted(self._generated(), arrived)
        lost = missing(sent, arrived)
        others = {
            t.dataset: arrivals.count(self.space.kafka, t, self.space.prefix, self.source) for t in (LATE_TRADES, DEAD_LETTERS)
        }
        account = {
            "sent": len(sent),
            "arrived": sum(arrived.values()),
            "missing": len(lost),
            "inside_recorded_gaps": in_gaps(lost, self.outages(), self.source),
            **others,
        }
        kept = account["sent"] - account["missing"] - sum(others.values())
        # Live rows follow within their period; a candle may still be on its way to its row.
        wait_until(lambda: self.candles() == kept, 60, f"{kept} trades in candles; the account so far: {account}")
        return {**account, "in_candles": kept}

    def _generated(self):
        # Hundreds of thousands of entries: more than the demo's own reader waits for.
        entries = requests.get(f"{self.venue.ready['ctl']}/ledger", timeout=LEDGER_S).json()["entries"]
        last = max((n for n, entry in enumerate(entries) if entry["sent_us"]), default=-1)
        return [found for entry in entries[: last + 1] if (found := self._feed.read(entry)) is not None]

    def audit(self):
        """Run `candlewick audit` over everything; it fails where anything differs."""
        return candlewick(self.space.env, "audit", limit_s=300)

    def stop(self):
        for service in self.services.values():
            service.discard()
        self._open.close()
        self.venue.stop()


@pytest.fixture
def make_pipeline(tmp_path):
    """A function (space, source, pace) -> Pipeline whose processes end with the test."""
    made = []

    def make(space, source, pace):
        pipeline = Pipeline(space, source, tmp_path, pace)
        made.append(pipeline)
        return pipeline

    yield make
    for pipeline in made:
        pipeline.stop()
