"""Print what preparing a data set costs and how much of it is JPEG decoding; then opening the cache, and training."""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from unittest.mock import patch

CLIPS, SUBJECTS, FRAMES = 255, 26, 67
"""CASME-II: clips, subjects, and the mean number of frames from onset to offset."""
PICTURES = {"a twin": (112, 112), "cropped": (280, 340), "raw": (640, 480)}
"""Width and height in pixels; the last two are CASME-II's own."""
DISTINCT = 48
"""Pictures that are rendered; the others are links to them."""
STAGES = {
    "JPEG decoder": ("simplejpeg", ("decode_jpeg_header", "decode_jpeg")),
    "resizing": ("madv.data.frames", ("_resized",)),
    "blending, centring": ("madv.data.prepare_clip", ("_texture",)),
    "pseudo action units": ("madv.data.prepare_clip", ("pseudo_units",)),
    "writing, digests": ("madv.data.prepare_clip", ("write_row", "row_digest")),
    "annotations, folders": ("madv.data.prepare", ("plan",)),
    "fingerprint": ("madv.data.prepare", ("fingerprint",)),
}
_OPEN = """
import os, sys, time
from pathlib import Path
from madv.compose import compose
from madv.data.cache import load
import numpy, pandas, pyarrow.parquet
def resident(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
config, root = compose(sys.argv[2:]).dataset, Path(sys.argv[1])
load(config, root)
before, taken = resident(), []
for _ in range(9):
    start = time.perf_counter()
    clips = load(config, root)
    taken.append(time.perf_counter() - start)
print(sorted(taken)[4], resident() - before, sum(array.nbytes for array in clips.streams.values()))
"""


