"""A misspelt setting is found by every service."""

from schemas.environment import SETTINGS, unknown


def test_known_settings_and_other_variables_are_let_through():
    known = {f"CANDLEWICK_{name}": "" for name in SETTINGS}
    assert unknown(known | {"CANDLEWICK_RETENTION_1m": "3", "PATH": "", "FINNHUB_TOKEN": "", "candlewick_kafka": ""}) == []


def test_unknown_settings_are_named_sorted():
    assert unknown(["CANDLEWICK_KAFKAS", "CANDLEWICK_", "CANDLEWICK_KAFKA"]) == ["CANDLEWICK_", "CANDLEWICK_KAFKAS"]


def test_every_setting_is_explained():
    assert all(len(doc) > 10 for doc in SETTINGS.values())
