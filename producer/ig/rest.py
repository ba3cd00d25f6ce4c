"""SHELL (HTTP). IG's REST session, version 2: logs in, keeps its tokens alive, asks, logs out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from threading import RLock
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests

from producer.errors import ProducerError
from producer.ig.verdicts import Fate, fate_of
from producer.scrub import scrubber
from producer.secret import Secret

# Our choices: to connect, and between two pieces of an answer; a whole answer; for the request of another thread to end.
TIMEOUT_S = (5.0, 10.0)
WHOLE_S = 20.0
WAIT_S = 30.0
LOG_OUT_S = (1.0, 2.0)  # nobody waits for it at the end
MAX_ANSWER = 16 << 20
JSON = "application/json; charset=UTF-8"


class IgError(ProducerError):
    """A request that did not bring what it was to bring; `fate` says what comes of it. The text holds no secret."""

    def __init__(self, fate: Fate, detail: str) -> None:
        super().__init__(detail)
        self.fate = fate

    @property
    def http_status(self) -> int | None:
        """The kind of failure as a link tells it: 403 a person has to act, 429 too often, None anything else."""
        return {"refused": 403, "busy": 429}.get(self.fate)


@dataclass(frozen=True, repr=False)
class Login:
    """What a login gave. Not printable by accident: the tokens are as good as a password."""

    cst: str
    security_token: str
    account: str
    streaming: str
    offset_h: float = 0.0
    """Hours that the session's local time, in which prices are asked for, is ahead of UTC."""

    @property
    def stream_password(self) -> str:
        """The password of the stream, whose user is the account."""
        return f"CST-{self.cst}|XST-{self.security_token}"


class IgRest:
    """One login of one account, shared by the stream and the history: any thread, one request at a time."""

    def __init__(self, url: str, *, identifier: Secret, password: Secret, api_key: Secret, account: str = "") -> None:
        self._url = url.rstrip("/")
        self._identifier = identifier
        self._password = password
        self._api_key = api_key
        self._account = account
        self._secrets = (identifier, password, api_key)
        self._http = requests.Session()
        self._http.trust_env = False  # a .netrc must not add a login of its own
        self._login: Login | None = None
        self._lock = RLock()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # A peer that trickles bytes can hold a request for long, but not those who come after it.
        if not self._lock.acquire(timeout=WAIT_S):
            raise IgError("failed", "an earlier request does not come to its end")
        try:
            yield
        finally:
            self._lock.release()

    def login(self) -> tuple[Login, bool]:
        """Return the login, and whether it was made now.

        Raises:
            IgError: IG does not let us in.
        """
        with self._alone():
            if self._login is not None:
                return self._login, False
            self._login = self._log_in()
            return self._login, True

    def forget(self, login: Login) -> None:
        """Note that the tokens of `login` are of no use any more; the next request logs in."""
        if self._login is not None and self._login.stream_password == login.stream_password:
            self._login = None

    def get(self, path: str, version: int, parameters: dict[str, Any] | None = None) -> Any:
        """Return the JSON of a page. Tokens that have grown old are replaced once, without a word.

        Raises:
            IgError: the answer is an error, comes too late, or is none.
        """
        with self._alone():
            for is_last in (False, True):
                login, _ = self.login()
                try:
                    return self._ask("GET", path, version, login=login, parameters=parameters)[0]
                except IgError as error:
                    if error.fate != "expired":
                        raise
                    self.forget(login)
                    if is_last:
                        raise IgError("refused", "tokens given out just now are not accepted") from None
            raise AssertionError("unreachable")

    def keep_alive(self) -> None:
        """Renew the tokens by a cheap request; where they are gone (each weekend, at IG's maintenance), log in again.

        It tells the session's local time, too, which daylight saving moves while the session lives.

        Raises:
            IgError: as `get`.
        """
        with self._alone():
            answer = self.get("/session", 1)
            told = answer.get("timezoneOffset") if isinstance(answer, dict) else None
            if self._login is not None and isinstance(told, int | float):
                self._login = replace(self._login, offset_h=float(told))

    def log_out(self) -> None:
        """Give the tokens back, if there are any; where that fails they grow old by themselves. The next request logs in."""
        login, self._login = self._login, None
        if login is not None:
            with suppress(IgError):
                self._ask("DELETE", "/session", 1, login=login, timeout_s=LOG_OUT_S)

    def _log_in(self) -> Login:
        body: dict[str, Any] = {"identifier": self._identifier.read(), "password": self._password.read()}
        answer, headers = self._ask("POST", "/session", 2, body=body)
        try:
            current, streaming = answer["currentAccountId"], answer["lightstreamerEndpoint"]
            accounts = [account["accountId"] for account in answer["accounts"]]
            offset_h = float(answer.get("timezoneOffset") or 0)
            login = Login(headers["CST"], headers["X-SECURITY-TOKEN"], current, streaming, offset_h)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise IgError("failed", "the answer to the login is not the documented one") from None
        if not all(type(text) is str and text for text in (login.account, login.streaming)):
            raise IgError("failed", "the answer to the login is not the documented one")
        if not login.streaming.startswith(("https://", f"{urlsplit(self._url).scheme}://")):
            raise IgError("failed", "the streaming address of the login is not encrypted")
        if self._account in ("", current):
            return login
        if self._account not in accounts:
            raise IgError("refused", "IG_ACCOUNT is none of the accounts of this login")
        _, headers = self._ask("PUT", "/session", 1, login=login, body={"accountId": self._account, "defaultAccount": False})
        token = headers.get("X-SECURITY-TOKEN", login.security_token)
        return replace(login, security_token=token, account=self._account)

    def _ask(
        self,
        method: str,
        path: str,
        version: int,
        *,
        login: Login | None = None,
        parameters: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        timeout_s: tuple[float, float] = TIMEOUT_S,
    ) -> tuple[Any, Any]:
        headers = {"X-IG-API-KEY": self._api_key.read(), "VERSION": str(version), "Accept": JSON, "Content-Type": JSON}
        if login is not None:
            headers |= {"CST": login.cst, "X-SECURITY-TOKEN": login.security_token}
        try:
            with self._http.request(
                method, self._url + path, params=parameters, json=body, headers=headers, timeout=timeout_s, stream=True
            ) as response:
                text, deadline_s = b"", monotonic() + WHOLE_S
                for piece in response.iter_content(1 << 12):
                    text += piece
                    if len(text) > MAX_ANSWER or monotonic() > deadline_s:
                        raise IgError("failed", f"{method} {path}: an answer too long or too slow")
                status, answer_headers = response.status_code, response.headers
        except requests.RequestException as error:
            # The class alone: texts of these errors hold URLs, and a proxy's may hold more.
            raise IgError("failed", f"{method} {path}: {type(error).__name__}") from None
        answer = _json(text)
        if not 200 <= status < 300:
            code = answer.get("errorCode") if isinstance(answer, dict) else None
            known = [text for secret in self._secrets for text in secret.known]
            shown = scrubber(known)(code)[:100] if isinstance(code, str) else "no errorCode"
            raise IgError(
                fate_of(status, code if isinstance(code, str) else shown),
                f"{method} {path.split('/')[1]}: HTTP {status}, {shown}",
            )
        if answer is None and text:
            raise IgError("failed", f"{method} {path.split('/')[1]}: the answer is no JSON")
        return answer, answer_headers


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
