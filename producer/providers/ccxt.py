"""SHELL (composition). Any exchange that ccxt knows: its settings, and how its source, link and history are made of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from producer.ccxt_link import CcxtLink
from producer.history.ccxt import CcxtHistory
from producer.providers import Provider
from producer.settings import Settings, SettingsError, load_own, wanted_of
from producer.sources.ccxt import Ccxt

MAX_SYMBOLS = 200
"""Our choice: what one process takes from one exchange; exchanges have limits of their own."""
NOTE = "no gap proof: this way cannot show that nothing is missing"
TRADES_LIMIT = 100_000
"""The library's buffer of trades a symbol; with its own 1,000, a burst of 20,000 lost 11,428 of them without a sign."""
_SECRETS = ("apiKey", "secret", "password", "token", "privateKey", "uid", "login", "twofa")


class CcxtSettings(BaseSettings):
    """ccxt's own. Prefix CCXT_."""

    model_config = SettingsConfigDict(env_prefix="CCXT_", frozen=True, hide_input_in_errors=True)

    exchange: str = Field("", description="The exchange, by ccxt's name, such as kraken; the source is then ccxt-kraken")
    symbols: str = Field("", description="Comma-separated symbols as ccxt spells them, such as BTC/USD")
    options: dict[str, Any] = Field(
        {}, description="What the exchange's class of ccxt is made with, as a JSON object: keys, urls, options"
    )


SETTINGS = CcxtSettings


def build(settings: Settings) -> Provider:
    """Return an exchange as the environment configures it.

    Raises:
        SettingsError: the library is not installed, or exchange or symbols are missing or wrong.
    """
    own = load_own(CcxtSettings)
    if not own.exchange:
        raise SettingsError("CCXT_EXCHANGE is missing: an exchange by ccxt's name, such as kraken")
    symbols = wanted_of("CCXT_SYMBOLS", own.symbols, MAX_SYMBOLS, settings.symbols_file)
    waiting, asking = _classes(own.exchange)
    secrets = tuple(str(own.options[name]) for name in _SECRETS if own.options.get(name))
    options = {"enableRateLimit": True, **own.options}
    options["options"] = {"tradesLimit": TRADES_LIMIT, **(own.options.get("options") or {})}

    def exchange(kind: Any) -> Any:
        made = kind(options)
        made.number = str  # prices as the exchange wrote them, read once
        made.newUpdates = True
        return made

    return Provider(
        source=Ccxt(symbols, f"ccxt-{own.exchange}"),
        connect=lambda inbox, number: CcxtLink(lambda: exchange(waiting), secrets, inbox, number),
        most_symbols=MAX_SYMBOLS,
        secrets=secrets,
        where=f"ccxt {own.exchange}",
        history=lambda: CcxtHistory(lambda: exchange(asking), secrets),
        note=NOTE,
    )


def _classes(exchange: str) -> tuple[Any, Any]:
    # The streaming class where the exchange has one, else the asynchronous; and the plain one, for history.
    try:
        plain: Any = import_module("ccxt")
        streaming: Any = import_module("ccxt.pro")
        asynchronous: Any = import_module("ccxt.async_support")
    except ImportError:
        raise SettingsError('ccxt is not installed: pip install "candlewick[ccxt]"') from None
    if exchange not in plain.exchanges:
        raise SettingsError(f"CCXT_EXCHANGE: ccxt knows no exchange of this name; it has {len(plain.exchanges)}, such as kraken")
    return getattr(streaming if exchange in streaming.exchanges else asynchronous, exchange), getattr(plain, exchange)
