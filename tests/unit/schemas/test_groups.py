"""Groups as a setting, and the partition that their instruments share."""

import pytest
from confluent_kafka import murmur2

from processor.settings import SettingsError, read
from schemas.groups import Group, instruments_of, parse_groups, partition_key

TEXT = "btc=finnhub:BINANCE:BTCUSDT, coinbase:BTC-USD; eth=coinbase:ETH-USD,ccxt-kraken:ETH/USD;"
PARSED = parse_groups(TEXT)


def test_groups_are_read_in_order():
    assert (
        Group("btc", ("finnhub:BINANCE:BTCUSDT", "coinbase:BTC-USD")),
        Group("eth", ("coinbase:ETH-USD", "ccxt-kraken:ETH/USD")),
    ) == PARSED
    assert parse_groups("") == ()


def test_series_of_a_group_are_named_by_price():
    assert (PARSED[0].series("trade"), PARSED[0].series("mid")) == ("group:btc", "group:btc@mid")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("btc", "write name=source:symbol"),
        ("b t=a:X,b:Y", "write name=source:symbol"),
        ("=a:X,b:Y", "write name=source:symbol"),
        ("btc=a:X,b:Y;btc=c:X,d:Y", "two groups are called 'btc'"),
        ("btc=a:X,b:Y;other=c:Z,a:X", "a:X is in two groups, 'btc' and 'other'"),
        ("btc=a:X,a:X", "a:X is in group 'btc' twice"),
        ("btc=a:X", "two instruments at least"),
        ("btc=" + ",".join(f"s{n}:X" for n in range(9)), "group 'btc' has 9 instruments; 8 are the most"),
        ("btc=a:X,a:Y", "two instruments of one source"),
        ("btc=a:X,BTCUSD", "'BTCUSD' is no instrument"),
        ("btc=a:X,:Y", "':Y' is no instrument"),
        ("btc=a:X,b:", "'b:' is no instrument"),
        ("btc=a:X,group:eth", "is a group's own name"),
    ],
)
def test_what_is_wrong_is_said(text, why):
    with pytest.raises(ValueError, match=why):
        parse_groups(text)


def test_instruments_of_a_group_and_its_series_share_the_partition_of_its_name():
    for partitions in (1, 4, 12):
        wanted = murmur2(b"btc", partitions)
        for instrument in ("finnhub:BINANCE:BTCUSDT", "coinbase:BTC-USD", "group:btc"):
            assert murmur2(partition_key(PARSED, instrument), partitions) == wanted


def test_everything_else_stays_where_its_key_puts_it():
    assert partition_key(PARSED, "finnhub:AAPL") == b"finnhub:AAPL"
    assert partition_key((), "coinbase:BTC-USD") == b"coinbase:BTC-USD"
    assert partition_key(PARSED, "group:unknown") == b"group:unknown"


def test_the_processor_refuses_wrong_groups_in_one_line_that_names_the_setting(monkeypatch):
    monkeypatch.setenv("CANDLEWICK_KAFKA", "localhost:9092")
    monkeypatch.setenv("CANDLEWICK_REGISTRY", "http://localhost:8081")
    monkeypatch.setenv("CANDLEWICK_GROUPS", TEXT)
    assert read().core().groups == PARSED
    monkeypatch.setenv("CANDLEWICK_GROUPS", "btc=a:X,b:Y;eth=a:X,c:Z")
    with pytest.raises(SettingsError, match=r"CANDLEWICK_GROUPS: .*a:X is in two groups, 'btc' and 'eth'"):
        read()


def test_a_consolidated_series_is_made_of_its_groups_records():
    assert instruments_of(PARSED, "group:eth") == ("coinbase:ETH-USD", "ccxt-kraken:ETH/USD")
    assert instruments_of(PARSED, "coinbase:ETH-USD") == ("coinbase:ETH-USD",)
