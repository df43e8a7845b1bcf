"""A trial without Ray: trouble with the storage is no fault of a fold's, and attempts are as many as are asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import simulated

from orchestration import folders
from orchestration.cells import CellStore
from orchestration.tasks import make_tasks
from orchestration.trial import FoldTrial
from orchestration.weights import WeightStore
from orchestration.workload import Workload

HICCUPS: list[Exception] = []
"""What reading the clips raises before it works."""


def load(*arguments: Any) -> Any:
    if HICCUPS:
        raise HICCUPS.pop()
    return simulated.load(*arguments)


def trial(folder: Path, trainer: str = "simulated:train", **settings: Any) -> FoldTrial:
    """Of the reference's folds; not begun."""
    plan = simulated.plan(subjects=2)
    workload = Workload(
        tasks=tuple(make_tasks(plan, plan.cells, 1)),
        store=CellStore(folder),
        weights=WeightStore(folder),
        cache_root=folder / "clips",
        threads=1,
        trainer=trainer,
        pretrainer="",
        loader="test_trial:load",
        **settings,
    )
    made = FoldTrial.__new__(FoldTrial)
    made.setup({"task": 0}, workload)
    return made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folders, "PAUSES", (0.0, 0.0))
    monkeypatch.setenv("MADV_SIMULATED_MARKS", str(tmp_path))
    HICCUPS.clear()


def test_clips_that_cannot_be_read_for_a_moment_are_waited_for(tmp_path: Path) -> None:
    HICCUPS.extend([OSError(5, "Input/output error")] * 2)
    result = trial(tmp_path).step()
    assert result["state"] == "done"
    assert len(result["said"]) == 1 and "Input/output error" in result["said"][0]


def test_clips_that_cannot_be_read_fail_no_fold(tmp_path: Path) -> None:
    HICCUPS.extend([OSError(5, "Input/output error")] * 9)
    result = trial(tmp_path).step()
    assert (result["state"], result["failures"]) == ("unstored", [])
    assert f"{tmp_path}/clips: the storage is in trouble: Input/output error" in result["error"]
    assert CellStore(tmp_path).states() == {}


def test_a_store_that_cannot_be_read_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trial(tmp_path)
    real, trouble = folders.LocalFolder.get, [OSError(116, "Stale file handle")]

    def get(self: folders.LocalFolder, name: str) -> bytes | None:
        with folders._trouble_at(self.path):
            if trouble:
                raise trouble.pop()
        return real(self, name)

    monkeypatch.setattr(folders.LocalFolder, "get", get)
    assert made.step()["state"] == "done"
    assert trouble == []


@pytest.mark.parametrize("attempts", [1, 3])
def test_as_many_attempts_as_are_asked_for(attempts: int, tmp_path: Path) -> None:
    made = trial(tmp_path, "simulated:fail", attempts=attempts)
    results = [made.step() for _ in range(2)]
    assert [result["state"] for result in results] == ["done", "failed"]
    assert [attempt for attempt, _ in results[1]["failures"]] == list(range(1, attempts + 1))


def test_folds_of_one_seed_are_trained_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate's folds are of several seeds: each is trained with its own."""
    seeds: list[list[int]] = []

    def train_folds(config: Any, folds: Any, clips: Any, seed: int, *, starts: Any) -> list[Any]:
        seeds.append([seed] * len(folds))
        return [simulated.train(config, fold, clips, seed) for fold in folds]

    monkeypatch.setattr(simulated, "noted_together", train_folds, raising=False)
    plan = simulated.plan(subjects=3, seeds=2, settings=("train.folds_per_step=16",))
    made = FoldTrial.__new__(FoldTrial)
    cells = sorted((c for c in plan.cells if c.variant == "reference"), key=lambda cell: (cell.subject, cell.seed))
    (task,) = make_tasks(plan, cells[:1], 1)
    workload = Workload(
        tasks=(dataclasses.replace(task, cells=tuple(cells)),),
        store=CellStore(tmp_path),
        weights=WeightStore(tmp_path),
        cache_root=tmp_path / "clips",
        threads=1,
        trainer="simulated:train",
        pretrainer="",
        loader="test_trial:load",
        together="simulated:noted_together",
    )
    made.setup({"task": 0}, workload)
    ended = [made.step() for _ in cells]
    assert [result["state"] for result in ended] == ["done"] * 6
    assert seeds == [[0, 0, 0], [1, 1, 1]]
    stored = CellStore(tmp_path).read_whole([cell.key for cell in cells])
    assert [(stored[cell.key].seed, stored[cell.key].subject) for cell in cells] == [(c.seed, c.subject) for c in cells]
