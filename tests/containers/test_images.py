"""What runs in the containers: nobody's root, nothing to write to, nothing to build or install with."""

import json
import time

import pytest

SERVICES = ("producer", "processor", "sink")
LOOK = """
import importlib.util, json, os, shutil, sys
def writes(path):
    try:
        open(path + "/.try", "w").close(); return True
    except OSError:
        return False
print(json.dumps({
    "uid": os.getuid(),
    "writable": [p for p in ("/", "/opt", "/opt/venv", "/usr/local", "/tmp") if writes(p)],
    "tools": [t for t in ("pip", "pip3", "gcc", "cc", "make", "git") if shutil.which(t)],
    "modules": [m for m in "pip setuptools producer processor sink deploy schemas".split() if importlib.util.find_spec(m)],
    "rights": [l.split()[1] for l in open("/proc/self/status") if l.startswith(("CapEff", "NoNewPrivs"))],
}))
"""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_rights_no_tools_and_only_its_own_code(compose, service):
    seen = json.loads(compose("exec", "-T", service, "python", "-c", LOOK))
    assert seen == {
        "uid": 10001,
        "writable": ["/tmp"],
        "tools": [],
        "modules": sorted([service, "schemas"], key=["producer", "processor", "sink", "schemas"].index),
        "rights": ["0000000000000000", "1"],
    }


@pytest.mark.parametrize("service", SERVICES)
def test_the_health_check_asks_the_service_itself(compose, service):
    """Stopped (frozen), a service answers nothing, and the probe says so within its limit."""
    name = next(iter(compose.containers(service)))
    probe = ["exec", name, "python", "-I", "-S", "/opt/probe.py", "/health"]
    compose.docker(*probe)
    pid = compose.docker("exec", name, "python", "-c", FREEZE).strip()
    try:
        with pytest.raises(AssertionError, match="nothing answers"):
            compose.docker(*probe)
    finally:
        compose.docker("exec", name, "python", "-c", f"import os; os.kill({pid}, 18)")
    compose.wait_healthy(90)


FREEZE = """
import os
for pid in sorted(int(p) for p in os.listdir("/proc") if p.isdigit()):
    words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\\0")
    if words[0].endswith(b"python") and words[1] == b"-m":
        os.kill(pid, 19)
        print(pid)
        break
"""
"""SIGSTOP to the service, which is the first child of the container's init."""


def test_no_secret_is_in_an_image_or_a_container_of_the_compose_file(compose):
    told = compose.docker("inspect", *compose.containers("producer"))
    assert "FINNHUB_TOKEN=simulator" in told  # the simulator's word, which opens nothing else
    assert "FINNHUB_TOKEN_FILE" not in told


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_ends_in_order_at_sigterm_well_within_its_grace(compose, say, service):
    name = next(iter(compose.containers(service)))
    began = time.monotonic()
    compose.docker("stop", name)  # SIGTERM, and SIGKILL after the 40 s of the compose file
    seconds = time.monotonic() - began
    code = compose.docker("inspect", "--format", "{{.State.ExitCode}}", name).strip()
    compose.docker("start", name)
    say(f"{service} ended with {code} after {seconds:.1f} s")
    assert code == "0"
    assert seconds < 30
    compose.wait_healthy(300)
