"""The IG producer with the official Lightstreamer client, against the simulated venue and real Kafka.

Each quote the venue sent is published, was a repeat of a subscription's beginning, or lies in an interval that a status tells.
"""

import json
import socket
import time
from collections import Counter
from dataclasses import replace

import pytest
import requests
from pydantic import SecretStr

from producer.ig.link import IgLink
from producer.ig.rest import IgError, IgRest
from producer.ig.scales import ask_scales
from producer.inbox import Inbox
from producer.secret import Secret
from schemas.records import series_of
from schemas.topics import FEED_STATUS, HISTORY, QUOTES
from tests.support.gaps import a_gap, tell
from tests.support.published import corner, count, dead_letters, history, messages, quotes, statuses, trades
from tests.support.services import Service, wait_until
from tests.support.venue import Venue

pytestmark = pytest.mark.integration
S = 1_000_000
M = 60 * S
MARKER = "marker-4711"


class Ig(Venue):
    """A simulated IG and its control."""

    def __init__(self, *arguments):
        super().__init__("deploy.simulator.ig", "--seed", "7", "--keepalive-ms", "500", *arguments)

    def requests(self, what):
        found = requests.get(f"{self.ready['ctl']}/requests", timeout=60).json()["requests"]
        return [r for r in found if r["what"] == what]

    def ledger(self, kind="price"):
        return [e for e in super().ledger() if e["kind"] == kind]


@pytest.fixture
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture
def make_venue():
    made = []

    def start(*arguments):
        made.append(Ig(*arguments))
        return made[-1]

    yield start
    assert [venue.stop() for venue in made] == [0] * len(made)


@pytest.fixture
def make_producer(space, tmp_path):
    """A function (venue, settings) -> a running producer, discarded at the end."""
    made = []

    def start(venue, **settings):
        feed = {
            "IG_URL": venue.ready["rest"],
            "IG_IDENTIFIER": "simulator",
            "IG_PASSWORD": "simulator",
            "IG_API_KEY": "simulator",
            "IG_EPICS": ",".join(venue.ready["symbols"]),
            "IG_KEEPALIVE_MS": "500",
            "CANDLEWICK_BOOTSTRAP_DAYS": "0",
        }
        service = Service("producer", {**space.env, **feed, **settings}, tmp_path, "ig")
        made.append(service.start())
        return service

    yield start
    for service in made:
        service.discard()


def said(space, partition=0):
    return statuses(space, "ig", partition).get(partition, [])


def runs(series):
    found = []
    for status in series:
        if not found or found[-1][0] != status.state:
            found.append((status.state, []))
        found[-1][1].append(status)
    return found


def wait_for_state(space, state, service, times=1, limit_s=30):
    def reached():
        series = said(space)
        return series if [s for s, _ in runs(series)].count(state) >= times else None

    return wait_until(reached, limit_s, f"{times} times {state}", [service])


def outages(series):
    """Return the [from, to) of each outage that the statuses of a partition tell."""
    found, begun = [], None
    for status in series:
        if status.state in ("live", "market_closed") and begun is not None:
            found.append((begun, status.good_from))
            begun = None
        elif status.state not in ("live", "market_closed", "connecting"):
            begun = status.good_until if begun is None else begun
            assert status.good_until == begun, "an outage's beginning moved"
    return found


def in_ledger(venue, *, sent, scale=lambda epic: 1):
    return Counter(
        (
            e["epic"],
            e["t"] * 1000,
            e["bid"] / scale(e["epic"]),
            e["ask"] / scale(e["epic"]),
            e["bid_size"] or 0.0,
            e["ask_size"] or 0.0,
        )
        for e in venue.ledger()
        if bool(e["sent_us"]) == sent
    )


def published(space):
    return Counter((q.symbol, q.event_time, q.bid, q.ask, q.bid_size, q.ask_size) for q in quotes(space, "ig"))


def settle(space, venue, service, refused=0):
    """Let the market rest and wait until the newest quote that the venue sent, and was not refused, is published."""
    venue.fault("pause", seconds=600)

    def arrived():
        sent = sorted((e["sent_us"], e["epic"], e["t"] * 1000) for e in venue.ledger() if e["sent_us"])
        return {row[1:] for row in sent[-1 - refused :]} & {(q.symbol, q.event_time) for q in quotes(space, "ig")}

    wait_until(arrived, 20, "everything sent to be published", [service])
    assert service.stop() == 0


