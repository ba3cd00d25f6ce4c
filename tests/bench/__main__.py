"""SHELL (processes). ``make bench``: every benchmark in one run, one JSON line each; read the ratios, machines differ.

``BENCH_TRADES`` sets how many trades (default 2,000,000).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.local.ports import choose
from tests.bench import audit, consume, load, processor, recovery
from tests.support.stack import running_stack, space_in

STOCK_RECORDS = 20_000


def _tell(line: Mapping[str, object]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201  # the result


def main() -> None:
    """Run all benchmarks against a stack of their own."""
    trades = int(os.environ.get("BENCH_TRADES", "2000000"))
    with running_stack() as servers, space_in(servers, {}) as space, tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        filled = load.fill(space.kafka, space.registry, space.prefix, trades=trades, symbols=50)
        seconds = time.perf_counter() - began
        _tell({"benchmark": "produce", "records": trades, "seconds": round(seconds, 2), "per_s": round(trades / seconds)})
        bare = consume.bare(space.kafka, space.prefix, filled)
        _tell(bare)
        ours = processor.run(space.env, space.prefix, filled, choose({"metrics": 0})["metrics"], Path(folder))
        share = float(str(ours["per_s"])) / float(str(bare["per_s"]))
        _tell({**ours, "share_of_bare": round(share, 3)})
        _tell(audit.run(space.env, filled))
        stock = [sys.executable, "-m", "tests.bench.stock_faust", space.kafka, space.prefix, str(STOCK_RECORDS)]
        done = subprocess.run(stock, capture_output=True, text=True, timeout=300, check=True)
        _tell(json.loads(done.stdout.splitlines()[-1]))
        with space_in(servers, {}) as another:
            for line in recovery.run(another, Path(folder)):
                _tell(line)


if __name__ == "__main__":
    main()
