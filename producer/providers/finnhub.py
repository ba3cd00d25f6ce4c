"""SHELL (composition). Finnhub: its settings, and how its source and connection are made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from producer.connection import Connection
from producer.history.protocol import HistoryClient
from producer.inbox import Inbox
from producer.providers import Provider
from producer.secret import Secret
from producer.settings import Settings, load_own, wanted_of
from producer.sources.finnhub import Finnhub

STREAM_URL = "wss://ws.finnhub.io"
REST_URL = "https://api.finnhub.io/api/v1"
MAX_SYMBOLS = 50
"""Finnhub's free plan delivers 50; what is subscribed beyond stays silent."""


class FinnhubSettings(BaseSettings):
    """Finnhub's own. Prefix FINNHUB_."""

    model_config = SettingsConfigDict(env_prefix="FINNHUB_", frozen=True, hide_input_in_errors=True)

    token: SecretStr = Field(SecretStr(""), description="The provider's key (required for the real feed)")
    token_file: Path | None = Field(None, description="File with the key, instead of FINNHUB_TOKEN; read again at each attempt")
    symbols: str = Field("", description="Comma-separated symbols to subscribe, at most 50")
    url: str = Field(
        STREAM_URL,
        pattern=r"^wss?://[^\s?#]+$",
        description="The provider's WebSocket; the simulator's in the demo",
    )

    rest_url: str = Field(
        "",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="REST address, for history; empty = Finnhub's own if the stream is Finnhub's own, else no history",
    )
    # Our choice: some room below the 60 of the free plan, which other tools of the same key may need.
    requests_per_minute: int = Field(55, ge=1, le=1800, description="REST requests in any minute; the free plan allows 60")
    # Our choice: prints take about 0.1 s to the stream; how long to the candles is not documented.
    candle_delay_s: float = Field(3.0, ge=0, le=600, description="How long after its end a candle is asked for")
    keep_repeats: bool = Field(False, description="Take trades that equal one of an earlier frame of the last 10 s, too")


SETTINGS = FinnhubSettings


def build(settings: Settings) -> Provider:
    """Return Finnhub as the environment configures it.

    Raises:
        SettingsError: key or symbols are missing or wrong.
    """
    own = load_own(FinnhubSettings)
    secret = Secret("FINNHUB_TOKEN", own.token, own.token_file)
    symbols = wanted_of("FINNHUB_SYMBOLS", own.symbols, MAX_SYMBOLS, settings.symbols_file)

    def connect(inbox: Inbox, number: int) -> Connection:
        key = secret.read()
        return Connection(f"{own.url}?token={quote(key, safe='')}", key, inbox, number)

    return Provider(
        source=Finnhub(symbols, drops_repeats=not own.keep_repeats),
        connect=connect,
        most_symbols=MAX_SYMBOLS,
        secrets=secret.known,
        where=own.url,
        history=_history(own, secret),
        has_new_key=secret.has_changed,
    )


def _history(own: FinnhubSettings, secret: Secret) -> Callable[[], HistoryClient] | None:
    # The key goes only where it was meant to go: a stream somewhere else says nothing about who has its history.
    url = own.rest_url or (REST_URL if own.url == STREAM_URL else "")
    if not url:
        return None

    def made() -> HistoryClient:
        from producer.history.finnhub import FinnhubHistory

        return FinnhubHistory(url, secret, per_minute=own.requests_per_minute, delay_s=own.candle_delay_s)

    return made
