"""Workers that can be stopped, killed and frozen, each with a log of its own."""

import json
import os
import signal

import pytest

from tests.support.published import corner
from tests.support.services import Service, wait_until

TIMEFRAMES = "1s,1m,5m"
TAKEN_OVER_S = 60  # session timeout 15 s, a rebalance, and a slow machine


class Worker:
    """One processor process."""

    def __init__(self, name, settings, folder):
        self.folder = folder / name
        self.folder.mkdir()
        self.service = Service("processor", settings, self.folder)

    def start(self):
        self.service.start()
        return self

    def events(self, name):
        """Return the log lines of one event, over all restarts."""
        if not self.service.log.exists():
            return []
        lines = self.service.log.read_text(errors="replace").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [line for line in found if line["event"] == name]

    def strange_lines(self):
        """Return what is neither an object nor one of librdkafka's own lines, which begin with `%` and their level."""
        lines = self.service.log.read_text(errors="replace").splitlines() if self.service.log.exists() else []
        return [line for line in lines if not line.startswith(("{", "%"))]

    def owns(self):
        """Return the partitions of the last assignment."""
        found = self.events("partitions.assigned")
        return found[-1]["partitions"] if found else []

    def wait_assigned(self, count, before, limit_s=TAKEN_OVER_S):
        """Wait for an assignment of `count` partitions after the first `before` assignments."""

        def assigned():
            found = self.events("partitions.assigned")[before:]
            return found and len(found[-1]["partitions"]) == count

        wait_until(assigned, limit_s, f"{count} partitions for {self.folder.name}", [self.service])

    def assignments(self):
        return len(self.events("partitions.assigned"))

    def freeze(self):
        os.killpg(self.service.pid, signal.SIGSTOP)

    def thaw(self):
        os.killpg(self.service.pid, signal.SIGCONT)


@pytest.fixture
def make_corner(stack):
    """A function () -> Space with topics and subjects alone."""
    from contextlib import ExitStack

    with ExitStack() as made:
        yield lambda: made.enter_context(corner(stack, TIMEFRAMES))


@pytest.fixture
def make_worker(tmp_path):
    """A function (name, space, settings) -> Worker, not started yet; all are ended with the test."""
    made = []

    def make(name, space, **settings):
        worker = Worker(name, {**space.env, **settings}, tmp_path)
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.service.discard()
    assert [line for worker in made for line in worker.strange_lines()] == []
