"""The compose file brought up for real, in a project, with ports and volumes of its own, and taken down afterwards.

Not part of the default run: it needs a Docker engine with the compose plugin, and the four servers' images (or stand-ins under
their names). ``E2E_CONTAINERS=1`` builds our images first, ``E2E_CONTAINERS=built`` takes those that are there.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.cli.targets import Targets
from deploy.local import ports

collect_ignore_glob = [] if os.environ.get("E2E_CONTAINERS") else ["test_*.py"]
ROOT = Path(__file__).parents[2]
UP_S = float(os.environ.get("E2E_CONTAINERS_UP_S", "120"))
"""Until everything is healthy, images not counted. 52 s on two idle cores; a machine that is busy otherwise may need more."""
SCHEMA_IDS = os.environ.get("E2E_CONTAINERS_SCHEMA_IDS", "")
"""Pinned ids to try it with. A new registry gives them in order, so they are those of the last trial's `init-schemas`."""
PORTS = ("KAFKA_PORT", "REGISTRY_PORT", "CASSANDRA_PORT", "SIMULATOR_PORT", "CONSOLE_PORT", "PROMETHEUS_PORT")


class Compose:
    """One project of the compose file, with the simulator's profile."""

    def __init__(self):
        chosen = ports.choose(dict.fromkeys(PORTS, 0))
        self.ports = {name: str(port) for name, port in chosen.items()}
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("CANDLEWICK_", "FINNHUB_"))},
            "CANDLEWICK_SCHEMA_IDS": SCHEMA_IDS,
            **self.ports,
            "COMPOSE_PROJECT_NAME": f"candlewick-try-{os.getpid()}",
            "PROCESSOR_PORTS": "0",  # any free ones
        }
        self.targets = Targets(
            f"127.0.0.1:{self.ports['KAFKA_PORT']}",
            f"http://127.0.0.1:{self.ports['REGISTRY_PORT']}/apis/ccompat/v7",
            f"127.0.0.1:{self.ports['CASSANDRA_PORT']}",
        )

    def __call__(self, *words, limit_s=300, check=True):
        """Run `docker compose`; return what it printed."""
        return self.docker("compose", "--profile", "simulator", *words, limit_s=limit_s, check=check)

    def docker(self, *words, limit_s=60, check=True):
        done = subprocess.run(
            ["docker", *words], cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=limit_s, check=False
        )
        if check and done.returncode:
            raise AssertionError(
                f"docker {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )
        return done.stdout

    def containers(self, *services):
        """Return name -> state of the services' containers, {"State": ..., "Health": ..., "ExitCode": ...}."""
        lines = self("ps", "--all", "--format", "json", *services).splitlines()
        return {row["Name"]: row for row in map(json.loads, filter(None, lines))}

    def wait_healthy(self, limit_s):
        """Wait until everything that runs is healthy, and say what is not."""
        deadline = time.monotonic() + limit_s
        while sick := [f"{n}: {c['State']} {c['Health']}" for n, c in self.containers().items() if not well(c)]:
            if time.monotonic() > deadline:
                raise AssertionError(f"not healthy after {limit_s} s: {sick}")
            time.sleep(1)  # between two questions to the engine; the limit is above


def well(container):
    """Tell whether a container is as it should be: healthy, or a job that ended well."""
    if container["Service"].startswith("init-"):
        return container["State"] == "exited" and container["ExitCode"] == 0
    return container["Health"] == "healthy"


@pytest.fixture(scope="session")
def compose():
    """The project, up and healthy: a Compose."""
    wanted = os.environ["E2E_CONTAINERS"]
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.fail("E2E_CONTAINERS is set, but there is no docker with the compose plugin here")
    project = Compose()
    if wanted != "built":
        project("build", limit_s=1200)
    began = time.monotonic()
    try:
        project("up", "--detach", "--wait", "--no-build", "--scale", "processor=3", limit_s=600)
        project.up_s = time.monotonic() - began
        yield project
    finally:
        (logs := ROOT / ".candlewick" / "containers.log").parent.mkdir(exist_ok=True)
        logs.write_text(project("logs", "--no-color", "--timestamps", check=False))
        project.docker("compose", "--profile", "*", "down", "--volumes", "--timeout", "60", limit_s=180, check=False)


@pytest.fixture
def say(capsys):
    """A function that writes a line to the terminal, captured or not: what a trial found is part of its report."""

    def line(text):
        with capsys.disabled():
            sys.stdout.write(f"\n{text.rstrip()}\n")

    return line
