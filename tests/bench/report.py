"""The report of a large study from its cells: seconds, memory, size and first paint of the page (`make bench-report`).

64 variants (six parts, on and off) x 5 seeds x 68 subjects = 21,760 cells, written once by this program.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.progress import track

from dashboards.study import Study, StudyVariant
from orchestration.cells import Cell, CellStore
from orchestration.ids import digest
from tests.e2e.browser import chromium, wait_for

PARTS, SEEDS, SUBJECTS, CLIPS, EPOCHS = 6, 5, 68, 6, 30
CLASSES = ("negative", "positive", "surprise")
GOALS = "goals: 10 s, 1 GB, 6 MB, 2 s"


def variants() -> tuple[StudyVariant, ...]:
    """All combinations of the parts, the whole network first."""
    made = []
    for levels in itertools.product(("on", "off"), repeat=PARTS):
        off = [f"part_{place}=off" for place, level in enumerate(levels) if level == "off"]
        named = {f"part_{place}": level for place, level in enumerate(levels)}
        made.append(StudyVariant(name=" ".join(off) or "reference", levels=named, is_reference=not off))
    return tuple(made)


def key(variant: str, seed: int, subject: str) -> str:
    """Of a cell of this study."""
    return digest([variant, seed, subject])


def subjects() -> tuple[str, ...]:
    """Their names."""
    return tuple(f"sub{place:02d}" for place in range(SUBJECTS))


def write_cells(store: CellStore) -> None:
    """Cells whose variants get better with every part."""
    rng = np.random.default_rng(0)
    places = list(itertools.product(variants(), range(SEEDS), subjects()))
    labels = np.arange(CLIPS) % len(CLASSES)
    for variant, seed, subject in track(places, "cells", transient=True):
        skill = 0.4 + 0.08 * list(variant.levels.values()).count("on")
        said = np.where(rng.random(CLIPS) < skill, labels, (labels + rng.integers(1, 3, CLIPS)) % 3)
        curve = (1.1 * np.exp(-np.arange(EPOCHS) / 8) + rng.normal(0, 0.02)).tolist()
        cell = Cell(
            key=key(variant.name, seed, subject),
            variant=digest(variant.name),
            seed=seed,
            subject=subject,
            state="done",
            sample_id=tuple(f"{subject}_{clip}" for clip in range(CLIPS)),
            y_true=labels,
            y_pred=said,
            probabilities=np.eye(3, dtype=np.float32)[said],
            class_names=CLASSES,
            history={"loss": curve, "accuracy": [1 - value / 2 for value in curve]},
            seconds=1.0,
            parameters=100_000,
            device="cpu",
            started=0.0,
            finished=1.0,
        )
        store.write(cell)


def report(folder: Path) -> dict[str, float]:
    """Read the cells and write the report, in this process: seconds (clock, processor), bytes (memory, page)."""
    import resource

    from dashboards.report import write_report

    places = list(itertools.product(variants(), range(SEEDS), subjects()))
    start, worked = time.perf_counter(), time.process_time()
    found = CellStore(folder / "store").read_many([key(variant.name, seed, who) for variant, seed, who in places])
    read = time.perf_counter() - start
    study = Study(
        cluster_name="large",
        question="What does each of six parts do?",
        design="factorial",
        class_names=CLASSES,
        variants=variants(),
        seeds=tuple(range(SEEDS)),
        subjects=subjects(),
        sample_labels={f"{who}_{clip}": (clip % len(CLASSES), who) for who in subjects() for clip in range(CLIPS)},
        cells={(variant.name, seed, who): cell for (variant, seed, who), cell in zip(places, found, strict=True)},
    )
    written = write_report(study, folder / "report")
    return {
        "read": read,
        "all": time.perf_counter() - start,
        "processor": time.process_time() - worked,
        "memory": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "page": written.path_html.stat().st_size,
    }


def first_paint(page: Path) -> float | None:
    """Seconds until Chromium shows something of the page, with an empty profile; None without Chromium."""
    if shutil.which("chromedriver") is None or shutil.which("chromium") is None:
        return None
    with chromium() as driver:
        driver.get(page.as_uri())
        milliseconds = wait_for(driver, "performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    return float(milliseconds) / 1000


def main() -> int:
    """Print the figures of a process of its own."""
    if len(sys.argv) > 1:
        print(json.dumps(report(Path(sys.argv[1]))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_cells(CellStore(Path(folder) / "store"))
        command = [sys.executable, "-m", "tests.bench.report", folder]
        runs = [json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in "123"]
        paint = first_paint(Path(folder) / "report" / "index.html")
    median = {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
    print(f"report of {64 * SEEDS * SUBJECTS:,} cells, median of {len(runs)} ({GOALS}):")
    print(f"  {median['all']:.1f} s, of it {median['read']:.1f} s reading the cells")
    print(f"  {median['processor']:.1f} s of the processor, which other programs lengthen less")
    print(f"  {median['memory'] / 1e9:.2f} GB at most, page of {median['page'] / 1e6:.1f} MB")
    print(f"  first paint {'not measured: there is no Chromium' if paint is None else f'after {paint:.1f} s'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
