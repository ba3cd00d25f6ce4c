"""IG's REST session against a server on loopback: what it learns of the session's local time while it lives."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from pydantic import SecretStr

from producer.ig.rest import IgRest
from producer.secret import Secret


class Venue(HTTPServer):
    """Lets everybody in at `login_h` hours from UTC, and says `told` to those who ask how their session is."""

    login_h, told = 0, {}

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(
            {
                "currentAccountId": "ABC12",
                "lightstreamerEndpoint": "http://127.0.0.1:1",
                "accounts": [{"accountId": "ABC12"}],
                "timezoneOffset": self.server.login_h,
            }
        )

    def do_GET(self):
        self._say(self.server.told)

    def _say(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        for name, value in {"CST": "c", "X-SECURITY-TOKEN": "x", "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def venue():
    made = Venue()
    thread = Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(5)


def rest_of(venue):
    names = ("identifier", "password", "api_key")
    return IgRest(f"http://127.0.0.1:{venue.server_port}", **{name: Secret(name, SecretStr(f"a {name}")) for name in names})


@pytest.mark.parametrize(
    ("told", "hours"),
    [({"timezoneOffset": 1}, 1.0), ({"timezoneOffset": 5.5}, 5.5), ({}, 0.0), ({"timezoneOffset": None}, 0.0), ([], 0.0)],
)
def test_renewal_learns_the_local_time_that_daylight_saving_moves(venue, told, hours):
    rest = rest_of(venue)
    login, _ = rest.login()
    venue.told = told
    rest.keep_alive()
    moved, is_new = rest.login()
    assert (moved.offset_h, moved.stream_password, is_new) == (hours, login.stream_password, False)


def test_tokens_of_before_the_move_are_forgotten_all_the_same(venue):
    rest = rest_of(venue)
    login, _ = rest.login()
    venue.told = {"timezoneOffset": 1}
    rest.keep_alive()
    rest.forget(login)
    assert rest.login()[1]
