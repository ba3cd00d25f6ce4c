import ssl

import pytest
from faust import auth

from processor.credentials import credentials
from processor.kafka_options import FIXED, KNOWN, OptionsError, Security, security

SCRAM = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "candles", "sasl.password": "not-a-secret"}


def test_without_options_nothing_is_encrypted_and_nobody_asks_who_we_are():
    assert security({}) == Security()
    assert security({"security.protocol": "PLAINTEXT"}) == Security()
    assert credentials({}) is None


def test_speed_is_librdkafkas_own():
    assert security({"linger.ms": "5", "socket.keepalive.enable": "true"}) == Security()


def test_tls_with_the_systems_authorities():
    made = credentials({"security.protocol": "SSL"})
    assert isinstance(made, auth.SSLCredentials)
    assert made.context.check_hostname
    assert made.context.verify_mode is ssl.CERT_REQUIRED


def test_a_password_over_tls():
    made = credentials({"security.protocol": "sasl_ssl", **SCRAM})
    assert isinstance(made, auth.SASLCredentials)
    assert (made.protocol.value, made.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (made.username, made.password) == ("candles", "not-a-secret")
    assert made.ssl_context is not None


def test_a_password_without_tls():
    made = credentials({"security.protocol": "sasl_plaintext", **SCRAM, "sasl.mechanism": "PLAIN"})
    assert isinstance(made, auth.SASLCredentials)
    assert (made.protocol.value, made.mechanism.value, made.ssl_context) == ("SASL_PLAINTEXT", "PLAIN", None)


def test_both_spellings_of_the_mechanism():
    options = {**SCRAM, "security.protocol": "sasl_plaintext"}
    options["sasl.mechanisms"] = options.pop("sasl.mechanism")
    assert security(options).mechanism == "SCRAM-SHA-512"


def test_the_name_or_all_of_a_certificate_may_be_trusted_unseen_when_asked_for():
    no_name = credentials({"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "none"})
    assert not no_name.context.check_hostname
    assert no_name.context.verify_mode is ssl.CERT_REQUIRED
    nothing = credentials({"security.protocol": "ssl", "enable.ssl.certificate.verification": "false"})
    assert nothing.context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize("name", sorted(FIXED))
def test_what_the_promises_rest_on_is_not_for_setting(name):
    with pytest.raises(OptionsError, match=name):
        security({name: "0"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"security.protocol": "tls"}, "choose among plaintext, ssl"),
        ({"security.protocol": "ssl", "ssl.keystore.location": "x.p12"}, "ssl.keystore.location would hold for a part"),
        ({"security.protocol": "sasl_ssl", "sasl.kerberos.principal": "x"}, "sasl.kerberos.principal would hold"),
        ({"ssl.ca.location": "ca.pem"}, "ssl.ca.location has no effect with security.protocol plaintext"),
        ({"security.protocol": "ssl", "sasl.username": "x"}, "sasl.username has no effect"),
        ({"security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI"}, "choose among PLAIN"),
        ({"security.protocol": "sasl_ssl", **SCRAM, "sasl.password": ""}, "sasl.username and sasl.password are needed"),
        ({"security.protocol": "ssl", "ssl.certificate.location": "c.pem"}, "belong together"),
        ({"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "dns"}, "https or none"),
        ({"security.protocol": "ssl", "enable.ssl.certificate.verification": "no"}, "true or false"),
    ],
)
def test_an_option_that_cannot_be_followed_is_refused_in_words(options, said):
    with pytest.raises(OptionsError, match=said):
        security(options)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(OptionsError, match="No such file"):
        credentials({"security.protocol": "ssl", "ssl.ca.location": "/nowhere/ca.pem"})


def test_a_password_is_in_no_text():
    options = {"security.protocol": "sasl_ssl", **SCRAM, "sasl.mechanism": "not-a-secret-either"}
    assert "not-a-secret" not in repr(security({**options, "sasl.mechanism": "PLAIN"}))
    with pytest.raises(OptionsError) as refused:
        security(options)
    assert "'not-a-secret'" not in str(refused.value)


def test_librdkafka_knows_every_option_that_we_do():
    from confluent_kafka import Producer

    made = {name: "x" for name in KNOWN if name.startswith("sasl.") and name != "sasl.mechanisms"} | {"sasl.mechanism": "PLAIN"}
    Producer({**made, "security.protocol": "sasl_plaintext"})
    with pytest.raises(Exception, match="No such configuration property"):
        Producer({"no.such.option": "x"})