def session_lines(service, event):
    return [json.loads(line) for line in service.log.read_text().splitlines() if f'"{event}"' in line]


def test_quotes_and_trades_reach_kafka_and_a_cut_or_a_loop_loses_nothing_and_is_no_outage(space, make_venue, make_producer):
    venue = make_venue()
    service = make_producer(venue, IG_TRADES="UA.D.AAPL.CASH.IP")
    wait_for_state(space, "live", service)
    venue.fault("loop", times=4, seconds=0.3)
    wait_until(lambda: len(venue.requests("bind_session")) >= 4, 20, "the LOOPs", [service])
    venue.fault("cut", how="rst")
    wait_until(lambda: session_lines(service, "session.recovered"), 30, "the recovery", [service])
    settle(space, venue, service)

    assert published(space) == in_ledger(venue, sent=True)
    assert not in_ledger(venue, sent=False)
    assert {s.state for s in said(space)} == {"connecting", "live", "stopping"}
    assert any(r["recovery_from"] for r in venue.requests("bind_session")), "the session was not recovered"
    traded = Counter((t.symbol, t.event_time, t.price, t.size, t.kind) for t in trades(space, "ig"))
    told = Counter((e["epic"], e["t"] * 1000, e["ltp"], e["ltv"], "trade") for e in venue.ledger("tick") if e["sent_us"])
    assert traded
    assert not traded - told
    assert (told - traded).total() <= 1, "the first tick of a subscription cannot be told from a repeat; every other can"
    numbers = {}
    for quote in quotes(space, "ig"):
        numbers.setdefault(quote.symbol, []).append(quote.sequence)
    assert all(found == list(range(len(found))) for found in numbers.values())
    assert not dead_letters(space, "ig")
    served = {entry.symbol: entry.kind for p in range(4) for s in said(space, p) for entry in s.symbols or ()}
    assert served == dict.fromkeys(venue.ready["symbols"], "quotes")
    assert venue.summary()["logins"] == venue.summary()["logouts"] == 1


def test_session_that_is_gone_is_one_outage_and_the_rest_is_complete(space, make_venue, make_producer):
    venue = make_venue()
    service = make_producer(venue)
    wait_for_state(space, "live", service)
    venue.fault("cut", recover=False, seconds=2)
    wait_for_state(space, "live", service, 2, limit_s=40)
    settle(space, venue, service)

    found = {tuple(outages(s)) for s in statuses(space, "ig").values()}
    assert len(found) == 1, "partitions disagree"
    ((begin, end),) = found.pop()
    lost = in_ledger(venue, sent=False)
    assert lost
    assert all(begin <= event < end for _, event, *_ in lost)
    assert not in_ledger(venue, sent=True) - published(space)
    assert any(q.snapshot for q in quotes(space, "ig") if q.receive_time > begin), "a new subscription begins with a marked quote"
    assert not published(space) - in_ledger(venue, sent=True)
    assert [state for state, _ in runs(said(space))] == ["connecting", "live", "down", "live", "stopping"]
    assert venue.summary()["logins"] == 1, "the tokens were good"


def test_venues_own_losses_are_told_and_bad_values_and_epics_are_refused_alone(space, make_venue, make_producer):
    venue = make_venue()
    busy, good = venue.ready["symbols"][4], venue.ready["symbols"][0]
    service = make_producer(venue, IG_EPICS=f"{busy},{good},NO.SUCH.EPIC")
    wait_for_state(space, "live", service)
    venue.fault("overflow", epic=busy, times=3)
    wait_until(lambda: venue.summary()["prices_lost"] >= 3, 20, "updates to be dropped", [service])
    venue.fault("bad_price", epic=good)
    wait_until(lambda: dead_letters(space, "ig"), 20, "the refused value", [service])
    settle(space, venue, service, refused=1)

    losses = {x for series in statuses(space, "ig").values() for s in series for x in s.losses}
    (dropped,) = [x for x in losses if x.cause == "lost_updates"]
    assert (dropped.symbol, dropped.missing) == (busy, 3)
    lost = [e["t"] * 1000 for e in venue.ledger() if e["lost"]]
    assert len(lost) == 3
    assert all(dropped.from_time <= event < dropped.to_time for event in lost)
    assert {x.symbol for x in losses if x.cause == "refused"} == {"NO.SUCH.EPIC"}
    ((key, value, headers),) = dead_letters(space, "ig")
    assert (key, headers["reason"]) == (f"ig:{good}".encode(), "bad_number")
    assert json.loads(value)["fields"]["BIDPRICE1"] == "n/a"
    assert sum((in_ledger(venue, sent=True) - published(space)).values()) == 1, "the one with the bad value"
    assert {s.state for s in said(space)} == {"connecting", "live", "stopping"}


