"""The real stack for tests: started once a session on free ports, or taken from E2E_KAFKA, E2E_REGISTRY, E2E_CASSANDRA."""

import os
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from tests.support import oracles
from tests.support import stack as support

# A busy machine is slow at making examples, too: that is no fault of a test.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
# The same examples in every run: whether a change is right must not depend on luck. `search` draws new ones (CONTRIBUTING).
settings.register_profile("suite", derandomize=True, **PATIENT)
settings.register_profile("search", **PATIENT)
settings.load_profile("suite")

LONGEST_FIRST = (
    "integration/local_stack",
    "integration/kill",
    "integration/sink_outage",
    "integration/true_candles",
    "integration/demo",
    "integration/audit",
    "chaos/workers",
    "integration/sink_access",
    "integration/scene",
    "integration/secrets",
    "integration/producer_coinbase",
    "integration/registry",
    "integration/bootstrap",
    "integration/backfill",
    "integration/bad_input",
    "integration/sink_store",
    "chaos/outages",
    "integration/producer_lease",
    "integration/producer_ig",
    "integration/producer_finnhub",
    "integration/scenarios",
    "integration/scenarios_outage",
    "integration/retention",
)
"""Files by the time they take, as measured: with a file a worker, a long one that begins last lets the other workers idle."""


def pytest_collection_modifyitems(items):
    """Bring the long files to the front, then what needs servers, then the rest; within a file nothing moves."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    with_servers = {item.path for item in items if "stack" in getattr(item, "fixturenames", ())}

    def place(item):
        name = f"{item.path.parent.name}/{item.path.stem.removeprefix('test_')}"
        return places.get(name, len(places)), item.path not in with_servers

    items.sort(key=place)


def pytest_report_header():
    return f"stack: {support.origin()}"


def pytest_collection_finish(session):
    if any("stack" in getattr(item, "fixturenames", ()) for item in session.items) and not session.config.option.collectonly:
        support.download(session.config.pluginmanager.get_plugin("terminalreporter").write_line)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside():
    """What a developer has set for a stack of their own must not leak into tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("CANDLEWICK_", "FINNHUB_", "IG_", "COINBASE_", "CCXT_")) and name != "CANDLEWICK_ARTIFACTS":
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def recorded_market_data():
    """The folder of real recordings; where there are none, tests that compare with them are skipped and say so."""
    try:
        return oracles.data_folder()
    except oracles.NoDataError as absent:
        if os.environ.get(oracles.VARIABLE):
            raise
        pytest.skip(str(absent))


@pytest.fixture(scope="session")
def stack(_no_settings_from_outside):
    """Addresses of real servers: .kafka, .registry, .cassandra."""
    with support.running_stack() as servers:
        yield servers


@pytest.fixture(scope="module")
def make_space(stack):
    """A function (settings: CANDLEWICK_* -> value) -> Space: topics, subjects and tables of its own, gone after the module."""
    with ExitStack() as spaces:
        yield lambda settings=None: spaces.enter_context(support.space_in(stack, settings or {}))


@pytest.fixture
def space(stack):
    """A Space with default settings for one test."""
    with support.space_in(stack, {}) as made:
        yield made
