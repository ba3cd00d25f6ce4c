"""PURE. The providers by name, and what each brings to the frame that is common to all.

``python -m producer <name>`` serves one. A provider is a module ``producer/providers/<name>.py``, a line in `MODULES`, and a page
``producer/providers/<name>.md``. The module is a composition root of its own: the only place that knows its settings, its pure
source (`producer/sources`), its link and its history client. It holds

- ``SETTINGS``: its settings class (pydantic-settings, frozen, ``hide_input_in_errors``, its own prefix, no CANDLEWICK_). Every
  field has a ``description``: README's table of settings is made of them.
- ``build(settings) -> Provider``: from the shared settings and, read by `producer.settings.load_own`, its own. It raises
  `SettingsError` in one line and connects to nothing. Use `producer.secret.Secret` for keys that may come from files, and
  `producer.settings.wanted_of` for symbols, which may come from CANDLEWICK_SYMBOLS_FILE.
- ``check(provider, tell) -> None``, if it can try more than `producer.check` does for all.

Importing the module must be quick and must not need the provider's client library: import that inside ``build`` or later, and
turn its absence into a `SettingsError` that names the extra to install.

The frame (main, feed, care, intake, herald) does the rest for all: one connection at a time, back-off, watchdogs, numbering,
Kafka, statuses, the lease, symbols that change, history. A provider with needs of its own gets a field here, not a second loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from producer.history.protocol import HistoryClient
from producer.link import Connect
from producer.sources.protocol import Source

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from producer.settings import Settings

MODULES = {
    "finnhub": "producer.providers.finnhub",
    "ig": "producer.providers.ig",
    "coinbase": "producer.providers.coinbase",
    "ccxt": "producer.providers.ccxt",
}
"""The word after ``python -m producer`` -> module; imported only when it is asked for."""


@dataclass(frozen=True)
class Provider:
    """One source, ready to be served.

    Attributes:
        source: frames in, records out; its ``name`` is the first part of every series (``ccxt-kraken``).
        connect: makes the link of an attempt.
        most_symbols: how many the provider delivers; more are refused at the start, and later the old list stays.
        secrets: texts that no log, status or metric may hold; scrubbed from all that links and history say. A key that is
            replaced while the producer runs is added, and the old one stays.
        where: the address, for the log; without secrets.
        history: makes the client that asks for the past; None where the provider has none. Called once, in the history's thread.
        exact: gaps are filled with the very trades, so that no window has to be over before they are asked for.
        feed_s: silence of the provider's own frames after which the feed is stale, where CANDLEWICK_LIVENESS_FEED_S is not set.
        hours: when records are expected (`producer.hours`), where CANDLEWICK_LIVENESS_HOURS is not set; "" = nobody knows.
        note: said as the reason of every good status, such as what the provider cannot prove.
        has_new_key: tells whether another key is there than the one of the last attempt: then a refusal is not waited out.
    """

    source: Source
    connect: Connect
    most_symbols: int
    secrets: Sequence[str]
    where: str
    history: Callable[[], HistoryClient] | None = None
    exact: bool = False
    feed_s: float | None = None
    hours: str = ""
    note: str = ""
    has_new_key: Callable[[], bool] = lambda: False


class ProviderModule(Protocol):
    """What a provider's module holds; see above."""

    SETTINGS: type[BaseSettings]

    def build(self, settings: Settings) -> Provider:
        """Return the provider as the environment configures it."""


def module_of(name: str) -> ProviderModule:
    """Return the module of a provider in `MODULES`, imported now."""
    module: Any = import_module(MODULES[name])
    return cast("ProviderModule", module)
