"""schemas/asyncapi.yaml says what the catalogue says, and all that it refers to is there."""

import re
from pathlib import Path

import pytest

import schemas
from deploy.cli.asyncapi import document, text
from schemas import timeframes
from schemas.avro import FILES, schema_of
from schemas.records import Gap
from schemas.topics import catalogue

FOLDER = Path(schemas.__file__).parent
FRAMES = timeframes.parse_list(timeframes.DEFAULT)


@pytest.fixture(scope="module")
def made():
    return document(FRAMES)


def nodes(node):
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def test_the_committed_document_is_the_generated_one(made):
    hint = "write it anew: candlewick schemas asyncapi > schemas/asyncapi.yaml"
    assert (FOLDER / "asyncapi.yaml").read_text(encoding="utf-8") == text(made), hint


def test_every_topic_has_a_channel_with_its_retention(made):
    found = {c["address"]: c["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] for c in made["channels"].values()}
    assert found == {t.name(): int(t.config["retention.ms"]) for t in catalogue(FRAMES)}


def test_every_reference_leads_somewhere(made):
    references = [node["$ref"] for node in nodes(made) if isinstance(node, dict) and "$ref" in node]
    files = {r for r in references if not r.startswith("#/")}
    assert {(FOLDER / file).is_file() for file in files} == {True}
    assert files == {f"./{name}.avsc" for name in FILES.values()}
    for reference in set(references) - files:
        node = made
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_messages_of_one_name_have_one_key_and_one_schema():
    """Candles of six timeframes share a message; a topic with another key or other headers must not."""
    keys = {}
    for topic in catalogue(FRAMES):
        (message,) = document(FRAMES)["channels"][topic.dataset]["messages"]
        keys.setdefault(message, set()).add((topic.key, topic.record))
    assert {name for name, found in keys.items() if len(found) > 1} == set()


def test_the_contract_explains_every_cause_in_the_order_in_which_they_go_before_each_other():
    page = (FOLDER.parent / "CONTRACT.md").read_text(encoding="utf-8")
    table = page.partition("| `cause` | means | loss |")[2].partition("\n\n")[0]
    symbols = next(f for f in schema_of(Gap)["fields"] if f["name"] == "cause")["type"]["symbols"]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [s for s in symbols if s != "none"]


def test_text_is_yaml_of_nested_lists_and_mappings():
    tricky = {"a.b": [{"x": 1, "y": [True, None]}, "no: it is text"], "$ref": "#/c", "empty": {}, "é": "ü"}
    assert text(tricky).splitlines()[1:] == [
        "a.b:",
        "  - x: 1",
        "    y:",
        "      - true",
        "      - null",
        '  - "no: it is text"',
        '"$ref": "#/c"',
        "empty: {}",
        'é: "ü"',
    ]
