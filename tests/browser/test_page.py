"""The live page in a real browser: what it shows, what it says of damage, and every way to use it."""

import asyncio
import json
from threading import Event, Thread

import pytest
from aiohttp import web

from deploy.console import account
from deploy.console.server import Console
from tests.support.chromium import PHONE, until
from tests.support.console import served
from tests.support.feeding import MINUTE, a_candle, a_gap

T0 = 1_700_000_040_000_000
LAST = T0 + 20 * MINUTE
VERSION = 2_000_250_003
"""As of a candle that history came for twice: every digit counts."""


class FixedStore:
    """Twenty candles, one damaged by an outage, one corrected; a minute without candle; a gap that lasts; a feed that is down."""

    def __init__(self):
        self.timeframes = ["1m", "5m"]
        self.names = ["sim:<b>Y</b>", "sim:X"]
        self.state = "down"
        self.asked = []
        changes = {
            7: {"coverage": 0.25, "gap_cause": "feed_down"},
            12: {"state": "revised", "reason": "late_trade", "late_count": 1, "version": VERSION},
        }
        self.kept = [
            a_candle(T0 + n * MINUTE, 3 + n % 5, open=2.0 + n % 3, close=3.0 + n % 4, high=7.5, low=1.5, **changes.get(n, {}))
            for n in range(20)
            if n != 15
        ]
        self.kept.append(a_candle(LAST, 17, closed=False, open=101.25, high=104.5, low=100.75, close=103.125, volume=42.0))
        self.holes = [
            a_gap(T0 + 7 * MINUTE + 10_000_000, T0 + 7 * MINUTE + 55_000_000, detail="line cut", missing=4),
            a_gap(T0 + 15 * MINUTE, T0 + 16 * MINUTE, cause="no_trades"),
            a_gap(LAST + 15_000_000, None, cause="feed_stale"),
        ]

    def series(self):
        return self.names

    def feeds(self):
        return [{"source": "sim", "state": self.state, "reason": "connection lost", "since": LAST, "updated_at": LAST}]

    def candles(self, series, timeframe, limit):
        self.asked.append((series, timeframe, limit))
        return [vars(c) for c in self.kept][-limit:] if (series, timeframe) == ("sim:X", "1m") else []

    def gaps(self, series, limit):
        return [vars(g) for g in self.holes][-limit:] if series == "sim:X" else []