def test_a_day_of_loops_a_new_login_and_a_closed_market_has_no_gap_and_loses_nothing(space, make_venue, make_producer):
    # The schedule runs 14400 times faster: a LOOP each 2 h, tokens that die after 6 h unless renewed, a day in 6 s.
    venue = make_venue("--scale", "14400", "--loop-seconds", "7200", "--token-seconds", "21600")
    service = make_producer(venue, IG_REFRESH_S="0.25")
    wait_for_state(space, "live", service)
    wait_until(lambda: venue.summary().get("loops", 0) >= 5, 20, "half a day", [service])
    venue.fault("closed", seconds=2.5)
    venue.fault("invalidate")  # the weekend's maintenance
    wait_for_state(space, "market_closed", service)
    wait_until(lambda: venue.summary().get("loops", 0) >= 12, 30, "a day", [service])
    settle(space, venue, service)

    assert [state for state, _ in runs(said(space))] == ["connecting", "live", "market_closed", "live", "stopping"]
    assert len({s.good_from for s in said(space) if s.state != "connecting"}) == 1, "good all the time"
    assert published(space) == in_ledger(venue, sent=True)
    assert not in_ledger(venue, sent=False)
    assert venue.summary()["logins"] == 2, "once at the start, once after the maintenance"
    assert len([r for r in venue.requests("bind_session") if r["cause"] == "ws.loop"]) >= 10


def test_where_no_websocket_gets_through_quotes_come_over_http_and_epics_come_and_go(space, make_venue, make_producer, tmp_path):
    venue = make_venue()
    venue.fault("no_websocket", seconds=600)
    first, second, third = venue.ready["symbols"][:3]
    file = tmp_path / "epics"
    file.write_text(f"{first}\n{second}\n")
    service = make_producer(venue, CANDLEWICK_SYMBOLS_FILE=str(file))
    wait_for_state(space, "live", service)
    wait_until(lambda: {q.symbol for q in quotes(space, "ig")} == {first, second}, 20, "quotes", [service])
    file.write_text(f"{first}\n{third}\n")
    wait_until(lambda: {q.symbol for q in quotes(space, "ig")} == {first, second, third}, 20, "the new epic's quotes", [service])
    wait_until(lambda: served_last(space) == {first, third}, 20, "statuses that name the new list", [service])
    settle(space, venue, service)
    assert published(space) == in_ledger(venue, sent=True)
    assert {s.state for s in said(space)} == {"connecting", "live", "stopping"}


def served_last(space):
    """Return the symbols that the newest statuses name, over all partitions."""
    named = [[s.symbols for s in series if s.symbols is not None][-1] for series in statuses(space, "ig").values()]
    return {entry.symbol for symbols in named for entry in symbols}


def test_every_way_a_session_ends_is_one_outage_each_and_no_secret_is_anywhere(space, make_venue, make_producer):
    venue = make_venue("--identifier", f"user-{MARKER}", "--api-key", f"key-{MARKER}", "--password", f"word-{MARKER}")
    names = {"IG_IDENTIFIER": f"user-{MARKER}", "IG_API_KEY": f"key-{MARKER}", "IG_PASSWORD": f"word-{MARKER}"}
    wrong = make_producer(venue, **{**names, "IG_PASSWORD": f"wrong-{MARKER}"})
    wait_for_state(space, "refused", wrong)
    assert venue.summary().get("logins", 0) == 0
    assert wrong.stop() == 0

    service = make_producer(venue, **names)
    wait_for_state(space, "live", service)
    venue.fault("malformed")
    wait_for_state(space, "live", service, 2)
    venue.fault("invalidate")  # as the weekend's maintenance does
    venue.fault("end", code=48)
    wait_for_state(space, "live", service, 3)
    port = next(line["port"] for line in session_lines(service, "metrics.opened")[-1:])
    pages = [requests.get(f"http://127.0.0.1:{port}/{page}", timeout=60).text for page in ("metrics", "health")]
    settle(space, venue, service)

    gaps = outages([s for s in said(space) if s.epoch == said(space)[-1].epoch and s.state != "stopping"])
    assert len(gaps) == 2
    unread = in_ledger(venue, sent=True) - published(space)  # written behind the update at which the client ended
    assert all(any(begin <= event < end for begin, end in gaps) for _, event, *_ in in_ledger(venue, sent=False) + unread)
    assert not published(space) - in_ledger(venue, sent=True)
    codes = [r["code"] for r in venue.requests("create_session")]
    assert codes == [0, 0, 1, 0], "old tokens were to be tried once, and new ones then"
    assert venue.summary()["logins"] == 2

    texts = [service.log.read_text(), *pages, *(str(letter) for letter in dead_letters(space, "ig"))]
    texts += [str((m.key(), m.value(), m.headers())) for topic in (FEED_STATUS, QUOTES, HISTORY) for m in messages(space, topic)]
    assert not [text for text in texts if MARKER in text or "CST-" in text or venue.ready["account"] in text]


