"""Trials that share a GPU, and folds that share a program: how many, and what happens when they do not fit."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import simulated
from simulated_search import searches

from madv.errors import ClusterError
from orchestration.beside import Beside
from orchestration.cells import CellStore
from orchestration.gpu_use import Use, trials_per_gpu
from orchestration.packing import Packing
from orchestration.runner import run
from orchestration.search_run import run_searches
from orchestration.search_study import open_study
from orchestration.spec import Resources
from orchestration.tasks import CellEvent, make_tasks
from orchestration.trial import FoldTrial
from orchestration.weights import WeightStore
from orchestration.workload import Workload

GIB = 2**30


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CellStore:
    """An empty store; workers find the simulated trainers."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("MADV_SIMULATED_MARKS", str(tmp_path))
    return CellStore(tmp_path / "store")


@pytest.mark.parametrize(
    ("gib", "busy", "cpus", "trials"),
    [
        (3.4, 0.1, 16.0, 10),  # memory would allow .9 x 80 / (3.4 + .6) = 18, the processors 16
        (3.4, 0.05, 32.0, 18),
        (3.4, 0.1, 4.0, 4),
        (39.0, 0.1, 16.0, 1),
        (79.0, 1.0, 16.0, 1),  # more than fits beside the reserve: one all the same
        (1.0, None, 8.0, 8),
    ],
)
def test_a_gpu_takes_as_many_as_memory_time_and_processors_allow(
    gib: float, busy: float | None, cpus: float, trials: int
) -> None:
    use = Use(memory=int(gib * GIB), total=80 * GIB, utilisation=busy)
    assert trials_per_gpu(use, cpus) == trials


def test_what_was_not_measured_is_not_packed() -> None:
    assert trials_per_gpu(Use(), 16) == 1


def test_packing_follows_the_pilot_and_halves_when_memory_is_short() -> None:
    packing = Packing(Resources(), {"CPU": 32.0, "GPU": 2.0})
    assert (packing.gpus, packing.slots, packing.crowd, packing.wants_pilot) == (1, 2, False, True)
    packing.fill(Use(memory=10 * GIB, total=80 * GIB, utilisation=0.15))
    assert (packing.gpus, packing.slots, packing.crowd, packing.wants_pilot) == (0.1666, 12, True, False)
    packing.thin()
    assert (packing.gpus, packing.slots) == (0.3333, 6)
    packing.thin()
    assert (packing.gpus, packing.slots, packing.crowd) == (1, 2, False)


@pytest.mark.parametrize(("asked", "gpus"), [("auto", 1.0), (0.25, 4.0), (0.0, 1.0)])
def test_without_auto_or_without_a_gpu_there_is_no_pilot(asked: Any, gpus: float) -> None:
    assert Packing(Resources(gpus_per_trial=asked), {"CPU": 4.0, "GPU": gpus}).wants_pilot is (asked == "auto")
    if asked != 0.25:
        assert not Packing(Resources(gpus_per_trial=asked), {"CPU": 4.0}).wants_pilot


def test_slots_are_limited_by_the_scarcer_resource() -> None:
    assert Packing(Resources(), {"CPU": 16.0}).slots == 16
    assert Packing(Resources(gpus_per_trial=0.25), {"CPU": 16.0, "GPU": 1.0}).slots == 4
    with pytest.raises(ClusterError, match="lower metadata"):
        Packing(Resources(cpus_per_trial=4), {"CPU": 2.0})


