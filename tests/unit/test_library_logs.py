"""What libraries say is one JSON object a line like everything else: tried in processes of their own, for logging is global."""

import json
import subprocess
import sys

import pytest

SERVICES = ("producer", "processor", "sink")
MARKER = "mark/er"
SAYS = """
import logging, threading, warnings
from {service} import logs
logs.configure({secrets})
logging.getLogger("aiokafka").warning("Heartbeat failed for group %s:\\nlines, {marker}", "g")
logging.getLogger("aiokafka").info("chatter")
try:
    int("x")
except ValueError:
    logging.getLogger("asyncio").exception("never retrieved")
warnings.warn("old call")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
{{}}["at last"]
"""


@pytest.mark.parametrize("service", SERVICES)
def test_what_libraries_and_crashes_say_is_one_object_a_line(service):
    secrets = f"({MARKER!r},)" if service == "producer" else ""
    code = SAYS.format(service=service, secrets=secrets, marker=MARKER)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["level"]) for line in said] == [
        ("library.said", "warning"),
        ("library.said", "error"),
        ("library.said", "warning"),
        ("thread.crashed", "critical"),
        ("process.crashed", "critical"),
    ]
    assert all(line["timestamp"].endswith("Z") for line in said)
    assert said[0]["logger"] == "aiokafka"
    assert said[0]["text"].startswith("Heartbeat failed for group g:\nlines")
    assert (MARKER in said[0]["text"]) == (service != "producer")
    assert "ValueError" in said[1]["exception"]
    assert "ZeroDivisionError" in said[3]["exception"]
    assert "KeyError" in said[4]["exception"]


AT_ONCE = """
import logging, sys, threading
import structlog
from {service} import logs
sys.setswitchinterval(1e-6)
logs.configure()
ours, library, text = structlog.get_logger(), logging.getLogger("aiokafka"), "x" * 500
def say(how):
    for _ in range(400):
        how(text)
threads = [threading.Thread(target=say, args=(how,)) for how in (ours.warning, library.warning) * 2]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("service", SERVICES)
def test_lines_of_threads_that_speak_at_the_same_time_stay_lines(service):
    code = AT_ONCE.format(service=service)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert len([json.loads(line) for line in done.stderr.splitlines()]) == 1600
