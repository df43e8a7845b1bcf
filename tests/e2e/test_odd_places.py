"""A sweep where nothing is as at home: no HOME, none that can be written, odd zones and names, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SWEEP = """\
cluster_name: odd
metadata:
  sweep:
    base:
      - dataset=synthetic
      - dataset.subjects=2
      - dataset.clips_per_class=[2,2,2]
      - dataset.frames=4
      - dataset.size=16
      - model=madv_tiny
      - "model.tokenizer.stride=[2,2,2]"
      - train.epochs=1
    design: one_factor_at_a_time
    factors:
      depth: {on: [], off: [model.streams.depth=false]}
"""
ODD = "Übung мимика 表情 'a b'" + " long" * 24
HOMES = {"no HOME": None, "a HOME that cannot be made": "/proc/nowhere"}


def without_network() -> list[str]:
    """What a command begins with to have the loopback device alone; nothing where that cannot be had."""
    start = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if (
        shutil.which("unshare")
        and shutil.which("ip")
        and subprocess.run([*start, "true"], capture_output=True).returncode == 0
    ):
        return start
    return []


@pytest.mark.skipif(os.environ.get("MADV_FAULTS") != "full", reason="make faults")
@pytest.mark.parametrize("home", HOMES)
def test_plan_sweep_and_report(home: str, tmp_path: Path) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    (folder / "swéep file.yaml").write_text(SWEEP, encoding="utf-8")
    kept = {
        name: text for name, text in os.environ.items() if name not in ("HOME", "MLFLOW_TRACKING_URI", "RAY_ADDRESS")
    }
    environment = kept | {"TZ": "Pacific/Apia" if HOMES[home] else "<-1130>11:30", "LC_ALL": "C"}
    if HOMES[home]:
        environment["HOME"] = HOMES[home]

    def madv(*arguments: str) -> str:
        command = [*without_network(), sys.executable, "-m", "orchestration.cli", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    assert "4" in madv("plan", "swéep file.yaml")
    madv("sweep", "swéep file.yaml")
    assert len(list((folder / "store" / "cells").glob("*.parquet"))) == 4
    assert (folder / "reports" / "odd" / "index.html").is_file()
    assert (folder / "mlflow.db").is_file()
    table = (folder / "reports" / "odd" / "ablation.csv").read_bytes()
    madv("report", "swéep file.yaml")
    assert (folder / "reports" / "odd" / "ablation.csv").read_bytes() == table
    assert "odd: 4 cells trained, 0 failed; ended: exit code 0" in madv("logs")
