"""The Finnhub producer against the simulated venue and real Kafka: what is lost, lies in an outage that a status tells."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
import requests

from producer.publisher import MAX_DEAD_KEY
from schemas.topics import TRADES
from tests.support.published import corner, count, dead_letters, ends, statuses, trades
from tests.support.services import Service, allowed, environment, wait_until

pytestmark = pytest.mark.integration
S = 1_000_000


class Venue:
    """A simulator process and its control."""

    def __init__(self, *arguments, module="deploy.simulator"):
        self.process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())

    def fault(self, kind, **options):
        answer = requests.post(f"{self.ready['ctl']}/fault", json={"kind": kind, **options}, timeout=60)
        assert answer.ok, answer.text

    def summary(self):
        return requests.get(f"{self.ready['ctl']}/summary", timeout=60).json()

    def ledger(self):
        return requests.get(f"{self.ready['ctl']}/ledger", timeout=60).json()["entries"]

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=60)


@pytest.fixture
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture
def venue():
    made = Venue("--seed", "7", "--ping-seconds", "1000")
    yield made
    assert made.stop() == 0


@pytest.fixture
def producer(space, venue, tmp_path):
    """A function (settings) -> a running producer, discarded at the end."""
    made = []

    def start(**settings):
        feed = {
            "FINNHUB_URL": venue.ready["ws"],
            "FINNHUB_TOKEN": "simulator",
            "FINNHUB_SYMBOLS": ",".join(venue.ready["symbols"]),
        }
        service = Service("producer", {**space.env, **feed, **settings}, tmp_path, "finnhub")
        made.append(service.start())
        return service

    yield start
    for service in made:
        service.discard()


def said(space, partition=0):
    return statuses(space, "finnhub", partition).get(partition, [])


def wait_for_state(space, state, service, count=1, limit_s=30):
    """Wait until partition 0 has been told `count` intervals of a state, and return its statuses."""

    def reached():
        series = said(space)
        return series if [s for s, _ in _runs(series)].count(state) >= count else None

    return wait_until(reached, limit_s, f"{count} times {state}", [service])


def _runs(series):
    runs = []
    for status in series:
        if not runs or runs[-1][0] != status.state:
            runs.append((status.state, []))
        runs[-1][1].append(status)
    return runs


def identity(symbol, event_us, price, size):
    return symbol, event_us, price, size


def published(space):
    return Counter(identity(t.symbol, t.event_time, t.price, t.size) for t in trades(space, "finnhub"))


def in_ledger(venue, *, sent):
    return Counter(identity(e["symbol"], e["t"] * 1000, e["p"], e["v"]) for e in venue.ledger() if bool(e["times"]) == sent)


def outages(series):
    """Return the [from, to) of each outage that the statuses of a partition tell."""
    found, begun = [], None
    for status in series:
        if status.state == "live" and begun is not None:
            found.append((begun, status.good_from))
            begun = None
        elif status.state not in ("live", "connecting"):
            begun = status.good_until if begun is None else begun
            assert status.good_until == begun, "an outage's beginning moved"
    return found


def test_cut_feed_loses_nothing_outside_of_the_outage_it_tells(space, venue, producer):
    service = producer(CANDLEWICK_BACKOFF_MAX_S="2")
    wait_for_state(space, "live", service)
    for how in ("fin", "close"):
        before = [s for s, _ in _runs(said(space))].count("live")
        if how == "close":  # which a producer that is asleep meets later, and must not take for the moment of the end
            os.kill(service.pid, signal.SIGSTOP)
        known = in_ledger(venue, sent=False).total()
        venue.fault("drop", seconds=1.5, how=how)
        if how == "close":
            wait_until(lambda known=known: in_ledger(venue, sent=False).total() > known + 50, 20, "trades to be lost")
            os.kill(service.pid, signal.SIGCONT)
        wait_for_state(space, "live", service, before + 1)
    venue.fault("pause", seconds=60)
    wait_until(lambda: count(space, TRADES) >= _sent(venue), 20, "everything sent to be published", [service])
    assert service.stop() == 0

    assert published(space) == in_ledger(venue, sent=True)
    series = statuses(space, "finnhub")
    assert sorted(series) == [0, 1, 2, 3]
    found = {tuple(outages(s)) for s in series.values()}
    assert len(found) == 1, "partitions disagree"
    (gaps,) = found
    assert len(gaps) == 2
    lost = in_ledger(venue, sent=False)
    assert lost
    assert all(any(begin <= event < end for begin, end in gaps) for _, event, _, _ in lost)
    assert all(
        end - begin < allowed(1.5 + 2 + 2 + 2) * S for begin, end in gaps
    )  # the drop, the longest wait, the way back, sleep
    for states in series.values():
        last = states[-1]
        assert (last.state, last.epoch) == ("stopping", states[0].epoch)
        assert last.complete_to >= last.good_until
        assert all(a.complete_to <= b.complete_to for a, b in pairwise(states))
    written = ends(space, TRADES, "finnhub")
    assert {p: series[p][-1].trades_offset for p in written} == written


def _sent(venue):
    summary = venue.summary()
    return summary["trades_sent"] + summary["updates_sent"]


def test_numbers_of_every_instrument_are_contiguous_in_each_epoch_also_after_a_kill(space, venue, producer):
    first = producer()
    wait_for_state(space, "live", first)
    wait_until(lambda: count(space, TRADES) > 50, 20, "some trades", [first])
    first.kill()
    before = count(space, TRADES)
    second = first.start()
    wait_until(lambda: count(space, TRADES) > before, 30, "a second epoch", [second])
    assert second.stop() == 0
    numbers = {}
    for trade in trades(space, "finnhub"):
        numbers.setdefault((trade.epoch, trade.symbol), []).append(trade.sequence)
    assert all(found == list(range(len(found))) for found in numbers.values())
    epochs = [s.epoch for s in said(space)]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == 2


def test_repeats_are_dropped_and_what_is_broken_is_kept_beside_its_neighbours(space, venue, producer):
    service = producer()
    wait_for_state(space, "live", service)
    venue.fault("repeat", times=3, seconds=2)
    venue.fault("malformed")
    venue.fault("bad_price")
    venue.fault("stranger")
    wait_until(lambda: venue.summary()["repeats_sent"] > 20 and venue.summary()["bad_sent"] == 2, 20, "repeats", [service])
    venue.fault("pause", seconds=60)
    wait_until(lambda: count(space, TRADES) >= _sent(venue), 20, "everything sent to be published", [service])
    assert service.stop() == 0
    assert published(space) == in_ledger(venue, sent=True)
    letters = {headers["reason"]: (key, value) for key, value, headers in dead_letters(space, "finnhub")}
    assert letters["not_json"] == (b"finnhub", b'{"data":[{"p":1.0,"s":"BROKEN')
    assert json.loads(letters["bad_price"][1])["p"] == -1.0
    assert letters["bad_price"][0].startswith(b"finnhub:")
    assert letters["unwanted_symbol"][0] == b"finnhub:".ljust(MAX_DEAD_KEY, b"X")
    assert {s.state for s in said(space)} == {"connecting", "live", "stopping"}


def test_silent_link_is_down_since_its_last_frame(space, venue, producer):
    service = producer(CANDLEWICK_LIVENESS_TRANSPORT_S="2")
    wait_for_state(space, "live", service)
    venue.fault("silent", seconds=30)
    series = wait_for_state(space, "live", service, 2)
    down = next(s for s in series if s.state == "down")
    last_sent = max(e["sent_us"] for e in venue.ledger() if e["sent_us"] and e["sent_us"] < down.since)
    assert abs(down.good_until - last_sent) < allowed(0.5) * S  # the venue writes its ledger after sending
    assert down.since - down.good_until > 1.9 * S
    ((begin, end),) = outages(series)
    lost = in_ledger(venue, sent=False)
    assert lost
    assert all(begin <= event < end for _, event, _, _ in lost)
    assert service.stop() == 0


def test_feed_that_only_answers_pings_is_stale_until_a_frame_comes(space, venue, producer):
    service = producer(CANDLEWICK_LIVENESS_FEED_S="2")
    wait_for_state(space, "live", service)
    venue.fault("pause", seconds=6)
    series = wait_for_state(space, "live", service, 2)
    assert service.stop() == 0
    states = [state for state, _ in _runs(series)]
    assert states == ["connecting", "live", "stale", "live"]
    ((begin, end),) = outages(series)
    assert 3.5 * S < end - begin < allowed(12) * S


def test_pings_without_a_record_in_an_open_market_are_stale_since_the_last_record_and_renewed_once(space, venue, producer):
    service = producer(CANDLEWICK_LIVENESS_HOURS="24/7", CANDLEWICK_LIVENESS_RECORDS_S="2")
    wait_for_state(space, "live", service)
    venue.fault("pings_only", seconds=5)
    series = wait_for_state(space, "live", service, 2)
    lost = in_ledger(venue, sent=False)
    assert service.stop() == 0
    assert [state for state, _ in _runs(series)] == ["connecting", "live", "stale", "live"]
    ((begin, end),) = outages(series)
    assert lost
    assert all(begin <= event < end for _, event, _, _ in lost)
    assert 4 * S < end - begin < allowed(15) * S
    assert venue.summary()["connections"] == 2


def test_silence_outside_of_the_hours_is_no_fault_and_the_feed_is_called_closed(space, venue, producer):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%a")
    quick = {"CANDLEWICK_LIVENESS_FEED_S": "1", "CANDLEWICK_LIVENESS_RECORDS_S": "1"}
    venue.fault("pause", seconds=60)
    service = producer(CANDLEWICK_LIVENESS_HOURS=f"{tomorrow} 12:00-13:00 UTC", **quick)
    series = wait_until(lambda: (s := said(space)) and s[-1].sent_at > s[0].sent_at + 2.5 * S and s, 20, "statuses", [service])
    assert {s.state for s in series} == {"connecting", "market_closed"}
    assert venue.summary()["connections"] == 1
    assert service.stop() == 0


def test_wrong_key_is_refused_slowly_and_never_logged_until_another_in_its_file_ends_the_refusal(
    space, venue, producer, tmp_path
):
    file = tmp_path / "token"
    file.write_text("marker-of-the-old-key\n")
    service = producer(FINNHUB_TOKEN="", FINNHUB_TOKEN_FILE=str(file))
    wait_for_state(space, "refused", service)
    assert {s.good_from for s in said(space)} == {None}
    assert venue.summary().get("connections", 0) == 0
    part = file.with_suffix(".part")
    part.write_text("simulator\n")
    part.replace(file)
    wait_for_state(space, "live", service, limit_s=10)
    (refused,), (opened,) = logged(service, "connection.lost"), logged(service, "connection.opened")
    assert refused["wait_s"] == 300.0
    waited = datetime.fromisoformat(opened["timestamp"]) - datetime.fromisoformat(refused["timestamp"])
    assert waited.total_seconds() < allowed(10)
    assert [line["setting"] for line in logged(service, "secret.replaced")] == ["FINNHUB_TOKEN_FILE"]
    assert "marker-of-the" not in service.log.read_text()
    assert service.stop() == 0


def test_second_attempt_waits_as_long_as_a_busy_provider_asks(space, venue, producer):
    venue.fault("refuse", seconds=600, status=429, retry_after=3)
    service = producer()
    wait_until(lambda: logged(service, "connection.lost"), 20, "a refused attempt", [service])
    venue.fault("refuse", seconds=0)
    wait_for_state(space, "live", service)
    (refused,), (opened,) = logged(service, "connection.lost"), logged(service, "connection.opened")
    waited = datetime.fromisoformat(opened["timestamp"]) - datetime.fromisoformat(refused["timestamp"])
    assert waited.total_seconds() > 2.9
    assert service.stop() == 0


def logged(service, event):
    return [json.loads(line) for line in service.log.read_text().splitlines() if f'"{event}"' in line]


def test_metrics_and_health_tell_the_feeds_state(space, venue, producer):
    service = producer()
    wait_for_state(space, "live", service)
    port = next(json.loads(line)["port"] for line in service.log.read_text().splitlines() if "metrics.opened" in line)
    health = requests.get(f"http://127.0.0.1:{port}/health", timeout=60).json()
    assert (health["source"], health["state"], health["active"], health["attempts"]) == ("finnhub", "live", True, 0)
    good = said(space)[-1]
    assert (health["since_us"], health["epoch"], health["reason"]) == (good.since, good.epoch, "")
    assert set(health["last_record_us"]) == set(venue.ready["symbols"])
    metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
    for line in ("feed_live", "active"):
        assert f'candlewick_producer_{line}{{source="finnhub"}} 1.0' in metrics
    assert 'candlewick_producer_last_record_seconds{source="finnhub",symbol=' in metrics
    assert service.stop() == 0


HANGS = """
import threading, producer.__main__, producer.sources.finnhub
producer.sources.finnhub.Finnhub.receive = lambda *_: threading.Event().wait()
producer.__main__.main()
"""


def test_health_tells_a_loop_that_hangs_and_not_a_feed_that_is_down(space, venue, producer, tmp_path):
    service = producer(CANDLEWICK_LIVENESS_LOOP_S="1")
    wait_for_state(space, "live", service)
    venue.fault("drop", seconds=60, how="rst")
    wait_for_state(space, "down", service)
    wait_until(lambda: health(service).json()["attempts"] > 2, 20, "attempts for longer than the limit", [service])
    assert health(service).status_code == 200
    assert service.stop() == 0
    venue.fault("drop", seconds=0)
    # The same process, with a parser that never comes back from a frame.
    feed = {"FINNHUB_URL": venue.ready["ws"], "FINNHUB_TOKEN": "simulator", "FINNHUB_SYMBOLS": ",".join(venue.ready["symbols"])}
    settings = {**space.env, **feed, "CANDLEWICK_LIVENESS_LOOP_S": "1"}
    log = tmp_path / "hangs.log"
    hung = SimpleNamespace(log=log)
    command = [sys.executable, "-c", HANGS, "finnhub"]
    with log.open("wb") as out, subprocess.Popen(command, env=environment(settings), stdout=out, stderr=out) as process:
        try:
            wait_until(lambda: logged(hung, "connection.opened"), 30, "a connection")
            wait_until(lambda: health(hung).json()["hangs"], 20, "the word of the loop's standing still")
            assert health(hung).status_code == 503
            assert process.poll() is None
        finally:
            process.kill()


def health(service):
    (opened,) = logged(service, "metrics.opened")
    return requests.get(f"http://127.0.0.1:{opened['port']}/health", timeout=60)


@pytest.mark.parametrize(
    "settings", [{"FINNHUB_TOKEN": ""}, {"FINNHUB_SYMBOLS": ""}, {"CANDLEWICK_NO_SUCH": "1"}, {"CANDLEWICK_BACKOFF_MAX_S": "x"}]
)
def test_wrong_settings_end_it_with_status_two_and_one_line(tmp_path, settings):
    good = {
        "FINNHUB_TOKEN": "word",
        "FINNHUB_SYMBOLS": "A",
        "CANDLEWICK_KAFKA": "127.0.0.1:1",
        "CANDLEWICK_REGISTRY": "http://127.0.0.1:1",
    }
    service = Service("producer", {**good, **settings}, tmp_path, "finnhub").start()
    wait_until(lambda: not service.running, 20, "its end")
    assert service.stop() == 2
    (line,) = service.log.read_text().splitlines()
    assert json.loads(line)["event"] == "settings.refused"
