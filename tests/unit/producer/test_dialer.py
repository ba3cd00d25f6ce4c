"""When the next attempt begins."""

from time import monotonic

from producer.backoff import Backoff
from producer.dialer import Dialer
from producer.inbox import Inbox, Item


class NoLink:
    """A link that did not come about."""

    def start(self):
        pass

    def join(self, timeout_s):
        return True


def test_refusal_is_waited_out_but_for_another_key():
    new_key = [False]
    dialer = Dialer(lambda *_: NoLink(), Inbox(), Backoff(60.0), lambda: 0.5, lambda: new_key[0])
    for status, is_due in ((401, True), (403, True), (429, False), (None, False)):
        new_key[0] = False
        dialer.begin()
        assert not dialer.is_due()
        dialer.lost(Item(dialer.attempt, "failed", 0, monotonic(), http_status=status))
        assert not dialer.is_due()
        new_key[0] = True
        assert dialer.is_due() is is_due
