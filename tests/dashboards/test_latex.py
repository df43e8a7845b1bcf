"""A paper's table and figures: what is bold, what is marked, and that foreign text stays text."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dashboards.analysis import analyse
from dashboards.latex import _stars, ablation_latex
from dashboards.paper_figures import write_figures
from dashboards.study import Study

StudyOf = Callable[..., Study]


def test_the_best_is_bold_and_differences_are_marked(study_of: StudyOf) -> None:
    analysis = analyse(study_of())
    table = ablation_latex(analysis)
    rows = [line for line in table.splitlines() if line.endswith(r"\\")][1:]
    assert len(rows) == len(analysis.results)
    best = analysis.results[0]
    assert rows[0].startswith(rf"reference & \textbf{{{best.scores['uf1']:.3f}".replace("0.", "."))
    assert sum(r"\textbf" in row for row in rows) == 1
    for row, result in zip(rows[1:], analysis.results[1:], strict=True):
        assert result.comparison is not None and result.comparison.p_holm is not None
        stars = "***" if result.comparison.p_holm <= 0.001 else "**" if result.comparison.p_holm <= 0.01 else "*"
        assert re.findall(r"\$\^\{(\*+)\}\$", row) == [stars]
    assert r"\caption{Which input streams does MADV-Net need? 12 subjects, 108 clips, 2 seeds." in table


def test_marks_and_level_are_those_of_the_study(study_of: StudyOf) -> None:
    """At a level of .005 a p of .008 is no star, and 99.5 are not 100."""
    table = ablation_latex(analyse(replace(study_of(), alpha=0.005)))
    assert r"99.5\% intervals" in table and "p by exchange of subjects after Holm: *** .001." in table
    assert [_stars(p, 0.005) for p in (0.0005, 0.004, 0.008, None)] == ["$^{***}$", "", "", ""]
    assert [_stars(p, 0.0005) for p in (0.0004, 0.0008)] == ["$^{*}$", ""]


def test_text_of_the_study_is_escaped(study_of: StudyOf) -> None:
    study = study_of()
    table = ablation_latex(analyse(replace(study, question=r"50% of $x_1 & \input{secret}?", cluster_name="a_b%")))
    assert r"50\% of \$x\_1 \& \textbackslash{}input\{secret\}?" in table
    assert r"\label{tab:a-b-}" in table


def test_a_partial_study_says_so(study_of: StudyOf) -> None:
    study = study_of()
    cells = {key: cell for key, cell in study.cells.items() if key[0] == "reference"}
    table = ablation_latex(analyse(replace(study, cells=cells)))
    assert "Partial: not all cells are done." in table
    assert table.count(r"\textbf") == 4  # the reference's scores; the others have none


def test_figures_are_whole_and_the_same_each_time(study_of: StudyOf, tmp_path: Path) -> None:
    analysis = analyse(study_of())
    first, second = (write_figures(analysis, tmp_path / name) for name in ("a", "b"))
    assert [file.name for file in first] == [
        f"{name}.{kind}" for name in ("scores", "differences", "shapley", "effects") for kind in ("svg", "pdf")
    ]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    texts = [element.text for element in ET.parse(first[0]).iter() if element.tag.endswith("text")]
    assert {"reference", "depth=off", "UF1"} <= set(texts)
