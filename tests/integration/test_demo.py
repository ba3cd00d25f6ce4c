"""The demo as a newcomer runs it, with a stack of its own: it ends by itself, balances, and leaves nothing running."""

import json
import subprocess

import psutil
import pytest

from deploy.cli.account import Account
from tests.support.services import COMMAND, environment

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


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
        env=environment({"DEMO_SECONDS": "30"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=360,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    account = Account(**json.loads(done.stdout.splitlines()[-1]))
    assert account.balances
    assert account.trades_sent > 500
    assert account.lost_in_gaps > 0
    assert (account.gaps_injected, account.gaps_recorded) == (1, 1)
    assert (account.late, account.dead_letters) == (0, 0)
    assert account.candles_in_cassandra > 50
    assert account.first_candle_s is not None
    assert account.latency_p50_ms is not None
    assert processes_of(home) == []
