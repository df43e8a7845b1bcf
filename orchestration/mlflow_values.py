"""What MLflow shows of cells: parameters, metrics of a fold, pooled metrics, predictions."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madv.compose import flatten
from madv.metrics import score
from orchestration.ids import digest
from orchestration.mlflow_views import differing

if TYPE_CHECKING:
    from orchestration.cells import Cell
    from orchestration.plan import Plan, Variant
    from orchestration.verdict import Finding

LONGEST_NAME, LONGEST_RUN = 200, 250
"""Characters; MLflow allows 250 each, of a key with its prefix."""


def pooled_metrics(cells: Sequence[Cell]) -> Iterator[tuple[str, float]]:
    """Scores pooled over all folds of a (variant, seed), and its cost; no scores where a fold failed."""
    yield "seconds", sum(cell.seconds for cell in cells)
    parameters = [cell.parameters for cell in cells if cell.parameters is not None]
    if parameters:
        yield "parameters", float(max(parameters))
    if any(cell.state == "failed" for cell in cells):
        return
    import numpy as np

    names = cells[0].class_names
    y_true = np.concatenate([cell.y_true for cell in cells])
    y_pred = np.concatenate([cell.y_pred for cell in cells])
    scores = score(y_true, y_pred, len(names))
    yield "uf1", scores.uf1
    yield "uar", scores.uar
    yield "accuracy", scores.accuracy
    yield "macro_f1", scores.macro_f1
    for name, recall in zip(names, scores.recall, strict=True):
        yield f"recall_{safe_name(name)}", float(recall)


def safe_name(name: str) -> str:
    """A name that MLflow takes as a key, also behind a prefix: it is a path, in which nothing resolves to another."""
    parts = re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII).split("/")
    safe = "/".join("_" if part in ("", ".", "..") else part for part in parts)
    return safe if len(safe) <= LONGEST_NAME else f"{safe[: LONGEST_NAME - 13]}_{digest(name)[:12]}"


def storable(text: str) -> str:
    """A text without zeros and halves of surrogate pairs, which no database takes."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def fold_metrics(cell: Cell) -> Iterator[tuple[str, float]]:
    """Values of one fold; its step is the fold's index."""
    yield "fold_seconds", cell.seconds
    if cell.state == "done" and len(cell.y_true):
        yield "fold_accuracy", float((cell.y_true == cell.y_pred).mean())
    for name, values in cell.history.items():
        if values:
            yield f"fold_train_{safe_name(name)}", values[-1]


def run_name(variant: Variant, seed: int) -> str:
    """What MLflow calls the run of a child."""
    end = f" seed {seed}"
    return storable(variant.name)[: LONGEST_RUN - len(end)] + end


def child_params(variant: Variant, seed: int) -> dict[str, Any]:
    return {**variant.levels, **flatten(dataclasses.asdict(variant.config)), "seed": seed, "variant": variant.name}


def factors(variants: Sequence[Variant]) -> list[str]:
    """Parameters that tell the variants apart: the factors, or where there are none the settings that differ."""
    levels = dict.fromkeys(name for variant in variants for name in variant.levels)
    names = list(levels) or differing([flatten(dataclasses.asdict(variant.config)) for variant in variants])
    return [safe_name(name) for name in names]


def finding_metrics(found: Finding) -> Iterator[tuple[str, float]]:
    """What the report says of a variant; the same of each of its seeds."""
    named = {"difference": found.difference, "difference_low": found.low, "difference_high": found.high}
    yield from ((name, value) for name, value in (named | {"p_holm": found.p_holm}).items() if value is not None)


def predictions_csv(cells: Sequence[Cell]) -> str:
    """CSV: one row a clip; held_out is its subject, or where clips are split at random the fold."""
    names = next((cell.class_names for cell in cells if cell.class_names), ())
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(_no_formulas(["sample_id", "held_out", "y_true", "y_pred", *names]))
    for cell in cells:
        for sample, true, predicted, shares in zip(
            cell.sample_id, cell.y_true, cell.y_pred, cell.probabilities, strict=True
        ):
            rows.writerow([*_no_formulas([sample, cell.subject]), true, predicted, *(f"{one:.6g}" for one in shares)])
    return written.getvalue()


def _no_formulas(texts: Sequence[str]) -> list[str]:
    """Texts that a spreadsheet will not compute."""
    return [f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text for text in texts]


@functools.cache
def git_commit() -> str | None:
    """The commit of the checkout that runs; None outside of one."""
    return _git("rev-parse", "HEAD") or None


def checkout() -> str:
    """The same for a reader, who is told of changes that no commit has."""
    commit = git_commit()
    if commit is None:
        return "not in a git checkout"
    return f"{commit} with changes" if _git("status", "--porcelain", "--untracked-files=no") else commit


def _git(*arguments: str) -> str:
    """What it prints; nothing where it fails."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def provenance(plan: Plan) -> dict[str, str]:
    """Tags of every run: data, code, commit."""
    tags = {"madv.data_fingerprint": plan.facts.fingerprint, "madv.code_fingerprint": plan.code}
    commit = git_commit()
    return tags if commit is None else tags | {"mlflow.source.git.commit": commit}


def dataset_input(plan: Plan) -> Any:
    """What MLflow is told of the data set."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = plan.variants[0].config.dataset
    digits = plan.facts.fingerprint[:36]  # all that MLflow keeps; the tag has the whole
    source = dataset.path or f"{dataset.kind} (made)"
    entity = Dataset(name=dataset.kind, digest=digits, source_type="local", source=source)
    by_subject = plan.variants[0].config.protocol.split == "subjects"
    how = "leave-one-subject-out" if by_subject else "random split"
    return DatasetInput(dataset=entity, tags=[InputTag(key="mlflow.data.context", value=how)])
