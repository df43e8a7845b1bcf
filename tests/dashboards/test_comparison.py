"""Methods in the layout of the paper's tables, on a study worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import make_cell

from dashboards import comparison_text, drawing_cells, figures
from dashboards.analysis import analyse
from dashboards.comparison import MethodComparison, compare_methods, comparison_table
from dashboards.report import write_report
from dashboards.study import Study, StudyVariant

StudyOf = Callable[..., Study]

CLASSES = ("negative", "positive", "surprise")


@pytest.fixture
def smic(study_of: StudyOf) -> Study:
    """MADV-Net right, C3D half right, on four clips: two negative, one positive, one surprise."""
    variants = (
        StudyVariant(name="reference", levels={"method": "madv_net"}, is_reference=True, method="MADV-Net", macs=2000),
        StudyVariant(name="method=c3d", levels={"method": "c3d"}, method="C3D", macs=38_550_000, memory=4_000_000),
    )
    study = study_of(variants=variants, seeds=1, subjects=2, clips=2, ceilings=None)
    study = replace(
        study,
        dataset="smic",
        class_names=CLASSES,
        sample_labels={"a1": (0, "s01"), "a2": (1, "s01"), "b1": (0, "s02"), "b2": (2, "s02")},
    )
    cells = {}
    for name, predicted in (("reference", (0, 1, 0, 2)), ("method=c3d", (0, 1, 1, 1))):
        first = [("a1", 0, predicted[0]), ("a2", 1, predicted[1])]
        second = [("b1", 0, predicted[2]), ("b2", 2, predicted[3])]
        cells[name, 0, "s01"] = make_cell(name, 0, "s01", first, class_names=CLASSES)
        cells[name, 0, "s02"] = make_cell(name, 0, "s02", second, class_names=CLASSES)
    return replace(study, cells=cells)


def compared(study: Study) -> MethodComparison:
    found = compare_methods(analyse(study))
    assert found is not None
    return found


def test_the_layout_of_table_2(smic: Study) -> None:
    found = compared(smic)
    assert [row.name for row in found.rows] == ["C3D", "MADV-Net"]  # the paper's order, whoever comes first here
    assert comparison_text.heads(found) == [
        *("positive", "negative", "surprise", "mean recall", "macro-F1", "UF1", "UAR"),
    ]
    # C3D: recall 1/2, 1, 0; precision 1, 1/3, 0; F1 2/3, 1/2, 0. Eq. 30: 2 (4/9) (1/2) / (4/9 + 1/2) = 8/17.
    entries = comparison_text.entries(found, found.rows[0])
    assert [entry.measured for entry in entries] == ["100.00", "50.00", "0.00", "50.00", "0.471", "0.389", "0.500"]
    assert [entry.published for entry in entries] == ["58.15", "40.83", "45.00", "47.99", "0.44", "", ""]
    assert not any(entry.marks for entry in entries)


def test_numbers_are_shares_and_the_published_protocol_is_unknown(smic: Study) -> None:
    row = comparison_table(compared(smic)).iloc[0]
    assert [row[f"recall_{name}"] for name in CLASSES] == [0.5, 1, 0]
    assert (row["mean_recall"], row["uar"]) == (0.5, 0.5)
    assert row["macro_f1"] == pytest.approx(8 / 17)
    assert row["uf1"] == pytest.approx(7 / 18)
    assert (row["published_recall_negative"], row["published_mean_recall"], row["published_macro_f1"]) == (
        *(0.4083, 0.4799, 0.44),
    )
    assert row["published_protocol"] == "unknown"
    assert (row["parameters"], row["macs"], row["seconds"], row["memory"]) == (1000, 38_550_000, 2.0, 4_000_000)


def test_the_cost_table_has_training_memory_only_where_it_is_known(smic: Study) -> None:
    heads, rows = comparison_text.costs(compared(smic))
    assert heads == ["parameters", "MACs a clip", "s / fold", "memory, one clip predicted"]
    assert rows == [["1 k", "38.5 M", "2", "4 MB"], ["1 k", "2 k", "2", "–"]]
    on_gpu = {key: replace(cell, peak_memory=3_000_000_000) for key, cell in smic.cells.items()}
    heads, rows = comparison_text.costs(compared(replace(smic, cells=on_gpu)))
    assert (heads[-1], rows[0][-1]) == ("memory, training", "3 GB")


def test_published_figures_change_no_number_of_ours(smic: Study) -> None:
    alone = replace(smic, dataset="synthetic")
    with_them, without = analyse(smic), analyse(alone)
    assert [result.scores for result in with_them.results] == [result.scores for result in without.results]
    assert [result.comparison for result in with_them.results] == [result.comparison for result in without.results]
    found = compared(alone)
    assert [row.name for row in found.rows] == ["C3D", "MADV-Net"]
    assert found.notes == ("The paper publishes no figures for these clips.",)
    assert all(not entry.published for row in found.rows for entry in comparison_text.entries(found, row))
    assert not [name for name in comparison_table(found) if name.startswith("published")]


def test_other_classes_and_made_up_clips_are_said(smic: Study) -> None:
    found = compared(replace(smic, dataset="casme_sq_like"))
    assert found.classes == ("happiness", "sadness", "neutral", "anger", "surprise", "contempt", "fear", *CLASSES[:2])
    assert "synthetic, with classes and counts of CAS(ME)²" in found.notes[1]
    assert "this one has negative, positive, surprise: even figures under the same name" in found.notes[2]
    entry = comparison_text.entries(found, found.rows[0])[0]
    assert (entry.measured, entry.published) == ("–", "48.20")


def test_footnotes_mark_the_figures_that_they_are_about(smic: Study) -> None:
    found = compared(replace(smic, dataset="casme_sq"))
    # MAE-DFER's footnote is left out with MAE-DFER.
    assert comparison_text.footnotes(found) == ["a Section 4.3.3: 0.82. Table 4: 0.78."]
    marked = [entry for entry in comparison_text.entries(found, found.rows[1]) if entry.marks]
    assert [(entry.published, entry.marks) for entry in marked] == [("0.78", "a")]
    assert "(0.78<sup>a</sup>)" in comparison_text.markdown(found)
    assert "(0.78$^{a}$)" in comparison_text.latex(found)


def test_one_method_is_no_comparison(study_of: StudyOf, smic: Study) -> None:
    assert compare_methods(analyse(study_of(seeds=1, subjects=2))) is None
    variants = (*smic.variants, StudyVariant(name="method=c3d lr=2", levels={}, method="C3D"))
    names = [row.name for row in compared(replace(smic, variants=variants)).rows]
    assert names == ["C3D (method=c3d)", "C3D (method=c3d lr=2)", "MADV-Net"]


def test_latex_is_two_whole_tables(smic: Study) -> None:
    written = comparison_text.latex(compared(smic))
    assert written.count(r"\begin{tabular}{l") == written.count(r"\end{tabular}") == 2
    assert r"C3D & 100.00 (58.15) & 50.00 (40.83) & 0.00 (45.00) & 50.00 (47.99) & 0.471 (0.44) & 0.389 & 0.500 \\" in (
        written
    )
    assert r"MADV-Net & 1 k & 2 k & 2 & -- \\" in written


def test_all_methods_learn_in_one_figure_whole_and_enlarged(smic: Study) -> None:
    history = {"loss": [5.0, 4.0, 3.0, 2.0, 1.0], "accuracy": [0.1, 0.2, 0.3, 0.4, 0.5]}
    study = replace(smic, cells={key: replace(cell, history=history) for key, cell in smic.cells.items()})
    rows = figures.learning_curves(analyse(study), "accuracy")
    later = figures.enlarged(rows)
    assert sorted(set(later["epoch"])) == [3, 4, 5]  # after 40% of five
    figure = drawing_cells.draw_methods_learning(later, "accuracy", enlarged=True)
    assert [trace["y"] for trace in figure.traces] == [[0.3, 0.4, 0.5]] * 2
    assert all("visible" not in trace for trace in figure.traces)
    assert figure.layout["yaxis"]["rangemode"] == "normal"


def test_the_report_of_methods(smic: Study, tmp_path: Path) -> None:
    page = write_report(smic, tmp_path).path_html.read_text(encoding="utf-8")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "index.html",
        "ablation.csv",
        "ablation.md",
        "ablation.tex",
        "comparison.csv",
        "comparison.md",
        "comparison.tex",
    }
    assert '<section id="methods">' in page and "protocol unknown" in page
    for curve in ("training-loss", "training-loss-enlarged", "training-accuracy", "training-accuracy-enlarged"):
        assert f'id="plot-{curve}"' in page
    assert "<caption>C3D</caption>" in page and "<caption>MADV-Net</caption>" in page
    assert "(58.15)" in (tmp_path / "comparison.md").read_text(encoding="utf-8")
    nothing = write_report(replace(smic, cells={}), tmp_path / "empty").path_html.read_text(encoding="utf-8")
    assert "45.00" in nothing and 'id="plot-training-loss"' not in nothing
