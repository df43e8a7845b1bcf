"""From plan and cells to what the report is made from."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.designs import aliases
from orchestration.mlflow_values import checkout

if TYPE_CHECKING:
    import pandas as pd

    from dashboards.study import Study
    from madv.config import Config
    from orchestration.cells import Cell, CellStore
    from orchestration.plan import Plan, Variant


def make_study(plan: Plan, store: CellStore, cache_root: Path, overrides: Sequence[str]) -> Study:
    """Everything that the report needs to know, as dashboards take it."""
    from dashboards.study import Study, StudyVariant
    from madv.data.cache import load
    from orchestration.growth_file import growth_points, network_cost

    spec = plan.spec
    states = store.states([cell.key for cell in plan.cells])
    whole = store.read_whole(cell.key for cell in plan.cells if cell.key in states)
    planned = [cell for cell in plan.cells if cell.key in whole]
    cells = [whole[cell.key] for cell in planned]
    first = plan.variants[0].config
    manifest = load(first.dataset, cache_root).manifest
    rows = zip(manifest["sample_id"], manifest["label"], manifest["subject"], strict=True)
    arguments = shlex.join([str(spec.path), *overrides])
    # Only a comparison of methods has room for what each network costs.
    compared = len({variant.config.method.name for variant in plan.variants}) > 1
    first_seeds = {variant.name: variant.first_seed for variant in plan.trained}

    def described(variant: Variant) -> StudyVariant:
        return StudyVariant(
            name=variant.name,
            levels=variant.levels,
            overrides=variant.overrides,
            is_reference=variant is plan.variants[0],
            random_folds=variant.config.protocol.split == "clips",
            method=_method(variant.config),
            **(network_cost(variant.config, cache_root) if compared else {}),
            remarks=_remarks(variant.config),
        )

    return Study(
        cluster_name=spec.cluster_name,
        question=spec.question,
        design=spec.design.kind,
        metric=spec.report.metric,
        alpha=spec.report.alpha,
        margin=spec.report.margin,
        class_names=plan.facts.class_names,
        variants=tuple(described(variant) for variant in plan.variants),
        controls={kind: described(variant) for kind, variant in plan.controls.items()},
        seeds=spec.seeds,
        subjects=plan.facts.subjects,
        remarks=(
            *_twins(plan, cache_root),
            *_aliases(plan),
            *(() if first.protocol.split == "clips" else lone_classes(manifest, plan.facts.class_names)),
        ),
        sample_labels={str(sample): (int(label), str(subject)) for sample, label, subject in rows},
        clips=spec.report.keep_checkpoints != "none",
        optimistic=spec.protocol.optimistic,
        dataset=_preset(plan),
        ceilings=_ceilings(plan),
        growth=growth_points(plan.variants[0].config, plan.facts, cache_root),
        cells={
            (one.variant, one.seed - first_seeds[one.variant], one.subject): cell
            for one, cell in zip(planned, cells, strict=True)
        },
        provenance=_provenance(plan, cells),
        rerun=(f"madv sweep {arguments}", f"madv report {arguments}"),
    )


def _method(config: Config) -> str:
    """The network's name in the paper."""
    from madv.methods.table import METHODS

    return METHODS[config.method.name].title if config.method.name in METHODS else "MADV-Net"


def _preset(plan: Plan) -> str:
    """The name by which the reference's data set was chosen."""
    reference = plan.variants[0]
    chosen = [text.partition("=")[2].strip() for text in reference.overrides if text.startswith("dataset=")]
    return chosen[-1] if chosen else reference.config.dataset.kind


def _remarks(config: Config) -> tuple[str, ...]:
    oracle = config.method.name == "madv_net" and config.model.streams.au and config.model.au.source == "annotated"
    mixed, copies = config.protocol.split == "clips", config.protocol.copies > 1
    said = {
        "reads annotated action units: an oracle, near the label, that no new clip comes with": oracle,
        "optimistic: trains on other clips of the subjects that it is scored on": mixed,
        "optimistic: trains on copies of the clips that it is scored on": mixed and copies,
        "optimistic: its epoch is chosen on the clips that it is scored on": config.protocol.epoch == "best_on_test",
    }
    return tuple(remark for remark, holds in said.items() if holds)


def lone_classes(manifest: pd.DataFrame, class_names: Sequence[str]) -> tuple[str, ...]:
    """Classes that one subject alone has: the fold that holds it out has a result, and cannot get them right."""
    found = []
    for label, name in enumerate(class_names):
        subjects = manifest.loc[manifest["label"] == label, "subject"].unique()
        if len(subjects) == 1:
            found.append(
                f"Only subject {subjects[0]} has clips of {name}: the fold that holds it out trains without that "
                "class, and its clips of it are counted as they are predicted, wrong."
            )
    return tuple(found)


def _aliases(plan: Plan) -> tuple[str, ...]:
    mixed = aliases(plan.spec.design)
    return (f"This fraction cannot tell apart: {'; '.join(mixed)}.",) if mixed else ()


def _twins(plan: Plan, cache_root: Path) -> tuple[str, ...]:
    """That frames of any of the data sets were written by `madv data synthesize`."""
    from madv.data.cache import describe

    configs = [variant.config for variant in plan.variants]
    sources = {config.dataset for config in configs} | {c.pretrain.dataset for c in configs if c.pretrain.dataset}
    twins = sorted({name for source in sources for name in describe(source, cache_root).facts.get("twins", ())})
    if not twins:
        return ()
    names = f"Twin of {', '.join(twins)}: synthetic frames"
    return (f"{names}, made for its annotation file, not the data set itself. No score says anything of real faces.",)


def _ceilings(plan: Plan) -> dict[str, float] | None:
    """Best score that the data allow each variant, where the reference's data set knows it."""
    known: Mapping[str, float] = plan.facts.facts.get("ceilings", {})
    streams = {
        variant.name: "texture"
        if variant.config.method.name != "madv_net"
        else "+".join(variant.config.model.streams.active())
        for variant in plan.variants
        if variant.config.dataset == plan.variants[0].config.dataset
    }
    ceilings = {name: known[joined] for name, joined in streams.items() if joined in known}
    return ceilings or None


def _provenance(plan: Plan, cells: Sequence[Cell]) -> dict[str, str]:
    """What ran; of what differs between cells, all values."""
    packages = sorted({package for cell in cells for package in cell.versions})
    versions = {
        package: ", ".join(sorted({cell.versions[package] for cell in cells if package in cell.versions}))
        for package in packages
    }
    devices = sorted({cell.device for cell in cells if cell.state == "done"})
    return {
        "commit of this report": checkout(),
        "made on": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "data": plan.facts.fingerprint[:12],
        "code": plan.code[:12],
        "sweep": plan.spec.digest[:12],
        "device": ", ".join(devices) or "none yet",
        **versions,
    }
