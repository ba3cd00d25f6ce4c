"""SHELL (files). A private authority and the certificates it signs, for servers that no public authority knows.

All keys are of P-256. Kafka and Cassandra take ``<server>.pem`` (key and chain in one file, PKCS#8, as Kafka's PEM key store asks
for), the registry ``<server>.crt`` and ``<server>.key``; clients need ``ca.pem`` alone, and nobody but the maker ``ca.key``.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey
AUTHORITY = "ca"
SKEW = datetime.timedelta(hours=1)
"""Certificates hold from this much before they are made: a peer's clock may be late. Our choice."""


class CertificateError(ValueError):
    """The certificates cannot be made; the text says why."""


@dataclass(frozen=True)
class Authority:
    """Who signs."""

    key: Key
    certificate: x509.Certificate


def make(folder: Path, servers: Mapping[str, Sequence[str]], days: int) -> list[Path]:
    """Write the authority, unless it is there, and a new key and certificate for each server; return what was written.

    Args:
        folder: made where it is missing; an authority in it is used again, so that clients need no new file.
        servers: name -> host names and addresses that clients call it by; the first part of the files' names.
        days: how long the certificates hold; a new authority holds ten times as long.

    Raises:
        CertificateError: a name is no file name, or the authority in the folder cannot be read.
        OSError: a file cannot be written.
    """
    if wrong := [n for n in servers if n == AUTHORITY or not n.replace("-", "").replace("_", "").isalnum()]:
        raise CertificateError(f"{wrong[0]!r} cannot be the name of a server's files")
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    authority = _kept(folder) or _new_authority(folder, days * 10, written)
    chain = _pem(authority.certificate)
    for name, hosts in servers.items():
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _pem(_signed(authority, key, name, hosts, days))
        private = _private(key)
        _write(folder / f"{name}.key", private, written)
        _write(folder / f"{name}.crt", certificate + chain, written)
        _write(folder / f"{name}.pem", private + certificate + chain, written)
    return written


def _kept(folder: Path) -> Authority | None:
    key_file, certificate_file = folder / f"{AUTHORITY}.key", folder / f"{AUTHORITY}.pem"
    if not key_file.exists() and not certificate_file.exists():
        return None
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise CertificateError(f"the authority in {folder} cannot be read: {error}") from error
    if not isinstance(key, Key) or key.public_key() != certificate.public_key():
        raise CertificateError(f"{key_file.name} and {certificate_file.name} in {folder} do not belong together")
    return Authority(key, certificate)


def _new_authority(folder: Path, days: int, written: list[Path]) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("candlewick authority")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(subject, subject, key, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder / f"{AUTHORITY}.key", _private(key), written)
    _write(folder / f"{AUTHORITY}.pem", _pem(certificate), written)
    return Authority(key, certificate)


def _signed(authority: Authority, key: Key, name: str, hosts: Sequence[str], days: int) -> x509.Certificate:
    # Both uses: a broker is a client of other brokers and of the controllers.
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        _builder(_name(name), authority.certificate.subject, key, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        .add_extension(uses, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _private(key: Key) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(file: Path, content: bytes, written: list[Path]) -> None:
    # What holds a private key is nobody else's to read, from the first byte on.
    secret = b"PRIVATE KEY" in content
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644), "wb") as out:
        out.write(content)
    new.replace(file)
    written.append(file)
