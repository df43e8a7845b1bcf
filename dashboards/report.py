"""A study's report on disk: the page, the tables as CSV, Markdown and LaTeX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards import comparison_text
from dashboards.analysis import analyse
from dashboards.comparison import compare_methods, comparison_table
from dashboards.latex import ablation_latex
from dashboards.page import page
from dashboards.study import Study
from dashboards.tables import ablation_table, csv, headline, markdown
from madv.modes import public_folder
from madv.whole_file import write_whole

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was written, and what to print."""

    table: pd.DataFrame
    """The ranked table; columns as in ablation_table."""
    headline: str
    """The verdict in one sentence."""
    notes: tuple[str, ...]
    """What limits the study."""
    warnings: tuple[str, ...]
    """What must be read before any number, in red."""
    path_html: Path
    path_csv: Path
    path_md: Path
    path_tex: Path


def write_report(study: Study, folder: Path) -> Report:
    """Write index.html, ablation.csv, .md and .tex, for a comparison of methods comparison.csv, .md and .tex too.

    Each appears whole or not at all.

    The same study gives the same bytes.

    Args:
        study: what was planned, and the cells so far.
        folder: made if it is not there; files of an earlier report are replaced.
    """
    analysis = analyse(study)
    table = ablation_table(analysis)
    public_folder(folder)
    report = Report(
        table=table,
        headline=headline(analysis),
        notes=analysis.notes,
        warnings=analysis.warnings,
        path_html=folder / "index.html",
        path_csv=folder / "ablation.csv",
        path_md=folder / "ablation.md",
        path_tex=folder / "ablation.tex",
    )
    write_whole(report.path_csv, csv(table))
    write_whole(report.path_md, markdown(analysis))
    write_whole(report.path_tex, ablation_latex(analysis))
    methods = compare_methods(analysis)
    if methods:
        write_whole(folder / "comparison.csv", csv(comparison_table(methods)))
        write_whole(folder / "comparison.md", comparison_text.markdown(methods))
        write_whole(folder / "comparison.tex", comparison_text.latex(methods))
    write_whole(report.path_html, page(analysis, table, methods))
    return report


def write_paper_figures(study: Study, folder: Path) -> list[Path]:
    """The figures of the report as SVG and PDF; see dashboards/paper_figures.py."""
    from dashboards.paper_figures import write_figures

    return write_figures(analyse(study), folder)
