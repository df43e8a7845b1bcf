"""A study with holes: its page still comes, says what it could not compute and why, and computes the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from made_up import failed_cell, stream_variants

from dashboards import figures
from dashboards.analysis import analyse
from dashboards.report import write_paper_figures, write_report
from dashboards.study import Study, StudyVariant
from orchestration.cells import Cell

StudyOf = Callable[..., Study]
Key = tuple[str, int, str]


def changed(study: Study, cell_of: Callable[[Key, Cell], Cell | None]) -> Study:
    cells = {key: cell_of(key, cell) for key, cell in study.cells.items()}
    return replace(study, cells={key: cell for key, cell in cells.items() if cell is not None})


def sections(study: Study, folder: Path) -> dict[str, str]:
    """The page's text: before the sections under "", then by section."""
    page = write_report(study, folder).path_html.read_text(encoding="utf-8")
    head, _, main = page.partition("<main>")
    found = {"": head.partition("<body>")[2]} | dict(re.findall(r'<section id="(\w+)">(.*?)</section>', main, re.S))
    plain = {anchor: " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split()) for anchor, text in found.items()}
    assert not [word for text in plain.values() for word in re.findall(r"\b(?:nan|inf|None)\b", text)]
    return plain


def test_a_variant_with_one_seed(study_of: StudyOf, tmp_path: Path) -> None:
    study = changed(study_of(), lambda key, cell: None if key[:2] == ("au=off", 1) else cell)
    page = sections(study, tmp_path)
    assert "156 of 168 cells done, 0 failed, 12 not run" in page[""]
    assert "au=off scored on 1 of 2 seeds and 12 of 12 subjects, which are complete" in page["table"]
    assert page["differences"].count("[") == 6  # it is compared, on that seed
    variances = figures.variances(analyse(study))["variant"].tolist()
    assert len(variances) == 6 and "au=off" not in variances


def test_a_variant_of_which_all_cells_failed(study_of: StudyOf, tmp_path: Path) -> None:
    study = changed(study_of(), lambda key, cell: failed_cell(*key, "ValueError: no") if key[0] == "au=off" else cell)
    page = sections(study, tmp_path)
    assert "ValueError: no – 24 × (au=off, seed 0, subject s01, …)" in page[""]
    assert "au=off no score: none of its 24 cells is done" in page["table"]
    assert page["differences"].count("[") == 5
    assert "for they have no two subjects complete: au=off." in page["parts"]
    found = analyse(study).components
    # Depth has two of its three comparisons left; without au, there is no Shapley value.
    assert {one.name: one.comparisons for one in found.effects} == {"depth=off": 2, "texture=off": 2, "au=off": 2}
    assert found.shapley == ()


def test_a_reference_of_one_subject_is_no_winner_in_silence(study_of: StudyOf, tmp_path: Path) -> None:
    study = changed(study_of(), lambda key, cell: None if key[0] == "reference" and key[2] != "s01" else cell)
    page = sections(study, tmp_path)
    assert "The reference comes first with UF1 1.000 (on 1 of 12 subjects)." in page[""]
    assert "no interval: subjects are resampled, and there is only one" in page["table"]
    assert page["table"].count("compared on 2 seeds and 1 subject in common") == 0
    assert page["table"].count("no interval and no p value of the difference: both need at least two common") == 6


def test_a_class_that_nobody_predicted_or_shows(study_of: StudyOf, tmp_path: Path) -> None:
    study = study_of()
    page = sections(changed(study, lambda _, cell: replace(cell, y_pred=cell.y_pred % 2)), tmp_path)
    assert page["table"].count("disgust is never predicted") == 7
    labels = {sample: (label % 2, subject) for sample, (label, subject) in study.sample_labels.items()}
    shown = changed(replace(study, sample_labels=labels), lambda _, cell: replace(cell, y_true=cell.y_true % 2))
    page = sections(shown, tmp_path)
    assert page["table"].count("no clip shows disgust: it counts as 0 in the mean over classes") == 7


def test_a_subject_with_one_clip(study_of: StudyOf, tmp_path: Path) -> None:
    study = study_of()
    labels = {s: own for s, own in study.sample_labels.items() if own[1] != "s01" or s == "s01_00"}

    def cut(key: Key, cell: Cell) -> Cell:
        rows = slice(0, 1 if key[2] == "s01" else None)
        columns = {name: getattr(cell, name)[rows] for name in ("sample_id", "y_true", "y_pred", "probabilities")}
        return replace(cell, **columns)

    study = changed(replace(study, sample_labels=labels), cut)
    page = sections(study, tmp_path)
    assert "100 clips" in page[""] and "168 of 168 cells done" in page[""]
    rows = figures.subjects(analyse(study))
    assert rows[rows["subject"] == "s01"]["clips"].tolist() == [1] * 7
    assert "1 subject" in sections(study_of(subjects=1), tmp_path)[""]
    assert "UF1" in sections(study_of(clips=1), tmp_path)["scores"]


def test_all_cells_failed(study_of: StudyOf, tmp_path: Path) -> None:
    study = changed(study_of(), lambda key, _: failed_cell(*key, "Traceback\nMemoryError: gone"))
    page = sections(study, tmp_path)
    assert "Nothing can be said yet: no cell of any variant is done." in page[""]
    assert "MemoryError: gone – 168 ×" in page[""]
    assert "The reference has no finished cells, so nothing is compared." in page[""]
    assert page["scores"].endswith("No variant has a score yet.")
    assert page["confusion"].endswith("No cell is done, so there are no predictions to count.")
    assert page["learning"].endswith("No cell that is done holds a training history.")
    assert page["spread"].endswith("no variant has two seeds of two subjects complete.")
    assert page["cost"].endswith("No cell is done, so no cost is known.")
    assert write_paper_figures(study, tmp_path / "figures") == []


def test_controls_that_cannot_be_judged_are_named(study_of: StudyOf, tmp_path: Path) -> None:
    names = {"repeat": "repeat (control)", "shuffled_labels": "shuffled labels (control)"}
    study = study_of(variants=stream_variants()[:1])
    once = {(names["repeat"], 0, "s01"): replace(study.cells["reference", 0, "s01"], variant="r")}
    failed = {(names["shuffled_labels"], 1, one): failed_cell("x", 1, one, "no") for one in ("s01", "s02")}
    controls = {kind: StudyVariant(name=name, levels={}) for kind, name in names.items()}
    page = sections(replace(study, controls=controls, cells={**study.cells, **once, **failed}), tmp_path)
    assert (
        "The control repeat is not judged: it takes two subjects, the reference’s too; 1 of its 24 cells are"
        in page[""]
    )
    assert (
        "The control shuffled labels is not judged: it takes two subjects; 0 of its 24 cells are done and 2 failed"
        in (page[""])
    )


@pytest.mark.parametrize("design", ["factorial", "one_factor_at_a_time", "fractional_factorial"])
def test_histories_without_numbers(study_of: StudyOf, tmp_path: Path, design: str) -> None:
    nothing = [float("nan"), float("inf"), 0.5]
    study = changed(
        study_of(design=design), lambda _, cell: replace(cell, history={"loss": nothing, "accuracy": [np.nan]})
    )
    page = sections(study, tmp_path)
    assert "Data (CSV)" in page["learning"]
    rows = figures.learning_curves(analyse(study), "loss")
    assert set(rows["epoch"]) == {3} and set(rows["mean"]) == {0.5}
    assert figures.learning_curves(analyse(study), "accuracy").empty
