"""PURE. The texts between IG's source and its link: what to subscribe, and what came of it, as JSON."""

from __future__ import annotations

import json
from typing import Any, Literal

import orjson

from producer.errors import RemoteError

_KINDS = frozenset({"price", "tick", "scale", "subscribed", "refused", "lost", "overflow", "heartbeat", "alive"})
_INTEGERS = {"lost": ("count",), "overflow": ("count", "from", "to"), "refused": ("code",)}
MAX_TEXT = 200
ITEM_KINDS = ("price", "tick", "heartbeat")
HEARTBEAT_ITEM = "TRADE:HB.U.HEARTBEAT.IP"
FIELDS: dict[str, list[str]] = {
    "price": ["BIDPRICE1", "ASKPRICE1", "BIDSIZE1", "ASKSIZE1", "TIMESTAMP", "DLG_FLAG", "DELAY"],
    "tick": ["BID", "OFR", "LTP", "LTV", "TTV", "UTM"],
    "heartbeat": ["HEARTBEAT"],
}


def wish_for(verb: Literal["subscribe", "unsubscribe"], item: str) -> str:
    """Return the wish to begin or end a subscription; `item` is the kind, a blank, and the epic."""
    kind, _, epic = item.partition(" ")
    return json.dumps({verb: kind, "epic": epic})


def wish(text: str) -> tuple[bool, str, str]:
    """Return what a text of `wish_for` asks for: (is it a subscription, kind, epic)."""
    message = json.loads(text)
    is_subscription = "subscribe" in message
    return is_subscription, message["subscribe" if is_subscription else "unsubscribe"], message["epic"]


def item_of(kind: str, epic: str, account: str) -> str:
    """Return Lightstreamer's name of an item. The account is in it, which is why items never leave the link."""
    if kind == "price":
        return f"PRICE:{account}:{epic}"
    return f"CHART:{epic}:TICK" if kind == "tick" else HEARTBEAT_ITEM


def frame(**message: Any) -> bytes:
    """Return a frame for the source."""
    return orjson.dumps(message)


def parsed(text: bytes) -> dict[str, Any]:
    """Return a frame's content, of a known type and with the fields that belong to it.

    Raises:
        RemoteError: it is none.
    """
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RemoteError("not_json", f"not JSON: {error}") from None
    if type(message) is not dict or type(message.get("type")) is not str or type(message.get("epic", "")) is not str:
        raise RemoteError("unknown_frame", "no frame of this link")
    kind = message["type"]
    if kind not in _KINDS:
        raise RemoteError("unknown_frame", "no frame of this link")
    if kind in ("price", "tick") and not _is_update(message):
        raise RemoteError("bad_update", "an update needs fields, what changed, and whether it is a snapshot")
    if any(type(message.get(name)) is not int for name in _INTEGERS.get(kind, ())):
        raise RemoteError("bad_frame", f"{kind}: numbers are missing")
    if kind in ("refused", "lost") and message.get("of") not in ITEM_KINDS:
        raise RemoteError("bad_frame", f"{kind}: of what is missing")
    if kind == "refused" and type(message.get("message")) is not str:
        raise RemoteError("bad_frame", "refused: the message is missing")
    if kind == "scale" and not _is_divisor(message.get("divisor")):
        raise RemoteError("bad_frame", "scale: a divisor above 0 is needed")
    return message


def _is_update(message: dict[str, Any]) -> bool:
    fields, changed = message.get("fields"), message.get("changed")
    return (
        type(fields) is dict
        and all(value is None or type(value) is str for value in fields.values())
        and type(changed) is list
        and all(type(name) is str for name in changed)
        and type(message.get("snapshot")) is bool
    )


def _is_divisor(value: object) -> bool:
    return type(value) is str and value.isascii() and value.isdecimal() and int(value) > 0 and len(value) < 10
