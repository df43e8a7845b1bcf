"""Pre-training as work of its own: planned once, stored by key, done before the folds that start from it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from madv.data.cache import describe
from madv.pretrained import decode
from orchestration.cells import CellStore
from orchestration.code import training_code
from orchestration.plan import Plan, expand
from orchestration.runner import LOADER, PRETRAINER, TRAINER, pending_pretraining, run
from orchestration.spec import load_spec
from orchestration.tasks import CellEvent, TrialTask
from orchestration.trial import FoldTrial
from orchestration.weights import WeightsError, WeightStore
from orchestration.workload import Workload

SWEEP = """\
cluster_name: pretrained
metadata:
  sweep:
    base:
      - dataset=synthetic
      - dataset.subjects=3
      - dataset.clips_per_class=[3,3,3]
      - dataset.frames=4
      - dataset.size=16
      - model=madv_tiny
      - "model.tokenizer.stride=[2,2,2]"
      - train.epochs=1
      - model.streams.au=false
    design: one_factor_at_a_time
    factors:
      start: {fresh: [], masked: [pretrain.masked_epochs=1], longer: [pretrain.masked_epochs=2]}
      focal: {two: [], none: [loss.focal_lambda=0, pretrain.masked_epochs=1]}
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("pretrained")
    (folder / "sweep.yaml").write_text(SWEEP)
    return expand(load_spec(folder / "sweep.yaml"), lambda data: describe(data, folder / "clips"), training_code)


def test_variants_with_one_encoder_share_their_pre_training(plan: Plan) -> None:
    starts = {name: [cell.start for cell in plan.cells if cell.variant == name] for name in names(plan)}
    assert starts["reference"] == [None] * 3
    assert starts["start=masked"] == starts["focal=none"]
    assert not set(starts["start=masked"]) & set(starts["start=longer"])
    assert [cell.key for cell in plan.pretraining] == starts["start=masked"] + starts["start=longer"]


def names(plan: Plan) -> list[str]:
    return [variant.name for variant in plan.variants]


def test_a_sweep_pre_trains_first_and_once(plan: Plan, tmp_path: Path) -> None:
    store, weights = CellStore(tmp_path), WeightStore(tmp_path)
    events: list[CellEvent] = []
    run(plan, store, weights, tmp_path / "clips", events.append)
    assert Counter(event.state for event in events) == {"done": 6 + 12}
    first = {cell.key for cell in plan.pretraining}
    assert [event.cell.key in first for event in events] == [True] * 6 + [False] * 12
    assert pending_pretraining(plan, plan.cells, weights) == []
    # What a cell starts from changes it; two variants that differ in the loss alone start alike and end apart.
    by_variant = {
        name: [store.read(cell.key).probabilities for cell in plan.cells if cell.variant == name]
        for name in names(plan)
    }
    for one, other in (("reference", "start=masked"), ("start=masked", "start=longer"), ("start=masked", "focal=none")):
        assert any((a != b).any() for a, b in zip(by_variant[one], by_variant[other], strict=True))


def test_a_failed_pre_training_says_why(tmp_path: Path) -> None:
    weights = WeightStore(tmp_path)
    weights.fail("k" * 64, "Traceback ...\nValueError: no clips\n")
    assert weights.states() == {"k" * 64: "failed"}
    with pytest.raises(WeightsError, match="pre-training kkkkkkkkkkkk: ValueError: no clips"):
        weights.read("k" * 64)
    with pytest.raises(WeightsError, match="it is not there"):
        weights.read("m" * 64)
    weights.finish("k" * 64, b"weights")
    assert weights.states() == {"k" * 64: "done"}
    assert weights.read("k" * 64)[0] == b"weights"


@pytest.mark.parametrize("place", [0.0, 0.3, 0.9, None])
def test_altered_weights_are_trained_again(plan: Plan, tmp_path: Path, place: float | None) -> None:
    cell = next(cell for cell in plan.cells if cell.variant == "start=masked")
    variant = next(variant for variant in plan.variants if variant.name == "start=masked")
    store, weights = CellStore(tmp_path), WeightStore(tmp_path)
    trial = FoldTrial.__new__(FoldTrial)  # without Ray
    task = TrialTask(digest=variant.digest, config=variant.config, seed=cell.seed, cells=(cell,))
    workload = Workload(
        tasks=(task,),
        store=store,
        weights=weights,
        cache_root=tmp_path / "clips",
        threads=1,
        trainer=TRAINER,
        pretrainer=PRETRAINER,
        loader=LOADER,
    )
    trial.setup({"task": 0}, workload)
    assert cell.start is not None
    made = trial._pretrain(cell)
    trial._keep(cell.start, made)
    file = tmp_path / "pretrained" / f"{cell.start}.safetensors"
    content = bytearray(file.read_bytes())
    if place is None:
        file.write_bytes(content[: len(content) // 2])
    else:
        content[int(place * len(content))] ^= 1
        file.write_bytes(content)
    again = trial._start(cell)
    assert all((again[name] == made.state[name]).all() for name in made.state)
    assert decode(*weights.read(cell.start)).clips == made.clips
    assert len(list(file.parent.glob("*.broken"))) == 1
