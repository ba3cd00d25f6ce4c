"""PURE. The pieces of a dashboard: queries, panels, variables, as Grafana's JSON wants them (schema version 39).

Facts of the Cassandra plugin (hadesarchitect-cassandra-datasource 3.3.0, its source read) that shape every query here:

- The first column names the frame, one frame for each of its values. So a table of many things begins with a column that is the
  same everywhere, and a graph of one series with the series.
- Nulls are drawn as zero or as year 1; our tables have none.
- Table names are replaced in raw queries only, and every new text is prepared anew by the server: twice a second, for every panel
  and viewer, if it holds the time. Where the range ends now, the text is kept the same by letting Cassandra do the sum:
  ``start >= currentTimestamp() - 3h``.
- A name is put in as ``${name:sqlstring}``, which quotes it: one that holds a quote itself would end the statement's text.
- A statement begins with ``SELECT ``, and asks one partition or one small table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.grafana.colours import COVERAGE, Json

CASSANDRA: Json = {"type": "hadesarchitect-cassandra-datasource", "uid": "cassandra"}
PROMETHEUS: Json = {"type": "prometheus", "uid": "prometheus"}


def cql(statement: str) -> Json:
    """Return a query of Cassandra, as written; names in it are tables of the data source's keyspace."""
    return {
        "refId": "A",
        "datasource": CASSANDRA,
        "queryType": "query",
        "rawQuery": True,
        "target": " ".join(statement.split()),
        "alias": "",
        "hide": False,
    }


def promql(expression: str, legend: str) -> Json:
    """Return a query of Prometheus."""
    return {"datasource": PROMETHEUS, "expr": expression, "legendFormat": legend, "range": True}


def panel(
    kind: str,
    title: str,
    targets: Json | Sequence[Json],
    at: tuple[int, int, int, int],
    doc: str,
    *,
    options: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    overrides: Sequence[Json] = (),
    **more: Any,
) -> Json:
    """Return a panel.

    Args:
        kind: Grafana's type.
        title: as people read it.
        targets: one query, or several of one data source.
        at: x, y, width, height; 24 is the whole width.
        doc: what it shows and what to do about it, behind the "i".
        options: of the panel's type.
        defaults: of its fields (unit, thresholds, custom).
        overrides: of single fields.
        more: further properties of the panel.
    """
    queries = [targets] if isinstance(targets, dict) else list(targets)
    x, y, w, h = at
    return {
        "type": kind,
        "title": title,
        "description": doc,
        "gridPos": {"x": x, "y": y, "w": w, "h": h},
        "datasource": queries[0]["datasource"],
        "targets": [{**q, "refId": chr(ord("A") + n)} for n, q in enumerate(queries)],
        "options": dict(options or {}),
        "fieldConfig": {"defaults": dict(defaults or {}), "overrides": list(overrides)},
        **more,
    }


def graph(title: str, targets: Json | Sequence[Json], at: tuple[int, int, int, int], doc: str, unit: str = "short") -> Json:
    """Return lines over time."""
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi"}}
    return panel("timeseries", title, targets, at, doc, options=options, defaults={"unit": unit, "min": 0, "custom": custom})


def table(
    title: str,
    statement: str,
    at: tuple[int, int, int, int],
    doc: str,
    *,
    hidden: Sequence[str] = (),
    sort: tuple[str, bool] | None = None,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    **more: Any,
) -> Json:
    """Return a table of rows of Cassandra; `hidden` columns are asked for but not shown, `sort` is (column, descending)."""
    away = [{"id": "organize", "options": {"excludeByName": dict.fromkeys(hidden, True)}}] if hidden else []
    options: Json = {"showHeader": True, "cellHeight": "sm"}
    if sort is not None:
        options["sortBy"] = [{"displayName": sort[0], "desc": sort[1]}]
    steps = [*transformations, *away]
    return panel("table", title, cql(statement), at, doc, options=options, overrides=overrides, transformations=steps, **more)


def timeline(title: str, statement: str, at: tuple[int, int, int, int], doc: str, *, name: str, mappings: Json) -> Json:
    """Return a strip of states: one time column and a text, or two time columns, from and to, and a text.

    Args:
        title: as people read it.
        statement: its first column, `name`, would be drawn as a state of its own and is left out.
        at: x, y, width, height.
        doc: behind the "i".
        name: of the first column.
        mappings: colours of the texts.
    """
    return panel(
        "state-timeline",
        title,
        cql(statement),
        at,
        doc,
        options={"mergeValues": False, "showValue": "auto", "rowHeight": 0.9, "legend": {"showLegend": False}},
        defaults={"mappings": [mappings], "custom": {"fillOpacity": 80, "lineWidth": 0}},
        transformations=[{"id": "organize", "options": {"excludeByName": {name: True}}}],
    )


def of_field(name: str, **properties: Any) -> Json:
    """Return an override of one field: dots in a property's name are written as __."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


COVERED = of_field("coverage", unit="percentunit", decimals=2, thresholds=COVERAGE, custom__cellOptions={"type": "color-text"})


def variable(name: str, statement: str, *, regex: str = "", value: str = "", hide: bool = False, label: str = "") -> Json:
    """Return a variable whose choices Cassandra gives: value and, where there is a second column, label."""
    return {
        "type": "query",
        "name": name,
        "label": label or name,
        "datasource": CASSANDRA,
        "query": {"query": " ".join(statement.split())},
        "definition": " ".join(statement.split()),
        "regex": regex,
        "refresh": 1,
        "sort": 1,
        "hide": 2 if hide else 0,
        "current": {"text": value, "value": value} if value else {},
    }


def choice(name: str, values: Sequence[str], value: str) -> Json:
    """Return a variable with fixed choices."""
    return {
        "type": "custom",
        "name": name,
        "label": name,
        "query": ",".join(values),
        "options": [{"text": v, "value": v, "selected": v == value} for v in values],
        "current": {"text": value, "value": value},
        "hide": 0,
    }


SERIES = variable("series", "SELECT series, label FROM series_list WHERE grp = 'all'")
TIMEFRAME = variable("timeframe", "SELECT timeframe FROM latest WHERE grp = 'all' AND series = ${series:sqlstring}", value="1m")


def annotation(name: str, statement: str, colour: str) -> Json:
    """Return a layer of marks over all panels; the columns are called time, timeEnd, title, text."""
    return {"name": name, "datasource": CASSANDRA, "enable": True, "iconColor": colour, "target": cql(statement)}


def dashboard(
    uid: str,
    title: str,
    doc: str,
    panels: Sequence[Json],
    *,
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
    refresh: str = "10s",
    since: str = "now-3h",
) -> Json:
    """Return a whole dashboard; panels are numbered in the order given."""
    links = {"title": "candlewick", "type": "dashboards", "tags": ["candlewick"], "asDropdown": True, "keepTime": False}
    return {
        "uid": f"candlewick-{uid}",
        "title": title,
        "description": doc,
        "tags": ["candlewick"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "utc",
        "time": {"from": since, "to": "now"},
        "refresh": refresh,
        "timepicker": {"refresh_intervals": ["500ms", "1s", "5s", "10s", "30s", "1m"]},
        "links": [links],
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "panels": [{"id": number, **p} for number, p in enumerate(panels, start=1)],
    }
