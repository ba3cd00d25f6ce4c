import pytest

from sink import settings
from sink.settings import SettingsError

NEEDED = {"CANDLEWICK_KAFKA": "k:1", "CANDLEWICK_REGISTRY": "http://r", "CANDLEWICK_CASSANDRA": "127.0.0.1:9042"}


@pytest.fixture
def load(monkeypatch):
    def with_environment(**changes):
        environ = NEEDED | {f"CANDLEWICK_{name}": value for name, value in changes.items()}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return settings.load(environ)

    return with_environment


def test_defaults_are_those_of_the_documents(load):
    loaded = load()
    assert loaded.settings.keyspace == "md"
    assert loaded.settings.commit_lag_s is None
    assert [t.name for t in loaded.timeframes] == ["1m", "5m", "15m", "1h", "4h", "1d"]
    assert loaded.retention_s["1m"] == 30 * 86_400
    assert loaded.retention_s["1d"] == 0


def test_empty_means_unset_for_numbers(load):
    assert load(METRICS_PORT="", COMMIT_LAG_S="").settings.metrics_port is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEYSPACE", "md; DROP"),
        ("CASSANDRA", "localhost"),
        ("TIMEFRAMES", "5m"),
        ("COMMIT_LAG_S", "-1"),
        ("METRICS_PORT", "70000"),
        ("RETENTION_1m", "soon"),
        ("KEYSPAZE", "md"),
    ],
)
def test_a_wrong_or_unknown_setting_is_refused_by_its_name(load, name, value):
    with pytest.raises(SettingsError, match=f"CANDLEWICK_{name}"):
        load(**{name: value})


def test_what_is_missing_is_named():
    with pytest.raises(SettingsError, match="CANDLEWICK_CASSANDRA"):
        settings.load({})
