"""The commands without a sweep file: train one evaluation, show a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from madv.compose import compose
from madv.errors import ConfigError
from orchestration.prepared import own_cache

if TYPE_CHECKING:
    from madv.config import Config
    from madv.data.clips import Clips
    from madv.fold_result import FoldResult
    from madv.metrics import Scores


def train(overrides: Sequence[str], seed: int) -> int:
    """Predict each clip once, pool the predictions, print scores and confusion matrix. Nothing is stored."""
    import numpy as np

    from madv.data.cache import describe, load
    from madv.fits import misfits
    from madv.metrics import score

    console = Console()
    config = compose(overrides)
    root = own_cache()
    problems = misfits(config, lambda dataset: describe(dataset, root))
    if problems:
        raise ConfigError(problems)
    clips = load(config.dataset, root)
    console.print(f"{len(clips.manifest)} clips, {len(np.unique(clips.subjects))} subjects", highlight=False)
    results = _train_folds(config, clips, seed, console)
    y_true = np.concatenate([result.y_true for result in results])
    y_pred = np.concatenate([result.y_pred for result in results])
    assert sorted(name for result in results for name in result.sample_id) == sorted(clips.manifest["sample_id"])
    _print_scores(score(y_true, y_pred, len(clips.class_names)), clips.class_names, console)
    if config.protocol.optimistic():
        console.print("Optimistic: the subjects that are scored took part in training or in its choices.", style="red")
    seconds = sum(result.seconds for result in results)
    console.print(f"{results[0].parameters:,} parameters, {seconds:.1f} s of training on {results[0].device}")
    return 0


def show_data(overrides: Sequence[str]) -> int:
    """Print what a data set has and what it allows."""
    from madv.data.cache import describe

    console = Console()
    config = compose(overrides)
    facts = describe(config.dataset, own_cache())
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows = {
        "data set": config.dataset.kind,
        "fingerprint": facts.fingerprint[:12],
        "classes": ", ".join(facts.class_names),
        "subjects": f"{len(facts.subjects)}: {', '.join(facts.subjects)}",
        "streams": ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in facts.streams.items()),
    }
    for name, ceiling in facts.facts.get("ceilings", {}).items():
        rows[f"ceiling of {name}"] = f"{ceiling:.3f}"
    for name, text in rows.items():
        table.add_row(Text(name), Text(text))
    console.print(table)
    return 0


def _train_folds(config: Config, clips: Clips, seed: int, console: Console) -> list[FoldResult]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from madv.data.folds import make_folds
    from madv.train import train_fold

    folds = make_folds(config.protocol, clips.subjects, seed)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[fold]} of {task.fields[folds]} subjects"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    results = []
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=len(folds) * config.train.epochs, fold=0, folds=len(folds))
        for index, fold in enumerate(folds):

            def epoch_done(epochs: int, before: int = index * config.train.epochs) -> None:
                progress.update(task, completed=before + epochs)

            results.append(train_fold(config, fold, clips, seed, epoch_done))
            progress.update(task, completed=(index + 1) * config.train.epochs, fold=index + 1)
    return results


def _print_scores(scores: Scores, class_names: Sequence[str], console: Console) -> None:
    line = (
        f"UF1 {scores.uf1:.4f}   UAR {scores.uar:.4f}   accuracy {scores.accuracy:.4f}   macro-F1 {scores.macro_f1:.4f}"
    )
    console.print(line, highlight=False)
    table = Table(title="true class (row), predicted class (column)", title_justify="left", pad_edge=False, box=None)
    table.add_column("")
    for name in [*class_names, "recall"]:
        table.add_column(Text(name), justify="right")
    for name, counts, recall in zip(class_names, scores.confusion, scores.recall, strict=True):
        table.add_row(Text(name), *map(str, counts), f"{recall:.3f}")
    console.print(table)
