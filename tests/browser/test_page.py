"""The live page in a real browser: it shows the candle that is stored, and says why a minute is damaged."""

import asyncio
import os
import re
import subprocess
from threading import Event, Thread

import pytest

from deploy.console import view
from deploy.console.server import serve

T0 = 1_700_000_040_000
MINUTE_MS = 60_000


class FixedStore:
    """Always the same view: a candle, one damaged by an outage, a gap that lasts, a feed that is down."""

    def view(self, series, timeframe, count, now_ms):
        candles = [
            (T0 + MINUTE_MS, 101.25, 104.5, 100.75, 103.125, 42.0, 17, 2, 0.25, "feed_down", "live", 20),
            (T0, 100.0, 102.0, 99.5, 101.0, 10.0, 5, 0, 1.0, "none", "final", 6),
        ]
        now_ms = T0 + 2 * MINUTE_MS
        return {
            "now_ms": now_ms,
            "series": series or "sim:X",
            "timeframe": timeframe or "1m",
            "window_ms": MINUTE_MS,
            "series_list": ["sim:<b>Y</b>", "sim:X"],
            "timeframes": ["1m", "5m"],
            "candles": view.candles_json(candles),
            "gaps": view.gaps_json([(T0 + 75_000, 0, "feed_down", "", "open")], T0, now_ms),
            "feeds": view.feeds_json([("sim", "down", "connection lost", T0 + 75_000, T0)]),
        }


@pytest.fixture
def address():
    loop, stop, started, found = asyncio.new_event_loop(), asyncio.Event(), Event(), []

    def ready(url):
        found.append(url)
        started.set()

    thread = Thread(target=lambda: loop.run_until_complete(serve(FixedStore(), "127.0.0.1", 0, stop, ready)))
    thread.start()
    assert started.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def dom(address, tmp_path):
    command = [os.environ["E2E_BROWSER"], "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--disable-component-update", "--disable-sync", "--no-first-run", f"--user-data-dir={tmp_path}"]
    command += ["--virtual-time-budget=5000", "--dump-dom", f"{address}#theme=dark"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def text_of(dom, element_id):
    inside = re.search(rf'id="{element_id}"[^>]*>(.*?)</(?:dl|tbody|ul|select|p)>', dom, re.DOTALL)
    return re.sub(r"<[^>]+>", " ", inside[1])


def test_page_shows_the_newest_candle_its_damage_and_the_lasting_gap(dom):
    newest = text_of(dom, "newest")
    for fact in ("101.25", "104.5", "100.75", "103.125", "25.00 %", "feed down", "live"):
        assert fact in newest
    gaps = text_of(dom, "gaps")
    assert "feed down" in gaps
    assert "lasting" in gaps
    assert "sim: down since" in text_of(dom, "feeds")
    assert '<p id="trouble" role="status" hidden=""></p>' in dom
    assert 'data-theme="dark"' in dom


def test_chart_is_drawn_with_candles_and_a_shaded_gap(dom):
    assert dom.count('class="box"') >= 1 or 'class="trace boxes"' in dom
    assert 'class="shapelayer"' in dom


def test_names_from_a_feed_are_text_and_never_markup(dom):
    assert "<b>Y</b>" not in dom
    assert "sim:&lt;b&gt;Y&lt;/b&gt;" in dom
