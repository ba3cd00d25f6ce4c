"""IG's history over a session of plain values: whose prices are divided by what, and which hour was asked for."""

from decimal import Decimal

import pytest

from producer.history.ig import KEY_US, IgHistory
from producer.history.ig_points import Caps
from producer.history.protocol import Question, RefusedError, UnavailableError
from producer.ig.rest import Login
from schemas.timeframes import HOUR, MINUTE

T = 1_700_000_040_000_000  # 2023-11-14T22:14:00Z
NOW = T + HOUR
ALLOWANCE = {"remainingAllowance": 9990, "totalAllowance": 10000, "allowanceExpiry": 604800}


class Session:
    """Stands where the REST session does. Prices come of the hour that its real offset makes of the local time asked for."""

    def __init__(self, told_h=0.0, real_h=0.0, at_login_h=None):
        self.told_h, self.real_h = told_h, real_h
        self.at_login_h = real_h if at_login_h is None else at_login_h
        self.asked = []
        self.scales = {"A": 10000, "B": 100}

    def login(self):
        return Login("cst", "token", "ABC", "https://stream", self.told_h), False

    def forget(self, login):
        self.told_h = self.at_login_h

    def get(self, path, version, parameters=None):
        self.asked.append((path, parameters))
        if path == "/markets":
            known = [e for e in parameters["epics"].split(",") if e in self.scales]
            return {"marketDetails": [{"instrument": {"epic": e}, "snapshot": {"scalingFactor": self.scales[e]}} for e in known]}
        at = T + round((self.told_h - self.real_h) * HOUR)
        sides = {"bid": 12000.0, "ask": 12002.0, "lastTraded": None}
        row = {
            "snapshotTimeUTC": f"2023-11-14T{22 + (at - T) // HOUR:02d}:14:00",
            **dict.fromkeys(("openPrice", "highPrice", "lowPrice", "closePrice"), sides),
        }
        return {"prices": [row], "metadata": {"allowance": ALLOWANCE, "pageData": {"totalPages": 1}}}


def history(session, scales=None):
    return IgHistory(session, ("A",), prices=("mid",), scales=scales, caps=Caps(1400, 3000), delay_s=30.0, a_minute=10, file=None)


def ask(client, epic):
    return client.ask(Question(epic, T, T + MINUTE, "mid"), NOW)


def test_epic_that_was_added_since_is_divided_by_its_own_scale():
    session = Session()
    client = history(session)
    assert [ask(client, epic).candles[0].open for epic in ("A", "B", "A")] == [1.2001, 120.01, 1.2001]
    assert [p["epics"] for path, p in session.asked if path == "/markets"] == ["A", "B"]


def test_epic_whose_scale_nobody_tells_has_no_past_rather_than_a_wrong_one():
    with pytest.raises(RefusedError) as error:
        ask(history(Session()), "C")
    assert error.value.retry_at == NOW + KEY_US


def test_scales_that_are_set_are_used_and_the_others_are_as_ig_quotes():
    client = history(Session(), {"A": Decimal(10)})
    assert [ask(client, epic).candles[0].open for epic in ("A", "B")] == [1200.1, 12001.0]


@pytest.mark.parametrize("moved_h", [1.0, -1.0])
def test_prices_of_another_hour_are_no_answer_and_the_session_is_begun_anew(moved_h):
    session = Session(told_h=moved_h, real_h=0.0)
    client = history(session)
    with pytest.raises(UnavailableError, match="local time"):
        ask(client, "A")
    assert [candle.start for candle in ask(client, "A").candles] == [T]
