"""PURE. The market now, refreshed twice a second, and the same for any range of the past."""
# ruff: noqa: S608 - statements of constants

from __future__ import annotations

from deploy.grafana.colours import COVERAGE, FEED_STATES, GAP_CAUSES, ORANGE, Json
from deploy.grafana.panels import (
    COVERED,
    SERIES,
    TIMEFRAME,
    annotation,
    choice,
    cql,
    dashboard,
    of_field,
    panel,
    table,
    timeline,
    variable,
)

SPANS = ("30m", "1h", "3h", "6h", "12h", "1d", "7d", "30d", "90d", "1y")
"""Written the same way in CQL and in Grafana."""
_NOW = "start >= currentTimestamp() - ${span}"
_RANGE = "start >= $__timeFrom AND start <= $__timeTo"
_INSTRUMENT = variable(
    "instrument",
    "SELECT series FROM series_list WHERE grp = 'all' AND series = ${series:sqlstring}",
    regex="/^(.+?)(?:@(?:mid|bid|ask))?$/",
    hide=True,
)
_GAPS = """SELECT series, start AS time, end AS "timeEnd", cause AS title, detail AS text
FROM gaps WHERE series = ${series:sqlstring}"""


def market() -> Json:
    """Return the dashboard of one series as it is now."""
    pinned = {"timeFrom": "${span}", "hideTimeOverride": True}
    panels = [
        {**_candles(_NOW), **pinned},
        _trades((18, 0, 6, 17)),
        {**_coverage(_NOW), **pinned},
        table(
            "feeds",
            "SELECT grp, source, state, reason, since, updated_at FROM feed_status WHERE grp = 'all'",
            (0, 17, 24, 5),
            "What each source says of its feed now. Anything but live, market_closed or finished makes gaps.",
            hidden=["grp"],
            overrides=[of_field("state", mappings=[FEED_STATES], custom__cellOptions={"type": "color-text"})],
        ),
    ]
    return dashboard(
        "market",
        "Market",
        "One series, the newest candles, twice a second. Choose how far back with span; for other ranges see Market, past.",
        panels,
        variables=[SERIES, TIMEFRAME, choice("span", SPANS, "3h"), _INSTRUMENT],
        annotations=[annotation("gaps", f"{_GAPS} LIMIT 200", ORANGE)],
        refresh="500ms",
    )


def past() -> Json:
    """Return the dashboard of one series over any range."""
    shown = (
        "start, open, high, low, close, volume, coverage, gap_cause, state, reason, provenance, late_count, version, updated_at"
    )
    panels = [
        _candles(_RANGE, width=24),
        _coverage(_RANGE, width=24),
        gap_timeline((0, 17, 24, 4)),
        table(
            "candles",
            f"SELECT series, {shown} FROM candles_${{timeframe}} WHERE series = ${{series:sqlstring}} AND {_RANGE} LIMIT 1000",
            (0, 21, 24, 10),
            "The newest 1000 candles of the range with what is known of them.",
            hidden=["series"],
            overrides=[COVERED],
        ),
        table(
            "as published",
            f"""SELECT series, start, version, state, reason, updated_at, open, high, low, close, volume, coverage
            FROM candle_versions WHERE series = ${{series:sqlstring}}
            AND timeframe = ${{timeframe:sqlstring}} AND {_RANGE} LIMIT 1000""",
            (0, 31, 24, 10),
            "Every closed version of each candle and when it became known: what a look at that moment showed.",
            hidden=["series"],
            overrides=[COVERED],
        ),
    ]
    return dashboard(
        "past",
        "Market, past",
        "One series over any range, with the versions in which its candles were published.",
        panels,
        variables=[SERIES, TIMEFRAME],
        annotations=[annotation("gaps", f"{_GAPS} AND start <= $__timeTo ORDER BY start DESC LIMIT 500", ORANGE)],
        refresh="",
    )


def gap_timeline(at: tuple[int, int, int, int]) -> Json:
    """Return the strip of a series' gaps, by cause."""
    return timeline(
        "gaps",
        """SELECT series, start, end, cause FROM gaps WHERE series = ${series:sqlstring} AND start <= $__timeTo
        ORDER BY start DESC LIMIT 500""",
        at,
        "The newest 500 that began before the end of the range. Grey is silence, all else a loss.",
        name="series",
        mappings=GAP_CAUSES,
    )


def _candles(bound: str, width: int = 18) -> Json:
    return panel(
        "candlestick",
        "$series $timeframe",
        cql(
            f"""SELECT series, start, open, high, low, close, volume FROM candles_${{timeframe}}
            WHERE series = ${{series:sqlstring}} AND {bound} ORDER BY start ASC"""
        ),
        (0, 0, width, 13),
        "Candles are known by the start of their window. Marks are gaps, each with its cause: without trades, or not with all.",
        options={
            "mode": "candles+volume",
            "candleStyle": "candles",
            "colorStrategy": "open-close",
            "fields": {"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume"},
            "includeAllFields": False,
            "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        },
        defaults={"custom": {}},
    )


def _coverage(bound: str, width: int = 18) -> Json:
    return panel(
        "timeseries",
        "coverage",
        cql(
            f"""SELECT series, start, coverage FROM candles_${{timeframe}}
            WHERE series = ${{series:sqlstring}} AND {bound} ORDER BY start ASC"""
        ),
        (0, 13, width, 4),
        "Share of each window in which the feed was known to deliver. Below 1: trades may be missing. No bar: see the gaps.",
        options={"legend": {"showLegend": False}, "tooltip": {"mode": "single"}},
        defaults={
            "unit": "percentunit",
            "min": 0,
            "max": 1,
            "color": {"mode": "thresholds"},
            "thresholds": COVERAGE,
            "custom": {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "gradientMode": "none"},
        },
    )


def _trades(at: tuple[int, int, int, int]) -> Json:
    # Two hours, so that the top of an hour is no empty table; Cassandra knows which they are.
    return table(
        "last trades",
        """SELECT instrument, event_time, price, size, side, kind FROM trades WHERE instrument = ${instrument:sqlstring}
        AND hour IN (floor(currentTimestamp(), 1h), floor(currentTimestamp() - 1h, 1h)) PER PARTITION LIMIT 30""",
        at,
        "The newest trades and price updates of this hour and the one before. Quote series have none.",
        hidden=["instrument"],
        sort=("event_time", True),
    )
