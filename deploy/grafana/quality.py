"""PURE. How complete and how often corrected the data is: gaps, coverage, corrections, late records, backfill."""
# ruff: noqa: S608 - statements of constants

from __future__ import annotations

from deploy.grafana.colours import Json
from deploy.grafana.market import gap_timeline
from deploy.grafana.panels import COVERED, SERIES, TIMEFRAME, cql, dashboard, graph, of_field, panel, promql, table

_RANGE = "start >= $__timeFrom AND start <= $__timeTo"
_GAPS = (
    "SELECT series, start, end, cause, state, detail, missing, fillable, why_not, updated_at FROM gaps "
    "WHERE series = ${series:sqlstring}"
)
_ONLY_REVISED = {
    "id": "filterByValue",
    "options": {
        "type": "include",
        "match": "any",
        "filters": [{"fieldName": "state", "config": {"id": "equal", "options": {"value": "revised"}}}],
    },
}
_NOT_FROM_TRADES = {
    "id": "filterByValue",
    "options": {
        "type": "exclude",
        "match": "any",
        "filters": [{"fieldName": "provenance", "config": {"id": "equal", "options": {"value": "trades"}}}],
    },
}
_BY_CAUSE = {
    "id": "groupBy",
    "options": {
        "fields": {
            "cause": {"operation": "groupby", "aggregations": []},
            "start": {"operation": "aggregate", "aggregations": ["count", "first", "last"]},
        }
    },
}


def quality() -> Json:
    """Return the dashboard."""
    panels = [
        graph(
            "gaps opened, by cause",
            promql('sum by (cause) (increase(candlewick_processor_gaps_total{state="open"}[5m]))', "{{cause}}"),
            (0, 0, 12, 8),
            "All series, in 5 minutes. no_trades and market_closed are silence, all others are losses: see Feeds for the source.",
        ),
        graph(
            "gaps settled",
            promql('sum by (state) (increase(candlewick_processor_gaps_total{state!="open"}[5m]))', "{{state}}"),
            (12, 0, 12, 8),
            "filled: history came for it. unfillable: the provider has none, or refuses; the gap says why.",
        ),
        table(
            "newest candle of every series",
            """SELECT grp, series, timeframe, start, close, coverage, gap_cause, state, trade_count, update_count, updated_at
            FROM latest WHERE grp = 'all'""",
            (0, 8, 14, 10),
            "Click a heading to sort. An old start in an open market: the series is silent, or its feed is down.",
            hidden=["grp"],
            overrides=[COVERED],
        ),
        table(
            "gaps of $series by cause",
            f"{_GAPS} AND start <= $__timeTo ORDER BY start DESC LIMIT 500",
            (14, 8, 10, 10),
            "The newest 500 that began before the end of the range: how many, the newest, the oldest.",
            transformations=[_BY_CAUSE],
        ),
        table(
            "gaps of $series",
            f"{_GAPS} AND start <= $__timeTo ORDER BY start DESC LIMIT 500",
            (0, 18, 24, 9),
            "An end in 2100 means that it is still open; a gap whose end is its start has been filled by trades that came late.",
            hidden=["series"],
        ),
        panel(
            "timeseries",
            "late records in $series $timeframe",
            cql(
                f"""SELECT series, start, late_count FROM candles_${{timeframe}}
                WHERE series = ${{series:sqlstring}} AND {_RANGE} ORDER BY start ASC"""
            ),
            (0, 27, 12, 8),
            "Records that came after their minute was out, by candle: each made a correction.",
            options={"legend": {"showLegend": False}, "tooltip": {"mode": "single"}},
            defaults={"min": 0, "decimals": 0, "custom": {"drawStyle": "bars", "fillOpacity": 80}},
        ),
        graph(
            "too late, and refused",
            [
                promql("sum by (reason) (increase(candlewick_processor_late_total[5m]))", "late: {{reason}}"),
                promql("sum by (reason) (increase(candlewick_processor_dead_letters_total[5m]))", "processor: {{reason}}"),
                promql("sum by (reason) (increase(candlewick_sink_dead_letters_total[5m]))", "sink: {{reason}}"),
            ],
            (12, 27, 12, 8),
            "In no candle; late-trades and dead-letters hold them. A clock is off, a source lags, a peer breaks the contract.",
        ),
        graph(
            "candles published, by state",
            promql('sum by (state) (rate(candlewick_processor_candles_total{state!="live"}[5m]))', "{{state}}"),
            (0, 35, 12, 8),
            "final: the first after closing. revised: content changed after that. Many revised: see late records and gaps.",
            "cps",
        ),
        table(
            "corrections of $series $timeframe",
            f"""SELECT series, start, version, state, reason, updated_at, close, volume, coverage FROM candle_versions
            WHERE series = ${{series:sqlstring}} AND timeframe = ${{timeframe:sqlstring}} AND {_RANGE} LIMIT 2000""",
            (12, 35, 12, 8),
            "Closed candles whose content changed afterwards, with the reason and the moment.",
            hidden=["series", "state"],
            overrides=[COVERED],
            transformations=[_ONLY_REVISED],
        ),
        table(
            "$series $timeframe not from trades alone",
            f"""SELECT series, start, provenance, open, high, low, close, volume, trade_count, coverage
            FROM candles_${{timeframe}} WHERE series = ${{series:sqlstring}} AND {_RANGE} LIMIT 5000""",
            (0, 43, 24, 8),
            "vendor: the provider's own candle stands where we had a loss. mixed: some of the minutes within are such.",
            hidden=["series"],
            overrides=[COVERED, of_field("provenance", custom__width=100)],
            transformations=[_NOT_FROM_TRADES],
        ),
        gap_timeline((0, 51, 24, 4)),
    ]
    return dashboard(
        "quality",
        "Data quality",
        "Whether what is shown elsewhere is complete, and what became of what was not.",
        panels,
        variables=[SERIES, TIMEFRAME],
        refresh="30s",
        since="now-24h",
    )
