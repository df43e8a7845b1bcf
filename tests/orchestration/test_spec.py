"""A sound sweep file becomes a record with its defaults, in YAML as in JSON."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest
import yaml

from orchestration.cluster_keys import CLUSTER_KEYS
from orchestration.designs import Design
from orchestration.report_options import ReportOptions
from orchestration.spec import Protocol, Resources, SweepSpec, load_spec

STREAMS = """\
cluster_name: ablate-streams
provider: {type: local, head_ip: 127.0.0.1, worker_ips: []}
metadata:
  sweep:
    question: Which input streams does MADV-Net need?
    base: [dataset=synthetic, model=madv_tiny, train=demo]
    design: factorial
    factors:
      texture: {on: [], off: [model.streams.texture=false]}
      depth:   {on: [], off: [model.streams.depth=false]}
      au:      {on: [], off: [model.streams.au=false]}
    exclude: ["texture=off depth=off au=off"]
    seeds: 3
    protocol: {kind: loso, validation_subjects: 0}
    resources: {cpus_per_trial: 2, gpus_per_trial: 0.5}
    report: {metric: uar, alpha: 0.01, keep_checkpoints: best}
    storage_path: s3://bucket/store
"""
SHORT = """\
cluster_name: short
metadata:
  sweep:
    design: one_factor_at_a_time
    factors:
      focal: {two: [loss.focal_lambda=2], none: [loss.focal_lambda=0]}
"""


def write(folder: Path, text: str, name: str = "sweep.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_whole_file(tmp_path: Path) -> None:
    path = write(tmp_path, STREAMS)
    spec = load_spec(path, ["train.epochs=1"])
    assert spec == SweepSpec(
        path=path,
        cluster_name="ablate-streams",
        digest=spec.digest,
        question="Which input streams does MADV-Net need?",
        base=("dataset=synthetic", "model=madv_tiny", "train=demo", "train.epochs=1"),
        design=Design(
            kind="factorial",
            factors={
                "texture": {"on": (), "off": ("model.streams.texture=false",)},
                "depth": {"on": (), "off": ("model.streams.depth=false",)},
                "au": {"on": (), "off": ("model.streams.au=false",)},
            },
            exclude=({"texture": "off", "depth": "off", "au": "off"},),
        ),
        seeds=(0, 1, 2),
        protocol=Protocol(kind="loso"),
        resources=Resources(cpus_per_trial=2.0, gpus_per_trial=0.5),
        report=ReportOptions(metric="uar", alpha=0.01, keep_checkpoints="best"),
        storage_path="s3://bucket/store",
    )


def test_defaults(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, SHORT))
    assert (spec.question, spec.base, spec.design.exclude, spec.seeds, spec.storage_path) == ("", (), (), (0,), "store")
    assert (spec.resources, spec.report) == (Resources(cpus_per_trial=1, gpus_per_trial="auto"), ReportOptions())


def test_record_is_frozen(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, SHORT))
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.seeds = (1,)  # type: ignore[misc]


def test_list_of_seeds(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, STREAMS.replace("seeds: 3", "seeds: [7, 3]"))).seeds == (7, 3)


def test_the_head_of_a_cluster_reads_the_same_sweep(tmp_path: Path) -> None:
    # Ray loads the YAML, where `on` is true, and leaves JSON on the head, where that key is "true".
    as_ray_writes_it = json.dumps(yaml.safe_load(STREAMS))
    assert '"true": []' in as_ray_writes_it
    here = load_spec(write(tmp_path, STREAMS))
    there = load_spec(write(tmp_path, as_ray_writes_it, "ray_bootstrap_config.yaml"))
    assert there.design == here.design
    assert there.digest == here.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seeds: 3", "seeds: 4"),
        ("metric: uar", "metric: uf1"),
        ("train=demo]", "train=paper]"),
    ],
)
def test_digest_changes_with_the_content(tmp_path: Path, old: str, new: str) -> None:
    changed = write(tmp_path, STREAMS.replace(old, new))
    assert load_spec(changed).digest != load_spec(write(tmp_path, STREAMS, "b.yaml")).digest


def test_digest_changes_with_the_reference(tmp_path: Path) -> None:
    swapped = SHORT.replace("{two: [loss.focal_lambda=2], none: [loss.focal_lambda=0]}", "{none: [], two: []}")
    again = swapped.replace("{none: [], two: []}", "{two: [], none: []}")
    assert load_spec(write(tmp_path, swapped)).digest != load_spec(write(tmp_path, again)).digest


def test_digest_ignores_layout_comments_and_place(tmp_path: Path) -> None:
    same = "# a comment\n" + yaml.dump(yaml.safe_load(STREAMS), sort_keys=False)
    assert load_spec(write(tmp_path, same, "other.yaml")).digest == load_spec(write(tmp_path, STREAMS)).digest


def test_anchors_and_merge_keys(tmp_path: Path) -> None:
    text = SHORT.replace(
        "      focal: {two: [loss.focal_lambda=2], none: [loss.focal_lambda=0]}\n",
        "      focal: &levels {two: [loss.focal_lambda=2], none: [loss.focal_lambda=0]}\n"
        "      again: *levels\n"
        "      more: {<<: *levels, none: [loss.focal_mu=0]}\n"
        "      last: {<<: *levels, none: [loss.focal_mu=0]}\n",
    )
    factors = load_spec(write(tmp_path, text)).design.factors
    assert factors["again"] == factors["focal"]
    assert factors["more"] == {"two": ("loss.focal_lambda=2",), "none": ("loss.focal_mu=0",)}


def test_yes_and_no_are_levels_too(tmp_path: Path) -> None:
    text = STREAMS.replace("au:      {on: [], off:", "au:      {yes: [], No:").replace("au=off", "au=no")
    assert load_spec(write(tmp_path, text)).design == load_spec(write(tmp_path, STREAMS, "b.yaml")).design


def test_cluster_keys_are_those_of_the_installed_ray() -> None:
    ray = importlib.util.find_spec("ray")
    assert ray is not None and ray.origin is not None
    schema = json.loads((Path(ray.origin).parent / "autoscaler" / "ray-schema.json").read_text())
    assert set(schema["properties"]) == CLUSTER_KEYS
