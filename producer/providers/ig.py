"""SHELL (composition). IG: its settings, and how its source, link and history are made of them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from producer.history.ig_points import Caps
from producer.providers import Provider
from producer.secret import Secret
from producer.settings import Settings, SettingsError, load_own, wanted_of
from producer.sources.ig import MAX_SUBSCRIPTIONS, Ig
from schemas.records import Price

FEED_S = 60.0
"""Our choice: the heartbeat item comes every second or so, and without one the link itself speaks every few seconds."""


class IgSettings(BaseSettings):
    """IG's own. Prefix IG_."""

    model_config = SettingsConfigDict(env_prefix="IG_", frozen=True, hide_input_in_errors=True)

    identifier: SecretStr = Field(SecretStr(""), description="The user name of the login (required)")
    password: SecretStr = Field(SecretStr(""), description="The password of the login (required)")
    password_file: Path | None = Field(
        None, description="File with the password, instead of IG_PASSWORD; read again at each login"
    )
    api_key: SecretStr = Field(SecretStr(""), description="The key of the application (required)")
    api_key_file: Path | None = Field(None, description="File with the key, instead of IG_API_KEY; read again at each request")
    account: str = Field("", description="The account whose prices are streamed; empty = the login's preferred one")
    epics: str = Field("", description="Comma-separated epics whose quotes are streamed, at most 40")
    trades: str = Field("", description="Those of the epics that trade on an exchange: their trades are streamed too")
    url: str = Field(
        "https://api.ig.com/gateway/deal",
        pattern=r"^https?://[^\s?#]+$",
        description="IG's REST pages; the demo accounts' are https://demo-api.ig.com/gateway/deal",
    )
    source: str = Field("ig", pattern=r"^[a-z][a-z0-9-]*$", description="Name of the source; a second account needs its own")
    scales: str = Field(
        "",
        pattern=r"^(markets|[^=,\s]+=[1-9]\d{0,8}(,[^=,\s]+=[1-9]\d{0,8})*)?$",
        description="What prices are divided by: epic=10000[,...], or markets = IG's scalingFactor; empty = as IG quotes them",
    )
    heartbeat: bool = Field(True, description="Subscribe IG's heartbeat item, where one of the 40 subscriptions is free")
    keepalive_ms: int = Field(2000, ge=500, le=30_000, description="Silence after which the stream is asked to say that it lives")
    refresh_s: float = Field(3600.0, gt=0, description="How often the login is renewed; IG's tokens live for 6 hours unused")
    points_file: Path | None = Field(None, description="File that keeps the week's points over restarts; empty = asked anew")
    gap_points_a_day: int = Field(1400, ge=0, description="Historical prices that gaps may cost in a day; IG gives 10000 a week")
    bootstrap_points: int = Field(3000, ge=0, description="Historical prices that bootstraps may cost in a week")
    history_prices: str = Field(
        "mid",
        pattern=r"^(mid|bid|ask)(,(mid|bid|ask))*$",
        description="Which prices of the past are loaded before live: mid, bid, ask",
    )
    candle_delay_s: float = Field(30.0, ge=0, description="How long after its end a minute of the past is asked for")
    requests_a_minute: int = Field(10, ge=1, description="Requests for history; IG admits 30 to an account, 10 to a demo one")

    @field_validator("password_file", "api_key_file", "points_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


SETTINGS = IgSettings


def build(settings: Settings) -> Provider:
    """Return IG as the environment configures it.

    Raises:
        SettingsError: credentials or epics are missing or wrong, or there are more than 40 subscriptions.
    """
    own = load_own(IgSettings)
    try:
        from producer.history.ig import IgHistory
        from producer.ig.link import IgLink
        from producer.ig.rest import IgRest
    except ModuleNotFoundError as error:
        raise SettingsError(f"{error.name} is not installed: install candlewick[producer]") from None
    _check_encrypted(own.url)
    known: list[str] = []
    identifier = Secret("IG_IDENTIFIER", own.identifier, None, known)
    password = Secret("IG_PASSWORD", own.password, own.password_file, known)
    api_key = Secret("IG_API_KEY", own.api_key, own.api_key_file, known)
    if own.account:
        known.append(own.account)
    epics = wanted_of("IG_EPICS", own.epics, MAX_SUBSCRIPTIONS, settings.symbols_file)
    traded = _traded(own.trades, epics)
    used = len(epics) + len(traded)
    if used > MAX_SUBSCRIPTIONS:
        raise SettingsError(f"IG_EPICS and IG_TRADES need {used} subscriptions; IG gives {MAX_SUBSCRIPTIONS} to a connection")
    rest = IgRest(own.url, identifier=identifier, password=password, api_key=api_key, account=own.account)
    scales = None if own.scales == "markets" else _scales(own.scales)
    source = Ig(epics, traded=traded, scales=scales, heartbeat=own.heartbeat, name=own.source)
    return Provider(
        source=source,
        connect=lambda inbox, number: IgLink(
            rest,
            inbox,
            number,
            keepalive_ms=own.keepalive_ms,
            refresh_s=own.refresh_s,
            scaled=source.symbols if scales is None else None,
            secrets=known,
        ),
        most_symbols=MAX_SUBSCRIPTIONS - len(traded),
        secrets=known,
        where=own.url,
        history=lambda: IgHistory(
            rest,
            epics,
            prices=cast("tuple[Price, ...]", tuple(dict.fromkeys(own.history_prices.split(",")))),
            scales=scales,
            caps=Caps(own.gap_points_a_day, own.bootstrap_points),
            delay_s=own.candle_delay_s,
            a_minute=own.requests_a_minute,
            file=own.points_file,
        ),
        feed_s=FEED_S,
        has_new_key=lambda: password.has_changed() or api_key.has_changed(),
    )


def _check_encrypted(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise SettingsError("IG_URL has to begin with https, for the password goes there")


def _traded(text: str, epics: tuple[str, ...]) -> frozenset[str]:
    traded = frozenset(name.strip() for name in text.split(",") if name.strip())
    if unknown := sorted(traded - set(epics)):
        raise SettingsError(f"IG_TRADES names epics that IG_EPICS does not: {', '.join(unknown)}")
    return traded


def _scales(text: str) -> dict[str, Decimal]:
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return {epic: Decimal(divisor) for epic, _, divisor in pairs}
