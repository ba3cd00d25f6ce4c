"""Settings of the processor's pages: loopback unless told otherwise, and an address that others can call."""

import pytest

from processor.main import _url
from processor.settings import SettingsError, read


def load(monkeypatch, **settings):
    for name, value in {"KAFKA": "localhost:1", "REGISTRY": "http://localhost:2", **settings}.items():
        monkeypatch.setenv(f"CANDLEWICK_{name}", value)
    return read()


class Listener:
    """A bound socket's name."""

    def getsockname(self):
        return ("whatever", 4321, 0, 0)


def test_pages_are_on_loopback_and_only_where_a_port_is_given(monkeypatch):
    settings = load(monkeypatch)
    assert (settings.http_host, settings.metrics_port, settings.cache_mb) == ("127.0.0.1", None, 256)


def test_schema_ids_that_are_empty_are_none_and_what_is_no_json_is_one_line(monkeypatch):
    assert load(monkeypatch, SCHEMA_IDS="").schema_ids == {}
    assert load(monkeypatch, SCHEMA_IDS='{"a": 1}').schema_ids == {"a": 1}
    with pytest.raises(SettingsError, match="CANDLEWICK_SCHEMA_IDS"):
        load(monkeypatch, SCHEMA_IDS="a=1")


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://127.0.0.1:4321"),
        ({"HTTP_HOST": "::1"}, "http://[::1]:4321"),
        ({"HTTP_HOST": "10.1.2.3"}, "http://10.1.2.3:4321"),
        ({"HTTP_HOST": "0.0.0.0", "ADVERTISED_URL": "https://one.example:8443/"}, "https://one.example:8443"),
    ],
)
def test_the_address_that_other_workers_are_told(monkeypatch, settings, url):
    assert _url(load(monkeypatch, **settings), Listener()) == url


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"HTTP_HOST": "0.0.0.0"}, "set ADVERTISED_URL"),
        ({"ADVERTISED_URL": "one.example:80"}, "ADVERTISED_URL"),
        ({"ADVERTISED_URL": "http://one.example/path"}, "ADVERTISED_URL"),
        ({"ADVERTISED_URL": "http://user@one.example"}, "ADVERTISED_URL"),
        ({"CACHE_MB": "0"}, "CACHE_MB"),
        ({"METRICS_PORT": "70000"}, "METRICS_PORT"),
    ],
)
def test_what_cannot_work_is_refused_with_its_name(monkeypatch, settings, said):
    with pytest.raises(SettingsError, match=said):
        load(monkeypatch, **settings)
