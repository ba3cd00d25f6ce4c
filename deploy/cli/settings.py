"""SHELL (environment). The settings of the deploy step; the same variables that the services read, where both need them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import Field, FilePath, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from deploy.cli.targets import refuse_unknown_settings
from schemas import timeframes
from schemas.environment import PREFIX
from schemas.kafka_options import with_file
from schemas.timeframes import Timeframe
from schemas.topics import DEFAULT_PREFIX


class DeploySettings(BaseSettings):
    """How topics and subjects are made. Defaults are a laptop's; production sets PARTITIONS and REPLICATION."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$", max_length=100)] = DEFAULT_PREFIX
    timeframes: str = timeframes.DEFAULT
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 4
    replication: Annotated[int, Field(ge=1, le=100)] = 1
    kafka_options_file: Path | None = None
    kafka_options: dict[str, Any] = Field(default={}, validate_default=True)
    registry_ca_file: FilePath | None = None

    @field_validator("timeframes")
    @classmethod
    def _are_timeframes(cls, value: str) -> str:
        timeframes.parse_list(value)
        return value

    @field_validator("kafka_options_file", "registry_ca_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("kafka_options")
    @classmethod
    def _with_file(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return with_file(value, info.data.get("kafka_options_file"))

    def parsed_timeframes(self) -> tuple[Timeframe, ...]:
        """Return the timeframes, shortest first."""
        return timeframes.parse_list(self.timeframes)


def deploy_settings() -> DeploySettings:
    """Read the environment.

    Raises:
        click.UsageError: a value is wrong or a CANDLEWICK_ variable unknown; exit status 2.
    """
    refuse_unknown_settings()
    try:
        return DeploySettings()
    except SettingsError as error:  # no JSON where JSON is asked for; the text names the field, never the value
        raise click.UsageError(str(error)) from None
    except ValidationError as error:
        wrong = "; ".join(f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise click.UsageError(wrong) from error
