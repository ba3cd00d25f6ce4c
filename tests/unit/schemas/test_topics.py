"""The catalogue: names, keys and policies."""

from itertools import pairwise

import pytest

from schemas import topics
from schemas.records import Candle, Record
from schemas.timeframes import DEFAULT, parse_list

FRAMES = parse_list(DEFAULT)
CATALOGUE = topics.catalogue(FRAMES)


def test_every_topic_has_a_name_of_its_own_in_the_prefix():
    names = [t.name("md") for t in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(n.startswith("md.") and n.endswith(".v1") and "_" not in n for n in names)


def test_subjects_are_named_after_topics():
    assert topics.TRADES.subject("x") == "x.trades.v1-value"


def test_there_is_one_candle_topic_a_timeframe_and_one_for_live_ones():
    candles = [t.dataset for t in CATALOGUE if t.record is Candle]
    assert candles == [*(f"candles-{f.name}" for f in FRAMES), "candles-live"]


def test_longer_candles_are_kept_longer():
    days = [
        int(t.config["retention.ms"]) % 2**63
        for t in CATALOGUE
        if t.dataset.startswith("candles-") and t.dataset != "candles-live"
    ]
    assert all(a <= b for a, b in pairwise(days))


def test_every_topic_says_its_key_its_purpose_and_its_policy():
    for topic in CATALOGUE:
        assert topic.key
        assert topic.doc.endswith(".")
        assert topic.config["cleanup.policy"] in ("delete", "compact,delete")
        assert "retention.ms" in topic.config
        assert topic.record is None or issubclass(topic.record, Record)


def test_only_live_candles_are_compacted_for_only_their_key_names_one_thing():
    assert [t.dataset for t in CATALOGUE if "compact" in t.config["cleanup.policy"]] == ["candles-live"]


@pytest.mark.parametrize("prefix", ["md", "t1", "eu.md"])
def test_state_and_groups_follow_the_prefix(prefix):
    assert topics.changelog_name(prefix) == f"{prefix}-processor-state-changelog"
    assert topics.group_name(topics.SINK_GROUP, prefix) == f"{prefix}-sink"
