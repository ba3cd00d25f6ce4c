"""SHELL (files). ``python -m deploy.prometheus`` writes the alerts anew as a resource of the Prometheus operator."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

RULES = Path(__file__).with_name("alerts.yml")
RESOURCE = Path(__file__).parents[1] / "kubernetes" / "examples" / "monitoring" / "rules.yaml"
HEAD = """\
# Written by `python -m deploy.prometheus` from deploy/prometheus/alerts.yml, which is the file to change; a test compares both.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: candlewick
  labels: {app.kubernetes.io/name: candlewick}
spec:
"""


def resource() -> str:
    """Return the PrometheusRule."""
    return HEAD + indent(RULES.read_text(encoding="utf-8"), "  ")


if __name__ == "__main__":
    RESOURCE.write_text(resource(), encoding="utf-8")
