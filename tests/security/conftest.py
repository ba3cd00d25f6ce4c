"""The whole pipeline against servers that ask who comes, and each way not to be let in.

Not part of the default run: Kafka, registry and Cassandra are started anew, with TLS, passwords and rights. ``E2E_SECURITY=1``
(``make test-security``) runs it.
"""

import os

import pytest

from deploy.cli.targets import artifacts_folder
from deploy.local.artifacts import exclusively, install, missing
from tests.support.secured import Secured, secured_stack
from tests.support.services import candlewick
from tests.support.venue import Venue

collect_ignore_glob = [] if os.environ.get("E2E_SECURITY") else ["test_*.py"]


@pytest.fixture(scope="session")
def secured(tmp_path_factory):
    """The stack, with users, rights, topics, schemas, tables and roles made by our own commands: a Secured."""
    with exclusively(artifacts_folder()):
        if missing(artifacts_folder()):
            install(artifacts_folder(), lambda _server, _bytes: None)
    folder = tmp_path_factory.mktemp("secured")
    with secured_stack(folder) as made:
        grant_all(made)
        candlewick(made.env("operator"), "topics", "apply", limit_s=120)
        candlewick(made.env("operator"), "schemas", "apply", limit_s=120)
        candlewick(made.env("operator", "superuser"), "store", "apply", limit_s=120)
        candlewick(made.env("operator", "superuser"), "store", "roles", "--passwords", str(folder / "store"), limit_s=120)
        yield made


def grant_all(made: Secured) -> str:
    """Make users and rights as the table says; return what the command said."""
    passwords = made.folder / "users"
    passwords.mkdir(exist_ok=True)
    for file in (made.folder / "kafka").iterdir():
        if file.name != "admin":
            (passwords / file.name).write_text(file.read_text())
    return candlewick(made.env("admin"), "topics", "users", "--passwords", str(passwords), limit_s=120)


@pytest.fixture(scope="session")
def venue():
    """A simulated Finnhub."""
    made = Venue("deploy.simulator", "--seed", "3", "--token", "security-drill")
    yield made
    made.stop()
