"""SHELL (files, through Faust). Faust's credentials out of the options that all other clients are given."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from faust import auth

from processor.kafka_options import OptionsError, Security, security


def credentials(options: Mapping[str, str]) -> auth.Credentials | None:
    """Return what Faust's clients need in order to connect as librdkafka does with `options`; None for a plain connection.

    Raises:
        OptionsError: an option has no counterpart, or a file of certificates cannot be read.
    """
    wanted = security(options)
    context = _context(wanted) if wanted.tls else None
    if wanted.mechanism:
        return auth.SASLCredentials(
            username=wanted.username, password=wanted.password, mechanism=wanted.mechanism, ssl_context=context
        )
    return auth.SSLCredentials(context) if context is not None else None


def _context(wanted: Security) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=wanted.ca_file, cadata=wanted.ca_pem)
        if wanted.certificate_file is not None:
            context.load_cert_chain(wanted.certificate_file, wanted.key_file, wanted.key_password)
    except (OSError, ssl.SSLError) as error:
        raise OptionsError(f"ssl.*: {error}") from error
    context.check_hostname = wanted.check_name
    if not wanted.check_certificate:
        context.verify_mode = ssl.CERT_NONE
    return context
