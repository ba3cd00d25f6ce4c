"""The pages over real sockets, without Kafka: who answers for whom, refusals that say why, streams that stay bounded."""

import asyncio
import json
import socket
from contextlib import suppress

import aiohttp
import pytest
from confluent_kafka import murmur2

from processor import colleagues, events, live_page, web
from processor.cache import Cache
from processor.colleagues import PASSED_ON
from processor.events import Hub
from processor.hot import Hot
from processor.outgoing import Made
from processor.web import Web
from schemas.avro import schema_of
from schemas.codec import Encoder
from schemas.groups import parse_groups
from schemas.records import Candle, Gap
from schemas.timeframes import parse_list
from tests.support.feeding import MINUTE, a_candle, a_gap

PARTITIONS = 2
NAMES = [next(f"sim:S{n}" for n in range(99) if murmur2(f"sim:S{n}".encode(), PARTITIONS) == p) for p in range(PARTITIONS)]
"""A series of each partition."""
ENCODE = {Candle: Encoder(Candle, 0), Gap: Encoder(Gap, 1)}
SCHEMAS = [schema_of(Candle), schema_of(Gap)]


class Group:
    """The group's assignment: URL by partition."""

    def __init__(self):
        self.owners = {}


class Member:
    """What the pages ask of the processor."""

    def __init__(self, group, partitions):
        self.group, self.partitions, self.assigned = group, partitions, True
        self.named = []
        self.told = []

    def health(self):
        return {"ready": self.assigned, "assigned": self.assigned}

    def owners(self):
        return dict(self.group.owners)

    def owned(self):
        return self.partitions if self.assigned else []

    def series(self):
        return self.named

    def feeds(self):
        return self.told


class Node:
    """One worker's pages on a port of loopback."""

    def __init__(self, group, *partitions, groups=()):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.member = Member(group, list(partitions))
        group.owners |= dict.fromkeys(partitions, self.url)
        self.hot = Hot(Cache(1 << 24), Hub(), lambda _: None, SCHEMAS.__getitem__, "t", parse_list("1m,5m"))
        self.hot.loaded.update(partitions)
        self.web = Web(self.member, self.hot, self.listener, ["1m", "5m"], PARTITIONS, groups)

    def publish(self, *records):
        self.hot.published([Made(r, murmur2(r.series.encode(), PARTITIONS), (ENCODE[type(r)](r),)) for r in records])

    async def __aenter__(self):
        await self.web.on_start()
        return self

    async def __aexit__(self, *_):
        await self.web.on_stop()


def in_loop(test):
    def run(*args, **named):
        return asyncio.run(asyncio.wait_for(test(*args, **named), 60))

    run.__name__ = test.__name__
    return run


async def get(url, **headers):
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, await response.json()


@in_loop
async def test_any_worker_answers_for_all():
    group = Group()
    async with Node(group, 0) as a, Node(group, 1) as b:
        candles = [a_candle(0, 3, series=name) for name in NAMES]
        gap = a_gap(MINUTE, None, series=NAMES[1])
        a.publish(candles[0])
        b.publish(candles[1], gap)
        a.member.named = ["sim:SILENT"]
        for node in (a, b):
            for name, candle in zip(NAMES, candles, strict=True):
                status, answer = await get(f"{node.url}/candles/{name}/1m")
                assert (status, answer["candles"]) == (200, [vars(candle)])
            assert await get(f"{node.url}/gaps/{NAMES[1]}") == (
                200,
                {"series": NAMES[1], "truncated": False, "gaps": [vars(gap)]},
            )
            assert await get(f"{node.url}/series") == (200, {"series": sorted([*NAMES, "sim:SILENT"])})
            assert (await get(f"{node.url}/candles/{NAMES[0]}/5m"))[1]["candles"] == []


@in_loop
async def test_a_grouped_series_and_its_consolidated_one_are_asked_for_where_the_group_is():
    groups = parse_groups(f"g={NAMES[0]},alt:X")
    place = murmur2(b"g", PARTITIONS)
    group = Group()
    async with Node(group, place, groups=groups) as a, Node(group, 1 - place, groups=groups) as b:
        for name in (NAMES[0], "alt:X", "group:g", "alt:X@mid", "group:g@mid"):
            a.publish(a_candle(0, 3, series=name))
            for node in (a, b):
                assert (await get(f"{node.url}/candles/{name}/1m"))[0] == 200


