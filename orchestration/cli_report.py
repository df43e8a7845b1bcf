"""From plan and cells to the report, and the report on the terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.designs import aliases
from orchestration.mlflow_values import git_commit

if TYPE_CHECKING:
    from rich.console import Console

    from dashboards.report import Report
    from dashboards.study import Study
    from madv.config import Config
    from orchestration.cells import Cell, CellStore
    from orchestration.plan import Plan, Variant

REPORTS = Path("reports")
SCORES = ("uf1", "uar", "accuracy")
SHOWN_FAILURES = 5


def report_sweep(plan: Plan, store: CellStore, cache_root: Path, overrides: Sequence[str]) -> Report:
    """Write reports/<cluster_name>/ from the cells that are there."""
    from dashboards.report import write_report

    return write_report(make_study(plan, store, cache_root, overrides), REPORTS / plan.spec.cluster_name)


def make_study(plan: Plan, store: CellStore, cache_root: Path, overrides: Sequence[str]) -> Study:
    """Everything that the report needs to know, as dashboards take it."""
    from dashboards.study import Study, StudyVariant
    from madv.data.cache import load
    from orchestration.growth_file import growth_points, network_cost

    spec = plan.spec
    states = store.states([cell.key for cell in plan.cells])
    planned = [cell for cell in plan.cells if cell.key in states]
    cells = store.read_many([cell.key for cell in planned])
    manifest = load(plan.variants[0].config.dataset, cache_root).manifest
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
        remarks=(*_twins(plan, cache_root), *_aliases(plan)),
        sample_labels={str(sample): (int(label), str(subject)) for sample, label, subject in rows},
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


def print_report(report: Report, console: Console, metric: str) -> None:
    """The verdict, the ranked table and where the page is."""
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("variant", overflow="fold", min_width=12)
    for name in (metric, *(other for other in SCORES if other != metric), "difference", "p (Holm)"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    for row in report.table.to_dict("records"):
        figures = [_number(row[name]) for name in (metric, *(other for other in SCORES if other != metric))]
        difference = _number(row["difference"], "+.3f")
        if _number(row["low"]):
            difference += f" [{_number(row['low'], '+.3f')}, {_number(row['high'], '+.3f')}]"
        verdict = row["verdict"] if isinstance(row["verdict"], str) else ""
        table.add_row(Text(str(row["variant"])), *figures, Text(difference), _number(row["p_holm"]), Text(verdict))
    console.print()
    console.print(table)
    console.print()
    for warning in report.warnings:
        console.print(Text(warning), style="red")
    console.print(Text(report.headline))
    for note in report.notes:
        console.print(Text(f"Note: {note}"))
    console.print()
    console.print(f"report     {report.path_html}", highlight=False, soft_wrap=True)
    console.print(f"table      {report.path_csv}, {report.path_md}", highlight=False, soft_wrap=True)


def failure_lines(plan: Plan, store: CellStore) -> list[str]:
    """How many cells failed and why: the last line of each traceback, the most frequent first. Empty if none failed."""
    failed = [key for key, state in store.states([cell.key for cell in plan.cells]).items() if state == "failed"]
    if not failed:
        return []
    reasons = Counter(_last_line(cell.reason) for cell in store.read_many(failed))
    lines = [f"{len(failed)} of {len(plan.cells)} cells failed:"]
    lines += [f"  {count} x {reason}" for reason, count in reasons.most_common(SHOWN_FAILURES)]
    if len(reasons) > SHOWN_FAILURES:
        lines.append(f"  and {len(reasons) - SHOWN_FAILURES} other reasons, in the report")
    return lines


def mlflow_command(uri: str) -> str:
    """What to type, or where to look, to see the runs."""
    if uri.startswith(("http://", "https://")):
        return uri
    program = shutil.which("mlflow") or os.path.join(os.path.dirname(sys.executable), "mlflow")
    return shlex.join(["mlflow" if shutil.which("mlflow") else program, "ui", "--backend-store-uri", uri])


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
        "commit": git_commit() or "not in a git checkout",
        "data": plan.facts.fingerprint[:12],
        "code": plan.code[:12],
        "sweep": plan.spec.digest[:12],
        "device": ", ".join(devices) or "none yet",
        **versions,
    }


def _number(value: object, form: str = ".3f") -> str:
    """Empty for a missing one; +.123 for +0.123, which leaves room for names."""
    return format(value, form).replace("0.", ".", 1) if isinstance(value, float) and value == value else ""


def _last_line(reason: str | None) -> str:
    lines = (reason or "").strip().splitlines()
    return lines[-1].strip() if lines else "no reason was left"
