"""A night through the command line: a sweep that is killed takes neither the next one along nor the night's word."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

from webhook_server import webhook_server

SWEEP = """
cluster_name: NAME
metadata:
  sweep:
    base: [dataset=synthetic, model=madv_tiny, train=demo, dataset.subjects=2, "dataset.clips_per_class=[2,2,2]",
      dataset.size=24, train.epochs=1]
    design: variants
    variants: {whole: [], no_au: [model.streams.au=false]}
"""
PATIENCE = 300


def test_a_sweep_that_is_killed_ends_the_night_with_4_and_no_other_sweep(tmp_path: Path) -> None:
    psutil = importlib.import_module("psutil")
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(SWEEP.replace("NAME", name))
    with webhook_server("s3cr3t") as hook:
        settings = f"{{sweeps: [one.yaml, two.yaml], notify: {{url: '{hook.url}'}}}}"
        (tmp_path / "night.yaml").write_text(f"{{cluster_name: night, metadata: {{nightly: {settings}}}}}")
        night = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli", "nightly", "night.yaml"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline, sweep = time.monotonic() + PATIENCE, None
        while sweep is None:
            assert night.poll() is None and time.monotonic() < deadline, night.communicate()[0]
            found = psutil.Process(night.pid).children()
            sweep = next((child for child in found if "one.yaml" in child.cmdline()), None)
            time.sleep(0.05)
        sweep.kill()
        said = night.communicate(timeout=PATIENCE)[0]
        assert night.returncode == 4, said
        ((_, _, body),) = hook.bodies
    report = (tmp_path / "reports" / "night" / "difference.md").read_text()
    assert "one stopped: killed by signal 9; 4 cells are left" in report
    assert (body["event"], body["problems"]) == ("broke", ["one stopped: killed by signal 9; 4 cells are left"])
    assert len(list((tmp_path / "store" / "cells").glob("*.parquet"))) == 4
