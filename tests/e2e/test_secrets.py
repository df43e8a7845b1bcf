"""A sweep with a secret in every address: no byte that is left behind or printed has one of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from webhook_server import webhook_server

SWEEP = """
cluster_name: small
metadata:
  sweep:
    base: [dataset=synthetic, dataset.subjects=2, "dataset.clips_per_class=[2,2,2]", dataset.frames=4, train.epochs=1,
           dataset.size=16, model=madv_tiny, "model.tokenizer.stride=[2,2,2]"]
    design: variants
    variants: {whole: [], plain: [model.fusion=concatenated]}
"""
SEARCH = """
cluster_name: searched
metadata:
  sweep:
    base: [dataset=synthetic, dataset.subjects=2, "dataset.clips_per_class=[2,2,2]", dataset.frames=4, train.epochs=1,
           dataset.size=16, model=madv_tiny, "model.tokenizer.stride=[2,2,2]"]
    design: search
    protocol: {optimistic: true}
    search:
      space: {loss.alpha: {low: 0.1, high: 0.9}}
      trials: 4
      storage: STORAGE
"""
MARK = "m4rk-"
"""What every secret begins with."""
ENVIRONMENT = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "PGPASSWORD")


def madv(folder: Path, *arguments: str, code: int, **variables: str) -> str:
    """What a command prints on both channels; its exit code is as said."""
    kept = {name: text for name, text in os.environ.items() if name not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")}
    secrets = {name: f"{MARK}{name}" for name in ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        cwd=folder,
        env=kept | secrets | variables,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def holding(folder: Path) -> list[str]:
    """Files with a secret, which the sweep files themselves may have."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder / "files"]
    assert len(files) > 10
    return [str(path.relative_to(folder)) for path in files if MARK.encode() in path.read_bytes()]


def test_a_sweep_and_what_is_left_of_it(tmp_path: Path) -> None:
    """The webhook refuses the first time; Ray's own logs are looked into, too."""
    (tmp_path / "files").mkdir()
    said = []
    with webhook_server(f"{MARK}path?token={MARK}query") as heard, tempfile.TemporaryDirectory(dir="/tmp") as ray:
        file = "files/small.yaml"
        (tmp_path / file).write_text(f"{SWEEP}    notify: {{url: '{heard.url}'}}\n")
        heard.answer = 503
        said.append(madv(tmp_path, "plan", file, code=0))
        said.append(madv(tmp_path, "sweep", file, code=0, RAY_TMPDIR=ray))
        assert "madv: not notified: the webhook at 127.0.0.1 answers 503" in said[-1]
        assert holding(Path(ray)) == []
        heard.answer = 200
        away = f"http://me:{MARK}login@127.0.0.1:9/?token={MARK}query"
        quick = {"MLFLOW_TRACKING_URI": away, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        said.append(madv(tmp_path, "sweep", file, code=0, **quick))
        assert "nothing to train" in said[-1] and "tracking failed" in said[-1]
        said.append(madv(tmp_path, "track", file, code=2, **quick))
        said.append(madv(tmp_path, "logs", code=0))
        said.append(madv(tmp_path, "cluster", "render", "--image", "i", "--out", "manifests", file, code=0))
    assert len(heard.bodies) == 2 and MARK in heard.bodies[0][0]
    assert MARK not in str([body for _, _, body in heard.bodies])
    assert [text for text in said if MARK in text] == []
    assert (tmp_path / "mlflow.db").exists() and (tmp_path / "reports/small/index.html").exists()
    assert holding(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (SEARCH.replace("STORAGE", f"postgresql+psycopg://me:{MARK}a@127.0.0.1:9/studies"), "search.storage"),
        (SEARCH.replace("STORAGE", f"nothing://me:{MARK}a@host/studies?token={MARK}b"), "search.storage"),
        (SEARCH.replace("STORAGE", f"[postgresql://me:{MARK}a@host/studies]"), "search.storage"),
        (f"{SWEEP}    notify: https://hooks.example/services/{MARK}a\n", "sweep.notify"),
        (f"{SWEEP}    notify: {{https://hooks.example/services/{MARK}a: 1}}\n", "sweep.notify"),
        (f"{SWEEP}    notify: {{url: ftp://me:{MARK}a@host}}\n", "notify.url"),
        (f"{SWEEP}    storage_path: [s3://{MARK}a:{MARK}b@bucket]\n", "sweep.storage_path"),
        (f"{SWEEP}    report: https://me:{MARK}a@host\n", "sweep.report"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_without_its_secret(text: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    said = madv(tmp_path, "sweep", "wrong.yaml", code=2)
    assert place in said and MARK not in said
