"""SHELL (composition). Coinbase Exchange: its settings, and how its source, connection and history are made of them."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from producer.connection import Connection
from producer.history.coinbase import CoinbaseHistory
from producer.history.published import PublishedIds
from producer.providers import Provider
from producer.settings import Settings, load_own, wanted_of
from producer.sources.coinbase import Coinbase

WS_URL = "wss://ws-feed.exchange.coinbase.com"
REST_URL = "https://api.exchange.coinbase.com"
# Our choices. Every product is a subscription, ten of which are sent a second; heartbeats come each second and product.
MAX_SYMBOLS = 300
FEED_S = 15.0


class CoinbaseSettings(BaseSettings):
    """Coinbase's own. Prefix COINBASE_. The market data is public: there is no key."""

    model_config = SettingsConfigDict(env_prefix="COINBASE_", frozen=True, hide_input_in_errors=True)

    symbols: str = Field("", description="Comma-separated products, such as BTC-USD,ETH-USD")
    url: str = Field(WS_URL, pattern=r"^wss?://[^\s?#]+$", description="Coinbase Exchange's WebSocket")
    rest_url: str = Field(
        "",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="REST address, for history; empty = Coinbase's own if the stream is Coinbase's own, else no history",
    )


SETTINGS = CoinbaseSettings


def build(settings: Settings) -> Provider:
    """Return Coinbase as the environment configures it.

    Raises:
        SettingsError: the products are missing or wrong.
    """
    own = load_own(CoinbaseSettings)
    # Ids of one venue say nothing about another's stream.
    rest = own.rest_url or (REST_URL if own.url == WS_URL else "")
    source = Coinbase(wanted_of("COINBASE_SYMBOLS", own.symbols, MAX_SYMBOLS, settings.symbols_file))

    def history() -> CoinbaseHistory:
        where = settings.kafka, settings.schema_registry(), settings.topic_prefix, source.name
        known = PublishedIds(*where, settings.kafka_options, settings.groups)
        return CoinbaseHistory(rest, source.name, known)

    return Provider(
        source=source,
        connect=lambda inbox, number: Connection(own.url, "", inbox, number),
        most_symbols=MAX_SYMBOLS,
        secrets=(),
        where=own.url,
        history=history if rest else None,
        exact=True,
        feed_s=FEED_S,
    )
