"""SHELL (files). ``python -m deploy.grafana``: write the dashboards that Grafana loads; a test holds files and code together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from deploy.grafana.colours import Json
from deploy.grafana.feeds import feeds
from deploy.grafana.market import market, past
from deploy.grafana.pipeline import pipeline
from deploy.grafana.quality import quality
from deploy.grafana.retention import retention

FOLDER = Path(__file__).parent / "provisioning" / "dashboards" / "candlewick"
DASHBOARDS: tuple[Callable[[], Json], ...] = (market, past, quality, feeds, pipeline, retention)


def text_of(dashboard: Json) -> str:
    """Return a dashboard as it is written to its file."""
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write one file a dashboard."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for make in DASHBOARDS:
        (FOLDER / f"{make.__name__}.json").write_text(text_of(make()), encoding="utf-8")


if __name__ == "__main__":
    main()
