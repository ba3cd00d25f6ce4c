"""SHELL (environment). The producer's settings, read once at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas import environment
from schemas.topics import DEFAULT_PREFIX

S = TypeVar("S", bound=BaseSettings)

MAX_SYMBOLS = 50
"""Finnhub's free plan delivers 50; what is subscribed beyond stays silent."""


class SettingsError(ValueError):
    """The settings are wrong; the text says which, in one line, without their values."""


class Settings(BaseSettings):
    """What every source needs. Prefix CANDLEWICK_."""

    model_config = SettingsConfigDict(env_prefix=environment.PREFIX, frozen=True, hide_input_in_errors=True)

    kafka: str
    registry: str
    topic_prefix: str = Field(DEFAULT_PREFIX, pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$")
    kafka_options: dict[str, Any] = {}
    metrics_port: int | None = Field(None, ge=0, le=65535)
    http_host: str = "127.0.0.1"
    # Our choices: two missed pings and a little; two and a half of Finnhub's 60 s pings; a minute bounds an outage's tail.
    liveness_transport_s: float = Field(45.0, gt=0)
    liveness_feed_s: float = Field(150.0, gt=0)
    backoff_max_s: float = Field(60.0, ge=0.2)

    @field_validator("metrics_port", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


class FinnhubSettings(BaseSettings):
    """Finnhub's own. Prefix FINNHUB_."""

    model_config = SettingsConfigDict(env_prefix="FINNHUB_", frozen=True, hide_input_in_errors=True)

    token: SecretStr = SecretStr("")
    token_file: Path | None = None
    symbols: str = ""
    url: str = Field("wss://ws.finnhub.io", pattern=r"^wss?://[^\s?#]+$")

    def secret(self) -> str:
        """Return the token, from the file where one is named.

        Raises:
            SettingsError: there is none, or the file cannot be read.
        """
        text = self.token.get_secret_value()
        if self.token_file is not None:
            try:
                text = self.token_file.read_text(encoding="utf-8")
            except OSError as error:
                raise SettingsError(f"FINNHUB_TOKEN_FILE cannot be read: {error.strerror}") from None
        if not text.strip():
            raise SettingsError("FINNHUB_TOKEN (or FINNHUB_TOKEN_FILE) is missing: the provider's key")
        return text.strip()

    def wanted(self) -> tuple[str, ...]:
        """Return the symbols to subscribe, each once.

        Raises:
            SettingsError: none, more than the plan delivers, or one that is no printable text.
        """
        names = tuple(dict.fromkeys(s.strip() for s in self.symbols.split(",") if s.strip()))
        if not names:
            raise SettingsError("FINNHUB_SYMBOLS is missing: comma-separated symbols, such as AAPL,BINANCE:BTCUSDT")
        if len(names) > MAX_SYMBOLS:
            raise SettingsError(
                f"FINNHUB_SYMBOLS names {len(names)} symbols; the plan delivers {MAX_SYMBOLS}, others stay silent"
            )
        if not all(s.isprintable() for s in names):
            raise SettingsError("FINNHUB_SYMBOLS holds a character that cannot be printed")
        return names


def load(environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Return the shared settings from the environment; those `given` win.

    Raises:
        SettingsError: a CANDLEWICK_ variable is unknown, missing or wrong.
    """
    unknown = environment.unknown(os.environ if environ is None else environ)  # noqa: TID251 - this is the settings module
    if unknown:
        raise SettingsError(f"unknown setting: {', '.join(unknown)}")
    return _checked(Settings, environment.PREFIX, given)


def load_finnhub() -> FinnhubSettings:
    """Return Finnhub's settings from the environment.

    Raises:
        SettingsError: one is wrong.
    """
    return _checked(FinnhubSettings, "FINNHUB_", {})


def _checked(kind: type[S], prefix: str, given: dict[str, Any]) -> S:
    try:
        return kind(**given)
    except ValidationError as error:
        faults = [f"{prefix}{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join(faults)) from None
