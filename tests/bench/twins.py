"""The four data sets from annotation file to score, on twins: written, checked, prepared, each subject held out once.

Counts that differ from the published ones end it with 1.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CLIP = ("dataset.clip.frames=8", "dataset.clip.size=32")
# Two levels that mean the same are one variant: the reference alone.
SWEEP = """
cluster_name: twin-{kind}
provider: {{type: local, head_ip: 127.0.0.1, worker_ips: []}}
metadata:
  sweep:
    question: Does {kind} run from its annotation file to a score?
    base: [{base}, model=madv_tiny, train=demo, model.streams.depth=false]
    design: one_factor_at_a_time
    factors: {{au: {{on: [], still: [model.streams.au=true]}}}}
    seeds: 1
"""


class Expected(NamedTuple):
    """What is published of a data set."""

    file: str
    """Its annotation file."""
    overrides: tuple[str, ...]
    """Of the protocol that is evaluated."""
    subjects: int
    classes: dict[str, int]
    listed: str
    """What `madv data check` says of all clips, whatever the protocol."""


EXPECTED = {
    "casme2": Expected(
        "CASME2-coding-20140508.xlsx",
        ("dataset.classes=5",),
        26,
        {"disgust": 63, "happiness": 32, "others": 99, "repression": 27, "surprise": 25},
        "255 of 26 subjects",
    ),
    "samm": Expected(
        "SAMM_Micro_FACS_Codes_v2.xlsx",
        ("dataset.classes=8",),
        29,
        {
            "anger": 57,
            "contempt": 12,
            "disgust": 9,
            "fear": 8,
            "happiness": 26,
            "others": 26,
            "sadness": 6,
            "surprise": 15,
        },
        "159 of 29 subjects",
    ),
    "smic": Expected(
        "SMIC-HS-E_annotation.xlsx", (), 16, {"negative": 70, "positive": 51, "surprise": 43}, "164 of 16 subjects"
    ),
    "casme_sq": Expected(
        "CASME_sq_gt.xlsx",
        ("dataset.expressions=micro",),
        14,
        {"negative": 21, "others": 19, "positive": 8, "surprise": 9},
        "357 of 22 subjects",
    ),
}


def madv(home: Path, *arguments: str) -> tuple[str, float]:
    """What a command prints, and its wall time; what it says in failing ends the program."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "MADV_CACHE")
    }
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        cwd=home,
        env=environment | {"PYTHONPATH": str(ROOT), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"madv {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout, time.perf_counter() - start


def line(output: str, name: str) -> str:
    """The text after a name at the start of a line."""
    found = [text.split(maxsplit=1) for text in output.splitlines() if text.strip()]
    return next((parts[1].strip() for parts in found if parts[0] == name and len(parts) > 1), "")


def evaluate(kind: str, annotations: Path, home: Path, size: int) -> tuple[str, list[str]]:
    """One row of the table, and what differs from what is published."""
    expected, twin = EXPECTED[kind], home / kind
    file = annotations / expected.file
    _, written = madv(
        home, "data", "synthesize", "--like", kind, "--annotations", str(file), "--out", str(twin), "--size", str(size)
    )
    checked, _ = madv(home, "data", "check", str(twin))
    overrides = [f"dataset={kind}", f"dataset.path={twin}", *expected.overrides, *CLIP]
    told, prepared = madv(home, "data", "prepare", *overrides)
    (home / f"{kind}.yaml").write_text(SWEEP.format(kind=kind, base=", ".join(overrides)), encoding="utf-8")
    _, evaluated = madv(home, "sweep", f"{kind}.yaml")
    report = home / "reports" / f"twin-{kind}"
    with (report / "ablation.csv").open(encoding="utf-8", newline="") as lines:
        (score,) = csv.DictReader(lines)
    classes = ", ".join(f"{name} {count}" for name, count in expected.classes.items())
    wanted = {"clips": f"{sum(expected.classes.values())} of {expected.subjects} subjects", "classes": classes}
    wrong = [f"{kind}: {line(told, name)!r}, not {text!r}" for name, text in wanted.items() if line(told, name) != text]
    if line(checked, "clips") != expected.listed:
        wrong.append(f"{kind}: check says {line(checked, 'clips')!r}, not {expected.listed!r}")
    if f"Twin of {kind}" not in (report / "index.html").read_text(encoding="utf-8"):
        wrong.append(f"{kind}: the report does not say that it is of a twin")
    seconds = f"{written:6.0f} s {prepared:6.0f} s {evaluated:6.0f} s"
    uf1 = f"{float(score['uf1']):.3f}".removeprefix("0")
    return f"{kind:9} {line(told, 'clips'):19} {seconds}  {uf1}  {line(told, 'classes')}", wrong


def main() -> int:
    """All four, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(EXPECTED)} (default: all)")
    parser.add_argument("--annotations", type=Path, default=ROOT.parent / "shared/data/annotations")
    parser.add_argument("--size", type=int, default=48, help="height and width of the frames, pixels")
    parser.add_argument("--home", type=Path, help="where twins and cells are kept (default: a folder for this run)")
    options = parser.parse_args()
    if not options.annotations.is_dir():
        raise SystemExit(f"no {options.annotations}: name the folder of the four annotation files by --annotations")
    print(f"{'data set':9} {'clips':19} {'write':>8} {'prepare':>8} {'evaluate':>8}  UF1   classes")
    problems = []
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.home or Path(temporary)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        for kind in options.kinds or EXPECTED:
            row, wrong = evaluate(kind, options.annotations.resolve(), home, options.size)
            print(row, flush=True)
            problems += wrong
    print(*problems or ["all counts are those published"], sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