@in_loop
async def test_a_question_that_was_passed_on_is_not_passed_on_again():
    group = Group()
    async with Node(group, 0) as a, Node(group) as b:
        group.owners[0] = b.url  # each takes the other for the owner, as two may for a moment
        group.owners[1] = a.url
        status, answer = await get(f"{a.url}/candles/{NAMES[1]}/1m", **{PASSED_ON: "1"})
        assert (status, answer) == (503, {"error": "partition 1 is moving between workers"})
        assert (await get(f"{b.url}/candles/{NAMES[1]}/1m"))[0] == 503


@pytest.mark.parametrize("owner", ["gone", "deaf", "none:host-1"])
def test_an_owner_that_does_not_answer_is_503_within_a_limit(owner, monkeypatch):
    monkeypatch.setattr(colleagues, "ANSWER_S", 0.3)

    async def story():
        group = Group()
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            url = {"deaf": f"http://127.0.0.1:{deaf.getsockname()[1]}", "gone": "http://127.0.0.1:1"}.get(owner, owner)
            async with Node(group, 0) as a:
                group.owners[1] = url
                for page in (f"/candles/{NAMES[1]}/1m", f"/gaps/{NAMES[1]}", "/series"):
                    status, answer = await get(a.url + page)
                    assert (status, answer["error"].startswith("the owner of this partition does not answer")) == (503, True)

    in_loop(story)()


@in_loop
async def test_503_while_not_ready_says_why():
    group = Group()
    async with Node(group, 0, 1) as a:
        a.publish(a_candle(0, 3, series=NAMES[0]))
        a.hot.loaded.discard(0)
        for page in (f"/candles/{NAMES[0]}/1m", f"/gaps/{NAMES[0]}", "/series"):
            assert await get(a.url + page) == (503, {"error": "the cache is being read back from Kafka"})
        assert (await get(f"{a.url}/gaps/{NAMES[1]}"))[0] == 404
        a.member.assigned = False
        group.owners.clear()
        for page in (f"/candles/{NAMES[0]}/1m", f"/gaps/{NAMES[0]}", "/series", "/events"):
            assert await get(a.url + page) == (503, {"error": "this worker has no assignment yet"})
        assert (await get(f"{a.url}/health/ready"))[0] == 503
        assert (await get(f"{a.url}/health"))[0] == 503
        assert await get(f"{a.url}/health/live") == (200, {"live": True})


async def opened(url, query=""):
    session = aiohttp.ClientSession()
    response = await session.get(f"{url}/events{query}", timeout=aiohttp.ClientTimeout(total=20))
    assert response.status == 200
    assert await response.content.readuntil(b"\n\n") == web.HELLO
    return session, response


async def next_event(response):
    said = await response.content.readuntil(b"\n\n")
    kind, data = said.decode().strip().split("\n")
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@in_loop
async def test_a_stream_carries_the_other_workers_changes_and_ends_with_them():
    group = Group()
    async with Node(group, 0) as a, Node(group, 1) as b:
        session, response = await opened(a.url)
        await until(lambda: b.hot.hub._clients)
        b.publish(a_candle(0, 3, series=NAMES[1]))
        assert await next_event(response) == ("candle", vars(a_candle(0, 3, series=NAMES[1])))
        a.publish(a_gap(0, None, series=NAMES[0]))
        assert (await next_event(response))[0] == "gap"
        b.hot.hub.end()  # a rebalance over there
        assert await response.content.read() == b""
        await until(lambda: not a.hot.hub._clients)
        await session.close()


LIVE = {"source": "sim", "state": "live", "reason": "", "since": 1, "updated_at": 2}


@in_loop
async def test_who_asks_for_it_hears_of_feeds_that_change_and_others_do_not():
    async with Node(Group(), 0, 1) as a:
        a.member.told = [LIVE]
        plain, heard = await opened(a.url), await opened(a.url, "?feeds=1&series=sim:NONE")
        await until(lambda: len(a.hot.hub._clients) == 2)
        a.publish(a_candle(0, 3, series=NAMES[0]))
        assert await next_event(heard[1]) == ("feed", LIVE)
        a.publish(a_candle(0, 4, series=NAMES[0]))
        a.member.told = [LIVE | {"state": "down"}]
        a.publish(a_candle(0, 5, series=NAMES[0]))
        assert await next_event(heard[1]) == ("feed", LIVE | {"state": "down"})
        assert [(await next_event(plain[1]))[0] for _ in range(3)] == ["candle"] * 3
        assert await get(f"{a.url}/feeds") == (200, {"feeds": a.member.told})
        for session, _ in (plain, heard):
            await session.close()


