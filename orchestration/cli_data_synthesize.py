"""The command `madv data synthesize`: the twin of a licensed data set, from its annotation file."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from madv.data.twins import synthesize


def write_twin(like: str, annotations: Path, out: Path, *, size: int, seed: int, images: str) -> int:
    """Write the twin, and name the command that looks at it."""
    console = Console(highlight=False)
    started = time.perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("frames", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        written = synthesize(like, annotations, out, size=size, seed=seed, images=images, progress=show)
    seconds = time.perf_counter() - started
    line = f"{written.clips:,} clips, {written.frames:,} frames in {written.films:,} folders, {seconds:.1f} s"
    console.print(Text(line), soft_wrap=True)
    console.print(Text(f"madv data check {shlex.quote(str(out))}"), soft_wrap=True)
    return 0
