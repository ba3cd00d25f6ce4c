"""Old and new services side by side over a change of the schemas: a newer copy of the code whose records have a field more."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from schemas.topics import TRADES
from schemas.wire import schema_id_of
from tests.support import examples
from tests.support.judge import candle_topic
from tests.support.published import messages
from tests.support.services import environment, wait_until
from tests.support.stack import space_in

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]
PACE = 5
NEW = {"trade": ("Trade", "venue_note"), "candle": ("Candle", "session_note")}
"""Schema file -> its record, and the field that the newer release has added."""
READ = """
import itertools, sys
from batches import batches
for batch in itertools.islice(batches(sys.argv[1], sys.argv[2], [sys.argv[3]], sys.argv[4]), 1):
    print(len(batch), sorted({tuple(sorted(c)) for c in batch}, key=len)[-1])
"""


@pytest.fixture
def newer(tmp_path):
    """A copy of the code in which trades and candles have one field more, with a default."""
    root = tmp_path / "newer"
    for package in ("schemas", "producer", "processor", "sink", "deploy"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, (record, field) in NEW.items():
        edit(root, file, lambda schema, name=field: schema["fields"].append(
            {"name": name, "type": "string", "default": "", "doc": "A field of a later release."}
        ))  # fmt: skip
        source = root / "schemas" / "records.py"
        text = source.read_text()
        begin = text.index(f"class {record}(Record):")
        end = text.find("\n\n\n", begin)
        end = len(text.rstrip()) if end < 0 else end
        source.write_text(f'{text[:end]}\n    {field}: str = ""{text[end:]}')
    return root


def edit(root, file, change):
    path = root / "schemas" / f"{file}.avsc"
    schema = json.loads(path.read_text())
    change(schema)
    path.write_text(json.dumps(schema))


def of(root):
    """The environment in which Python takes the services from `root`."""
    return {"PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}


def schemas(space, root, verb):
    """Run `candlewick schemas VERB` of the code in `root`: exit status and what it said."""
    command = [sys.executable, "-c", "from deploy.cli.main import main; main()", "schemas", verb]
    done = subprocess.run(
        command, env=environment({**space.env, **of(root)}), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def ids(space, topic):
    """How many messages of a topic were written with each schema."""
    return Counter(schema_id_of(m.value()) for m in messages(space, topic))


def test_old_and_new_services_side_by_side_read_each_other_and_an_incompatible_change_is_refused(
    stack, newer, make_pipeline, tmp_path, say
):
    with space_in(stack, {"CANDLEWICK_TIMEFRAMES": "1s,1m,5m"}) as space:
        pipeline = make_pipeline(space, "finnhub", PACE)
        for name in ("processor", "sink", "producer"):
            pipeline.start(name, 1)
        pipeline.await_said("producer", 1, "feed.went_live")
        wait_until(lambda: pipeline.candles() > 0, 90, "candles in Cassandra", list(pipeline.services.values()))

        # The schemas first. FULL_TRANSITIVE takes a field with a default.
        assert schemas(space, newer, "check") == (0, "the schemas are documented, and compatible with every registered version\n")
        status, said = schemas(space, newer, "apply")
        assert status == 0, said
        assert "6 with a new version" in said, said  # trades and late trades, three timeframes and live candles

        # A newer producer takes over; today's processor reads it. A newer processor joins today's; today's sink reads both.
        pipeline.start("producer", 2, **of(newer))
        pipeline.await_said("producer", 2, "producer.stands_by")
        assert pipeline.services.pop(("producer", 1)).stop() == 0
        pipeline.await_said("producer", 2, "feed.went_live")
        pipeline.start("processor", 2, **of(newer))
        pipeline.await_said("processor", 2, "partitions.assigned")
        one_second = candle_topic("1s")
        running = list(pipeline.services.values())
        wait_until(lambda: len(ids(space, TRADES)) == 2, 60, "trades of both releases", running)
        wait_until(lambda: len(ids(space, one_second)) == 2, 60, "candles of both releases", running)
        read = consumed(space, one_second)

        # A type that others cannot read is refused before anything is written with it.
        broken = tmp_path / "broken"
        shutil.copytree(newer, broken)
        edit(broken, "trade", lambda schema: next(f for f in schema["fields"] if f["name"] == "size").update(type="string"))
        refusals = {verb: schemas(space, broken, verb) for verb in ("check", "apply")}

        account = pipeline.settle()
        say(f"trades by schema {dict(ids(space, TRADES))}, 1s candles {dict(ids(space, one_second))}; {account}")
        say(f"an example consumer reads: {read}")
        say(f"refused: {refusals}")
        say(pipeline.audit())
        assert account["missing"] == account["inside_recorded_gaps"]
        for status, said in refusals.values():
            assert status == 1
            assert len(said.strip().splitlines()) == 1
            assert "trade.avsc: field size changed its type from double to string" in said


def consumed(space, topic):
    """Read candles as another team does, with Confluent's own deserialiser, until some of the newer release are among them."""
    arguments = [space.kafka, space.registry.rsplit("/apis", 1)[0] + "/apis/ccompat/v7", topic.name(space.prefix)]
    found = ""

    def has_new():
        nonlocal found
        command = [examples.python(), "-c", READ, *arguments, f"{space.prefix}-example"]
        done = subprocess.run(
            command, cwd=examples.FOLDER, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        found = done.stdout.strip()
        return NEW["candle"][1] in found

    wait_until(has_new, 90, "candles with the new field at a consumer")
    return found
