"""An ablation whose variants are searched, through the command line: held-out scores, frozen beside retuned."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.cell_records import failed_cell
from orchestration.prepared import prepare
from orchestration.search_nested import outer_plan

SWEEP = """
cluster_name: arms
metadata:
  sweep:
    question: Does AU help once both are tuned?
    base: [dataset=synthetic, model=madv_tiny, train=demo, dataset.subjects=4, "dataset.clips_per_class=[4,4,4]",
      dataset.size=24, train.epochs=1]
    design: variants
    variants: {whole: [], no_au: [model.streams.au=false]}
    search:
      space:
        loss.focal_mu: {low: 0, high: 2}
        loss.w_au: {low: 0.1, high: 10, log: true}
      trials: 2
      sampler: random
      nested: 2
      frozen: true
"""
PATIENCE = 400


def madv(folder: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as opened:
        return list(csv.DictReader(opened))


def test_variants_are_searched_compared_and_shown_beside_their_frozen_selves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "arms.yaml").write_text(SWEEP)
    planned = madv(tmp_path, "plan", "arms.yaml")
    assert "2 variants x 2 groups x 2 configurations x 1 seeds x 2 subjects, by random, for uf1" in planned
    assert "no_au: without loss.w_au, which it does not read" in planned
    # 2 variants x (2 groups x 2 configurations x 2 inner subjects + 4 outer and 4 frozen folds), of which one failed.
    monkeypatch.chdir(tmp_path)
    prepared = prepare(Path("arms.yaml"), [])
    frozen, store = prepared.plan.cells[0], prepared.store
    store.write(failed_cell(frozen, prepared.plan.variants[0].digest, "ArithmeticError: the loss is nan", 1.0))
    said = madv(tmp_path, "sweep", "arms.yaml", code=1)
    assert "31 of 31 cells" in said
    assert "1 of 8 cells failed:\n  1 x ArithmeticError: the loss is nan" in said
    assert "`madv sweep --retry-failed arms.yaml` tries them once more" in said
    # So does one of those that were chosen.
    outer = outer_plan(prepared.searches)
    assert outer is not None
    store.folder.remove(outer.cells[0].key + store.done)
    store.write(failed_cell(outer.cells[0], outer.variants[0].digest, "ArithmeticError: the loss is nan", 1.0))
    assert "2 of 2 cells" in madv(tmp_path, "sweep", "--retry-failed", "arms.yaml")
    assert set(store.states().values()) == {"done"}
    report = tmp_path / "reports" / "arms"
    retuned = {row["variant"]: row for row in rows(report / "ablation.csv")}
    beside = {row["variant"]: row for row in rows(report / "frozen" / "side_by_side.csv")}
    assert set(retuned) == set(beside) == {"whole", "no_au"}
    for name, row in retuned.items():
        assert float(beside[name]["second_uf1"]) == float(row["uf1"])
    tried = {path.parent.name: rows(path) for path in report.glob("searches/*/trials.csv")}
    assert {name: len(table) for name, table in tried.items()} == {"0-whole": 4, "1-no_au": 4}
    drawn = [[row["loss.focal_mu"] for row in tried[name]] for name in sorted(tried)]
    assert drawn[0][:1] == drawn[1][:1]  # the same seeds
    page = (report / "index.html").read_text()
    assert 'href="frozen/index.html"' in page and 'href="searches/0-whole/index.html"' in page
    # `madv gc` leaves alone what either page rests on.
    kept = json.loads((report / "cells.json").read_text())["keys"]
    assert {path.stem for path in (tmp_path / "store" / "cells").iterdir()} <= set(kept)
