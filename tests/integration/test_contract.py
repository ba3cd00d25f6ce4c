"""The stranger's path: what CONTRACT.md tells other teams to run, run as it stands there, against the real Kafka and registry."""

import ast
import os
import re
import threading

import pytest
from confluent_kafka import Producer

from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import Candle
from schemas.registry import Registry
from schemas.topics import Topic, candles_dataset
from tests.support import examples, published
from tests.support.feeding import MINUTE, a_candle

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]  # packages and jars are fetched once

CONTRACT = (examples.ROOT / "CONTRACT.md").read_text(encoding="utf-8")
CANDLES = Topic(candles_dataset("1m"), Candle, "series", "")
LIMIT_S = 120


def python_block():
    return re.search(r"```python\n(.*?)```", CONTRACT, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def corner(stack):
    with published.corner(stack) as made:
        yield made


@pytest.fixture(scope="module")
def candles(corner):
    """Three windows as they went out, the second in three versions, the highest in between: as after a crash."""
    made = [a_candle(0, 1), a_candle(MINUTE, 2), a_candle(MINUTE, 4, coverage=0.75, gap_cause="feed_down"), a_candle(MINUTE, 2)]
    made.append(a_candle(2 * MINUTE, 1))
    registry = Registry(corner.registry)
    encode = Encoder(Candle, registry.lookup(CANDLES.subject(corner.prefix), schema_text(Candle)))
    # As the processor's client does it: compressed alike, or a reader without that library would pass here only.
    producer = Producer({"bootstrap.servers": corner.kafka, "compression.type": "zstd", "linger.ms": 50})
    for candle in made:
        producer.produce(CANDLES.name(corner.prefix), encode(candle), candle.series.encode())
    assert producer.flush(20) == 0
    return made


def lines_of(process, count, beginning):
    """The first `count` lines with a beginning that a process says; fails with all it said when it ends before, or at a limit."""
    late = threading.Timer(LIMIT_S, process.terminate)
    late.start()
    said, found = [], []
    try:
        while len(found) < count and (line := process.stdout.readline()):
            said.append(line)
            found += [line] if line.startswith(beginning) else []
    finally:
        late.cancel()
    assert len(found) == count, "".join(said)
    return found


def test_the_python_quick_start_has_under_ten_lines_and_reads_every_candle(corner, candles):
    code = python_block()
    assert len([line for line in code.splitlines() if line.strip()]) < 10
    for ours, theirs in (
        ("http://127.0.0.1:8081/apis/ccompat/v7", corner.registry),
        ("127.0.0.1:9092", corner.kafka),
        ("quick-start", f"{corner.prefix}-quick-start"),
        ("md.candles-1m.v1", CANDLES.name(corner.prefix)),
    ):
        assert ours in code
        code = code.replace(ours, theirs)
    try:
        python = examples.python()
    except examples.AbsentError as absent:
        pytest.skip(str(absent))
    with examples.running([python, "-c", code]) as process:
        lines = lines_of(process, len(candles), "{")
    found = [(number_after("version", line), number_after("coverage", line)) for line in lines]
    assert found == [(c.version, c.coverage) for c in candles]
    assert all("'start': datetime.datetime(1970, 1, 1, 0, " in line for line in lines)


def number_after(name, line):
    return ast.literal_eval(re.search(rf"'{name}': ([\d.]+)", line).group(1))


def test_the_java_quick_start_prints_the_highest_versions(corner, candles):
    try:
        java = examples.java()
    except examples.AbsentError as absent:
        pytest.skip(str(absent))
    with examples.running([*java, source("Candles"), corner.kafka, corner.registry, CANDLES.name(corner.prefix)]) as process:
        lines = lines_of(process, 4, "sim:X")
    check_highest(lines)


@pytest.mark.skipif(
    not os.environ.get("E2E_APICURIO"), reason="E2E_APICURIO=1 fetches Apicurio's 37 jars and runs its deserializer"
)
def test_apicurios_deserializer_reads_the_same(corner, candles):
    registry = corner.registry.replace("/apis/ccompat/v7", "/apis/registry/v3")
    command = [*examples.java(examples.APICURIO_JARS), source("CandlesApicurio")]
    with examples.running([*command, corner.kafka, registry, CANDLES.name(corner.prefix)]) as process:
        lines = lines_of(process, 4, "sim:X")
    check_highest(lines)


def source(name):
    return str(examples.FOLDER / f"{name}.java")


def check_highest(lines):
    # Each version that was news when it came; what came after a higher one is not among them.
    assert [tuple(line.split()[3:]) for line in lines] == [("1.0", "2"), ("1.0", "3"), ("0.75", "5"), ("1.0", "2")]


def test_the_java_coordinates_are_those_that_the_page_names():
    named = re.findall(r"`(org\.apache[\w.:-]+)`", CONTRACT)
    assert named == list(examples.JARS[:2])
    assert all(coordinate in (examples.FOLDER / "Candles.java").read_text(encoding="utf-8") for coordinate in named)
    assert examples.APICURIO in CONTRACT
    assert examples.APICURIO in examples.APICURIO_JARS
    assert examples.APICURIO in (examples.FOLDER / "CandlesApicurio.java").read_text(encoding="utf-8")
