"""madv report: from plan and cells to the report, on disk and on the terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from madv.errors import MadvError
from orchestration.addresses import without_password
from orchestration.cli_study import make_study
from orchestration.failures import reasons
from orchestration.journal import note
from orchestration.references import references, share_references, write_references
from orchestration.verdict import Finding, Verdict, write_verdict

if TYPE_CHECKING:
    from rich.console import Console

    from dashboards.report import Report
    from dashboards.study import Study
    from orchestration.cells import CellStore
    from orchestration.plan import Plan

REPORTS = Path("reports")
SCORES = ("uf1", "uar", "accuracy")
SHOWN_FAILURES = 5


def report(file: Path, overrides: Sequence[str], *, form: str, with_figures: bool) -> int:
    """Write the report of the cells that are there, and print its table.

    Args:
        file, overrides: of the sweep.
        form: table for the terminal, or latex, markdown, csv: the file of that kind.
        with_figures: whether its figures are written as SVG and PDF too.
    """
    from dashboards.report import write_paper_figures
    from orchestration.cli_plan import new_console
    from orchestration.prepared import prepare

    prepared = prepare(file, overrides)
    if prepared.searches:
        from orchestration import cli_search

        if form != "table" or with_figures:
            raise MadvError("--format and --figures are of an ablation's report; a search leaves its tables in files")
        return cli_search.report(prepared, overrides)
    study = make_study(prepared.plan, prepared.store, prepared.cache_root, overrides)
    folder = REPORTS / prepared.plan.spec.cluster_name
    written = _write(study, folder, prepared.plan, prepared.cache_root, shared=True)
    figures = write_paper_figures(study, folder / "figures") if with_figures else []
    files = {"latex": written.path_tex, "markdown": written.path_md, "csv": written.path_csv}
    if form in files:
        sys.stdout.write(files[form].read_text(encoding="utf-8"))
        return 0
    console = new_console()
    print_report(written, console, prepared.plan.spec.report.metric)
    if figures:
        console.print(f"figures    {folder / 'figures'}: {len(figures)} files", highlight=False, soft_wrap=True)
    return 0


def report_sweep(
    plan: Plan, store: CellStore, cache_root: Path, overrides: Sequence[str], folder: Path | None = None
) -> Report:
    """Write the report of the cells that are there into a folder, reports/<cluster_name> unless another is named."""
    study = make_study(plan, store, cache_root, overrides)
    if folder is not None:
        study = replace(study, clips=False)  # their page is beside the sweep's own report
    return _write(study, folder or REPORTS / plan.spec.cluster_name, plan, cache_root, shared=folder is None)


def _write(study: Study, folder: Path, plan: Plan, cache_root: Path, *, shared: bool) -> Report:
    """The report, and beside it what it says and refers to, which a shared store is told, too."""
    from dashboards.report import write_report

    written = write_report(study, folder)
    used = references(plan, cache_root)
    write_references(folder, used)
    if shared:
        share_references(plan.spec.storage_path, folder, used)
    write_verdict(folder, verdict_of(written))
    note("report written", path=str(written.path_html.absolute()))
    return written


def verdict_of(written: Report) -> Verdict:
    """What a report says, in short."""
    numbers = ("difference", "low", "high", "p_holm")
    findings = {
        str(row["variant"]): Finding(
            **{name: row[name] if row[name] == row[name] else None for name in numbers},
            verdict=row["verdict"] if isinstance(row["verdict"], str) else "",
        )
        for row in written.table.to_dict("records")
    }
    return Verdict(headline=written.headline, warnings=written.warnings, findings=findings)


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
    for text in report.notes:
        console.print(Text(f"Note: {text}"))
    console.print()
    console.print(f"report     {report.path_html}", highlight=False, soft_wrap=True)
    tables = ", ".join(str(path) for path in (report.path_csv, report.path_md, report.path_tex))
    console.print(f"table      {tables}", highlight=False, soft_wrap=True)


def failure_lines(plan: Plan, store: CellStore) -> list[str]:
    """How many cells failed and why: the last line of each traceback, the most frequent first. Empty if none failed."""
    failed = [key for key, state in store.states([cell.key for cell in plan.cells]).items() if state == "failed"]
    if not failed:
        return []
    why = reasons(store.read_whole(failed).values())
    lines = [f"{len(failed)} of {len(plan.cells)} cells failed:"]
    lines += [f"  {count} x {reason}" for reason, count in why[:SHOWN_FAILURES]]
    if len(why) > SHOWN_FAILURES:
        lines.append(f"  and {len(why) - SHOWN_FAILURES} other reasons, in the report")
    return lines


def mlflow_command(uri: str) -> str:
    """What to type, or where to look, to see the runs; without a password, which its reader knows."""
    uri = without_password(uri)
    if uri.startswith(("http://", "https://")):
        return uri
    program = shutil.which("mlflow") or os.path.join(os.path.dirname(sys.executable), "mlflow")
    return shlex.join(["mlflow" if shutil.which("mlflow") else program, "ui", "--backend-store-uri", uri])


def _number(value: object, form: str = ".3f") -> str:
    """Empty for a missing one; +.123 for +0.123, which leaves room for names."""
    return format(value, form).replace("0.", ".", 1) if isinstance(value, float) and value == value else ""
