"""PURE. How the local stack's Kafka and registry are started with TLS, passwords and rights, from certificates in a folder."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path
from string import Template

from deploy.local import servers
from deploy.local.pins import KAFKA, REGISTRY
from deploy.local.servers import Place, Server

ADMIN = "admin"
ITERATIONS = 8192
"""Of the admin's SCRAM credential; Kafka's own default is 4096, its smallest."""


def kafka(place: Place, templates: Path, cluster_id: str, certificates: Path, password: str, salt: bytes) -> Server:
    """Return a broker that asks for TLS and a password, with the user `ADMIN` from its first moment.

    Args:
        place: where it lives.
        templates: folder of kafka.properties of this package; the log's settings are the local stack's.
        cluster_id: as `deploy.local.servers.kafka`'s.
        certificates: folder with ``kafka.pem`` and ``ca.pem``.
        password: of the admin; of letters and digits, for it stands between quotes in the properties.
        salt: 16 random bytes or more.

    Raises:
        ValueError: the password would end its quotes.
    """
    if not password.isalnum():
        raise ValueError("the admin's password is to be of letters and digits")
    plain = servers.kafka(place, Path(servers.__file__).parent, cluster_id)
    properties = place.config / "kafka.properties"
    values = {KAFKA: place.ports[KAFKA], "controller": place.ports["controller"], "data": place.files}
    template = Template((templates / "kafka.properties").read_text(encoding="utf-8"))
    text = template.substitute(values, certificates=certificates, password=password)
    return replace(
        plain,
        files={**plain.files, properties: text},
        before=(*plain.before, "--add-scram", credential(ADMIN, password, salt)),
    )


def credential(name: str, password: str, salt: bytes) -> str:
    """Return the argument of ``StorageTool format --add-scram``, salted here so that no process list shows the password."""
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    texts = [base64.b64encode(part).decode() for part in (salt, salted)]
    return f'SCRAM-SHA-512=[name={name},iterations={ITERATIONS},salt="{texts[0]}",saltedpassword="{texts[1]}"]'


def registry(place: Place, certificates: Path) -> Server:
    """Return a registry that answers over TLS alone, with ``registry.crt`` and ``registry.key`` of the folder."""
    plain = servers.registry(place)
    options = {
        "quarkus.http.insecure-requests": "disabled",
        "quarkus.http.ssl-port": place.ports[REGISTRY],
        "quarkus.http.ssl.certificate.files": certificates / "registry.crt",
        "quarkus.http.ssl.certificate.key-files": certificates / "registry.key",
    }
    at = plain.argv.index("-jar")
    return replace(plain, argv=(*plain.argv[:at], *(f"-D{n}={v}" for n, v in options.items()), *plain.argv[at:]))