def write_frames(home: Path, width: int, height: int) -> None:
    """A manifest of as many clips and frames as CASME-II has, shown by a twin's faces."""
    from PIL import Image

    from madv.data.annotations.record import Annotated
    from madv.data.twin_layouts import Film, Twin
    from madv.data.twins import QUALITY, pictures

    clip = Annotated(
        row=2, sample_id="c", subject="s", emotion="happiness", folder="c", onset=1, apex=20, offset=DISTINCT
    )
    film = Film(folder=PurePosixPath("c"), prefix="img", width=1, subject="s", clips=(clip,))
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    (home / "pool").mkdir(parents=True)
    for place, picture in enumerate(
        pictures(film, Twin(like="casme2", annotations="", images="cropped", size=side, seed=0))
    ):
        cut = Image.fromarray(picture[top : top + height, left : left + width])
        cut.save(home / "pool" / f"{place}.jpg", quality=QUALITY)
    rows = []
    for number in range(CLIPS):
        folder = home / f"c{number:03}"
        folder.mkdir()
        for frame in range(1, FRAMES + 1):
            os.link(home / "pool" / f"{(number + frame) % DISTINCT}.jpg", folder / f"img{frame}.jpg")
        emotion = ("disgust", "happiness", "surprise")[number // SUBJECTS % 3]
        rows.append([folder.name, f"s{number % SUBJECTS:02}", emotion, folder.name, 1, 20, FRAMES, "4"])
    with (home / "clips.csv").open("w", newline="") as lines:
        header = ["sample_id", "subject", "emotion", "frames", "onset", "apex", "offset", "action_units"]
        csv.writer(lines).writerows([header, *rows])


@contextmanager
def timed(stages: Mapping[str, tuple[str, tuple[str, ...]]]) -> Iterator[dict[str, float]]:
    """Processor seconds of this thread inside each stage's functions."""
    from importlib import import_module

    spent = dict.fromkeys(stages, 0.0)
    patches = []

    def watch(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                spent[stage] += time.thread_time() - start

        return call

    for stage, (module, names) in stages.items():
        for name in names:
            target = import_module(module)
            patches.append(patch.object(target, name, watch(stage, getattr(target, name))))
    for each in patches:
        each.start()
    try:
        yield spent
    finally:
        for each in patches:
            each.stop()


def processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def bench_prepare(name: str, home: Path) -> None:
    """One process, whose processor time is told apart by stages; then all cores."""
    from madv.config_data import ManifestConfig
    from madv.data.prepare import prepare
    from madv.data.prepare_pool import cores

    config = ManifestConfig(path=str(home))
    with timed(STAGES) as spent:
        start = processor_seconds()
        prepare(config, home / "one", processes=1)
        total = processor_seconds() - start
    width, height = PICTURES[name]
    print(f"preparing {CLIPS} clips of {name} pictures, {width}x{height}, to 16x112x112")
    print(f"  one process: {total:.1f} s of processor; JPEG decoder {spent['JPEG decoder'] / total:.0%} (goal: 80%)")
    rest = {**spent, "anything else": total - sum(spent.values())}
    for stage, seconds in sorted(rest.items(), key=lambda item: -item[1]):
        print(f"    {stage:22} {seconds:6.2f} s {seconds / total:4.0%}")
    start, wall = processor_seconds(), time.perf_counter()
    prepare(config, home / "all")
    wall, used = time.perf_counter() - wall, processor_seconds() - start
    print(f"  {cores()} processes: {wall:.1f} s, {used / wall / cores():.0%} of the cores' time")


def bench_open(home: Path) -> None:
    """A cache and one of four times its size, each opened by a fresh process."""
    for size in (56, 112):
        overrides = ["dataset=manifest", f"dataset.path={home}", f"dataset.clip.size={size}"]
        arguments = [sys.executable, "-c", _OPEN, str(home / "all"), *overrides]
        told = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
        seconds, resident, stored = map(float, told.split())
        print(
            f"opening a cache of {stored / 1e6:.0f} MB: {seconds * 1e3:.0f} ms (goal: 50 ms), "
            f"{resident / 1e6:.1f} MB more resident memory"
        )


def bench_training(home: Path) -> None:
    """A fold of the tiny network on the prepared cache: what getting its data takes of the processor's time.

    Training reads the cache once a fold, into memory; a step takes its batch from there.
    """
    import numpy as np
    import torch

    from madv.compose import compose
    from madv.data.cache import load
    from madv.data.folds import leave_one_subject_out
    from madv.train import train_fold

    torch.set_num_threads(1)
    for frames, size in ((8, 32), (16, 112)):
        overrides = [f"dataset.clip.frames={frames}", f"dataset.clip.size={size}", "model.streams.depth=false"]
        config = compose(["dataset=manifest", f"dataset.path={home}", "model=madv_tiny", "train=demo", *overrides])
        clips = load(config.dataset, home / "all")
        fold = leave_one_subject_out(clips.subjects)[0]
        with timed({"reading": ("madv.train", ("inputs", "scales"))}) as spent:
            start = time.thread_time()
            train_fold(config, fold, clips, 0)
            total = time.thread_time() - start
        rows = torch.from_numpy(np.arange(config.train.batch_size))
        texture = torch.from_numpy(clips.signal("texture", fold.train)).movedim(1, -1).contiguous()
        start = time.thread_time()
        for _ in range(5):
            texture[rows].movedim(-1, 1)
        steps = config.train.epochs * -(-len(fold.train) // config.train.batch_size)
        batches = (time.thread_time() - start) / 5 * steps
        print(
            f"a fold of madv_tiny, {steps} steps on {frames}x{size}x{size}: {total:.1f} s; taking the batches "
            f"{batches:.2f} s, {batches / total:.1%} (goal: 3%), reading all clips once {spent['reading'] / total:.1%}"
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for picture, (width, height) in PICTURES.items():
            write_frames(Path(folder) / picture, width, height)
            bench_prepare(picture, Path(folder) / picture)
        bench_open(Path(folder) / "a twin")
        bench_training(Path(folder) / "a twin")
