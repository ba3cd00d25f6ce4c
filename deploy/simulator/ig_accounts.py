"""PURE. Who may use the fake IG: one user, the tokens given out, and the two allowances."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

WEEK_S = 7 * 86_400.0


class RestError(Exception):
    """An answer other than 200, as IG gives it: an HTTP status and a body ``{"errorCode": ...}``."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass
class Accounts:
    """Logins, tokens and allowances. Times are seconds of the venue's clock, which may run faster than ours."""

    identifier: str
    password: str
    api_key: str
    account: str
    random: Random
    token_s: float = 6 * 3600.0
    points: int = 10_000
    per_minute: int = 60
    spent: int = 0
    week_from_s: float | None = None
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    streamed: dict[str, str] = field(default_factory=dict)
    """CST -> the account that the login has switched to; the preferred one where there is none."""
    _calls: deque[float] = field(default_factory=deque)

    def call(self, api_key: str | None, now_s: float) -> None:
        """Admit one request of any kind.

        Raises:
            RestError: a wrong key, or too many requests in a minute.
        """
        if api_key is None:
            raise RestError(400, "error.security.api-key-missing")
        if api_key != self.api_key:
            raise RestError(403, "error.security.api-key-invalid")
        while self._calls and self._calls[0] < now_s - 60:
            self._calls.popleft()
        if len(self._calls) >= self.per_minute:
            raise RestError(403, "error.public-api.exceeded-account-allowance")
        self._calls.append(now_s)

    def login(self, identifier: object, password: object, now_s: float) -> tuple[str, str]:
        """Return new tokens: CST and X-SECURITY-TOKEN.

        Raises:
            RestError: wrong credentials.
        """
        if (identifier, password) != (self.identifier, self.password):
            raise RestError(401, "error.security.invalid-details")
        cst, xst = (f"{self.random.getrandbits(128):032x}" for _ in range(2))
        self.tokens[cst] = (xst, now_s + self.token_s)
        return cst, xst

    def check(self, cst: str | None, xst: str | None, now_s: float) -> None:
        """Admit a request by its tokens, and renew them.

        Raises:
            RestError: they are unknown or too old.
        """
        if not self.is_valid(cst, xst, now_s):
            raise RestError(401, "error.security.client-token-invalid" if cst else "error.security.client-token-missing")
        self.tokens[cst or ""] = (xst or "", now_s + self.token_s)

    @property
    def second(self) -> str:
        """The login's other account."""
        return f"{self.account}B"

    def switch(self, cst: str, account: object, now_s: float) -> str:
        """Make another account the current one; return the new X-SECURITY-TOKEN.

        Raises:
            RestError: it is not the login's other account.
        """
        if account != self.second:
            raise RestError(400, "error.switch.invalid-accountId")
        token = f"{self.random.getrandbits(128):032x}"
        self.tokens[cst] = (token, now_s + self.token_s)
        self.streamed[cst] = self.second
        return token

    def may_stream(self, user: str, cst: str, xst: str, now_s: float) -> bool:
        """Tell whether the tokens admit `user`, which has to be their login's current account."""
        return self.is_valid(cst, xst, now_s) and user == self.streamed.get(cst, self.account)

    def is_valid(self, cst: str | None, xst: str | None, now_s: float) -> bool:
        """Tell whether both tokens belong together and live."""
        known, until = self.tokens.get(cst or "", ("", 0.0))
        return bool(known) and known == xst and now_s < until

    def charge(self, points: int, now_s: float) -> tuple[int, int]:
        """Take points off the week's allowance; return what is left, and the seconds until the week is over.

        The week begins with the first request after the last one ended, as users found.

        Raises:
            RestError: not that many are left; nothing was taken.
        """
        if self.week_from_s is None or now_s >= self.week_from_s + WEEK_S:
            self.week_from_s, self.spent = now_s, 0
        if self.spent + points > self.points:
            raise RestError(403, "error.public-api.exceeded-account-historical-data-allowance")
        self.spent += points
        return self.points - self.spent, int(self.week_from_s + WEEK_S - now_s)
