"""Forecasts worked by hand, from cells written into a store."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simulated

from orchestration.cells import Cell, CellStore
from orchestration.forecast import Forecast, forecast, pilot
from orchestration.plan import Plan, PlannedCell


def written(plan: Plan, folder: Path, seconds: Mapping[str, list[float]]) -> Forecast | None:
    """The forecast once the first cells of each variant took so long."""
    store = CellStore(folder)
    for name, times in seconds.items():
        for planned, taken in zip(of(plan, name), times, strict=False):
            store.write(cell(planned, taken))
    return forecast(plan, store.states([one.key for one in plan.cells]), store)


def of(plan: Plan, name: str) -> list[PlannedCell]:
    return [one for one in plan.cells if one.variant == name]


def cell(planned: PlannedCell, seconds: float) -> Cell:
    return Cell(
        key=planned.key,
        variant="0" * 64,
        seed=planned.seed,
        subject=planned.subject,
        state="done",
        sample_id=("a",),
        y_true=np.zeros(1, np.int64),
        y_pred=np.zeros(1, np.int64),
        probabilities=np.ones((1, 1), np.float32),
        class_names=("x",),
        seconds=seconds,
        device="cpu",
        started=0.0,
        finished=1.0,
    )


@pytest.fixture
def plan() -> Plan:
    """Four variants of 3, 2, 2 and 1 streams, ten subjects."""
    return simulated.plan(subjects=10)


def test_nothing_to_go_by(plan: Plan, tmp_path: Path) -> None:
    assert written(plan, tmp_path, {}) is None


def test_a_variant_costs_what_its_cells_did_and_the_others_in_proportion(plan: Plan, tmp_path: Path) -> None:
    # 3 s a cell of three streams: 1 s a stream, so that 8 + 10 + 10 + 10 cells take 24 + 20 + 20 + 10 s.
    found = written(plan, tmp_path, {"reference": [3.0, 3.0]})
    assert found is not None
    assert (found.cells, found.variants, found.device) == (2, 1, "cpu")
    assert found.seconds == pytest.approx(74)
    # The cells agree; each of the other variants may be off by a factor of two, one standard deviation, and so may the
    # one that they are scaled by: all of them alike.
    assert found.high - found.seconds == pytest.approx(1.96 * math.log(2) * math.sqrt(20**2 + 20**2 + 10**2 + 50**2))


def test_the_interval_is_of_sums_and_of_means(plan: Plan, tmp_path: Path) -> None:
    # All variants measured, but for one cell: 2 and 4 s, variance 2; the mean of 2 cells is known to 2 / 2.
    alone = replace(plan, cells=tuple(of(plan, "reference")[:3]))
    found = written(alone, tmp_path, {"reference": [2.0, 4.0]})
    assert found is not None
    assert found.seconds == pytest.approx(3)
    assert found.high == pytest.approx(3 + 1.96 * math.sqrt(1 + 2))
    assert found.low == 0


def test_few_cells_are_read_however_many_there_are(plan: Plan, tmp_path: Path) -> None:
    found = written(plan, tmp_path, {"reference": [1.0] * 10})
    assert found is not None and found.cells == 5


def test_the_pilot_is_two_cells_of_the_cheapest_and_two_of_the_dearest(plan: Plan) -> None:
    names = [one.variant for one in pilot(plan)]
    assert names == ["texture=off depth=off"] * 2 + ["reference"] * 2
