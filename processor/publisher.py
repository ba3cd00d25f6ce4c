"""SHELL (Kafka). An idempotent producer whose deliveries are awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.outgoing import Send
from processor.ownership import SEND_S

TURN = 500
"""Messages handed over between two turns of the loop: some milliseconds (our choice)."""


class DeliveryError(Exception):
    """Kafka did not acknowledge what was sent; the process must restart and read its input again."""


class Lease(Protocol):
    """What allows to write, for a short while."""

    def fresh(self) -> bool:
        """Tell whether it holds."""

    async def confirm(self) -> None:
        """Take it anew, or raise."""


class Round:
    """Messages under way together, and which of them failed."""

    def __init__(self) -> None:
        self.left = 0
        self.failed: list[tuple[str | None, KafkaError]] = []
        """Topic and error of each."""

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Hear of one message's end."""
        self.left -= 1
        if error is not None:
            self.failed.append((message.topic(), error))


class Publisher:
    """Sends messages to explicit partitions and waits until all are acknowledged; several may wait at the same time."""

    def __init__(self, bootstrap: str, options: Mapping[str, str], timeout_s: float = 30.0) -> None:
        self._timeout = timeout_s
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": "candlewick-processor",
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "compression.type": "zstd",
                "linger.ms": 1,
                "message.timeout.ms": int(SEND_S * 1000),  # what is older may belong to another worker by now
                "queue.buffering.max.messages": 1_000_000,
                **options,
            }
        )

    async def send(self, messages: Iterable[Send], lease: Lease | None = None) -> None:
        """Send messages and return when Kafka has acknowledged every one; where a lease is given, none goes without it.

        With a lease, what Kafka did not take in time is sent again, in the same order, once the lease could be renewed.

        Raises:
            DeliveryError: a delivery was refused, or all took longer than the time limit.
            LostError: the lease cannot be had any more; what was handed over before is with Kafka.
        """
        deadline = time.monotonic() + self._timeout
        wanted = list(messages)
        while True:
            sending = Round()
            for number, m in enumerate(wanted, 1):
                await self._renew(lease, deadline)
                await self._produce(m, sending, deadline)
                if not number % TURN:
                    self._producer.poll(0)
                    await asyncio.sleep(0)
            while sending.left:
                await self._wait_a_little(sending, deadline)
            if not sending.failed:
                return
            again = lease is not None and all(e.code() == KafkaError._MSG_TIMED_OUT for _, e in sending.failed)
            if not again or time.monotonic() > deadline:
                topic, error = sending.failed[0]
                raise DeliveryError(f"{len(sending.failed)} deliveries failed, the first to {topic}: {error.str()}")

    async def _renew(self, lease: Lease | None, deadline: float) -> None:
        while lease is not None and not lease.fresh():
            try:
                await lease.confirm()
            except TimeoutError as error:
                if time.monotonic() > deadline:
                    raise DeliveryError("Kafka does not say who owns the partitions") from error

    async def _produce(self, m: Send, sending: Round, deadline: float) -> None:
        while True:
            try:
                self._producer.produce(
                    m.topic,
                    m.value,
                    m.key,
                    m.partition,
                    on_delivery=sending.delivered,
                    headers=m.headers,  # type: ignore[arg-type]  # None is accepted
                )
            except BufferError:
                await self._wait_a_little(sending, deadline)
            except KafkaException as error:
                raise DeliveryError(str(error)) from error
            else:
                sending.left += 1
                return

    async def _wait_a_little(self, sending: Round, deadline: float) -> None:
        self._producer.poll(0)
        if time.monotonic() > deadline:
            raise DeliveryError(f"{sending.left} messages not acknowledged after {self._timeout:.0f} s")
        await asyncio.sleep(0.001)
