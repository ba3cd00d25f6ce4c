"""The table of scenarios names tests that exist, so that it cannot promise what nothing shows."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TABLE = (ROOT / "producer" / "SCENARIOS.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][2:]
DEFINED = re.compile(r"^def (test_\w+)\(", re.MULTILINE)
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", TABLE)


def test_every_scenario_names_a_test():
    assert len(ROWS) >= 23
    assert [row[0] for row in ROWS if "::" not in row[-1]] == []


def test_every_test_that_is_named_exists():
    there = {(path.name, name) for path in (ROOT / "tests").rglob("test_*.py") for name in DEFINED.findall(path.read_text())}
    assert NAMED
    assert [named for named in NAMED if named not in there] == []
