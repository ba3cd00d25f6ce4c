"""An incompatible change is explained by the field that makes it so."""

import copy

import pytest

from deploy.cli.compatibility import differences, without_doc
from schemas.avro import FILES, schema_of
from schemas.records import FeedStatus, Trade


def changed(change, kind=Trade):
    schema = copy.deepcopy(schema_of(kind))
    change(schema, {f["name"]: f for f in schema["fields"]})
    return schema


def add(**field):
    return lambda schema, _: schema["fields"].append({"name": "extra", "type": "long", "doc": "x", **field})


def without(name):
    def change(schema, _):
        schema["fields"] = [f for f in schema["fields"] if f["name"] != name]

    return change


@pytest.mark.parametrize("kind", FILES, ids=FILES.values())
def test_a_schema_is_compatible_with_itself(kind):
    assert differences(schema_of(kind), schema_of(kind)) == []


@pytest.mark.parametrize(
    "change",
    [
        add(default=0),
        without("conditions"),
        lambda _, f: f["price"].update(doc="other words"),
        lambda _, f: f["event_time"].update(type="long"),
        lambda _, f: f["side"]["type"]["symbols"].append("cross"),
        lambda schema, _: schema["fields"].reverse(),
    ],
)
def test_compatible_changes_are_let_through(change):
    assert differences(schema_of(Trade), changed(change)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (add(), "field extra is new and has no default"),
        (without("price"), "field price is gone"),
        (lambda _, f: f["price"].update(type="string"), "field price changed its type from double to string"),
        (lambda _, f: f["price"].update(type=["null", "double"]), "field price changed its type from double to null or double"),
        (lambda _, f: f["trade_id"].update(type=["null", "long"]), "field trade_id changed its type from string to long"),
        (lambda _, f: f["size"].update(name="quantity"), "field size is gone"),
        (lambda _, f: f["kind"]["type"].update(symbols=["update"]), "field kind has the default symbol trade"),
        (
            lambda _, f: (f["side"]["type"].pop("default"), f["side"]["type"]["symbols"].remove("buy")),
            "field side lost the symbols buy",
        ),
        (lambda schema, _: schema.update(name="Deal"), "record Trade is called Deal now"),
    ],
)
def test_incompatible_changes_name_the_field(change, said):
    assert any(line.startswith(said) for line in differences(schema_of(Trade), changed(change)))


def test_fields_of_nested_records_are_named_with_their_path():
    def change(_, fields):
        next(f for f in fields["losses"]["type"]["items"]["fields"] if f["name"] == "missing")["type"] = ["null", "string"]

    assert differences(schema_of(FeedStatus), changed(change, FeedStatus)) == [
        "field losses.missing changed its type from long to string"
    ]


def test_fields_without_documentation_are_named():
    def change(schema, fields):
        schema.pop("doc")
        fields["reason"].pop("doc")
        next(f for f in fields["symbols"]["type"][1]["items"]["fields"] if f["name"] == "kind")["doc"] = " "

    assert without_doc(changed(change, FeedStatus)) == [
        "record FeedStatus has no doc",
        "field reason has no doc",
        "field symbols.kind has no doc",
    ]
