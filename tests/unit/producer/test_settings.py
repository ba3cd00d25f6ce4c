import pytest
from pydantic import SecretStr

from producer.providers.finnhub import FinnhubSettings, build
from producer.settings import SettingsError, load, load_own, secret_of, wanted_of


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
        ("LIVENESS_HOURS", "when it pleases"),
        ("GROUPS", "btc=a:X;eth=a:X,b:Y"),
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


def test_schema_ids_that_are_empty_are_none_and_what_is_no_json_is_one_line(monkeypatch):
    monkeypatch.setenv("CANDLEWICK_SCHEMA_IDS", "")
    assert load().schema_ids == {}
    monkeypatch.setenv("CANDLEWICK_SCHEMA_IDS", '{"a": 1}')
    assert load().schema_ids == {"a": 1}
    monkeypatch.setenv("CANDLEWICK_SCHEMA_IDS", "a=1")
    with pytest.raises(SettingsError, match="CANDLEWICK_SCHEMA_IDS"):
        load()


def test_missing_broker_is_refused(monkeypatch):
    monkeypatch.delenv("CANDLEWICK_KAFKA")
    with pytest.raises(SettingsError, match="CANDLEWICK_KAFKA"):
        load()


@pytest.mark.parametrize("symbols", ["", " , ", ",".join(f"S{i}" for i in range(51)), "A\x07"])
def test_symbols_that_cannot_be_served_are_refused(symbols):
    with pytest.raises(SettingsError, match="FINNHUB_SYMBOLS"):
        wanted_of("FINNHUB_SYMBOLS", symbols, 50, None)


def test_symbols_may_be_a_file_which_then_is_what_counts(tmp_path):
    (tmp_path / "symbols").write_text("AAPL # the first\nMSFT\n")
    assert wanted_of("FINNHUB_SYMBOLS", "IBM", 50, tmp_path / "symbols") == ("AAPL", "MSFT")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_file_of_symbols_that_cannot_be_used_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "symbols").write_bytes(content)
    with pytest.raises(SettingsError, match="CANDLEWICK_SYMBOLS_FILE"):
        wanted_of("FINNHUB_SYMBOLS", "IBM", 50, tmp_path / "symbols")


def test_key_may_be_a_file(tmp_path):
    (tmp_path / "key").write_text("from-a-file\n")
    assert secret_of("FINNHUB_TOKEN", SecretStr(""), tmp_path / "key") == "from-a-file"


@pytest.mark.parametrize(("value", "file"), [("", None), (" ", None), ("", "absent")])
def test_missing_key_is_refused(tmp_path, value, file):
    with pytest.raises(SettingsError, match="FINNHUB_TOKEN"):
        secret_of("FINNHUB_TOKEN", SecretStr(value), file and tmp_path / file)


def test_key_is_in_no_text_of_the_settings(monkeypatch):
    monkeypatch.setenv("FINNHUB_TOKEN", "hush")
    monkeypatch.setenv("FINNHUB_URL", "hush://no")
    assert "hush" not in repr(FinnhubSettings(url="ws://x"))
    with pytest.raises(SettingsError, match="FINNHUB_URL") as refused:
        load_own(FinnhubSettings)
    assert "hush" not in str(refused.value)


def test_finnhub_is_built_from_its_settings_and_says_its_address_without_the_key(monkeypatch):
    monkeypatch.setenv("FINNHUB_TOKEN", "hush")
    monkeypatch.setenv("FINNHUB_SYMBOLS", "AAPL,IC MARKETS:1")
    made = build(load())
    assert (made.source.name, made.source.symbols, made.where) == ("finnhub", ("AAPL", "IC MARKETS:1"), "wss://ws.finnhub.io")
    assert made.secrets == ["hush"]


def test_options_that_are_no_json_are_one_line_that_does_not_show_them(monkeypatch):
    monkeypatch.setenv("CANDLEWICK_KAFKA_OPTIONS", '{"sasl.password": "marker-7f3a"')
    with pytest.raises(SettingsError, match="kafka_options") as refused:
        load(kafka="k:9092", registry="http://r")
    assert "marker-7f3a" not in str(refused.value)
