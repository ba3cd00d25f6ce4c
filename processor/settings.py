"""SHELL (environment). The processor's settings, read once and checked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import Field, FilePath, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from processor.core.calendar import Sessions, parse_sessions
from processor.core.config import CoreConfig
from processor.core.rolls import Rolls, parse_rolls
from processor.exchanges import calendar
from processor.kafka_options import security
from processor.pulse import parse_periods
from schemas import environment, timeframes, tracing
from schemas.groups import Groups, parse_groups
from schemas.kafka_options import with_file
from schemas.records import Price
from schemas.timeframes import SECOND, Timeframe, parse_list


class SettingsError(ValueError):
    """A setting is unknown or wrong; the text says which and why."""


class Settings(BaseSettings):
    """Environment variables with the prefix CANDLEWICK_; the table in README documents them."""

    model_config = SettingsConfigDict(env_prefix=environment.PREFIX, frozen=True, extra="ignore")

    kafka: str
    registry: str
    schema_ids: Annotated[dict[str, int], NoDecode] = Field(default_factory=dict)
    topic_prefix: str = "md"
    kafka_options_file: Path | None = None
    kafka_options: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict, validate_default=True)
    registry_ca_file: FilePath | None = None
    timeframes: Annotated[tuple[Timeframe, ...], NoDecode] = Field(default_factory=lambda: parse_list(timeframes.DEFAULT))
    quote_prices: Annotated[tuple[Price, ...], NoDecode] = ("mid",)
    lateness_ms: int = Field(default=2000, ge=0, le=3_600_000)
    horizon_s: int = Field(default=7200, ge=0, le=7 * 86400)
    ahead_s: int = Field(default=60, ge=1, le=3600)
    live_ms: int = Field(default=250, ge=10, le=60_000)
    live_periods: Annotated[dict[str, float], NoDecode] = Field(default_factory=dict)
    live_budget: int = Field(default=4000, ge=1, le=1_000_000)
    flush_ms: int = Field(default=500, ge=10, le=60_000)
    sessions: Annotated[Sessions, NoDecode] = ()
    session_rolls: Annotated[Rolls, NoDecode] = ()
    groups: Annotated[Groups, NoDecode] = ()
    generation: int = Field(default=0, ge=0, le=9_000)
    producer_silent_s: float = Field(default=5.0, ge=1.0, le=3600.0)
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    http_host: str = "127.0.0.1"
    advertised_url: str = Field(default="", pattern=r"^(https?://[^/?#@\s]+/?)?$")
    cache_mb: int = Field(default=256, ge=1, le=65536)
    otel_sample: float = Field(default=0.0, ge=0, le=1)

    @field_validator("schema_ids", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> Any:
        return json.loads(value or "{}") if isinstance(value, str) else value

    @field_validator("otel_sample")
    @classmethod
    def _can_be_traced(cls, value: float) -> float:
        return tracing.checked(value)

    @field_validator("timeframes", mode="before")
    @classmethod
    def _timeframes(cls, value: Any) -> Any:
        return parse_list(value) if isinstance(value, str) else value

    @field_validator("quote_prices", mode="before")
    @classmethod
    def _prices(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        names = tuple(dict.fromkeys(p.strip() for p in value.split(",") if p.strip()))
        wrong = [n for n in names if n not in get_args(Price) or n == "trade"]
        if wrong or not names:
            raise ValueError(f"{value!r}: choose among mid, bid, ask")
        return names

    @field_validator("live_periods", mode="before")
    @classmethod
    def _periods(cls, value: Any) -> Any:
        return parse_periods(value) if isinstance(value, str) else value

    @field_validator("sessions", mode="before")
    @classmethod
    def _sessions(cls, value: Any) -> Any:
        return parse_sessions(value, calendar) if isinstance(value, str) else value

    @field_validator("session_rolls", mode="before")
    @classmethod
    def _rolls(cls, value: Any) -> Any:
        return parse_rolls(value) if isinstance(value, str) else value

    @field_validator("groups", mode="before")
    @classmethod
    def _groups(cls, value: Any) -> Any:
        return parse_groups(value) if isinstance(value, str) else value

    @field_validator("kafka_options", mode="before")
    @classmethod
    def _options(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("kafka_options")
    @classmethod
    def _followed_by_all(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        options = with_file(value, info.data.get("kafka_options_file"))
        if wrong := [name for name, given in options.items() if not isinstance(given, str)]:
            raise ValueError(f"{wrong[0]} is to be given as text")
        security(options)
        return options

    @field_validator("metrics_port", "kafka_options_file", "registry_ca_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.http_host in {"0.0.0.0", "::", ""} and not self.advertised_url:  # noqa: S104  # compared with, not bound to
            raise ValueError(f"HTTP_HOST {self.http_host!r} is no address that other workers can call: set ADVERTISED_URL")
        return self

    def core(self) -> CoreConfig:
        """Return what the core is told, in microseconds."""
        return CoreConfig(
            timeframes=self.timeframes,
            quote_prices=self.quote_prices,
            lateness_us=self.lateness_ms * 1000,
            horizon_us=self.horizon_s * SECOND,
            ahead_us=self.ahead_s * SECOND,
            sessions=self.sessions,
            rolls=self.session_rolls,
            groups=self.groups,
            generation=self.generation,
        )


def read() -> Settings:
    """Return the settings of the environment.

    Raises:
        SettingsError: a variable with our prefix is unknown, or a value is wrong or missing.
    """
    unknown = environment.unknown(os.environ)  # noqa: TID251  # the one place where this service reads it
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}: see the settings table in README.md")
    try:
        return Settings()  # type: ignore[call-arg]  # the environment gives them
    except ValidationError as error:
        lines = [f"{environment.PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join(lines)) from None
