"""SHELL (composition). Finnhub: its settings, and how its source and connection are made of them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from producer.connection import Connection
from producer.providers import Provider
from producer.settings import Settings, load_own, secret_of, wanted_of
from producer.sources.finnhub import Finnhub

MAX_SYMBOLS = 50
"""Finnhub's free plan delivers 50; what is subscribed beyond stays silent."""


class FinnhubSettings(BaseSettings):
    """Finnhub's own. Prefix FINNHUB_."""

    model_config = SettingsConfigDict(env_prefix="FINNHUB_", frozen=True, hide_input_in_errors=True)

    token: SecretStr = Field(SecretStr(""), description="The provider's key (required for the real feed)")
    token_file: Path | None = Field(None, description="File with the key, instead of FINNHUB_TOKEN")
    symbols: str = Field("", description="Comma-separated symbols to subscribe, at most 50")
    url: str = Field(
        "wss://ws.finnhub.io",
        pattern=r"^wss?://[^\s?#]+$",
        description="The provider's WebSocket; the simulator's in the demo",
    )


SETTINGS = FinnhubSettings


def build(settings: Settings) -> Provider:
    """Return Finnhub as the environment configures it.

    Raises:
        SettingsError: key or symbols are missing or wrong.
    """
    own = load_own(FinnhubSettings)
    secret = secret_of("FINNHUB_TOKEN", own.token, own.token_file)
    symbols = wanted_of("FINNHUB_SYMBOLS", own.symbols, MAX_SYMBOLS, settings.symbols_file)
    url = f"{own.url}?token={quote(secret, safe='')}"
    return Provider(
        source=Finnhub(symbols),
        connect=lambda inbox, number: Connection(url, secret, inbox, number),
        most_symbols=MAX_SYMBOLS,
        secrets=(secret,),
        where=own.url,
    )
