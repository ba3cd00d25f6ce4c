"""Candles by SQL in Flink: a recipe for other teams, run as it stands. Its 130 MB are fetched only where asked for."""

import os
import re
import subprocess

import pytest
from confluent_kafka import Producer

from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import Candle
from schemas.registry import Registry
from schemas.timeframes import MINUTE
from schemas.topics import Topic, candles_dataset
from tests.support import examples, published
from tests.support.feeding import a_candle

pytestmark = pytest.mark.integration
CANDLES = Topic(candles_dataset("1m"), Candle, "series", "")
START = 29_500_000 * MINUTE
SOURCE = examples.FOLDER / "CandlesFlink.java"


@pytest.mark.timeout(900)
@pytest.mark.skipif(not os.environ.get("E2E_FLINK"), reason="E2E_FLINK=1 fetches Flink and runs it")
def test_flink_sql_reads_the_highest_version_of_every_candle(stack, tmp_path):
    # Two series, five minutes, four versions each, the highest neither first nor last, some twice.
    every = [a_candle(START + m * MINUTE, n, series=s) for s in ("sim:X", "sim:Y") for m in range(5) for n in (2, 4, 1, 3, 2)]
    with published.corner(stack) as corner:
        encode = Encoder(Candle, Registry(corner.registry).lookup(CANDLES.subject(corner.prefix), schema_text(Candle)))
        producer = Producer({"bootstrap.servers": corner.kafka, "partitioner": "murmur2_random", "compression.type": "zstd"})
        for candle in every:
            producer.produce(CANDLES.name(corner.prefix), encode(candle), candle.series.encode())
        assert producer.flush(20) == 0
        command = [*examples.java(examples.FLINK_JARS, "600m"), f"-Djava.io.tmpdir={tmp_path}", str(SOURCE)]
        done = subprocess.run(
            [*command, corner.kafka, corner.registry, CANDLES.name(corner.prefix)],
            capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    newest = {(c.series, c.start): c for c in sorted(every, key=lambda c: c.version)}
    assert sorted(line for line in done.stdout.splitlines() if line.startswith("sim:")) == sorted(
        f"{c.series} {c.start} {c.close} {c.coverage} {c.version}" for c in newest.values()
    )


def test_the_coordinates_that_the_example_names_are_those_it_is_run_with():
    named = re.findall(r"(flink-[\w-]+:[\w.-]+\w)", "".join(SOURCE.read_text(encoding="utf-8").splitlines(keepends=True)[:4]))
    assert sorted(f"org.apache.flink:{name}" for name in named) == sorted(examples.FLINK)
