"""PURE. One setting for two Kafka clients: which librdkafka options there may be, and what security means to the other one.

Faust reads through aiokafka, everything else goes through librdkafka. Options that concern speed are librdkafka's alone; how to
connect and who we are concerns both, and an option that one of them would not follow is refused at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIXED = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "delivery.timeout.ms",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "isolation.level",
        "message.timeout.ms",
        "metadata.broker.list",
        "partitioner",
        "request.required.acks",
        "transactional.id",
    }
)
"""What the service promises rests on these, so they are not for setting."""
PROTOCOLS = {"plaintext": (False, False), "ssl": (True, False), "sasl_plaintext": (False, True), "sasl_ssl": (True, True)}
"""security.protocol: (TLS, SASL)."""
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
SECURITY = ("security.", "sasl.", "ssl.", "enable.ssl.", "oauthbearer", "enable.sasl.")
KNOWN = frozenset(
    {
        "security.protocol",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.password",
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
        "enable.ssl.certificate.verification",
    }
)
"""Options of security that mean the same to both clients. Names and defaults: librdkafka's CONFIGURATION.md, 2.x."""


class OptionsError(ValueError):
    """An option cannot be followed; the text says which and why, and holds no value that may be secret."""


@dataclass(frozen=True)
class Security:
    """How to connect: `mechanism` is empty without SASL; files are paths, `ca_pem` is the text itself."""

    tls: bool = False
    mechanism: str = ""
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    ca_pem: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = None
    check_name: bool = True
    check_certificate: bool = True

    def __repr__(self) -> str:
        return f"Security(tls={self.tls}, mechanism={self.mechanism!r})"  # it travels through tracebacks; secrets do not


def security(options: Mapping[str, str]) -> Security:
    """Return what librdkafka `options` say about security.

    Raises:
        OptionsError: an option is fixed, has no counterpart in the other client, or contradicts another.
    """
    for name in options:
        if name in FIXED:
            raise OptionsError(f"{name} is not for setting: what is promised rests on it")
        if name.startswith(SECURITY) and name not in KNOWN:
            raise OptionsError(f"{name} would hold for a part of the clients only; known are {', '.join(sorted(KNOWN))}")
    protocol = options.get("security.protocol", "plaintext").lower()
    if protocol not in PROTOCOLS:
        raise OptionsError(f"security.protocol {protocol!r}: choose among {', '.join(PROTOCOLS)}")
    tls, sasl = PROTOCOLS[protocol]
    _matching(options, "ssl.", wanted=tls, protocol=protocol)
    _matching(options, "sasl.", wanted=sasl, protocol=protocol)
    check = options.get("enable.ssl.certificate.verification", "true").lower()
    name_check = options.get("ssl.endpoint.identification.algorithm", "https").lower()
    if check not in ("true", "false"):
        raise OptionsError("enable.ssl.certificate.verification is true or false")
    if name_check not in ("https", "none"):
        raise OptionsError("ssl.endpoint.identification.algorithm is https or none")
    if bool(options.get("ssl.certificate.location")) != bool(options.get("ssl.key.location")):
        raise OptionsError("ssl.certificate.location and ssl.key.location belong together")
    return Security(
        tls=tls,
        mechanism=_mechanism(options) if sasl else "",
        username=options.get("sasl.username"),
        password=options.get("sasl.password"),
        ca_file=options.get("ssl.ca.location"),
        ca_pem=options.get("ssl.ca.pem"),
        certificate_file=options.get("ssl.certificate.location"),
        key_file=options.get("ssl.key.location"),
        key_password=options.get("ssl.key.password"),
        check_name=check == "true" and name_check == "https",
        check_certificate=check == "true",
    )


def _matching(options: Mapping[str, str], prefix: str, *, wanted: bool, protocol: str) -> None:
    named = sorted(name for name in options if name.startswith(prefix))
    if named and not wanted:
        raise OptionsError(f"{named[0]} has no effect with security.protocol {protocol}")


def _mechanism(options: Mapping[str, str]) -> str:
    # librdkafka knows both spellings, and neither has a default that a password goes with.
    mechanism = options.get("sasl.mechanism") or options.get("sasl.mechanisms") or ""
    if mechanism not in MECHANISMS:
        raise OptionsError(f"sasl.mechanism {mechanism!r}: choose among {', '.join(MECHANISMS)}")
    if not options.get("sasl.username") or not options.get("sasl.password"):
        raise OptionsError("sasl.username and sasl.password are needed for this mechanism")
    return mechanism
