"""SHELL (Spark, Kafka). Newest candles in Spark SQL: spark-submit --packages ... candles_spark.py <kafka> <registry> <topic>.

The packages are `org.apache.spark:spark-sql-kafka-0-10_2.13:4.0.0` and `org.apache.spark:spark-avro_2.13:4.0.0`. Spark's reader
knows nothing of a registry: the first five bytes are cut off, and each schema id gets the very schema it was written with.
"""

import json
import sys
from functools import reduce
from urllib.request import urlopen

from pyspark.sql import DataFrame, SparkSession  # type: ignore[import-not-found]  # pyspark is not among the project's
from pyspark.sql.avro.functions import from_avro  # type: ignore[import-not-found]

NEWEST = """
SELECT * EXCEPT (n) FROM (
    SELECT *, row_number() OVER (PARTITION BY series, timeframe, start ORDER BY version DESC) AS n FROM published)
WHERE n = 1
"""
SHOWN = "SELECT series, start, close, coverage, version FROM candles ORDER BY series, start"


def published(spark: SparkSession, kafka: str, registry: str, topic: str) -> DataFrame:
    """Return every version on the topic as columns."""
    source = spark.read.format("kafka").option("kafka.bootstrap.servers", kafka).option("subscribe", topic)
    messages = source.option("startingOffsets", "earliest").load().selectExpr("hex(substring(value, 2, 4)) AS id", "value")
    messages.cache()
    parts = []
    for row in messages.select("id").distinct().collect():
        with urlopen(f"{registry}/schemas/ids/{int(row.id, 16)}", timeout=10) as answer:  # noqa: S310 - the address is ours
            schema = json.load(answer)["schema"]
        bodies = messages.where(messages.id == row.id).selectExpr("substring(value, 6) AS body")
        parts.append(bodies.select(from_avro("body", schema).alias("candle")).select("candle.*"))
    return reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), parts)


def main() -> None:
    """Print the newest version of each candle as JSON, one a line."""
    kafka, registry, topic = sys.argv[1:]
    spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    published(spark, kafka, registry, topic).createOrReplaceTempView("published")
    spark.sql(NEWEST).createOrReplaceTempView("candles")
    for line in spark.sql(SHOWN).toJSON().collect():
        print(line, flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
