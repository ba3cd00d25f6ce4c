"""Some batches are told to whoever receives OpenTelemetry's spans; without the setting nothing of it is even imported."""

import json
import socket
import subprocess
import sys
import time

import pytest

from schemas.tracing import COUNT, MOST_OPEN, OFFSETS, TracingError, begin, checked, span_of
from tests.support.otlp import receiving
from tests.support.spans import Spans

OFF = """
import json, sys
from schemas import tracing
import processor.tracing, producer.tracing, sink.tracing
assert tracing.begin("sink", tracing.checked(0.0)) is None
print(json.dumps([name for name in sys.modules if name.startswith(("opentelemetry", "google"))]))
"""


@pytest.fixture
def receiver(monkeypatch):
    with receiving() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        yield made


def test_without_the_setting_nothing_of_opentelemetry_is_imported():
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == []


def test_a_batch_is_told_with_its_steps_facts_and_service(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=marker")
    tracing = begin("sink", 1.0)
    batch = tracing.sample("sink.poll", 1_700_000_000_000_000)
    batch.step("map")
    batch.step(None)
    batch.step("write")
    batch.tell(COUNT, 3)
    batch.tell(OFFSETS, [span_of("md.trades.v1", 2, 10, 12)])
    batch.end()
    tracing.close()
    (root,) = receiver.batches("candlewick-sink")
    assert receiver.steps(root) == ["map", "write"]
    assert root.facts == {"messaging.system": "kafka", COUNT: 3, OFFSETS: ["md.trades.v1/2/10-12"]}
    assert root.seconds > 1e6, "it began when the batch arrived"
    assert receiver.headers["authorization"] == "marker"
    assert b"marker" not in receiver.raw


@pytest.mark.parametrize("variable", ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"])
def test_the_services_name_can_be_given_by_opentelemetrys_own_variables(receiver, monkeypatch, variable):
    monkeypatch.setenv(variable, "other" if variable == "OTEL_SERVICE_NAME" else "service.name=other")
    tracing = begin("sink", 1.0)
    tracing.sample("sink.poll").end()
    tracing.close()
    assert {one.service for one in receiver.told} == {"other"}


def test_what_is_open_at_the_end_is_told_as_unfinished(receiver):
    tracing = begin("processor", 1.0)
    tracing.sample("processor.batch").step("fold")
    tracing.close()
    assert [(one.name, one.error) for one in receiver.told] == [("fold", ""), ("processor.batch", "the service ended")]


def test_the_end_waits_some_seconds_at_most_for_a_receiver_that_does_not_answer(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("schemas.tracing.CLOSE_S", 0.2)
        tracing = begin("sink", 1.0)
        tracing.sample("sink.poll").end()
        began = time.monotonic()
        tracing.close()
        assert time.monotonic() - began < 8, "the exporter's own limit is ten seconds"


def test_no_more_are_followed_than_the_limit_and_the_next_when_one_has_ended():
    tracing = Spans().tracing
    followed = [tracing.sample("sink.poll") for _ in range(MOST_OPEN)]
    assert tracing.sample("sink.poll") is None
    followed[3].end()
    assert tracing.sample("sink.poll") is not None


def test_a_share_is_a_share():
    spans = Spans()
    spans.tracing._share = 0.25
    for _ in range(2000):
        if (one := spans.tracing.sample("sink.poll")) is not None:
            one.end()
    assert 350 < len(spans.ended()) < 650  # seven standard deviations


def test_a_setting_without_the_extra_is_refused_with_what_to_install(monkeypatch):
    assert checked(0.5) == 0.5
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    with pytest.raises(ValueError, match=r"candlewick\[otel\]"):
        checked(0.5)
    assert checked(0.0) == 0.0


def test_a_variable_that_opentelemetry_refuses_is_said(monkeypatch):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "-1")
    with pytest.raises(TracingError, match=r"OTEL_.*positive"):
        begin("sink", 1.0)
