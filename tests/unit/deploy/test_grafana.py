"""The dashboards as Grafana loads them: what is written is what the code makes, and what they ask for exists."""

import json
import re
from pathlib import Path

import pytest

import processor.telemetry
from deploy.grafana.__main__ import DASHBOARDS, FOLDER, text_of
from deploy.grafana.market import SPANS, market
from producer.telemetry import Counts, _Collector
from sink.telemetry import Telemetry
from tests.support.grafana import asked, chosen

MADE = {make.__name__: make() for make in DASHBOARDS}
PROVISIONING = Path(FOLDER).parents[1]


@pytest.mark.parametrize("name", MADE)
def test_the_file_is_what_the_code_makes(name):
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text_of(MADE[name]), "run python -m deploy.grafana"


def test_there_are_no_other_files():
    assert {path.stem for path in FOLDER.iterdir()} == set(MADE)


def expressions(dashboard):
    return [t["expr"] for p in dashboard["panels"] for t in p["targets"] if "expr" in t]


def metrics():
    """Every name that a service's /metrics can show -> its labels, None where they are not known."""
    known = {}
    counts = Counts()
    counts.last_frame_us = 0
    for family in _Collector("x", counts).collect():
        known[family.name + ("_total" if family.type == "counter" else "")] = None
    ours = [vars(Telemetry()), vars(processor.telemetry)]
    for metric in (m for names in ours for m in names.values() if hasattr(m, "_labelnames")):
        family = metric.describe()[0]
        for suffix in {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",)):
            known[family.name + suffix] = {*metric._labelnames, *(("le",) if suffix == "_bucket" else ())}
    return known


@pytest.mark.parametrize("name", [n for n in MADE if expressions(MADE[n])])
def test_every_metric_asked_for_is_one_that_a_service_shows(name):
    known = metrics()
    for expression in expressions(MADE[name]):
        names = re.findall(r"candlewick_\w+", expression)
        assert names, expression
        assert set(names) <= set(known), expression
        labels = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
        for metric in names:
            assert known[metric] is None or labels <= known[metric], expression


@pytest.mark.parametrize("name", MADE)
def test_no_query_filters_or_reads_several_partitions_for_want_of_a_key(name):
    for query in asked(MADE[name]):
        assert query.statement.startswith("SELECT "), query
        assert "ALLOW FILTERING" not in query.statement.upper()
        assert "()" not in query.statement.replace("currentTimestamp()", ""), "macros take no parentheses"


@pytest.mark.parametrize("name", MADE)
def test_panels_have_numbers_of_their_own_and_do_not_lie_over_each_other(name):
    panels = MADE[name]["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    cells = [(x, y) for p in panels for x in range(p["gridPos"]["w"]) for y in range(p["gridPos"]["h"])]
    placed = {
        (p["gridPos"]["x"] + x, p["gridPos"]["y"] + y)
        for p in panels
        for x in range(p["gridPos"]["w"])
        for y in range(p["gridPos"]["h"])
    }
    assert len(placed) == len(cells)
    assert max(x for x, _ in placed) < 24


@pytest.mark.parametrize("name", MADE)
def test_every_variable_in_a_query_is_one_of_the_dashboard(name):
    names = {v["name"] for v in MADE[name]["templating"]["list"]}
    assert set(re.findall(r"\$\{(\w+)(?::sqlstring)?\}", json.dumps(MADE[name]))) <= names


@pytest.mark.parametrize("name", MADE)
def test_a_name_that_holds_a_quote_stays_a_name(name):
    offered = ("timeframe", "span")  # a part of a table's name, and a span of time: of what we offer, and nobody else's words
    for query in asked(MADE[name]):
        assert "'$" not in query.statement, query
        assert set(re.findall(r"\$\{(\w+)\}", query.statement)) <= set(offered), query


def test_the_market_is_refreshed_twice_a_second_and_its_statements_stay_the_same():
    """A statement that holds the time would be prepared anew by the server at every refresh."""
    dashboard = market()
    assert dashboard["refresh"] == "500ms"
    assert "500ms" in dashboard["timepicker"]["refresh_intervals"]
    shown = [q for q in asked(dashboard) if q.kind != "variable"]
    assert len(shown) == 5
    assert not [q for q in shown if "$__" in q.statement]


def test_a_span_means_the_same_in_cql_and_in_grafana():
    assert all(re.fullmatch(r"\d+(m|h|d|y)", span) for span in SPANS), "m is minutes in both; months and weeks differ"


@pytest.mark.parametrize(
    ("series", "instrument"),
    [("finnhub:AAPL", "finnhub:AAPL"), ("ig:CS.D.EURUSD.CFD.IP@mid", "ig:CS.D.EURUSD.CFD.IP"), ("x:A@B@bid", "x:A@B")],
)
def test_the_instrument_of_a_series_is_what_stands_before_its_price(series, instrument):
    variable = next(v for v in market()["templating"]["list"] if v["name"] == "instrument")
    assert chosen(variable, [series]) == [instrument]


def test_the_data_sources_that_dashboards_name_are_provisioned():
    text = (PROVISIONING / "datasources" / "candlewick.yaml").read_text(encoding="utf-8")
    provided = {(kind, uid) for uid, kind in re.findall(r"uid: (\S+)\s+type: (\S+)", text)}
    used = set(re.findall(r'"type": "([\w-]+)",\s*"uid": "(\w+)"', "".join(text_of(d) for d in MADE.values())))
    assert used == provided
    provider = (PROVISIONING / "dashboards" / "candlewick.yaml").read_text(encoding="utf-8")
    assert f"path: /etc/grafana/provisioning/{FOLDER.relative_to(PROVISIONING).as_posix()}\n" in provider
