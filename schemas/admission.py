"""SHELL (Kafka). Does Kafka let us in, and may we do what we are about to do? Asked once, before anything else.

librdkafka and aiokafka both try again for ever when a password is wrong, a certificate is not trusted or a right is missing, for
they cannot know that nobody will mend it meanwhile. A service knows: it ends, with one line that names the cause.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined]  # exported, not declared

from schemas.rights import Right

LIMIT_S = 20.0
"""How long Kafka may take to answer; a refusal is told as soon as it comes. Our choice: a broker starts within some seconds."""
CONNECT_S = 0.5
"""How long is waited at most before a refusal is noticed."""
RECONNECT_MS = 1000
"""Longest pause between two attempts to connect (librdkafka's own is 10 s): a broker that is back is noticed soon."""
REACH_S = 5.0
"""For `reach_s`: where a start waits for Kafka, a try ends after so long, the waiting is told, and a new client asks."""
GROUP_S = 10.0
"""How long a group's coordinator may take to answer (our choice; on a new cluster its topic is made first)."""
_REFUSALS = (KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED)
_FORBIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
_UNKNOWN = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.GROUP_ID_NOT_FOUND)
_OPERATIONS = {"Read": AclOperation.READ, "Write": AclOperation.WRITE}


class AdmissionError(Exception):
    """Kafka does not let us in or not do our work; no waiting helps. The text is one line that says why."""


class OptionsRefusedError(AdmissionError):
    """The client does not take its options: an unknown name, a bad value, a file that cannot be read."""


class UnreachedError(Exception):
    """No broker answered in time; it may yet."""


def admit(
    kafka: str,
    options: Mapping[str, Any],
    rights: Iterable[Right],
    limit_s: float = LIMIT_S,
    *,
    group: str | None = None,
    reach_s: float = LIMIT_S,
) -> None:
    """Return when Kafka has let us in and grants those of `rights` that name a topic, and the right to join `group`.

    Topics that do not exist are passed over: whoever needs them says how they are made. Other groups are not asked about, for
    the question waits for seconds on a new cluster: librdkafka's clients hear a refusal when they join, and say it.

    Args:
        kafka: bootstrap servers.
        options: further librdkafka properties.
        rights: what the service will do.
        limit_s: how long brokers may take to answer.
        reach_s: how long the first connection may take, for those who ask again and want to say meanwhile that they wait.
        group: one that is joined by a client which keeps a refusal to itself and tries again (aiokafka, inside Faust).

    Raises:
        AdmissionError: refused.
        UnreachedError: no answer.
    """
    question = _Question(kafka, options, monotonic() + limit_s, monotonic() + min(limit_s, reach_s))
    lacking = question.lacking([right for right in rights if right.kind == "topic" and not right.prefixed])
    if group is not None and not question.may_join(group):
        lacking.append(f"join the group {group}")
    if lacking:
        user = options.get("sasl.username")
        who = f"the user {user}" if user else "this client"
        raise AdmissionError(
            f"Kafka at {kafka} does not allow {who} to {', to '.join(lacking)}: ACLs are made by `candlewick topics users`"
        )


class _Question:
    """One client, asked until a limit; what it hears about the connection ends the waiting."""

    def __init__(self, kafka: str, options: Mapping[str, Any], deadline_s: float, reached_by_s: float) -> None:
        self._kafka = kafka
        self._protocol = str(options.get("security.protocol", "plaintext")).upper()
        self._deadline_s = deadline_s
        self._reached_by_s = reached_by_s
        self._refusal: KafkaError | None = None
        self._last: KafkaError | None = None
        own: dict[str, Any] = {
            "bootstrap.servers": kafka,
            "client.id": "candlewick-admission",
            "log_level": 0,
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": RECONNECT_MS,
            "error_cb": self._heard,
        }
        try:
            # A logger of its own without a handler: the refusal is told once, by who asked.
            self._admin = AdminClient({**options, **own}, logger=_silent())
        except KafkaException as error:
            raise OptionsRefusedError(f"the options of Kafka's client are refused: {error.args[0].str()}") from error

    def lacking(self, rights: list[Right]) -> list[str]:
        """Return what is not granted, as "write md.trades.v1"."""
        if not rights:
            return []
        self._reach()
        topics = TopicCollection(sorted({r.name for r in rights}))
        answers = self._answers(
            self._admin.describe_topics(topics, include_authorized_operations=True, request_timeout=self._left_s())
        )
        lacking = []
        for right in rights:
            found, error = answers[right.name]
            if error is not None and error.code() in _UNKNOWN:
                continue
            for name in right.operations:
                if name not in _OPERATIONS:
                    continue
                # Nothing at all where the broker does not tell: older ones, and those that are not Kafka itself.
                granted = None if error is not None else found.authorized_operations
                if error is not None or (granted and _OPERATIONS[name] not in granted):
                    lacking.append(f"{name.lower()} {right.name}")
        return lacking

    def may_join(self, group: str) -> bool:
        """Return whether we may read as a group; true where its coordinator does not answer in time: joining waits for that."""
        self._reach()
        limit_s = min(GROUP_S, self._left_s())
        asked = self._admin.describe_consumer_groups([group], include_authorized_operations=True, request_timeout=limit_s)
        try:
            found, error = self._answers(asked)[group]
        except UnreachedError:
            return True
        if error is not None:
            return error.code() in _UNKNOWN
        granted = found.authorized_operations
        return not granted or AclOperation.READ in granted

    def _reach(self) -> None:
        # An admin question that is asked before there is a connection can abort the process: librdkafka 2.16.0, an assertion on
        # `eonce->refcnt`, seen twice in thirty starts on a busy machine. Metadata is asked for in another way.
        # Once there was a connection, all that is left of the whole limit may be used.
        while True:
            try:
                self._admin.list_topics(timeout=min(CONNECT_S, self._left_s()))
            except KafkaException as thrown:
                self._admin.poll(0)
                self._end_if_refused()
                if monotonic() >= self._reached_by_s:
                    raise self._unreached(thrown) from thrown
            else:
                self._reached_by_s = self._deadline_s
                return

    def _unreached(self, thrown: KafkaException) -> UnreachedError:
        why = self._last or thrown.args[0]
        return UnreachedError(f"no Kafka at {self._kafka} that speaks {self._protocol}: {why.str()}")

    def _answers(self, futures: Mapping[str, Future[Any]]) -> dict[str, tuple[Any, KafkaError | None]]:
        while not all(future.done() for future in futures.values()):
            self._admin.poll(0.05)  # brings `_heard`
            self._end_if_refused()
        found: dict[str, tuple[Any, KafkaError | None]] = {}
        for name, future in futures.items():
            try:
                found[name] = future.result(), None
            except KafkaException as thrown:
                error: KafkaError = thrown.args[0]
                self._admin.poll(0)
                self._end_if_refused()
                if error.code() not in (*_FORBIDDEN, *_UNKNOWN):
                    raise self._unreached(thrown) from thrown
                found[name] = None, error
        return found

    def _left_s(self) -> float:
        return max(0.1, self._deadline_s - monotonic())

    def _end_if_refused(self) -> None:
        if self._refusal is not None:
            raise AdmissionError(f"Kafka at {self._kafka} does not let us in: {self._refusal.str()}")

    def _heard(self, error: KafkaError) -> None:
        if error.code() in _REFUSALS:
            self._refusal = self._refusal or error
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last = error


def _silent() -> logging.Logger:
    logger = logging.getLogger("candlewick.admission")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