def a_quote_gap(symbol, from_us, to_us):
    gap = a_gap("ig", symbol, "feed_down", from_us, to_us)
    series = series_of("ig", symbol, "mid")
    return replace(gap, gap_id=f"{series}|feed_down|{from_us}", series=series, price="mid")


def price_requests(venue):
    return [r["query"] for r in venue.requests("rest") if r["page"].startswith("/prices/")]


def minutes_of(query):
    times = [time.strptime(query[name], "%Y-%m-%dT%H:%M:%S") for name in ("from", "to")]
    return round((time.mktime(times[1]) - time.mktime(times[0])) / 60)


def test_past_is_loaded_and_gaps_are_filled_while_points_last_and_then_nothing_is_asked(
    space, make_venue, make_producer, tmp_path
):
    venue = make_venue()
    epics = venue.ready["symbols"][:2]
    kept = tmp_path / "points.json"
    settings = {
        "IG_EPICS": ",".join(epics),
        "CANDLEWICK_BOOTSTRAP_DAYS": "1",
        "IG_BOOTSTRAP_POINTS": "60",
        "IG_POINTS_FILE": str(kept),
        "IG_SCALES": f"{epics[1]}=10000",
    }
    service = make_producer(venue, **settings)
    results = lambda: {r.gap_id: r for r in history(space, "ig") if r.record == "result"}  # noqa: E731 - asked again and again
    wait_until(lambda: count(space, HISTORY) >= 60 and None in results(), 30, "the bootstrap", [service])
    asked = [minutes_of(query) for query in price_requests(venue)]
    assert asked[0] == 1, "the smallest request goes first"
    assert 58 <= sum(asked) <= 60
    before = [r for r in history(space, "ig") if r.record == "candle"]
    assert {(r.price, r.origin, r.approximate, r.volume) for r in before} == {("mid", "bootstrap", True, None)}
    assert all(0 < r.low <= min(r.open, r.close) <= max(r.open, r.close) <= r.high < 10 for r in before), "not in points"

    at = time.time_ns() // 1000 // M * M - 300 * M
    gap = a_quote_gap(epics[0], at + 15 * S, at + 5 * M)
    tell(space, gap)
    wait_until(lambda: gap.gap_id in results(), 30, "an answer", [service])
    filled = [r for r in history(space, "ig") if r.gap_id == gap.gap_id]
    assert [r.record for r in filled] == ["candle"] * 5 + ["result"]
    assert (filled[-1].outcome, filled[-1].start, filled[-1].end) == ("complete", gap.from_time, gap.to_time)

    venue.fault("allowance", times=0)
    for n in range(1, 4):
        tell(space, a_quote_gap(epics[n % 2], at + n * 10 * M, at + (n * 10 + 2) * M))
    answers = wait_until(lambda: len(found := results()) >= 5 and found, 30, "refusals", [service])
    refused = [r for r in answers.values() if r.outcome == "refused"]
    assert len(refused) == 3
    assert {r.reason for r in refused} == {"the account's weekly points are spent"}
    assert {r.retry_at for r in refused} == {None}, "points come back in a week, and no gap waits that long"
    assert len(price_requests(venue)) == len(asked) + 2, "IG was asked again although nothing is left"
    assert service.stop() == 0
    assert json.loads(kept.read_text())["remaining"] == 0


def rest_of(venue, **options):
    good = {name: options.pop(name, "simulator") for name in ("identifier", "password", "api_key")}
    return IgRest(venue.ready["rest"], **{name: key_of(text) for name, text in good.items()}, **options)


