"""Rights in Kafka follow the catalogue, and what is committed for Strimzi is what the code says."""

import re
from pathlib import Path

import pytest

from deploy.kafka.__main__ import FOLDER, files
from deploy.kafka.access import users
from schemas import timeframes, topics

FRAMES = timeframes.parse_list("1m,5m")
USERS = {u.name.removeprefix("candlewick-"): u for u in users("md", FRAMES)}
NAMES = [*(t.name() for t in topics.catalogue(FRAMES)), topics.changelog_name(), topics.LEASES.name()]


def having(operation, name, kind="topic"):
    """Return the users that may do `operation` on the topic or group, the operator apart."""
    return {
        short
        for short, user in USERS.items()
        if short != "operator"
        for right in user.rights
        if right.kind == kind and operation in right.operations
        if right.name == name or (right.prefixed and name.startswith(right.name))
    }


@pytest.mark.parametrize("name", sorted(files()))
def test_what_is_committed_is_what_the_code_says(name):
    committed = (FOLDER / name).read_text(encoding="utf-8")
    assert committed == files()[name], "run: python -m deploy.kafka"


@pytest.mark.parametrize("name", NAMES)
def test_every_topic_has_a_writer_or_needs_none(name):
    assert bool(having("Write", name)) is (name != topics.LEASES.name())


def test_input_is_written_by_the_producer_alone_except_that_the_processor_declares_producers_down():
    for topic in topics.INPUTS:
        allowed = {"producer", "processor"} if topic is topics.FEED_STATUS else {"producer"}
        assert having("Write", topic.name()) == allowed


def test_candles_and_gaps_have_a_single_writer():
    written = [topics.candles_dataset(t.name) for t in FRAMES] + [topics.CANDLES_LIVE.dataset, topics.GAPS.dataset]
    assert {tuple(having("Write", topics.topic_name(dataset))) for dataset in written} == {("processor",)}


def test_other_teams_read_results_and_neither_input_nor_state():
    readable = {name for name in NAMES if "reader" in having("Read", name)}
    assert readable == {"md.candles-1m.v1", "md.candles-5m.v1", "md.candles-live.v1", "md.gaps.v1", "md.feed-status.v1"}


def test_no_user_may_join_the_group_of_a_service_but_the_service():
    assert having("Read", topics.group_name(topics.PROCESSOR_GROUP), "group") == {"processor"}
    assert having("Read", topics.group_name(topics.SINK_GROUP), "group") == {"sink"}
    assert having("Read", topics.lease_group("finnhub"), "group") == {"producer"}


def test_nobody_but_the_deploy_step_creates_topics():
    assert not any("Create" in right.operations for short, user in USERS.items() if short != "operator" for right in user.rights)


def test_every_group_that_a_service_names_is_one_it_may_use():
    """A client that must name a group, although it joins none, is refused by the coordinator without the right to it."""
    root = Path(__file__).parents[3]
    for service in ("producer", "processor", "sink"):
        texts = [p.read_text(encoding="utf-8") for p in (root / service).rglob("*.py") if "audit" not in p.parts]
        for group in {g for text in texts for g in re.findall(r'"group\.id": "([\w-]+)"', text)}:
            assert service in having("Read", group, "group"), f"{service} names the group {group}"
