"""Grafana as code: the dashboards are made by pure functions, and what Grafana loads is written by `python -m deploy.grafana`."""