@in_loop
async def test_a_worker_without_partitions_asks_another_how_feeds_are():
    group = Group()
    async with Node(group, 0, 1) as a, Node(group) as b:
        a.member.told = [LIVE]
        assert await get(f"{b.url}/feeds") == (200, {"feeds": [LIVE]})
        a.member.told = []
        assert await get(f"{a.url}/feeds") == (200, {"feeds": []})


@in_loop
async def test_the_live_page_comes_from_the_worker_itself_and_takes_nothing_from_elsewhere():
    async with Node(Group(), 0, 1) as a, aiohttp.ClientSession() as session:
        for path, name in live_page.FILES.items():
            async with session.get(a.url + path) as response:
                assert (response.status, response.content_type) == (200, live_page.KINDS[name.rpartition(".")[2]])
                assert response.headers["Content-Security-Policy"].startswith("default-src 'self';")
                text = await response.text()
                assert "//cdn" not in text
                assert "innerHTML" not in text, "names out of a feed are text"
        status, about = await get(f"{a.url}/about")
        assert (status, about["stream"], about["timeframes"], about["account"]) == (200, True, ["1m", "5m"], None)


def test_a_silent_stream_gives_signs_of_life(monkeypatch):
    monkeypatch.setattr(web, "HEARTBEAT_S", 0.05)

    async def story():
        async with Node(Group(), 0, 1) as a:
            session, response = await opened(a.url)
            for _ in range(3):
                assert await response.content.readuntil(b"\n\n") == web.HEARTBEAT
            await session.close()
            await until(lambda: not a.hot.hub._clients)  # who has hung up is noticed

    in_loop(story)()


@in_loop
async def test_law_12_a_reader_that_stops_reading_is_cut():
    async with Node(Group(), 0, 1) as a:
        before = events.telemetry.EVENT_CLIENTS_DROPPED._value.get()
        reader, writer = await asyncio.open_connection(*a.listener.getsockname(), limit=1024)
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: a.hot.hub._clients)
        session, response = await opened(a.url)
        heard, told = 0, 0
        for _ in range(200):
            a.publish(*[a_candle(0, told + n, series=NAMES[0]) for n in range(200)])
            told += 200
            while heard < told:
                await next_event(response)
                heard += 1
            if events.telemetry.EVENT_CLIENTS_DROPPED._value.get() > before:
                break
        assert events.telemetry.EVENT_CLIENTS_DROPPED._value.get() == before + 1
        assert len(a.hot.hub._clients) == 1
        with suppress(ConnectionError):
            while await reader.read(1 << 20):
                pass  # what was under way; then the connection has ended, or this test runs into its limit
        writer.close()
        await session.close()


def test_law_12_streams_are_counted_and_no_more_than_so_many(monkeypatch):
    monkeypatch.setattr(events, "MOST_CLIENTS", 1)

    async def story():
        async with Node(Group(), 0, 1) as a:
            session, _ = await opened(a.url)
            assert await get(f"{a.url}/events") == (503, {"error": "too many streams are open"})
            await session.close()

    in_loop(story)()


@in_loop
async def test_what_was_known_at_a_moment_is_refused_and_not_answered_with_what_is_known_now():
    async with Node(Group(), 0, 1) as a:
        status, body = await get(f"{a.url}/candles/{NAMES[0]}/1m?as_of=1700000000000000")
        assert (status, "candlewick console" in body["error"]) == (400, True)


@in_loop
async def test_names_and_limits_from_outside_do_no_harm():
    async with Node(Group(), 0, 1) as a:
        for page in (
            "/candles/%00/1m",
            "/candles/%F0%9F%98%80/1m",
            "/candles/..%2F..%2Fetc/1m",
            "/candles/x/%0a",
            "/gaps/" + "x" * 5000,
        ):
            assert (await get(a.url + page))[0] == 404
        for limit in ("%00", "1e2", "9" * 100):
            assert (await get(f"{a.url}/gaps/x?limit={limit}"))[0] == 400
