"""The network of a fold: the one that made its predictions, kept without changing them, and found again in a file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from marked_clips import make_clips
from torch import nn

from madv.checkpoint import AGAIN, MOVED, TRAINING, CheckpointError, as_file, from_file
from madv.compose import compose
from madv.data.clips import Clips
from madv.data.folds import Fold, leave_one_subject_out
from madv.fold_result import FoldResult
from madv.inputs import inputs, scales
from madv.learners import make_learner
from madv.pretrained import Pretrained, encode
from madv.train import train_fold
from orchestration.checkpoints import CheckpointStore
from orchestration.cli_keep import set_aside_broken

TINY = ["model=madv_tiny", "model.widths=[8,8,8]", "model.heads=[2,2,2]", "train=demo", "train.epochs=2"]


@pytest.fixture(scope="module")
def clips() -> Clips:
    return make_clips()


@pytest.fixture(scope="module")
def fold(clips: Clips) -> Fold:
    return leave_one_subject_out(clips.subjects)[1]


@pytest.fixture(scope="module")
def kept(clips: Clips, fold: Fold) -> tuple[nn.Module, FoldResult]:
    networks: list[nn.Module] = []
    result = train_fold(compose(TINY), fold, clips, seed=3, on_trained=networks.append)
    return networks[0], result


def test_keeping_changes_nothing(clips: Clips, fold: Fold, kept: tuple[nn.Module, FoldResult]) -> None:
    plain = train_fold(compose(TINY), fold, clips, seed=3)
    assert np.array_equal(kept[1].probabilities, plain.probabilities)
    assert kept[1].history == plain.history


def test_the_network_makes_the_predictions(clips: Clips, fold: Fold, kept: tuple[nn.Module, FoldResult]) -> None:
    config = compose(TINY)
    learner = make_learner(config, clips, "another/start")
    learner.network.load_state_dict(from_file(as_file(*kept, None), "x").state)
    learner.network.eval()
    scale = scales(clips, fold.train, learner.reads)
    with torch.inference_mode():
        logits = learner.logits(inputs(config, clips, fold.test, scale, torch.device("cpu")))
    assert np.array_equal(torch.softmax(logits, dim=-1).numpy(), kept[1].probabilities)


def test_what_is_not_madv_nets_last_epoch_is_not_kept() -> None:
    assert compose(TINY).keepable()
    assert not compose([*TINY, "protocol.epoch=best_on_test"]).keepable()
    assert not compose(["method=c3d", "train=demo"]).keepable()


def test_a_file_says_how_far_a_second_training_went(kept: tuple[nn.Module, FoldResult]) -> None:
    assert from_file(as_file(*kept, None), "x").moved is None
    assert from_file(as_file(*kept, kept[1].probabilities), "x").moved == 0
    other = kept[1].probabilities.copy()
    other[0, 0] += 0.25
    assert from_file(as_file(*kept, other), "x").moved == pytest.approx(0.25)


def test_a_file_that_was_cut_off_or_altered_is_refused(kept: tuple[nn.Module, FoldResult]) -> None:
    content = as_file(*kept, None)
    for broken in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), b"", b"no checkpoint"):
        with pytest.raises(CheckpointError, match=r"^store/a: was cut off or altered, or is no checkpoint"):
            from_file(broken, "store/a")
    odd = Pretrained(state={"a": torch.ones(1)}, history={TRAINING: {}, AGAIN: {MOVED: []}}, seconds=1.0, clips=1)
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        from_file(encode(odd), "store/a")


def test_a_broken_checkpoint_is_set_aside(
    kept: tuple[nn.Module, FoldResult], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = as_file(*kept, None)
    store = CheckpointStore(tmp_path)
    files = {"a" * 64: content, "b" * 64: content[:-1], "c" * 64: b""}
    for key, held in files.items():
        store.finish(key, held)
    assert set_aside_broken(store, files) == ["b" * 64, "c" * 64]
    assert store.states() == {"a" * 64: "done"}
    assert len(list((tmp_path / "checkpoints").glob("*.broken"))) == 2
    assert "was cut off or altered" in caplog.text
