"""Spark SQL over the candles' topic: a recipe for other teams, run as it stands. Its 0.5 GB are fetched only where asked for."""

import json
import os
import subprocess
from datetime import UTC, datetime

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

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("E2E_SPARK"), reason="E2E_SPARK=1 fetches Spark and runs it"),
]
CANDLES = Topic(candles_dataset("1m"), Candle, "series", "")
START = 29_500_000 * MINUTE


def test_spark_sql_reads_the_highest_version_of_every_candle(stack, tmp_path):
    # Two series, five minutes, four versions each, the highest neither first nor last, some twice.
    every = [a_candle(START + m * MINUTE, n, series=s) for s in ("sim:X", "sim:Y") for m in range(5) for n in (2, 4, 1, 3, 2)]
    with published.corner(stack) as corner:
        encode = Encoder(Candle, Registry(corner.registry).lookup(CANDLES.subject(corner.prefix), schema_text(Candle)))
        producer = Producer({"bootstrap.servers": corner.kafka, "partitioner": "murmur2_random"})
        for candle in every:
            producer.produce(CANDLES.name(corner.prefix), encode(candle), candle.series.encode())
        assert producer.flush(20) == 0
        command = [*examples.spark(), str(examples.FOLDER / "candles_spark.py")]
        done = subprocess.run(
            [*command, corner.kafka, corner.registry, CANDLES.name(corner.prefix)],
            capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    newest = {(c.series, c.start): c for c in sorted(every, key=lambda c: c.version)}
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [(f["series"], f["version"], f["close"], f["coverage"]) for f in found] == [
        (c.series, c.version, c.close, c.coverage) for _, c in sorted(newest.items())
    ]
    starts = [datetime.fromisoformat(f["start"].replace("Z", "+00:00")) for f in found]
    assert starts == [datetime.fromtimestamp(start / 1e6, UTC) for _, start in sorted(newest)]