def test_trials_without_memory_wait_until_fewer_share_the_gpu(
    store: CellStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A real Ray that is told of a GPU: two trials at once find no memory, one at a time does. None has failed."""
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 1}')
    plan = simulated.plan(3, resources=Resources(cpus_per_trial=0.5, gpus_per_trial=0.5))
    events: list[CellEvent] = []
    weights = WeightStore(str(store.folder))
    run(plan, store, weights, Path(), events.append, trainer="simulated:crowded", loader="simulated:load")
    assert Counter(event.state for event in events) == {"done": 12}
    assert store.states([cell.key for cell in plan.cells]) == dict.fromkeys([cell.key for cell in plan.cells], "done")
    assert caplog.messages == ["a GPU's memory did not suffice: now one trial each"]


def test_configurations_of_a_search_without_memory_wait_too(
    store: CellStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 1}')
    resources = "resources: {cpus_per_trial: 0.5, gpus_per_trial: 0.5}"
    found = searches(tmp_path, 3, 2, design=f"design: search\n    {resources}")
    cells: list[CellEvent] = []
    options: dict[str, Any] = {"trainer": "simulated:crowded", "loader": "simulated:load"}
    run_searches(found, store, WeightStore(str(store.folder)), Path(), cells.append, lambda saved: None, **options)
    study = open_study(found[0], create=False)
    assert study is not None and Counter(trial.state.name for trial in study.trials) == {"COMPLETE": 2}
    assert Counter(event.state for event in cells) == {"done": 6}
    assert caplog.messages == ["a GPU's memory did not suffice: now one trial each"]


def trained(store: CellStore, tmp_path: Path, **setup: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """All steps of one trial over five subjects, and which folds were tried beside each other."""
    plan = simulated.plan(5, factors={}, settings=("train.folds_per_step=4",))
    tasks = tuple(make_tasks(plan, plan.cells, slots=1))
    workload = Workload(
        tasks=(replace(tasks[0], cells=plan.cells),),
        store=store,
        weights=WeightStore(str(store.folder)),
        cache_root=tmp_path,
        threads=1,
        trainer="simulated:fail",
        pretrainer="",
        loader="simulated:load",
        together="simulated:together",
        **setup,
    )
    trial = FoldTrial.__new__(FoldTrial)  # without Ray
    trial.setup({"task": 0}, workload)
    results = [trial.step() for _ in plan.cells]
    assert [result["done"] for result in results] == [False] * 4 + [True]
    return results, (tmp_path / "together").read_text().splitlines()


def test_folds_are_trained_in_groups_and_reported_one_by_one(
    store: CellStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four are asked for; the fold that leaves the numbers is tried alone, where it fails twice and is recorded."""
    monkeypatch.setenv("MADV_SIMULATED_ROOM", "4")
    results, groups = trained(store, tmp_path)
    assert groups == ["s01 s02 s03 s04"]
    assert [(result["subject"], result["state"]) for result in results] == [
        ("s01", "done"),
        ("s02", "failed"),
        ("s03", "done"),
        ("s04", "done"),
        ("s05", "done"),
    ]
    reason = store.read(results[1]["key"]).reason
    assert reason is not None
    assert "ArithmeticError: the loss is nan" in reason


def test_a_group_that_does_not_fit_is_halved(store: CellStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADV_SIMULATED_ROOM", "2")
    results, groups = trained(store, tmp_path)
    assert groups == ["s01 s02 s03 s04", "s01 s02", "s03 s04"]
    assert [result["state"] for result in results] == ["done", "failed", "done", "done", "done"]


def test_a_group_that_breaks_otherwise_is_trained_one_by_one(
    store: CellStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MADV_SIMULATED_ROOM", "many")  # int() of it raises
    results, groups = trained(store, tmp_path)
    assert groups == ["s01 s02 s03 s04"]
    assert [result["state"] for result in results] == ["done", "failed", "done", "done", "done"]
    assert caplog.messages == [
        "folds are trained one by one: ValueError: invalid literal for int() with base 10: 'many'"
    ]


def test_a_group_that_took_its_worker_down_is_trained_one_by_one(
    store: CellStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MADV_SIMULATED_ROOM", "4")
    for cell in simulated.plan(5, factors={}, settings=("train.folds_per_step=4",)).cells[:4]:
        store.record_attempt(cell.key)  # as the dead worker did
    (tmp_path / "together").touch()
    results, groups = trained(store, tmp_path)
    assert groups == []
    assert [result["state"] for result in results] == ["done", "failed", "done", "done", "done"]


def test_on_a_cpu_auto_is_one_fold_at_a_time() -> None:
    plan = simulated.plan(3, factors={})
    (task, *_) = make_tasks(plan, plan.cells, slots=1)
    beside = Beside("simulated:together", task, {})
    assert beside.possible, "known once a worker has looked for a GPU"
    cells = list(plan.cells)
    assert beside.group(cells, lambda cell: simulated.fold(task.config, cell.subject)) == cells[:1]
