"""lost_sequence: the producer's own numbers jump (rule 13), and losses of no duration (rule 16)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.core.numbers import Numbers, Range
from schemas.records import Loss
from tests.support.core import Driven, at


def numbered(core: Driven, *numbers: int, epoch: int = 1) -> None:
    core.trades(*(replace(core.trade(f"00:{10 + n}"), sequence=n, epoch=epoch) for n in numbers))


def gaps_of(core: Driven) -> list[tuple[str | None, str | None, str]]:
    return [g for g in core.gaps_now() if g[2] != "no_trades"]


def test_rule_13_a_jump_of_our_own_numbers_is_a_loss_between_its_neighbours():
    core = Driven()
    numbered(core, 0, 1, 5)
    assert gaps_of(core) == []  # the missing ones may only have been swapped
    core.status("01:02")
    gap = core.gap("lost_sequence", "00:11")
    assert (gap.to_time, gap.missing, gap.state, gap.fillable) == (at("00:15"), 3, "closed", True)
    assert core.latest()["00:00"].coverage == pytest.approx(56 / 60)


@pytest.mark.parametrize("batches", [[(0, 2, 1, 3)], [(0, 2), (1, 3)], [(0,), (3, 1), (2,)]])
def test_rule_13_numbers_that_were_swapped_are_no_loss(batches):
    core = Driven()
    for batch in batches:
        numbered(core, *batch)
    core.status("01:02")
    assert gaps_of(core) == []
    assert core.latest()["00:00"].coverage == 1


def test_rule_13_each_run_counts_anew_and_late_or_repeated_numbers_change_nothing():
    core = Driven()
    numbered(core, 7, 8)  # what came before was not read
    numbered(core, 0, 1, epoch=2)
    numbered(core, 8)
    numbered(core, 2, epoch=2)
    core.status("01:02")
    assert gaps_of(core) == []


def test_rule_13_a_record_beyond_the_horizon_was_not_lost():
    core = Driven()
    old = replace(core.trade("00:11", received="03:00:00"), sequence=1)
    core.trades(replace(core.trade("00:10"), sequence=0), old, replace(core.trade("00:12"), sequence=2))
    core.status("01:02")
    assert gaps_of(core) == []
    assert core.late == [("horizon", 1)]


def test_law_8_holes_and_losses_survive_a_crash():
    core = Driven()
    numbered(core, 0, 3)
    core.crash()
    core.status("01:02")
    assert core.gap("lost_sequence", "00:10").missing == 2
    core.crash()
    core.traded("01:30")
    core.status("02:02")
    assert core.latest()["00:00"].coverage == pytest.approx(57 / 60)
    assert core.latest("1m")["01:00"].coverage == 1


def test_numbers_of_old_runs_are_forgotten():
    numbers = Numbers()
    for epoch in (1, 2, 3):
        assert numbers.take(epoch, Range(0, 0, 5, 5))
    assert set(numbers.seen) == {2, 3}
    assert not numbers.take(1, Range(6, 6, 9, 9))


def test_rule_16_a_loss_of_no_duration_lowers_coverage_by_a_millionth():
    core = Driven()
    core.traded("00:10")
    core.status("01:02", losses=(Loss("X", "lost_updates", at("00:20"), at("00:20"), 1),))
    candle = core.latest()["00:00"]
    assert candle.coverage == pytest.approx(1 - 1e-6, abs=1e-12)
    assert (candle.version, candle.gap_cause) == (1 + 1 + 1, "lost_updates")
