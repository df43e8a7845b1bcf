"""The command `madv data prepare`: a licensed data set to a clip cache, with a progress bar."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from madv.compose import compose
from madv.config_data import RecordedConfig
from madv.data.cache import describe
from orchestration.prepared import own_cache

if TYPE_CHECKING:
    from madv.data.dataset_facts import DatasetFacts


def prepare(overrides: Sequence[str], processes: int | None) -> int:
    """Decode a data set into the cache, or compare every frame with what is there; say what was corrected."""
    console = Console(highlight=False)
    config = compose(overrides).dataset
    root = own_cache()
    started = time.perf_counter()
    if isinstance(config, RecordedConfig):
        folder = _prepare(config, root, processes, console)
        console.print(Text(f"prepared   {folder} in {time.perf_counter() - started:.1f} s"), soft_wrap=True)
    _print_facts(describe(config, root), console)
    return 0


def _prepare(config: RecordedConfig, root: Path, processes: int | None, console: Console) -> Path:
    from madv.data.prepare import prepare as prepare_clips

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("reading annotations and folders", total=None)

        def show(stage: str, done: int, total: int) -> None:
            progress.update(task, description=stage, completed=done, total=total)

        return prepare_clips(config, root, show, processes)


def _print_facts(facts: DatasetFacts, console: Console) -> None:
    twins = facts.facts.get("twins", [])
    classes = zip(facts.class_names, facts.clips_per_class, strict=True)
    lines = {
        "twin": f"{', '.join(twins)}: synthetic frames, not the data set itself" if twins else "",
        "clips": f"{sum(facts.clips_per_class)} of {len(facts.subjects)} subjects",
        "classes": ", ".join(f"{name} {count}" for name, count in classes),
        "streams": ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in facts.streams.items()),
        "corrected": _counted(correction["kind"] for correction in facts.facts.get("corrections", [])),
        "left out": _counted(clip["why"] for clip in facts.facts.get("excluded", [])),
        "sampled": _counted(note.split(":")[0] for notes in facts.facts.get("sampling", {}).values() for note in notes),
    }
    for name, text in lines.items():
        if text:
            console.print(Text(f"{name:10} {text}"))


def _counted(kinds: Iterable[str]) -> str:
    counts = Counter(kinds)
    return ", ".join(f"{kind}: {count}" for kind, count in counts.most_common())
