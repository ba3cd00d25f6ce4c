"""SHELL (schema registry). The part of the Confluent API, version 7, that the pipeline needs; any registry speaking it will do.

Services look up and read; only the deploy step registers (platform rule: a service never changes the contract).
Every call has a time limit, and the two kinds of failure are two types: `RegistryUnavailableError` may pass by waiting,
`RegistryError` will not.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import requests

from schemas.avro import Schema
from schemas.wire import WireError

COMPATIBILITY = "FULL_TRANSITIVE"
"""Unknown readers and replays: every version must be readable by, and able to read, every other."""
TIMEOUT_S = (3.0, 15.0)
"""To connect, and between bytes of the answer. Our choice: a registry answers in milliseconds, also at start-up."""
UNKNOWN_FOR_S = 10.0
"""How long an id is remembered as unknown, so that a poisoned topic does not become a storm of requests. Our choice."""
_DISTRUST = re.compile(r"certificate verify failed[^(]*|no certificate or crl found")
"""OpenSSL's own words, within three layers of wrapping; the second is about a file of authorities that holds none."""
_MAX_ID = 2**31 - 1
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class RegistryError(RuntimeError):
    """The registry refused: repeating the call will not help. ``status`` is HTTP's, 0 where the answer made no sense."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RegistryUnavailableError(RegistryError):
    """The registry did not answer, or is in trouble itself (HTTP 5xx, 429): repeating the call later may help."""


class Registry:
    """One registry. Ids and schemas never change once given, so both are cached for ever; thread-safe.

    Args:
        url: of the API; ``https`` is TLS, and the server's certificate must carry the name that it is called by.
        ca_file: authorities in PEM that are trusted instead of the system's.
        pins: ids by subject, known from before: what `lookup` answers where the registry does not.
    """

    def __init__(self, url: str, ca_file: Path | None = None, pins: Mapping[str, int] | None = None) -> None:
        self._pins = dict(pins or {})
        self._url = url.rstrip("/")
        self._http = requests.Session()
        # Given with each call: what the session holds gives way to REQUESTS_CA_BUNDLE.
        self._verify: bool | str = True if ca_file is None else str(ca_file)
        self._http.headers["Accept"] = f"{_CONTENT_TYPE}, application/json"
        self._lock = Lock()
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, Schema] = {}
        self._unknown: dict[int, float] = {}

    def lookup(self, subject: str, schema_text: str) -> int:
        """Return the id under which exactly this schema is registered for `subject`; asked once, and `schema_by_id` knows it too.

        Raises:
            RegistryError: it is not registered (the deploy step has not run, or ran with another version), or under another id
                than the pinned one.
            RegistryUnavailableError: no answer, and no pin.
        """
        if (known := self._ids.get((subject, schema_text))) is not None:
            return known
        pinned = self._pins.get(subject)
        try:
            answer = self._call("POST", f"/subjects/{_part(subject)}", {"schema": schema_text}, allow=(404,))
        except RegistryUnavailableError:
            if pinned is None:
                raise
            return self._known(subject, pinned, schema_text)
        if answer is None:
            raise RegistryError(
                f"the schema of {subject} is not registered at {self._url}: run `candlewick schemas apply` first", 404
            )
        found = _id_in(answer)
        if pinned not in (None, found):
            raise RegistryError(f"{subject} is pinned to the id {pinned}, and registered as {found} at {self._url}")
        return self._known(subject, found, schema_text)

    def _known(self, subject: str, schema_id: int, schema_text: str) -> int:
        # So that a registry that goes away afterwards is not missed, by readers of our own records neither.
        self._ids[subject, schema_text] = schema_id
        self._schemas.setdefault(schema_id, json.loads(schema_text))
        return schema_id

    def register(self, subject: str, schema_text: str) -> int:
        """Register a version of `subject` and return its id; the same text again returns the same id.

        Raises:
            RegistryError: refused, status 409 when it is incompatible with a version that is there.
        """
        return _id_in(self._call("POST", f"/subjects/{_part(subject)}/versions", {"schema": schema_text}))

    def schema_by_id(self, schema_id: int) -> Schema:
        """Return the schema with which messages carrying `schema_id` were written.

        Raises:
            WireError: ``unknown_schema``: the registry has no such record schema (remembered for `UNKNOWN_FOR_S`).
            RegistryUnavailableError: no answer; says nothing about the message.
        """
        known = self._schemas.get(schema_id)
        if known is not None:
            return known
        if not 0 <= schema_id <= _MAX_ID or self._unknown.get(schema_id, 0.0) > time.monotonic():
            raise WireError("unknown_schema", f"no schema has the id {schema_id}")
        answer = self._call("GET", f"/schemas/ids/{schema_id}", allow=(400, 404, 422))
        schema = _record_in(answer)
        if schema is None:
            with self._lock:
                if len(self._unknown) > 10_000:
                    self._unknown.clear()
                self._unknown[schema_id] = time.monotonic() + UNKNOWN_FOR_S
            raise WireError("unknown_schema", f"no record schema has the id {schema_id}")
        self._schemas[schema_id] = schema
        return schema

    def versions(self, subject: str) -> list[int]:
        """Return the numbers of the versions of `subject`, oldest first; none where there is no such subject."""
        answer = self._call("GET", f"/subjects/{_part(subject)}/versions", allow=(404,))
        return [] if answer is None else [int(v) for v in answer]

    def version(self, subject: str, version: int | str = "latest") -> Schema:
        """Return one version of `subject` as a parsed schema."""
        answer = self._call("GET", f"/subjects/{_part(subject)}/versions/{version}")
        schema = _record_in(answer)
        if schema is None:
            raise RegistryError(f"version {version} of {subject} is not an Avro record")
        return schema

    def set_compatibility(self, subject: str, level: str = COMPATIBILITY) -> None:
        """Set the rule that later versions of `subject` must keep."""
        self._call("PUT", f"/config/{_part(subject)}", {"compatibility": level})

    def compatibility(self, subject: str) -> str | None:
        """Return the rule set on `subject`, or None where only the registry's default applies."""
        answer = self._call("GET", f"/config/{_part(subject)}", allow=(404,))
        return None if answer is None else str(answer.get("compatibilityLevel") or answer.get("compatibility"))

    def check(self, subject: str, schema_text: str) -> list[str]:
        """Return why the schema could not become a version of `subject`; empty when it could (or there is no subject yet)."""
        path = f"/compatibility/subjects/{_part(subject)}/versions?verbose=true"
        answer = self._call("POST", path, {"schema": schema_text}, allow=(404,))
        if answer is None or answer.get("is_compatible"):
            return []
        return [str(m) for m in answer.get("messages") or ["incompatible with a registered version"]]

    def _call(self, method: str, path: str, body: dict[str, str] | None = None, allow: tuple[int, ...] = ()) -> Any:
        # Returns the parsed answer, or None for a status in `allow`.
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": _CONTENT_TYPE}
        try:
            answer = self._http.request(
                method, self._url + path, data=data, headers=headers, timeout=TIMEOUT_S, verify=self._verify
            )
        except requests.exceptions.SSLError as error:
            # A server that is just going down breaks a handshake, too.
            if (why := _DISTRUST.search(str(error))) is None:
                raise RegistryUnavailableError(f"no answer from the registry at {self._url}: {type(error).__name__}") from error
            raise RegistryError(f"the registry at {self._url} is not trusted: {why.group().strip()}") from error
        except requests.RequestException as error:
            raise RegistryUnavailableError(f"no answer from the registry at {self._url}: {type(error).__name__}") from error
        except OSError as error:  # the file of authorities, read with the first call
            raise RegistryError(f"the authorities for the registry at {self._url} cannot be read: {error}") from error
        if answer.status_code in allow:
            return None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise RegistryUnavailableError(f"{method} {path}: {_reason(answer)}", answer.status_code)
        if not answer.ok:
            raise RegistryError(f"{method} {path}: {_reason(answer)}", answer.status_code)
        try:
            return answer.json()
        except ValueError as error:
            raise RegistryError(f"{method} {path} at {self._url}: the answer is not JSON; is this the API's URL?") from error


def _part(text: str) -> str:
    return quote(text, safe="")


def _reason(answer: requests.Response) -> str:
    try:
        body = answer.json()
        message = body.get("message") or body.get("detail") or body.get("title") if isinstance(body, dict) else None
    except ValueError:
        message = None
    return f"HTTP {answer.status_code}" + (f": {message}" if message else "")


def _id_in(answer: Any) -> int:
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
        raise RegistryError("the registry's answer has no id")
    return int(answer["id"])


def _record_in(answer: Any) -> Schema | None:
    # Other kinds (JSON Schema, Protobuf, an Avro primitive) are no schema of ours.
    if not isinstance(answer, dict) or answer.get("schemaType", "AVRO") != "AVRO":
        return None
    try:
        schema = json.loads(answer.get("schema", ""))
    except ValueError:
        return None
    return schema if isinstance(schema, dict) and schema.get("type") == "record" else None
