"""Spans of every service reach a receiver over HTTP, and the offsets in them lead from one service to the next."""

import contextlib

import pytest

from schemas.topics import TRADES
from schemas.tracing import COUNT, OFFSETS
from tests.support.otlp import receiving
from tests.support.services import Service, wait_until
from tests.support.venue import Venue

pytestmark = pytest.mark.integration

SERVICES = ("producer", "processor", "sink")
TOKEN = "not-for-spans"


@pytest.fixture
def space(make_space):
    return make_space({"CANDLEWICK_TIMEFRAMES": "1m", "CANDLEWICK_PARTITIONS": "1"})


def trades_in(batches, topic):
    """The offsets of a topic's one partition that some batches hold."""
    found = set()
    for batch in batches:
        for place in batch.facts[OFFSETS]:
            name, _, offsets = place.rsplit("/", 2)
            if name == topic:
                first, last = map(int, offsets.split("-"))
                found |= set(range(first, last + 1))
    return found


def test_sampled_batches_are_followed_through_all_services(space, tmp_path):
    venue = Venue("deploy.simulator", "--seed", "5", "--token", TOKEN)
    with receiving() as receiver, contextlib.ExitStack() as ending:
        ending.callback(venue.stop)
        env = {
            **space.env,
            "CANDLEWICK_OTEL_SAMPLE": "1",
            "CANDLEWICK_COMMIT_LAG_S": "0",
            "CANDLEWICK_BOOTSTRAP_DAYS": "0",
            "FINNHUB_URL": venue.ready["ws"],
            "FINNHUB_TOKEN": TOKEN,
            "FINNHUB_SYMBOLS": ",".join(venue.ready["symbols"]),
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        services = [Service(name, env, tmp_path, *(["finnhub"] if name == "producer" else [])).start() for name in SERVICES]
        for service in services:
            ending.callback(service.discard)
        topic = TRADES.name(space.prefix)

        def in_all():
            of = [trades_in(receiver.batches(f"candlewick-{name}"), topic) for name in SERVICES]
            return of[0] & of[1] & of[2]

        wait_until(in_all, 60, "a trade that all three services tell of", services)
        assert [service.stop() for service in services] == [0, 0, 0]
    steps = {
        "producer": ["parse", "publish", "acknowledge"],
        "processor": ["wait", "fold", "publish", "commit"],
        "sink": ["map", "write", "commit"],
    }
    for name, expected in steps.items():
        batches = [one for one in receiver.batches(f"candlewick-{name}") if one.facts[COUNT]]
        assert batches
        assert all(receiver.steps(one) == expected for one in batches)
    for word in (TOKEN, *venue.ready["symbols"]):
        assert word.encode() not in receiver.raw, "a span names what it must not"
