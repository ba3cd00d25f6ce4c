import pytest

from producer.ig.verdicts import IN_FLIGHT_US, Ending, ending_of, fate_of, last_heard_us, sent_by_us

S = 1_000_000


@pytest.mark.parametrize(
    ("status", "code", "fate"),
    [
        (401, "error.security.invalid-details", "refused"),
        (401, "error.security.client-token-invalid", "expired"),
        (401, "error.security.account-token-missing", "expired"),
        (403, "error.security.api-key-disabled", "refused"),
        (403, "error.public-api.exceeded-account-allowance", "busy"),
        (403, "error.public-api.exceeded-api-key-allowance", "busy"),
        (403, "error.public-api.exceeded-account-historical-data-allowance", "spent"),
        (404, "error.price-history.io-error", "absent"),
        (404, "error.error.price-history.io-error", "absent"),
        (429, "no errorCode", "busy"),
        (500, "system.error", "failed"),
        (400, "invalid.input", "failed"),
        (400, "error.security.api-key-missing", "refused"),
        (400, "error.public-api.failure.encryption.required", "refused"),
        (502, "no errorCode", "failed"),
    ],
)
def test_rest_errors_by_what_comes_of_them(status, code, fate):
    assert fate_of(status, code) == fate


@pytest.mark.parametrize("code", [1, 0, -5])
def test_credentials_that_a_stream_does_not_take_are_wrong_only_if_they_are_fresh(code):
    assert ending_of(code, "", fresh=False).http_status is None
    assert ending_of(code, "", fresh=True).http_status == 403
    assert ending_of(code, "", fresh=False).relogin


def test_takeover_waits_long_instead_of_fighting():
    assert ending_of(35, "", fresh=False) == Ending(403, False, "another session of the same account has taken over")


@pytest.mark.parametrize(
    ("code", "status"), [(7, 429), (10, 429), (2, 403), (60, 403), (31, None), (33, None), (39, None), (61, None)]
)
def test_other_endings(code, status):
    assert ending_of(code, "why", fresh=True) == Ending(status, False, f"the stream ended with code {code}: why")


def test_stream_was_surely_there_before_the_silence_began_or_at_its_last_item():
    assert last_heard_us(100 * S, 4000, 0) == 96 * S - IN_FLIGHT_US
    assert last_heard_us(100 * S, 4000, 97 * S) == 97 * S
    assert last_heard_us(100 * S, 4000, 50 * S) == 96 * S - IN_FLIGHT_US


NOW = 1_795_575_182_000_000


@pytest.mark.parametrize(
    ("kind", "fields", "moment"),
    [
        ("price", {"TIMESTAMP": str(NOW // 1000 - 900)}, NOW - 900_000),
        ("price", {"TIMESTAMP": str(NOW // 1000 + 900)}, NOW),  # a clock ahead of ours proves no more than the receipt
        ("price", {"TIMESTAMP": None}, 0),
        ("price", {"TIMESTAMP": "20:10:11"}, 0),
        ("tick", {"UTM": str(NOW // 1000 - 5)}, NOW - 5_000),
        ("heartbeat", {"HEARTBEAT": str(NOW // 1000 - 1200)}, NOW - 1_200_000),
        ("heartbeat", {"HEARTBEAT": "4711"}, NOW - IN_FLIGHT_US),
        ("heartbeat", {"HEARTBEAT": None}, NOW - IN_FLIGHT_US),
    ],
)
def test_item_proves_what_was_sent_before_it_by_the_venues_clock(kind, fields, moment):
    assert sent_by_us(kind, fields, NOW) == moment
