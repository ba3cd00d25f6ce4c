"""SHELL (Kafka). An idempotent producer whose deliveries are awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.engine import Send
from processor.ownership import SEND_S


class DeliveryError(Exception):
    """Kafka did not acknowledge what was sent; the process must restart and read its input again."""


class Lease(Protocol):
    """What allows to write, for a short while."""

    def fresh(self) -> bool:
        """Tell whether it holds."""

    async def confirm(self) -> None:
        """Take it anew, or raise."""


class Publisher:
    """Sends messages to explicit partitions and waits until all are acknowledged."""

    def __init__(self, bootstrap: str, options: Mapping[str, str], timeout_s: float = 30.0) -> None:
        self._timeout = timeout_s
        self._failed: list[KafkaError] = []
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

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error)

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
            self._failed = []
            for m in wanted:
                await self._renew(lease, deadline)
                await self._produce(m, deadline)
            while len(self._producer):
                await self._wait_a_little(deadline)
            if not self._failed:
                return
            again = lease is not None and all(e.code() == KafkaError._MSG_TIMED_OUT for e in self._failed)
            if not again or time.monotonic() > deadline:
                raise DeliveryError(f"{len(self._failed)} deliveries failed, the first with {self._failed[0]}")

    async def _renew(self, lease: Lease | None, deadline: float) -> None:
        while lease is not None and not lease.fresh():
            try:
                await lease.confirm()
            except TimeoutError as error:
                if time.monotonic() > deadline:
                    raise DeliveryError("Kafka does not say who owns the partitions") from error

    async def _produce(self, m: Send, deadline: float) -> None:
        while True:
            try:
                self._producer.produce(
                    m.topic,
                    m.value,
                    m.key,
                    m.partition,
                    on_delivery=self._delivered,
                    headers=m.headers,  # type: ignore[arg-type]  # None is accepted
                )
                return
            except BufferError:
                await self._wait_a_little(deadline)
            except KafkaException as error:
                raise DeliveryError(str(error)) from error

    async def _wait_a_little(self, deadline: float) -> None:
        self._producer.poll(0)
        if time.monotonic() > deadline:
            raise DeliveryError(f"{len(self._producer)} messages not acknowledged after {self._timeout:.0f} s")
        await asyncio.sleep(0.001)
