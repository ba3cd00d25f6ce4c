"""The published schemas change on purpose only: compatible, documented, and with this test changed beside them."""

import json
from hashlib import sha256

import pytest

from deploy.cli.compatibility import without_doc
from schemas.avro import FILES, schema_of, schema_text, without_extras
from schemas.records import Quote, Trade

FINGERPRINTS = {
    "trade": "9dced9ee90b16886",
    "quote": "bb434649c5aa190b",
    "feed_status": "a133562fde86ad26",
    "history_candle": "8493a6a403226656",
    "candle": "850796d9b78f2022",
    "gap": "6f7d7f639ece747f",
}


@pytest.mark.parametrize("kind", FILES, ids=FILES.values())
def test_a_schema_changes_only_together_with_its_fingerprint(kind):
    """Read CONTRIBUTING before changing it: only fields with a default may be added, nothing renamed, retyped or reordered."""
    canonical = json.dumps(schema_of(kind), sort_keys=True, separators=(",", ":"))
    assert sha256(canonical.encode()).hexdigest()[:16] == FINGERPRINTS[FILES[kind]]


@pytest.mark.parametrize("kind", FILES, ids=FILES.values())
def test_every_record_and_field_is_documented(kind):
    assert without_doc(schema_of(kind)) == []


@pytest.mark.parametrize("kind", FILES, ids=FILES.values())
def test_every_enum_has_a_default_symbol_so_that_it_can_grow(kind):
    def enums(node):
        if isinstance(node, list):
            return [e for n in node for e in enums(n)]
        if not isinstance(node, dict):
            return []
        if node.get("type") == "enum":
            return [node]
        return [e for value in node.values() for e in enums(value)]

    assert all(e.get("default") in e["symbols"] for e in enums(schema_of(kind)))


@pytest.mark.parametrize("kind", FILES, ids=FILES.values())
def test_instants_are_marked_as_microseconds(kind):
    for field in schema_of(kind)["fields"]:
        if field["name"].endswith("_time") or field["name"] in ("start", "end", "since", "sent_at", "good_from", "good_until"):
            assert "timestamp-micros" in json.dumps(field["type"]), field["name"]


@pytest.mark.parametrize("kind", [Trade, Quote])
def test_records_read_in_blocks_hold_no_nullable_enum_and_no_named_type_twice(kind):
    """polars' reader panics on them."""
    fields = without_extras(schema_of(kind))["fields"]
    named = [f["type"]["name"] for f in fields if isinstance(f["type"], dict) and "name" in f["type"]]
    assert len(named) == len(set(named))
    assert not [f for f in fields if isinstance(f["type"], list) and any(isinstance(b, dict) for b in f["type"])]


def test_texts_are_what_is_registered():
    assert json.loads(schema_text(Trade)) == schema_of(Trade)
