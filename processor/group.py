"""SHELL (Kafka, through Faust). How a worker joins its group: every setting of Faust that we depend on, in one place."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from importlib.metadata import version

from processor import fetch
from processor.credentials import credentials
from processor.driver import PINNED, BatchApp, BatchTables
from processor.ownership import SESSION_S
from processor.settings import Settings
from schemas import topics


def make_app(settings: Settings, inputs: Sequence[str], partitions: int, url: str) -> BatchApp:
    """Return an app that has joined nothing yet.

    Args:
        settings: the service's.
        inputs: the topics it reads, all with the same partitions.
        partitions: how many.
        url: where this worker answers over HTTP; the group's other members learn it with each assignment. May be empty.

    Raises:
        RuntimeError: Faust or what it stands on is not the version the driver is made for.
    """
    for package, wanted in PINNED.items():
        if version(package) != wanted:
            raise RuntimeError(f"{package} is {version(package)}; the batch driver is made for {wanted} and reaches into it")
    app = BatchApp(
        topics.group_name(topics.PROCESSOR_GROUP, settings.topic_prefix),
        broker=[f"kafka://{host}" for host in settings.kafka.split(",")],
        broker_credentials=credentials(settings.kafka_options),
        value_serializer="raw",
        key_serializer="raw",
        topic_allow_declare=False,  # the deploy step creates topics
        topic_disable_leader=True,
        topic_partitions=partitions,
        autodiscover=False,
        web_enabled=False,  # Faust's own pages show tables to anyone
        # Faust tells members apart by their URL, so one that serves no HTTP needs a name too.
        canonical_url=url or f"none:{socket.gethostname()}-{os.getpid()}",
        worker_redirect_stdouts=False,
        stream_buffer_maxsize=16,  # counts batches
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 << 20,
        broker_commit_every=1_000_000,
        broker_session_timeout=SESSION_S,  # a killed worker is replaced this soon; heartbeats come from a thread of their own
        broker_heartbeat_interval=1,  # also how soon a member hears that another joined
        broker_rebalance_timeout=60,
        broker_request_timeout=90,
        broker_max_poll_interval=300,
        producer_acks=-1,
        producer_linger=0.02,
        producer_request_timeout=60,
        table_standby_replicas=0,
        TableManager=BatchTables,
    )
    app.batch_topics = frozenset(inputs)
    fetch.install(app.batch_topics)
    return app
