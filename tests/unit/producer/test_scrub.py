from producer.scrub import scrub


def test_key_disappears_as_it_is_and_as_a_url_holds_it():
    text = scrub("GET /?token=a%2Bb&x=1 failed for 'a+b'", "a+b")
    assert text == "GET /?token=***&x=1 failed for '***'"


def test_any_token_of_a_url_disappears():
    assert scrub("ws://h?TOKEN=other", "a+b") == "ws://h?TOKEN=***"


def test_empty_key_leaves_texts_alone():
    assert scrub("connection refused", "") == "connection refused"
