import pytest

from producer.settings import FinnhubSettings, SettingsError, load, load_finnhub


@pytest.fixture(autouse=True)
def _minimal(monkeypatch):
    monkeypatch.setenv("CANDLEWICK_KAFKA", "localhost:9092")
    monkeypatch.setenv("CANDLEWICK_REGISTRY", "http://localhost:8081")


def test_defaults_are_those_of_the_documents():
    settings = load()
    assert (settings.topic_prefix, settings.metrics_port) == ("md", None)
    assert (settings.liveness_transport_s, settings.liveness_feed_s, settings.backoff_max_s) == (45.0, 150.0, 60.0)


def test_misspelt_setting_is_refused(monkeypatch):
    monkeypatch.setenv("CANDLEWICK_LIVENES_FEED_S", "1")
    with pytest.raises(SettingsError, match="CANDLEWICK_LIVENES_FEED_S"):
        load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_PORT", "70000"),
        ("LIVENESS_FEED_S", "0"),
        ("BACKOFF_MAX_S", "soon"),
        ("TOPIC_PREFIX", "a_b"),
        ("KAFKA_OPTIONS", "[]"),
    ],
)
def test_wrong_setting_is_refused_in_one_line_that_names_it(monkeypatch, name, value):
    monkeypatch.setenv(f"CANDLEWICK_{name}", value)
    with pytest.raises(SettingsError, match=name) as refused:
        load()
    assert "\n" not in str(refused.value)


def test_empty_metrics_port_means_none(monkeypatch):
    monkeypatch.setenv("CANDLEWICK_METRICS_PORT", "")
    assert load().metrics_port is None


def test_missing_broker_is_refused(monkeypatch):
    monkeypatch.delenv("CANDLEWICK_KAFKA")
    with pytest.raises(SettingsError, match="CANDLEWICK_KAFKA"):
        load()


def test_symbols_are_split_at_commas_and_kept_once():
    wanted = FinnhubSettings(symbols=" AAPL,IC MARKETS:1 ,, BINANCE:BTCUSDT,AAPL").wanted()
    assert wanted == ("AAPL", "IC MARKETS:1", "BINANCE:BTCUSDT")


@pytest.mark.parametrize("symbols", ["", " , ", ",".join(f"S{i}" for i in range(51)), "A\x07"])
def test_symbols_that_cannot_be_served_are_refused(symbols):
    with pytest.raises(SettingsError, match="FINNHUB_SYMBOLS"):
        FinnhubSettings(symbols=symbols).wanted()


def test_key_may_be_a_file(tmp_path):
    (tmp_path / "key").write_text("from-a-file\n")
    assert FinnhubSettings(token_file=tmp_path / "key").secret() == "from-a-file"


def test_missing_key_is_refused(tmp_path):
    for settings in (FinnhubSettings(), FinnhubSettings(token=" "), FinnhubSettings(token_file=tmp_path / "absent")):
        with pytest.raises(SettingsError, match="FINNHUB_TOKEN"):
            settings.secret()


def test_key_is_in_no_text_of_the_settings(monkeypatch):
    monkeypatch.setenv("FINNHUB_TOKEN", "hush")
    monkeypatch.setenv("FINNHUB_URL", "hush://no")
    assert "hush" not in repr(FinnhubSettings(url="ws://x"))
    with pytest.raises(SettingsError, match="FINNHUB_URL") as refused:
        load_finnhub()
    assert "hush" not in str(refused.value)
