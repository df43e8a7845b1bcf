"""Print the folds an hour of the tiny network, side by side as one program against one after the other."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from madv.compose import compose
from madv.config import Config
from madv.data.cache import load
from madv.data.clips import Clips
from madv.data.folds import Fold, leave_one_subject_out
from madv.fold_result import FoldResult
from madv.learners import make_learner
from madv.pretrained import encoder_state
from madv.together import groups, train_folds
from madv.train import train_fold
from orchestration.gpu_use import Use, watched

LEAST_RATIO = 5.0


def timed(work: Callable[[], list[FoldResult]], times: int) -> tuple[float, Use, list[FoldResult]]:
    """Median wall time in seconds, what it used of a GPU, and what came of it; once untimed before."""
    found, taken, use = work(), [], Use()
    for _ in range(times):
        start = time.perf_counter()
        with watched(use, wanted=True):
            found = work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), use, found


def disagreement(one: Sequence[FoldResult], other: Sequence[FoldResult]) -> str:
    """How far two ways of training the same folds are apart."""
    pairs = list(zip(one, other, strict=True))
    largest = max(float(np.abs(x.probabilities - y.probabilities).max()) for x, y in pairs)
    same = np.mean(np.concatenate([x.y_pred == y.y_pred for x, y in pairs]))
    return f"probabilities differ by at most {largest:.2g}, {same:.1%} of the predictions are the same"


def shaken(config: Config, fold: Fold, clips: Clips) -> FoldResult:
    """One fold from initial weights of which each is off by about one part in ten million: what rounding may do."""
    state = encoder_state(make_learner(config, clips, f"0/{fold.subject}").network)
    generator = torch.Generator().manual_seed(0)
    for value in state.values():
        if value.is_floating_point():
            value *= 1 + 1e-7 * torch.randn(value.shape, generator=generator)
    return train_fold(config, fold, clips, 0, start=state)


def main() -> None:
    """On the GPU where there is one, else on the CPU, where one after the other is the faster way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each way (default: 3)")
    parser.add_argument("--subjects", type=int, default=12, help="folds at once (default: 12)")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    clips_per_class = [3 * arguments.subjects] * 3
    config = compose(
        [
            *("dataset=synthetic", f"dataset.subjects={arguments.subjects}"),
            *(f"dataset.clips_per_class={clips_per_class}".replace(" ", ""), "model=madv_tiny", "train=demo"),
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        clips = load(config.dataset, Path(folder))
        folds = leave_one_subject_out(clips.subjects)
        sets = list(groups(folds, config.train.batch_size, len(folds)))

        def alone() -> list[FoldResult]:
            return [train_fold(config, fold, clips, 0) for alike in sets for fold in alike]

        def together() -> list[FoldResult]:
            found = [result for alike in sets for result in train_folds(config, alike, clips, 0)]
            return [result for result in found if isinstance(result, FoldResult)]

        yardstick = disagreement([shaken(config, fold, clips) for alike in sets for fold in alike], alone())
        ways = {"one by one": timed(alone, arguments.runs), "side by side": timed(together, arguments.runs)}
    on_gpu = torch.cuda.is_available()
    where = torch.cuda.get_device_name() if on_gpu else "CPU, 1 thread"
    print(f"{where}: {len(folds)} folds of madv_tiny in {len(sets)} groups, medians of {arguments.runs} runs")
    for name, (seconds, use, _) in ways.items():
        busy = "" if use.utilisation is None else f", GPU {use.utilisation:.0%} busy"
        print(f"  {name}: {3600 * len(folds) / seconds:,.0f} folds an hour{busy}")
    ratio = ways["one by one"][0] / ways["side by side"][0]
    goal = f" (goal: at least {LEAST_RATIO:g}{'' if ratio >= LEAST_RATIO else ', MISSED'})" if on_gpu else ""
    print(f"  side by side is {ratio:.2f} times as fast{goal}; {disagreement(*(found for *_, found in ways.values()))}")
    print(f"  for comparison, one by one from weights that are 1e-7 off: {yardstick}")


if __name__ == "__main__":
    main()