def key_of(text):
    return text if isinstance(text, Secret) else Secret("KEY", SecretStr(text))


def fate(call):
    with pytest.raises(IgError) as caught:
        call()
    assert "simulator" not in str(caught.value)
    return caught.value.fate


def test_rest_session_replaces_old_tokens_once_and_tells_errors_apart(make_venue):
    venue = make_venue()
    rest = rest_of(venue)
    first, is_new = rest.login()
    assert is_new
    assert rest.login() == (first, False)
    assert "CST" not in repr(first)
    venue.fault("invalidate")
    assert rest.get("/markets", 2, {"epics": "IX.D.FTSE.DAILY.IP"})["marketDetails"][0]["snapshot"]["scalingFactor"] == 1
    assert venue.summary()["logins"] == 2
    assert ask_scales(rest, tuple(venue.ready["symbols"]))["CS.D.GBPUSD.CFD.IP"] == 10_000
    assert fate(lambda: rest.get("/prices/NO.SUCH", 3)) == "absent"
    venue.fault("allowance", times=0)
    assert fate(lambda: rest.get("/prices/IX.D.FTSE.DAILY.IP", 3)) == "spent"
    for code, fates in ((503, "failed"), (403, "busy")):
        venue.fault("rest", code=code, seconds=60)
        assert fate(rest.keep_alive) == fates
    venue.fault("rest", code=403, seconds=0)
    rest.log_out()
    assert venue.summary()["logouts"] == 1
    assert fate(lambda: rest_of(venue, password="other").login()) == "refused"
    assert fate(lambda: rest_of(venue, api_key="other").login()) == "refused"
    assert fate(lambda: rest_of(venue, account="NONE1").login()) == "refused"
    assert rest_of(venue, account=f"{venue.ready['account']}B").login()[0].account == f"{venue.ready['account']}B"


def test_password_and_key_that_are_replaced_in_their_files_are_used_at_the_next_login_and_none_of_them_is_said(
    make_venue, tmp_path
):
    venue, known = make_venue(), []
    files = {name: tmp_path / name for name in ("password", "api_key")}
    for file in files.values():
        file.write_text("wrong-marker\n")
    secrets = {name: Secret(name.upper(), SecretStr(""), file, known) for name, file in files.items()}
    rest = rest_of(venue, **secrets)
    for file in files.values():
        assert fate(rest.login) == "refused"
        assert not any(secret.has_changed() for secret in secrets.values())
        file.write_text("simulator\n")
        assert any(secret.has_changed() for secret in secrets.values())
    login, is_new = rest.login()
    assert is_new
    assert known == ["wrong-marker", "simulator"]
    assert rest.login() == (login, False)


def test_rest_address_that_does_not_answer_is_an_ordinary_failure():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    rest = IgRest(address, identifier=key_of("word"), password=key_of("word"), api_key=key_of("word"))
    with pytest.raises(IgError) as caught:
        rest.login()
    assert (caught.value.fate, caught.value.http_status) == ("failed", None)


def a_link(address, inbox):
    rest = IgRest(address, identifier=key_of("word"), password=key_of("word"), api_key=key_of("word"))
    return IgLink(rest, inbox, 1, keepalive_ms=500, refresh_s=3600.0, scaled=None, secrets=("word",))


def test_login_that_never_comes_ends_when_it_is_given_up_and_holds_nothing_up():
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = a_link(f"http://127.0.0.1:{listener.getsockname()[1]}", inbox)
        link.start()
        held, _ = listener.accept()
        with held:
            link.kill()
            end = inbox.get(60.0)
            assert end is not None
            assert (end.kind, end.connection, end.detail) == ("failed", 1, "the login took too long")
    assert link.join(60)
    assert inbox.get(0.0) is None, "one end is enough"


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"currentAccountId":1}', b"<html>", b"\xff\xfe", b'{"accounts":[{}]}'])
def test_law_11_totality_any_answer_to_the_login_is_an_ordinary_failure(answer):
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = a_link(f"http://127.0.0.1:{listener.getsockname()[1]}", inbox)
        link.start()
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(
                b"HTTP/1.1 200 OK\r\nCST: a\r\nX-SECURITY-TOKEN: b\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
            )
            end = inbox.get(60.0)
    assert end is not None
    assert (end.kind, end.http_status) == ("failed", None)
    assert link.join(60)
