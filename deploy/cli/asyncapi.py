"""PURE. The catalogue as an AsyncAPI 3.1 document (Kafka bindings 0.5.0), for teams whose tools read that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from deploy.local.servers import DEFAULT_PORTS
from schemas.avro import FILES, schema_of
from schemas.records import Trade
from schemas.registry import COMPATIBILITY
from schemas.timeframes import Timeframe
from schemas.topics import DEAD_LETTERS, LATE_TRADES, Topic, catalogue

Node = dict[str, Any]
VERSION = "1.0.0"
"""Of the contract, not of the software: the first number is that of the topics' names, a field added counts the second."""
HEAD = "# Written by `candlewick schemas asyncapi`; a test compares it with the catalogue. Change schemas/topics.py instead.\n"
_KAFKA = f"127.0.0.1:{DEFAULT_PORTS['kafka']}"
_REGISTRY = f"http://127.0.0.1:{DEFAULT_PORTS['registry']}/apis/ccompat/v7"
_BINDING = {"bindingVersion": "0.5.0"}
_AVRO = "application/vnd.apache.avro;version=1.9.0"
_TEXT = {"type": "string"}
_HEADERS: dict[str, Node] = {
    LATE_TRADES.dataset: {"reason": "horizon: too old when it was received; state_gone: its window is forgotten."},
    DEAD_LETTERS.dataset: {
        "reason": "A short stable word.",
        "service": "Who refused it.",
        "service_version": "Its version; the processor puts it into service.",
        "schema_id": "Of the registry, where the bytes begin with one.",
        "origin": "Where input came from that never was a message.",
        "original_bytes": "How long the input was, where only its beginning is kept.",
        "masked_bytes": "How many bytes were overwritten, at the same length, because a provider repeated our key.",
        "__connect.errors.topic": "Where the message was read; absent where it never was one.",
        "__connect.errors.partition": "As above.",
        "__connect.errors.offset": "As above.",
        "__connect.errors.exception.class.name": "The kind of error.",
        "__connect.errors.exception.message": "Its words, at most 500 characters.",
    },
}


def document(timeframes: Sequence[Timeframe]) -> Node:
    """Return the document of the public topics, with names under the default prefix."""
    topics = catalogue(timeframes)
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "candlewick",
            "version": VERSION,
            "description": (
                "Candles that say how complete they are. At least once; keep the highest version. "
                f"Avro in Confluent framing, subjects <topic>-value, {COMPATIBILITY}. CONTRACT.md has the rules."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/vnd.apache.avro",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "What CANDLEWICK_KAFKA and CANDLEWICK_REGISTRY name; here those of `candlewick up`.",
                "variables": {"bootstrap": {"default": _KAFKA, "description": "host:port"}},
                "bindings": {"kafka": {"schemaRegistryUrl": _REGISTRY, "schemaRegistryVendor": "confluent", **_BINDING}},
            }
        },
        "channels": {t.dataset: _channel(t) for t in topics},
        "operations": {
            f"publish-{t.dataset}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{t.dataset}"},
                "summary": t.doc,
                "messages": [{"$ref": f"#/channels/{t.dataset}/messages/{_message_name(t)}"}],
            }
            for t in topics
        },
        "components": {"messages": {_message_name(t): _message(t) for t in topics}},
    }


def _channel(topic: Topic) -> Node:
    policy = {"cleanup.policy": topic.config["cleanup.policy"].split(","), "retention.ms": int(topic.config["retention.ms"])}
    name = _message_name(topic)
    return {
        "address": topic.name(),
        "title": topic.dataset,
        "description": topic.doc,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"kafka": {"topic": topic.name(), "topicConfiguration": policy, **_BINDING}},
    }


def _message_name(topic: Topic) -> str:
    # Candles of all closed timeframes are one message; where key or headers differ, the message is another.
    if topic.record is None:
        return "DeadLetter"
    name = topic.record.__name__
    if topic.dataset == "candles-live":
        return f"Live{name}"
    return f"Late{name}" if topic.record is Trade and topic.dataset == LATE_TRADES.dataset else name


def _message(topic: Topic) -> Node:
    message: Node = {"name": _message_name(topic)}
    if headers := _HEADERS.get(topic.dataset):
        described = {name: {**_TEXT, "description": text} for name, text in headers.items()}
        message["headers"] = {"type": "object", "properties": described}
    key = {**_TEXT, "description": f"UTF-8: {topic.key}."}
    if topic.record is None:
        message |= {
            "summary": topic.doc,
            "contentType": "application/octet-stream",
            "payload": {"type": "string", "format": "binary"},
            "bindings": {"kafka": {"key": key, **_BINDING}},
        }
        return message
    framing = {"schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent"}
    message |= {
        "summary": schema_of(topic.record)["doc"],
        "payload": {"schemaFormat": _AVRO, "schema": {"$ref": f"./{FILES[topic.record]}.avsc"}},
        "bindings": {"kafka": {"key": key, **framing, **_BINDING}},
    }
    return message


def text(node: Node) -> str:
    """Return the document as YAML: what JSON calls a scalar is written as JSON writes it, which YAML reads alike."""
    return HEAD + "".join(f"{line}\n" for line in _lines(node))


def _lines(node: Any) -> list[str]:
    lines: list[str] = []
    pairs = [("- ", v) for v in node] if isinstance(node, list) else [(f"{_key(k)}: ", v) for k, v in node.items()]
    for begin, value in pairs:
        if not isinstance(value, dict | list) or not value:
            lines.append(begin + json.dumps(value, ensure_ascii=False))
        elif begin == "- ":
            first, *rest = _lines(value)
            lines += [begin + first, *("  " + line for line in rest)]
        else:
            lines += [begin.rstrip(), *("  " + line for line in _lines(value))]
    return lines


def _key(name: str) -> str:
    return name if name.replace("-", "").replace(".", "").replace("_", "").isalnum() else json.dumps(name)
