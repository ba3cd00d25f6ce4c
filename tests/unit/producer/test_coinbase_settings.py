import sys

import pytest

from producer.providers import ccxt, coinbase
from producer.settings import SettingsError, load

SHARED = {"kafka": "127.0.0.1:1", "registry": "http://127.0.0.1:1"}


@pytest.fixture
def build(monkeypatch):
    """A function (module, environment) -> the provider that it configures."""

    def built(module, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return module.build(load({}, **SHARED))

    return built


def test_coinbase_needs_products_alone(build):
    provider = build(coinbase, COINBASE_SYMBOLS="BTC-USD, ETH-USD")
    assert provider.source.symbols == ("BTC-USD", "ETH-USD")
    assert (provider.source.name, provider.source.ids, provider.secrets, provider.feed_s) == ("coinbase", "contiguous", (), 15.0)
    assert provider.exact
    assert provider.history is not None


def test_another_stream_is_not_filled_from_coinbases_pages(build):
    environment = {"COINBASE_SYMBOLS": "BTC-USD", "COINBASE_URL": "ws://127.0.0.1:1"}
    assert build(coinbase, **environment).history is None
    assert build(coinbase, **environment, COINBASE_REST_URL="http://127.0.0.1:1").history is not None


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"COINBASE_SYMBOLS": ""}, "COINBASE_SYMBOLS"),
        ({"COINBASE_SYMBOLS": "A", "COINBASE_URL": "ftp://x"}, "COINBASE_URL"),
        ({"COINBASE_SYMBOLS": "A", "COINBASE_REST_URL": "x"}, "COINBASE_REST_URL"),
        ({"COINBASE_SYMBOLS": ",".join(f"A{n}" for n in range(301))}, "300"),
    ],
)
def test_wrong_settings_of_coinbase_are_named(build, environment, said):
    with pytest.raises(SettingsError, match=said):
        build(coinbase, **environment)


def test_ccxt_names_its_source_after_the_exchange_and_flags_it(build):
    pytest.importorskip("ccxt", reason="the extra ccxt is not installed")
    options = '{"apiKey": "marker", "options": {"defaultType": "spot"}}'
    provider = build(ccxt, CCXT_EXCHANGE="kraken", CCXT_SYMBOLS="BTC/USD", CCXT_OPTIONS=options)
    assert (provider.source.name, provider.source.ids, provider.secrets) == ("ccxt-kraken", "none", ("marker",))
    assert "no gap proof" in provider.note


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CCXT_EXCHANGE": ""}, "CCXT_EXCHANGE"),
        ({"CCXT_EXCHANGE": "no-such-place"}, "knows no exchange"),
        ({"CCXT_SYMBOLS": ""}, "CCXT_SYMBOLS"),
        ({"CCXT_OPTIONS": "[]"}, "CCXT_OPTIONS"),
        ({"CCXT_OPTIONS": "not json"}, "options"),
    ],
)
def test_wrong_settings_of_ccxt_are_named(build, environment, said):
    pytest.importorskip("ccxt", reason="the extra ccxt is not installed")
    with pytest.raises(SettingsError, match=said):
        build(ccxt, **{"CCXT_EXCHANGE": "kraken", "CCXT_SYMBOLS": "BTC/USD", **environment})


def test_absence_of_ccxt_names_the_extra(build, monkeypatch):
    monkeypatch.setitem(sys.modules, "ccxt", None)  # how Python marks what cannot be imported
    with pytest.raises(SettingsError, match=r"candlewick\[ccxt\]"):
        build(ccxt, CCXT_EXCHANGE="kraken", CCXT_SYMBOLS="BTC/USD")
