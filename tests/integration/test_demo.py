"""The demo as a newcomer runs it, with a stack of its own and every feed: it ends by itself, balances, leaves nothing running."""

import json
import subprocess

import psutil
import pytest

from deploy.cli.account import Balance
from tests.support.services import COMMAND, environment

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def processes_of(home):
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = [*(process.info["cmdline"] or ()), (process.info["environ"] or {}).get("CANDLEWICK_HOME", "")]
        if process.pid != psutil.Process().pid and any(str(home) in word for word in words):
            found.append(" ".join(process.info["cmdline"] or ())[:200])
    return found


def test_law_1_the_demo_balances_and_leaves_no_process(tmp_path):
    home = tmp_path / "home"
    done = subprocess.run(
        [str(COMMAND), "demo", "--home", str(home)],
        env=environment({"DEMO_SECONDS": "30", "DEMO_FEEDS": "finnhub,ig,coinbase"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=360,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    account = json.loads(done.stdout.splitlines()[-1])
    sources = {name: Balance(**of) for name, of in account["sources"].items()}
    assert {name: of.kind for name, of in sources.items()} == {"finnhub": "trades", "ig": "quotes", "coinbase": "trades"}
    for of in sources.values():
        assert of.balances
        assert of.sent > 300
        assert (of.gaps_injected, of.gaps_recorded) == (1, 1)
        assert (of.late, of.dead_letters) == (0, 0)
    assert account["trades_sent"] == sum(of.sent for of in sources.values())
    assert sources["finnhub"].lost_in_gaps > 0, "nothing was lost, so nothing was shown"
    assert sources["ig"].lost_in_gaps > 0
    assert account["candles_in_cassandra"] > 100
    assert account["first_candle_s"] is not None
    assert account["latency_p50_ms"] is not None
    assert processes_of(home) == []
