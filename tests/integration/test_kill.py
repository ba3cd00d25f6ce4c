"""Law 8 (resume): kill -9 of a service in the middle of a replay, started again, and the rows are those of a calm run."""

import subprocess

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import candles_dataset, topic_name
from tests.support import synthetic
from tests.support.services import (
    COMMAND,
    Service,
    environment,
    of_source,
    read_candles,
    read_gaps,
    replay,
    wait_until,
    write_lines,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

TIMEFRAMES = ("1m", "5m", "15m", "1h", "4h", "1d")
SETTINGS = {f"CANDLEWICK_RETENTION_{name}": "0" for name in (*TIMEFRAMES, "GAPS")}
RATE = 6_000  # trades a second: 40 k trades take 7 s, so there is a middle
ENOUGH = 200  # candles out: the replay is well under way and far from its end (there are 2,000)


@pytest.fixture(scope="module")
def settings(make_space):
    return make_space(SETTINGS).env


@pytest.fixture(scope="module")
def services(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    running = {name: Service(name, settings, folder).start() for name in ("processor", "sink")}
    yield running
    for service in running.values():
        service.discard()


@pytest.fixture(scope="module")
def recording():
    return synthetic.day()


@pytest.fixture(scope="module")
def calm(settings, services, recording, tmp_path_factory):
    replay(settings, recording, tmp_path_factory.mktemp("lines"), source="calm")
    return rows_of(settings, "calm")


def rows_of(settings, source):
    prefix = f"{source}:"
    gaps = {
        gap._replace(series=gap.series.removeprefix(prefix))
        for gap in read_gaps(settings)
        if gap.series.startswith(prefix) and gap.to_ms != gap.from_ms
    }
    return of_source(read_candles(settings, *TIMEFRAMES), source), gaps


@pytest.fixture(scope="module")
def candles_out(settings):
    """How many 1m candles have been published, of all sources."""
    consumer = Consumer({"bootstrap.servers": settings["CANDLEWICK_KAFKA"], "group.id": "count", "enable.auto.commit": False})
    topic = topic_name(candles_dataset("1m"), settings["CANDLEWICK_TOPIC_PREFIX"])
    partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions

    def count():
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=60)[1] for number in partitions)

    yield count
    consumer.close()


@pytest.mark.parametrize("victim", ["processor", "sink"])
def test_law_8_a_killed_service_started_again_leaves_the_rows_of_a_calm_run(
    victim, calm, settings, services, recording, candles_out, tmp_path
):
    source = f"killed-{victim}"
    file = write_lines(recording, tmp_path, source)
    before = candles_out()
    command = [
        str(COMMAND),
        "replay",
        str(file),
        "--source",
        source,
        "--rate",
        str(RATE),
        "--finish",
        "--wait",
    ]
    with (
        (tmp_path / "replay.log").open("wb") as log,
        subprocess.Popen(command, env=environment(settings), stdin=subprocess.DEVNULL, stdout=log, stderr=log) as feeding,
    ):
        try:
            wait_until(lambda: candles_out() >= before + ENOUGH, 60, "the middle of the replay", list(services.values()))
            assert feeding.poll() is None, "the replay was over before the kill: nothing was tested"
            services[victim].kill()
            services[victim].start()
            assert feeding.wait(timeout=180) == 0, (tmp_path / "replay.log").read_text()[-3000:]
        finally:
            feeding.kill()
    candles, gaps = rows_of(settings, source)
    different = [(key, calm[0].get(key), candles.get(key)) for key in sorted(calm[0] | candles)]
    different = [line for line in different if line[1] != line[2]]
    assert different == [], f"{len(different)} of {len(calm[0])} candles differ: {different[:5]}"
    assert gaps == calm[1]
