"""PURE. What the sources say of their feeds, now and over time."""

from __future__ import annotations

from deploy.grafana.colours import FEED_STATES, GREEN, RED, Json, steps
from deploy.grafana.panels import dashboard, graph, of_field, panel, promql, table, timeline, variable

_SOURCE = variable("source", "SELECT source FROM feed_status WHERE grp = 'all'")


def feeds() -> Json:
    """Return the dashboard."""
    panels = [
        table(
            "now",
            "SELECT grp, source, state, reason, since, updated_at, epoch FROM feed_status WHERE grp = 'all'",
            (0, 0, 24, 6),
            "Once a second each producer says how its feed is; updated_at standing still means that nobody says anything.",
            hidden=["grp"],
            overrides=[of_field("state", mappings=[FEED_STATES], custom__cellOptions={"type": "color-text"})],
        ),
        timeline(
            "$source",
            """SELECT source, since, state FROM feed_status_log WHERE source = ${source:sqlstring}
            AND since >= $__timeFrom - 7d AND since <= $__timeTo ORDER BY since ASC""",
            (0, 6, 24, 5),
            "One row a change. It begins seven days before the range, so that a state that lasts is there at its left edge.",
            name="source",
            mappings=FEED_STATES,
        ),
        table(
            "changes of $source",
            """SELECT source, since, state, reason, updated_at, epoch FROM feed_status_log WHERE source = ${source:sqlstring}
            AND since <= $__timeTo ORDER BY since DESC LIMIT 200""",
            (0, 11, 24, 8),
            "The newest 200 changes before the end of the range; updated_at is when it was last seen in that state.",
            hidden=["source"],
            overrides=[of_field("state", mappings=[FEED_STATES], custom__cellOptions={"type": "color-text"})],
        ),
        panel(
            "stat",
            "delivering",
            promql("candlewick_producer_feed_live", "{{source}}"),
            (0, 19, 6, 8),
            "1 while the producer knows that its feed delivers, or that its market is closed.",
            defaults={"thresholds": steps((None, RED), (1, GREEN)), "min": 0, "max": 1},
            options={"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}},
        ),
        graph(
            "age of the newest frame",
            promql("time() - candlewick_producer_last_frame_seconds", "{{source}}"),
            (6, 19, 9, 8),
            "Seconds since anything came from the provider, heartbeats included. Grows without end: the connection is dead.",
            "s",
        ),
        graph(
            "frames, connection attempts",
            [
                promql("sum by (source) (rate(candlewick_producer_frames_total[1m]))", "{{source}} frames/s"),
                promql(
                    "sum by (source, outcome) (increase(candlewick_producer_connection_attempts_total[5m]))",
                    "{{source}} {{outcome}} in 5 min",
                ),
            ],
            (15, 19, 9, 8),
            "Attempts that fail again and again: credentials, limits or the provider; the reason is in the table above.",
        ),
    ]
    return dashboard(
        "feeds",
        "Feeds",
        "The state of every source and its history.",
        panels,
        variables=[_SOURCE],
        refresh="5s",
        since="now-6h",
    )
