"""The deployment's documents lead somewhere, and their table answers all thirty questions."""

import re
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[3] / "deploy"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in DEPLOY.glob("*.md")}


def anchors(text):
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_links_lead_somewhere(name):
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]):
        path, _, anchor = link.partition("#")
        target = DEPLOY / path if path else DEPLOY / name
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(link)
    assert dead == []


def test_all_thirty_questions_are_answered():
    numbers = [int(n) for n in re.findall(r"^\| (\d+) \| \w", PAGES["README.md"], re.MULTILINE)]
    assert numbers == list(range(1, 31))


def test_the_number_of_alerts_is_told_rightly():
    alerts = re.findall(r"- alert: ", (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    assert f"{len(alerts)} alerts with unit tests" in PAGES["README.md"]
