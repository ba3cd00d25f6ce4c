"""SHELL (environment). The settings of the deploy step; the same variables that the services read, where both need them."""

from __future__ import annotations

from typing import Annotated, Any

import click
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from deploy.cli.targets import refuse_unknown_settings
from schemas import timeframes
from schemas.environment import PREFIX
from schemas.timeframes import Timeframe
from schemas.topics import DEFAULT_PREFIX


class DeploySettings(BaseSettings):
    """How topics and subjects are made. Defaults are a laptop's; production sets PARTITIONS and REPLICATION."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$", max_length=100)] = DEFAULT_PREFIX
    timeframes: str = timeframes.DEFAULT
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 4
    replication: Annotated[int, Field(ge=1, le=100)] = 1
    kafka_options: dict[str, Any] = {}

    @field_validator("timeframes")
    @classmethod
    def _are_timeframes(cls, value: str) -> str:
        timeframes.parse_list(value)
        return value

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
