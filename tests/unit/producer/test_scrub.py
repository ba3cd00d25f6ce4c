import json
from urllib.parse import quote, quote_plus

import pytest

from producer.scrub import masker, scrub, scrubber

KEY = "k\u00e9y/with+\"all\" & 'more'"


def test_key_disappears_as_it_is_and_as_a_url_holds_it():
    text = scrub("GET /?token=a%2Bb&x=1 failed for 'a+b'", "a+b")
    assert text == "GET /?token=***&x=1 failed for '***'"


def test_any_token_of_a_url_disappears():
    assert scrub("ws://h?TOKEN=other", "a+b") == "ws://h?TOKEN=***"


def test_empty_key_leaves_texts_alone():
    assert scrub("connection refused", "") == "connection refused"


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY),
        quote_plus(KEY),
        quote(KEY, safe="").replace("%2B", "%2b").replace("%C3%A9", "%c3%a9").replace("%2F", "%2f"),
        json.dumps(KEY)[1:-1],
        json.dumps(KEY, ensure_ascii=False)[1:-1],
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
    ],
)
def test_key_in_bytes_is_overwritten_and_everything_else_stays_in_its_place(form):
    data = b"\xff" + f'{{"a":"{form}","b":7}} {form}'.encode() + b"\x00"
    masked = masker(("", KEY))(data)
    size = len(form.encode())
    assert masked == b'\xff{"a":"' + b"*" * size + b'","b":7} ' + b"*" * size + b"\x00"


def test_where_there_is_no_key_bytes_stay_the_same():
    assert masker(())(b"token=x") == masker(("",))(b"token=x") == masker((KEY,))(b"token=x") == b"token=x"


def test_of_keys_that_hold_one_another_nothing_is_left():
    assert masker(("abc", "abcdef"))(b"<abcdef><abc>") == b"<******><***>"


def test_secret_that_is_added_later_is_taken_out_too_and_the_old_one_still_is():
    known = ["old-key"]
    without, masked = scrubber(known), masker(known)
    assert (without("old-key new-key"), masked(b"old-key new-key")) == ("*** new-key", b"******* new-key")
    known.append("new-key")
    assert (without("old-key new-key"), masked(b"old-key new-key")) == ("*** ***", b"******* *******")
