"""SHELL (environment). The sink's settings, read once at the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, FilePath, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas import environment, timeframes, tracing
from schemas.kafka_options import with_file
from schemas.timeframes import Timeframe
from schemas.topics import DEFAULT_PREFIX
from sink import access, retention
from sink.access import Access

_FILES = ("kafka_options_file", "registry_ca_file", "cassandra_password_file", "cassandra_ca_file")
_FROM_ENVIRONMENT: dict[str, Any] = {}
"""No argument at all: the type checker wants the fields named, pydantic reads them from the environment."""


class SettingsError(ValueError):
    """The settings are wrong; the text says which, in one line."""


class Settings(BaseSettings):
    """What is set by name. Prefix CANDLEWICK_; the retentions are apart (`Configuration`), for their names are open."""

    model_config = SettingsConfigDict(env_prefix=environment.PREFIX, frozen=True, hide_input_in_errors=True)

    kafka: str
    registry: str
    cassandra: str = Field(pattern=r"^[^,\s:]+:\d+(,[^,\s:]+:\d+)*$")
    cassandra_user: str = ""
    cassandra_password_file: Path | None = None
    cassandra_ca_file: Path | None = None
    keyspace: str = Field(default="md", pattern=r"^[a-z][a-z0-9_]{0,47}$")
    topic_prefix: str = Field(default=DEFAULT_PREFIX, pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$")
    kafka_options_file: Path | None = None
    kafka_options: dict[str, Any] = Field(default={}, validate_default=True)
    registry_ca_file: FilePath | None = None
    timeframes: str = timeframes.DEFAULT
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    http_host: str = "127.0.0.1"
    # None: 15 s where the keyspace has one replica, else none (see sink.offsets).
    commit_lag_s: float | None = Field(default=None, ge=0, le=3600)
    otel_sample: float = Field(default=0.0, ge=0, le=1)

    @field_validator("metrics_port", "commit_lag_s", *_FILES, mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("kafka_options")
    @classmethod
    def _with_file(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return with_file(value, info.data.get("kafka_options_file"))

    @field_validator("otel_sample")
    @classmethod
    def _can_be_traced(cls, value: float) -> float:
        return tracing.checked(value)

    @field_validator("timeframes")
    @classmethod
    def _are_timeframes(cls, value: str) -> str:
        timeframes.parse_list(value)
        return value


@dataclass(frozen=True)
class Configuration:
    """Everything the sink is told: settings, timeframes, seconds of retention by timeframe or table, access to the store."""

    settings: Settings
    timeframes: tuple[Timeframe, ...]
    retention_s: Mapping[str, int]
    access: Access


def load(environ: Mapping[str, str]) -> Configuration:
    """Return the configuration from the process's environment, `environ`.

    Raises:
        SettingsError: a CANDLEWICK_ variable is unknown, missing or wrong.
    """
    if unknown := environment.unknown(environ):
        raise SettingsError(f"unknown setting: {', '.join(unknown)}")
    try:
        settings = Settings(**_FROM_ENVIRONMENT)
        frames = timeframes.parse_list(settings.timeframes)
        days = retention.days_of(frames, retention.from_environment(environ))
        may = access.read(settings.cassandra_user, settings.cassandra_password_file, settings.cassandra_ca_file)
    except ValidationError as error:
        faults = [f"{environment.PREFIX}{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join(faults)) from None
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return Configuration(settings, frames, {name: retention.seconds(d) for name, d in days.items()}, may)
