"""PURE. How long what is kept, what operators have said otherwise, and how much room it takes."""
# ruff: noqa: S608 - statements of constants

from __future__ import annotations

from deploy.grafana.colours import Json
from deploy.grafana.panels import dashboard, of_field, table, variable

_OURS = "keyspace_name = ${keyspace:sqlstring}"


def retention() -> Json:
    """Return the dashboard."""
    # The schema tables hold every keyspace's, and a dashboard cannot ask the data source for its own.
    keyspaces = variable("keyspace", "SELECT keyspace_name FROM system_schema.keyspaces", regex="/^(?!system)(.*)$/", value="md")
    seconds = of_field("default_time_to_live", unit="s", displayName="kept (0 = for ever)")
    panels = [
        table(
            "tables",
            f"SELECT keyspace_name, table_name, default_time_to_live FROM system_schema.tables WHERE {_OURS}",
            (0, 0, 12, 12),
            "What all series get, from a row's own time on. Set by CANDLEWICK_RETENTION_ and `candlewick store apply`.",
            hidden=["keyspace_name"],
            overrides=[seconds],
            sort=("table_name", False),
        ),
        table(
            "room",
            f"SELECT keyspace_name, table_name, mebibytes FROM system_views.disk_usage WHERE {_OURS}",
            (12, 0, 12, 12),
            "On the node that answers, in MiB, without what is only in memory.",
            hidden=["keyspace_name"],
            sort=("mebibytes", True),
        ),
        table(
            "overrides",
            "SELECT (text)'all' AS grp, series, timeframe, ttl_seconds, note FROM retention",
            (0, 12, 24, 8),
            "By `candlewick retention set`, for new rows. Of several patterns that fit, the one that says most wins.",
            hidden=["grp"],
            overrides=[of_field("ttl_seconds", unit="s", displayName="kept (0 = for ever)")],
        ),
        table(
            "schema",
            "SELECT (text)'all' AS grp, subject, number, name, applied_at FROM schema_migrations",
            (0, 20, 24, 8),
            "What `candlewick store apply` has done to this keyspace.",
            hidden=["grp"],
            sort=("applied_at", True),
        ),
    ]
    return dashboard(
        "retention", "Retention", "How long rows are kept, and what they take.", panels, variables=[keyspaces], refresh="1m"
    )
