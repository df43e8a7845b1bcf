"""Order and split of trials."""

from __future__ import annotations

import pytest
import simulated

from orchestration.tasks import TrialTask, make_tasks


def _streams(task: TrialTask) -> int:
    return len(task.config.model.streams.active())


def test_every_pending_cell_is_in_one_task() -> None:
    plan = simulated.plan(subjects=5, seeds=2)
    pending = plan.cells[3:]
    tasks = make_tasks(plan, pending, slots=2)
    assert sorted(cell.key for task in tasks for cell in task.cells) == sorted(cell.key for cell in pending)


def test_a_task_is_one_variant_and_seed() -> None:
    plan = simulated.plan(subjects=5, seeds=2)
    digests = {variant.name: variant.digest for variant in plan.variants}
    for task in make_tasks(plan, plan.cells, slots=2):
        assert {(digests[cell.variant], cell.seed) for cell in task.cells} == {(task.digest, task.seed)}


def test_the_dearest_variants_start_first() -> None:
    plan = simulated.plan(subjects=5, seeds=2)
    streams = [_streams(task) for task in make_tasks(plan, plan.cells, slots=2)]
    assert streams[0] == 3
    assert streams == sorted(streams, reverse=True)


def test_copies_make_a_variant_dear() -> None:
    factors = {"copies": {"1": (), "4": ("protocol.copies=4",)}}
    first = make_tasks(plan := simulated.plan(factors=factors), plan.cells, slots=2)[0]
    assert first.config.protocol.copies == 4


def test_few_slots_keep_trials_whole_until_the_end() -> None:
    # 4 variants x 3 seeds x 6 folds, 1 slot: 72 folds in 12 groups; half of what is left is less than 6 folds only
    # when two groups are left, so that the last two groups at most are split.
    plan = simulated.plan(subjects=6, seeds=3)
    sizes = [len(task.cells) for task in make_tasks(plan, plan.cells, slots=1)]
    assert sizes[:10] == [6] * 10
    assert sizes[-1] == 1


@pytest.mark.parametrize("slots", [1, 2, 3, 16])
def test_no_slot_waits_long_for_the_last_trial(slots: int) -> None:
    # Tasks in order, each to the slot that is free first, as Tune does it.
    plan = simulated.plan(subjects=68, seeds=3)
    ends = [0.0] * slots
    for task in make_tasks(plan, plan.cells, slots):
        ends[ends.index(min(ends))] += _streams(task) * len(task.cells)
    assert max(ends) <= 1.02 * sum(ends) / slots


def test_nothing_pending_is_no_task() -> None:
    assert make_tasks(simulated.plan(), [], slots=2) == []