class Told:
    """A processor's stream of changes, told by the test."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.streams, self.refuse = set(), False
        started = Event()
        self.thread = Thread(target=self._run, args=(started,))
        self.thread.start()
        assert started.wait(60)

    def _run(self, started):
        asyncio.set_event_loop(self.loop)
        app = web.Application()
        app.router.add_get("/events", self._events)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        self.loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self.loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())
        self.loop.close()

    async def _events(self, request):
        if self.refuse:
            return web.Response(status=503)
        assert request.query["feeds"] == "1"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 100\n\n")
        queue = asyncio.Queue()
        self.streams.add(queue)
        try:
            while (said := await queue.get()) is not None:
                await response.write(said)
        finally:
            self.streams.discard(queue)
        return response

    def tell(self, kind, record):
        said = f"event: {kind}\ndata: {json.dumps(record)}\n\n".encode()
        self._to_all(said)

    def end(self):
        self._to_all(None)

    def _to_all(self, said):
        def put():
            for queue in self.streams:
                queue.put_nowait(said)

        self.loop.call_soon_threadsafe(put)

    def close(self):
        self.end()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)


@pytest.fixture
def store():
    return FixedStore()


@pytest.fixture
def told():
    processor = Told()
    yield processor
    processor.close()


@pytest.fixture
def address(store, tmp_path):
    with served(Console(store, left=account.kept_in(tmp_path))) as url:
        yield url


@pytest.fixture
def tab(browser, address):
    shown = browser.open(f"{address}/#series=sim:X")
    shown.wait_text("#newest", "103.125")
    yield shown
    shown.close()


def test_newest_candle_its_version_the_feed_and_the_lasting_gap_are_shown(tab):
    newest = tab.text("#newest")
    for fact in ("101.25", "104.5", "100.75", "103.125", "42", "17", "100 %", "live"):
        assert fact in newest
    assert "lasting" in tab.text("#gaps")
    assert "sim: down since" in tab.text("#feeds")
    assert "connection lost" in tab.text("#feeds")
    assert tab.count("#feeds li.bad") == 1
    assert tab.text("#trouble") == ""
    assert "twice a second" in tab.text("footer")


def test_candles_volume_coverage_and_gaps_are_drawn(tab):
    assert tab.count(".candle") == 20
    assert tab.count(".volume rect") == 20
    assert tab.count(".coverage .bad") == 1
    assert (tab.count(".candle.damaged"), tab.count(".candle.revised"), tab.count(".corrected")) == (1, 1, 1)
    assert [tab.count(f".gap.{cause}") for cause in ("feed_down", "no_trades", "feed_stale")] == [1, 1, 1]
    widths = tab.js("[...document.querySelectorAll('.gap')].map((g) => g.getBoundingClientRect().width)")
    window = tab.js("document.querySelector('.gap.no_trades').getBoundingClientRect().width")
    assert min(widths) >= 3
    assert widths[0] != window, "a gap is as wide as it lasted"


def test_a_long_price_is_whole_beside_the_chart_too(browser, store, address):
    store.kept[-1] = a_candle(LAST, 17, closed=False, **LONG)
    tab = browser.open(f"{address}/#series=sim:X")
    tab.wait_text("#newest", "87,694.05516")
    edges = "['.lasttext', '.lastbox'].map((name) => document.querySelector(name).getBoundingClientRect().right)"
    text, box = tab.js(edges)
    assert text <= box
    assert tab.js("document.querySelector('.lasttext').textContent") == "87,694.0552"
    tab.close()


def test_a_gaps_cause_and_a_candles_coverage_and_version_show_on_hover(tab):
    x, y = tab.middle(".gap.feed_down")
    tab.hover(x, y)
    tab.wait_text("#pointed", "feed down")
    said = tab.text("#pointed")
    for fact in ("45 s, closed", "4 missing", "line cut", "coverage 25.00 %", "version"):
        assert fact in said
    tab.hover(*tab.middle(".gap.no_trades"))
    tab.wait_text("#pointed", "no trades")
    assert "No candle here" in tab.text("#pointed")
    tab.hover(5, 5)
    until(lambda: tab.text("#pointed") == "", 5, "nothing pointed at")


def test_a_corrected_candle_says_why_by_keyboard_alone(tab):
    tab.js("document.activeElement.blur()")
    for _ in range(12):
        tab.press("Tab")
        if tab.js("document.activeElement.id") == "chart":
            break
    assert tab.js("document.activeElement.id") == "chart"
    for _ in range(40):
        tab.press("ArrowLeft")
        tab.js("new Promise(requestAnimationFrame)")
        if "revised" in tab.text("#pointed"):
            break
    assert "revised (late trade), version 2,000,250,003" in tab.text("#pointed")
    tab.js("document.querySelector('#pointed').style.pointerEvents = 'auto'")  # or it is looked through
    x, y = tab.middle("#pointed")
    assert tab.js(f"document.elementFromPoint({x}, {y}).closest('#pointed') !== null"), "it is seen, and not behind the chart"
    tab.press("Escape")
    until(lambda: tab.text("#pointed") == "", 5, "nothing pointed at")


def test_keys_change_series_timeframe_and_zoom(tab, store):
    tab.press(".")
    until(lambda: ("sim:X", "5m", 1000) in store.asked, 10, "the other timeframe")
    assert tab.js("document.querySelector('#timeframes input:checked').value") == "5m"
    tab.press(",")
    tab.wait_text("#newest", "103.125")
    tab.press("]")
    tab.wait("document.querySelector('#series').value === 'sim:<b>Y</b>'", "the other series")
    tab.press("[")
    tab.wait_text("#newest", "103.125")
    before = tab.js("document.querySelector('.gap.no_trades').getBoundingClientRect().width")
    tab.press("+")
    tab.wait(f"document.querySelector('.gap.no_trades').getBoundingClientRect().width > {before}", "a closer view")
    assert tab.js("location.hash").startswith("#series=sim%3AX")


def test_what_is_older_is_dragged_into_view_and_escape_goes_back_to_the_newest(tab):
    tab.js("window.has = (us) => document.querySelector(`.candle[data-start='${us}']`) !== null")
    for _ in range(12):
        tab.press("+")
    tab.wait(f"!has({T0 + 5 * MINUTE})", "a view too close for what is old")
    assert tab.js(f"has({LAST})")
    for _ in range(2):
        tab.drag(120, tab.middle("#chart")[1], 900)
    tab.wait(f"has({T0 + 5 * MINUTE}) && !has({LAST})", "what is older")
    tab.press("Escape")
    tab.wait(f"has({LAST}) && !has({T0 + 5 * MINUTE})", "the newest")


def test_names_from_a_feed_are_text_and_never_markup(tab):
    assert tab.js("[...document.querySelectorAll('#series option')].map((o) => o.textContent)") == ["sim:<b>Y</b>", "sim:X"]
    assert tab.count("#series b") == 0


LONG = {"open": 87684.71162, "high": 87703.65775, "low": 87680.03767, "close": 87694.05516}


def test_it_fits_a_phone_and_a_finger_can_ask(browser, store, address):
    store.kept[-1] = a_candle(LAST, 17, closed=False, volume=12.25047394, **LONG)
    tab = browser.open(f"{address}/#series=sim:X", PHONE, touch=True)
    tab.wait_text("#newest", "87,694.05516")
    lines = """[...document.querySelectorAll("#newest dd")].slice(1).map((dd) => {
        const range = document.createRange();
        range.selectNodeContents(dd);
        return range.getClientRects().length;
    })"""
    assert set(tab.js(lines)) == {1}, "a number on two lines is read as two"
    assert tab.js("document.documentElement.scrollWidth") == PHONE[0], "nothing sticks out to the side"
    assert tab.js("document.querySelector('#chart').getBoundingClientRect().width") > 300
    tab.tap(*tab.middle(".gap.no_trades"))
    tab.wait_text("#pointed", "no trades")
    box = tab.js("((r) => [r.left, r.right])(document.querySelector('#pointed').getBoundingClientRect())")
    assert box[0] >= 0
    assert box[1] <= PHONE[0]
    tab.close()


def luminance(tab, selector, what):
    numbers = tab.js(f"getComputedStyle(document.querySelector('{selector}')).{what}.match(/[0-9.]+/g).map(Number)")
    linear = [v / 255 / 12.92 if v / 255 <= 0.03928 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in numbers[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_follow_the_reader_can_be_switched_and_can_be_read(browser, address, dark):
    tab = browser.open(f"{address}/#series=sim:X", dark=dark)
    tab.wait_text("#newest", "103.125")
    assert tab.js("document.documentElement.dataset.theme") == ("dark" if dark else "light")
    for selector in ("#newest dd", "#newest dt", "#gaps td", "footer", "#feeds li", "#newest dd.damaged, dd"):
        inks = sorted([luminance(tab, selector, "color"), luminance(tab, "body", "backgroundColor")])
        assert (inks[1] + 0.05) / (inks[0] + 0.05) >= 4.5, f"{selector}: contrast of text, WCAG AA"
    tab.js("document.querySelector('#theme').click()")
    assert tab.js("document.documentElement.dataset.theme") == ("light" if dark else "dark")
    tab.close()


def test_what_is_told_is_shown_at_once_and_an_older_version_changes_nothing(browser, store, told):
    with served(Console(store, told.url)) as url:
        tab = browser.open(f"{url}/#series=sim:X")
        tab.wait("document.documentElement.dataset.stream === 'open'", "the stream")
        tab.wait_text("#newest", "103.125")
        newer = a_candle(LAST, 18, closed=False, close=104.0, last_event_time=LAST + 5)
        told.tell("candle", vars(newer))
        tab.wait_text("#newest", "104", 3)
        told.tell("candle", vars(a_candle(LAST, 16, closed=False, close=1.5)))
        told.tell("candle", vars(a_candle(LAST, 30, series="sim:OTHER", close=2.5)))
        told.tell("gap", vars(a_gap(LAST + 15_000_000, LAST + 25_000_000, cause="feed_stale")))
        until(lambda: "lasting" not in tab.text("#gaps"), 5, "the gap's end")
        assert "104" in tab.text("#newest")
        told.tell("feed", {"source": "sim", "state": "live", "reason": "", "since": LAST, "updated_at": LAST})
        tab.wait_text("#feeds", "sim: live", 1.5)
        assert tab.count("#feeds li.good") == 1
        tab.close()


def test_without_its_stream_the_page_goes_on_asking_and_comes_back_to_it(browser, store, told):
    told.refuse = True
    with served(Console(store, told.url)) as url:
        tab = browser.open(f"{url}/#series=sim:X")
        tab.wait_text("#newest", "103.125")
        store.kept.append(a_candle(LAST, 21, closed=False, close=107.0))
        tab.wait_text("#newest", "107", 5)
        assert "twice a second" in tab.text("footer")
        told.refuse = False
        tab.wait("document.documentElement.dataset.stream === 'open'", "the stream")
        store.kept.append(a_candle(LAST, 22, closed=False, close=108.0))  # said by nobody: what a broken stream has missed
        told.end()
        tab.wait_text("#newest", "108", 5)
        tab.close()


def test_the_account_of_a_run_is_shown_once_there_is_one(browser, store, tmp_path):
    with served(Console(store, left=account.kept_in(tmp_path))) as url:
        tab = browser.open(f"{url}/#series=sim:X")
        tab.wait_text("#newest", "103.125")
        assert tab.text("#account") == ""
        sums = {"trades_sent": 1234, "lost_in_gaps": 34, "first_candle_s": None, "sources": {"finnhub": {"sent": 777}}}
        account.leave(tmp_path, sums, balances=True)
        tab.wait_text("#account", "It balances.", 8)
        for fact in ("1,234", "lost in gaps", "finnhub: sent", "777"):
            assert fact in tab.text("#account")
        tab.close()


def test_trouble_is_said_and_ends(browser, store, address):
    class AwayError(Exception):
        pass

    tab = browser.open(f"{address}/#series=sim:X")
    tab.wait_text("#newest", "103.125")
    series, store.series = store.series, lambda: (_ for _ in ()).throw(AwayError())
    tab.wait_text("#trouble", "No fresh data")
    assert "103.125" in tab.text("#newest"), "what is known stays"
    store.series = series
    until(lambda: tab.text("#trouble") == "", 10, "the end of the trouble")
    tab.close()
