"""Which clips `madv explain` shows, and what it says where it has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simulated

from madv.errors import MadvError
from orchestration.cell_records import done_cell
from orchestration.cells import CellStore
from orchestration.cli_explain import choose, named, write_looks
from orchestration.prepared import Prepared
from orchestration.weights import WeightStore


def test_the_surest_of_each_class_right_and_wrong() -> None:
    plan = simulated.plan(2, factors={})
    cells = []
    found = {"s01": ([0, 0, 2], [0.9, 0.6, 0.5]), "s02": ([0, 0, 1], [0.8, 0.7, 0.9])}
    for planned in plan.cells:
        predicted, sure = found[planned.subject]
        clips, fold = simulated.fold(plan.variants[0].config, planned.subject)
        result = simulated.train(plan.variants[0].config, fold, clips, 0)
        probabilities = np.zeros((3, 3), np.float32)
        probabilities[range(3), predicted] = sure
        result = replace(result, y_pred=np.array(predicted), probabilities=probabilities)
        cells.append(done_cell(planned, plan.variants[0].digest, result, clips.class_names, 0.0))
    chosen = choose(cells, plan.cells)
    assert [(one.sample_id, one.truth, one.predicted) for one in chosen] == [
        ("s01_0", 0, 0),  # .9 before .8
        ("s02_1", 1, 0),  # .7 before .6; no clip of class 1 was recognised
        ("s01_2", 2, 2),
        ("s02_2", 2, 1),
    ]
    assert [one.sample_id for one in named(cells, plan.cells, ["s02_0", "s01_1", "s02_0"])] == ["s02_0", "s01_1"]
    with pytest.raises(MadvError, match="--clip x: is none of the 6 clips with a kept network; try s01_0") as refused:
        named(cells, plan.cells, ["x", "s01_1", "y"])
    assert len(refused.value.problems) == 2


def test_without_networks_it_says_how_to_keep_them(tmp_path: Path) -> None:
    prepared = Prepared(
        plan=simulated.plan(2), store=CellStore(tmp_path), weights=WeightStore(tmp_path), cache_root=tmp_path
    )
    with pytest.raises(MadvError, match=r"no network of reference is kept in .*keep_checkpoints: best"):
        write_looks(prepared)
    with pytest.raises(MadvError, match="unknown variant 'depth=of'; did you mean 'depth=off'"):
        write_looks(prepared, "depth=of")
