"""What `madv submit` refuses before anything starts, and the script that runs on the head."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from madv.errors import ClusterError, MadvError, SpecError
from orchestration.spec import load_spec
from orchestration.submit import check, probe_head

ROOT = Path(__file__).parents[2]
FILE = ROOT / "sweeps" / "ablate_streams.yaml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder that is a project's root."""
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "submit.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_sweep_that_comes_along_can_be_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    cluster = check(FILE, ["train.epochs=3"])
    assert cluster["metadata"]["folder"] == "~/madv"


def test_elsewhere_than_in_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MadvError, match="run it from the project's root"):
        check(FILE, [])


def test_all_problems_at_once(project: Path) -> None:
    text = FILE.read_text().replace("worker_ips: []", "worker_ips: [10.0.0.2]").replace("RAY_AUTH_MODE=token ", "")
    text = text.replace("RAY_AUTH_MODE: token", "MLFLOW_TRACKING_URI: http://me:s3cr3t@server").replace(
        "folder: ~/madv", ""
    )
    for name in ("madv", "orchestration", "dashboards", "pyproject.toml", "requirements.lock", "README.md", "LICENSE"):
        (project / name).touch()
    file = project / "sweep.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        check(file, [])
    found = [str(problem) for problem in caught.value.problems]
    assert [problem.partition("metadata.")[2].partition(":")[0] for problem in found if "metadata." in problem] == [
        "folder",
        "env.MLFLOW_TRACKING_URI",
    ]
    (mount,) = [problem for problem in found if "file_mounts" in problem]
    assert "there is no Makefile in" in mount
    assert any("--autoscaling-config" in problem for problem in found)
    assert sum("RAY_AUTH_MODE=token" in problem for problem in found) == 2, "of the head and of the workers"
    assert len(found) == 6
    assert "s3cr3t" not in str(caught.value)


ODD = {
    "file_mounts": "[a, b]",
    "provider": "local",
    "auth": "3",
    "head_start_ray_commands": "ray start --head",
    "worker_start_ray_commands": "[3]",
}


def test_values_of_another_kind_than_ray_takes(project: Path) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in ODD.items())
    text += "cluster_name: odd\nmetadata: {env: [A, B], python: 3, folder: [x], sweep: SWEEP}\n"
    text = text.replace(
        "SWEEP", "{base: [dataset=synthetic], design: variants, variants: {a: [], b: [train.epochs=2]}}"
    )
    file = project / "odd.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        check(file, [])
    found = " ".join(str(problem) for problem in caught.value.problems)
    for key in (*ODD, "metadata.env", "metadata.python", "metadata.folder"):
        assert f"{key}: must be" in found


@pytest.mark.parametrize("key", [*ODD, "metadata"])
def test_keys_that_have_no_value(project: Path, key: str) -> None:
    (project / "empty.yaml").write_text(f"cluster_name: empty\n{key}:\n")
    with pytest.raises(SpecError):
        check(project / "empty.yaml", [])


def test_secrets_of_a_search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    ray = FILE.read_text().partition("  sweep:\n")[0]
    sweep = (ROOT / "sweeps" / "search_weights.yaml").read_text().partition("  sweep:\n")[2]
    storage = "      storage: postgresql://me:s3cr3t@host/studies\n"
    places = """\
    storage_path: s3://bucket/cells?secret_key=s3cr3t
    notify: {url: "https://hooks.example/services/s3cr3t"}
"""
    file = tmp_path / "sweep.yaml"
    file.write_text(ray + "  sweep:\n" + places + sweep.replace("      trials: 30\n", f"      trials: 30\n{storage}"))
    with pytest.raises(SpecError) as caught:
        check(file, [])
    storage_path, notify, study = map(str, caught.value.problems)
    assert "sweep.storage_path: holds a secret" in storage_path
    assert "notify.url: holds a secret" in notify and notify.endswith("set MADV_NOTIFY_URL on the head")
    assert "search.storage: holds a secret" in study and "~/.pgpass" in study
    assert "s3cr3t" not in str(caught.value)


def test_a_user_alone_is_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / "sweep.yaml"
    file.write_text(FILE.read_text().replace("  sweep:\n", "  sweep:\n    storage_path: s3://me@bucket/cells\n"))
    check(file, [])


def test_levels_that_ray_would_rename(project: Path) -> None:
    """YAML 1.1 reads 010 as eight, and Ray writes that as JSON."""
    sweep = """
cluster_name: x
provider: {type: local, head_ip: h}
auth: {ssh_user: me}
head_start_ray_commands: [RAY_AUTH_MODE=token ray start --head]
metadata:
  python: p
  folder: f
  sweep:
    base: [dataset=synthetic]
    design: factorial
    factors:
      depth: {%s: [], %s: [model.streams.depth=false]}
"""
    file = project / "sweep.yaml"
    file.write_text(sweep % ("010", "off"))
    with pytest.raises(SpecError, match="Ray would hand over another sweep"):
        check(file, [])
    file.write_text(sweep % ("on", "off"))
    cluster = check(file, [])
    rewritten = project / "rewritten.json"
    rewritten.write_text(json.dumps(cluster))
    assert load_spec(rewritten).digest == load_spec(file).digest


def test_a_head_that_cannot_be_reached_is_one_sentence_in_seconds() -> None:
    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"the head cannot be reached: ssh me@127\.0\.0\.1: "):
        probe_head(
            {"provider": {"head_ip": "127.0.0.1"}, "auth": {"ssh_user": "me", "ssh_proxy_command": "/bin/false"}}
        )
    assert time.monotonic() - began < 20


def script(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """sweeps/submit.py on a head with this home, without a single package."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "sweeps" / "submit.py"), *arguments],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_without_a_file(tmp_path: Path) -> None:
    done = script(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("madv: ~/ray_bootstrap_config.yaml cannot be read")
    assert done.stdout == "madv: exit code 2\n"


def test_the_script_runs_the_interpreter_that_the_file_names(tmp_path: Path) -> None:
    python, folder = tmp_path / "python", tmp_path / "project"
    folder.mkdir()
    python.write_text('#!/bin/sh\necho "$PWD" "$MODE" "$@"\nexit 7\n')
    python.chmod(0o755)
    metadata = {"python": "~/python", "folder": "~/project", "env": {"MODE": "token"}}
    (tmp_path / "ray_bootstrap_config.yaml").write_text(json.dumps({"metadata": metadata}))
    done = script(tmp_path, "train.epochs=3", "dataset.clips_per_class=[1,2,3]")
    command = f"-m orchestration.cli sweep {tmp_path}/ray_bootstrap_config.yaml train.epochs=3"
    assert done.stdout == f"{folder} token {command} dataset.clips_per_class=[1,2,3]\nmadv: exit code 7\n"
    assert done.returncode == 7
    python.unlink()
    assert "which is not on this head" in script(tmp_path).stderr
