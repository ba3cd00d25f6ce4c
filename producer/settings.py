"""SHELL (environment). The producer's settings, read once at the start."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SettingsSourceError

from producer.hours import parse_hours
from producer.symbols import parse_symbols
from schemas import environment, tracing
from schemas.groups import Groups, parse_groups
from schemas.kafka_options import with_file
from schemas.registry import Registry
from schemas.topics import DEFAULT_PREFIX

S = TypeVar("S", bound=BaseSettings)
FILE_OF_SYMBOLS = f"{environment.PREFIX}SYMBOLS_FILE"


class SettingsError(ValueError):
    """The settings are wrong; the text says which, in one line, without their values."""


class Settings(BaseSettings):
    """What every source needs. Prefix CANDLEWICK_."""

    model_config = SettingsConfigDict(env_prefix=environment.PREFIX, frozen=True, hide_input_in_errors=True)

    kafka: str
    registry: str
    schema_ids: Annotated[dict[str, int], NoDecode] = {}
    topic_prefix: str = Field(DEFAULT_PREFIX, pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$")
    kafka_options_file: Path | None = None
    kafka_options: dict[str, Any] = Field(default={}, validate_default=True)
    registry_ca_file: FilePath | None = None
    groups: Annotated[Groups, NoDecode] = ()
    metrics_port: int | None = Field(None, ge=0, le=65535)
    http_host: str = "127.0.0.1"
    symbols_file: Path | None = None
    # Our choices: two missed pings and a little; two and a half of Finnhub's 60 s pings; a minute bounds an outage's tail.
    liveness_transport_s: float = Field(45.0, gt=0)
    liveness_feed_s: float = Field(150.0, gt=0)
    liveness_records_s: float = Field(300.0, gt=0)  # of many symbols; a single quiet one needs a longer one
    liveness_loop_s: float = Field(
        60.0, gt=0
    )  # twice what the slowest turn may take, which asks Kafka and registry who is active
    liveness_hours: str | None = None
    backoff_max_s: float = Field(60.0, ge=0.2)
    bootstrap_days: int = Field(30, ge=0, le=365)
    otel_sample: float = Field(0.0, ge=0, le=1)

    @field_validator("groups", mode="before")
    @classmethod
    def _groups(cls, value: object) -> object:
        return parse_groups(value) if isinstance(value, str) else value

    @field_validator("schema_ids", mode="before")
    @classmethod
    def _ids(cls, value: object) -> object:
        return json.loads(value or "{}") if isinstance(value, str) else value

    @field_validator("otel_sample")
    @classmethod
    def _can_be_traced(cls, value: float) -> float:
        return tracing.checked(value)

    @field_validator("liveness_hours")
    @classmethod
    def _are_hours(cls, value: str | None) -> str | None:
        parse_hours(value or "")
        return value

    @field_validator("metrics_port", "symbols_file", "kafka_options_file", "registry_ca_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("kafka_options")
    @classmethod
    def _with_file(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return with_file(value, info.data.get("kafka_options_file"))

    def schema_registry(self) -> Registry:
        """Return a client of the registry, with the ids that are pinned."""
        return Registry(self.registry, self.registry_ca_file, pins=self.schema_ids)


def load(environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Return the shared settings from the environment; those `given` win.

    Raises:
        SettingsError: a CANDLEWICK_ variable is unknown, missing or wrong.
    """
    unknown = environment.unknown(os.environ if environ is None else environ)  # noqa: TID251 - this is the settings module
    if unknown:
        raise SettingsError(f"unknown setting: {', '.join(unknown)}")
    return _checked(Settings, environment.PREFIX, given)


def load_own(kind: type[S]) -> S:
    """Return a provider's own settings from the environment.

    Raises:
        SettingsError: one is wrong.
    """
    return _checked(kind, kind.model_config.get("env_prefix", ""), {})


def secret_of(variable: str, value: SecretStr, file: Path | None) -> str:
    """Return the secret of `variable`, from the file where one is named (in ``<variable>_FILE``).

    Raises:
        SettingsError: there is none, or the file cannot be read.
    """
    text = value.get_secret_value()
    if file is not None:
        text = _text_of(f"{variable}_FILE", file)
    if not text.strip():
        raise SettingsError(f"{variable} (or {variable}_FILE) is missing: the provider's key")
    return text.strip()


def wanted_of(variable: str, value: str, most: int, file: Path | None) -> tuple[str, ...]:
    """Return the symbols to subscribe, from the watched file where one is named, else from `variable`.

    Raises:
        SettingsError: none, more than `most`, one that is no printable text, or the file cannot be read.
    """
    name = variable if file is None else FILE_OF_SYMBOLS
    try:
        return parse_symbols(value if file is None else _text_of(name, file), most)
    except ValueError as error:
        raise SettingsError(f"{name} {error}") from None


def _text_of(name: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name} cannot be read: it is no UTF-8 text") from None


def _checked(kind: type[S], prefix: str, given: dict[str, Any]) -> S:
    try:
        return kind(**given)
    except SettingsSourceError as error:  # no JSON where JSON is asked for; the text names the field, never the value
        raise SettingsError(str(error)) from None
    except ValidationError as error:
        faults = [f"{prefix}{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join(faults)) from None
