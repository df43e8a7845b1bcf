"""Manifests hold to the fields of KubeRay's and Kubernetes' schemas, and the examples are what is rendered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from madv.errors import MadvError
from orchestration.cli import main
from orchestration.cluster_manifests import Kubernetes, ray_job, resource_name

ROOT = Path(__file__).parents[2]
FILE = ROOT / "sweeps" / "ablate_streams.yaml"
SCHEMA = json.loads((Path(__file__).parent / "kubernetes_schema.json").read_text())


def validate(manifest: dict[str, Any]) -> None:
    """By its kind."""
    jsonschema.validate(manifest, {**SCHEMA, "$ref": f"#/$defs/{manifest['kind']}"})


def rendered(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    """What `madv cluster render` prints."""
    assert main(["cluster", "render", "--image", "madv:1", *options, str(FILE), "train.epochs=3"]) == 0
    return list(yaml.safe_load_all(capsys.readouterr().out))


def test_every_manifest_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    manifests = rendered(capsys, "--gpus", "1", "--secret", "mlflow", "--workers", "3")
    kinds = ["RayJob", "ServiceAccount", "Role", "RoleBinding", "CronJob"]
    assert [manifest["kind"] for manifest in manifests] == kinds
    for manifest in manifests:
        validate(manifest)
    cluster = manifests[0]["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["workerGroupSpecs"][0]["replicas"] == 3
    container = cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["envFrom"] == [{"secretRef": {"name": "mlflow"}}]
    assert manifests[0]["spec"]["entrypoint"].endswith(" train.epochs=3'")


def test_the_schema_refuses_what_kuberay_would(capsys: pytest.CaptureFixture[str]) -> None:
    job = rendered(capsys)[0]
    job["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"] = {"num-cpus": 0}
    with pytest.raises(jsonschema.ValidationError, match="0 is not of type 'string'"):
        validate(job)


def test_the_cron_job_makes_the_same_ray_job(capsys: pytest.CaptureFixture[str]) -> None:
    job, *_, cron = rendered(capsys)
    (container,) = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    script = container["command"][-1]
    made = yaml.safe_load(script.partition("<<'END'\n")[2].removesuffix("END\n"))
    assert made["metadata"].pop("name") == job["metadata"].pop("name") + "-nightly"
    assert made == job


def test_a_night_runs_once_whatever_it_finds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    file = str(ROOT / "sweeps" / "nightly.yaml")
    assert main(["cluster", "render", "--image", "madv:1", file]) == 0
    manifests = list(yaml.safe_load_all(capsys.readouterr().out))
    for manifest in manifests:
        validate(manifest)
    assert (
        manifests[0]["spec"]["entrypoint"]
        == "bash -c 'cd /shared && exec madv nightly /home/ray/madv/sweeps/nightly.yaml'"
    )
    assert manifests[0]["spec"]["backoffLimit"] == 0
    assert main(["cluster", "render", "--image", "madv:1", file, "train.epochs=3"]) == 2
    assert "train.epochs=3: a nightly file says itself" in capsys.readouterr().err


def test_the_examples_are_what_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = ["cluster", "render", "--image", "madv:latest", "--out", str(tmp_path), "sweeps/ablate_streams.yaml"]
    assert main(command) == 0
    examples = sorted((ROOT / "sweeps" / "kubernetes").glob("*.yaml"))
    assert len(examples) == 2
    for example in examples:
        assert example.read_text() == (tmp_path / example.name).read_text()
    command[-1] = str(ROOT / command[-1])
    assert main(command) == 0
    assert example.read_text() == (tmp_path / example.name).read_text()


def test_amounts_that_kubernetes_refuses_are_named_together() -> None:
    with pytest.raises(MadvError) as caught:
        ray_job("x", "sweep", FILE, [], Kubernetes(image="x", workers=0, memory="lots", schedule="daily"))
    for text in ("--workers 0", "--memory lots", "--schedule daily"):
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ablate-streams", "ablate-streams"),
        ("My_Sweep.2", "my-sweep-2"),
        ("3d", "sweep-3d"),
        ("x" * 60, "x" * 39),
        ("3" * 60, "sweep-" + "3" * 33),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert resource_name(name) == expected
