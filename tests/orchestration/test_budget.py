"""What hours buy, worked by hand on a 2 x 2 design."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import simulated
from rich.console import Console
from test_forecast import cell, of

from madv.errors import MadvError
from orchestration.budget import Budget, spend
from orchestration.cells import CellStore
from orchestration.cli_plan import print_budget
from orchestration.plan import Plan

SECOND = 1 / 3600


@pytest.fixture
def plan() -> Plan:
    """Four variants of 3, 2, 2 and 1 streams, four subjects, two seeds; the variant of both changes listed early."""
    made = simulated.plan(subjects=4, seeds=2)
    reference, depth, texture, both = made.variants
    return replace(made, variants=(reference, both, depth, texture))


def budget(plan: Plan, folder: Path, hours: float) -> Budget:
    """With one cell of the reference done in 3 s: a second a stream."""
    store = CellStore(folder)
    store.write(cell(of(plan, "reference")[0], 3.0))
    return spend(plan, store.states([one.key for one in plan.cells]), store, hours)


def test_one_seed_of_everything_comes_first_and_main_effects_before_interactions(plan: Plan, tmp_path: Path) -> None:
    found = budget(plan, tmp_path, 0)
    assert found.bought == () and found.keys == frozenset()
    assert [(one.variant, one.seed) for one in found.left_out] == [
        (name, seed) for seed in (0, 1) for name in ("reference", "depth=off", "texture=off", "texture=off depth=off")
    ]
    assert [one.seconds for one in found.left_out] == pytest.approx([9, 8, 8, 4, 12, 8, 8, 4])


def test_a_trial_is_bought_whole_and_nothing_jumps_the_queue(plan: Plan, tmp_path: Path) -> None:
    # 9 + 8 of 20 s; texture=off at 8 s does not fit, and the 4 s that follow are not taken in its place.
    found = budget(plan, tmp_path, 20 * SECOND)
    assert [one.variant for one in found.bought] == ["reference", "depth=off"]
    assert found.left_out[0].variant == "texture=off" and len(found.left_out) == 6
    assert len(found.keys) == 3 + 4


def test_controls_come_right_after_the_reference(plan: Plan, tmp_path: Path) -> None:
    control = replace(plan.variants[0], name="repeat (control)", first_seed=2)
    cells = [replace(one, key=f"r{one.key}", variant=control.name, seed=one.seed + 2) for one in of(plan, "reference")]
    found = budget(replace(plan, controls={"repeat": control}, cells=(*plan.cells, *cells)), tmp_path, 1)
    assert found.left_out == ()
    assert [(one.variant, one.seed) for one in found.bought][:3] == [
        ("reference", 0),
        ("repeat (control)", 2),
        ("depth=off", 0),
    ]


def test_without_a_cell_there_is_a_way_out(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(MadvError, match="--pilot"):
        spend(plan, {}, CellStore(tmp_path), 1)


def test_what_is_left_out_is_printed_least_decisive_last(plan: Plan, tmp_path: Path) -> None:
    console = Console(record=True, width=100, quiet=False)
    print_budget(budget(plan, tmp_path, 38 * SECOND), 38 * SECOND, console)
    lines = console.export_text().splitlines()
    assert "4 of 8 trials" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ["reference", "depth=off", "texture=off", "texture=off"]
