"""The paper's figures: all of its four tables, and where its text says something else."""

from __future__ import annotations

import pytest

from dashboards.published import FOOTNOTES, SUMMARIES, TABLES, published

# Classes of each table; every method has all of them, their mean and macro-F1.
CLASSES = {"smic": 3, "casme2": 5, "casme_sq": 7, "samm": 8}


@pytest.mark.parametrize("dataset", TABLES)
def test_each_table_is_whole(dataset: str) -> None:
    table = published(dataset)
    assert table is not None and not table.made_up
    assert (table.title, table.table) == TABLES[dataset]
    assert len(table.classes) == CLASSES[dataset]
    assert len(table.figures) == 14 and list(table.figures)[-1] == "MADV-Net"
    for figures in table.figures.values():
        assert set(figures) == {*table.classes, *SUMMARIES}
        assert all(0 < float(figures[name]) < 100 for name in figures)
        assert float(figures["macro_f1"]) < 1


@pytest.mark.parametrize("dataset", ["casme_sq", "samm"])
def test_the_papers_average_is_the_mean_of_its_recalls(dataset: str) -> None:
    table = published(dataset)
    assert table is not None
    for figures in table.figures.values():
        recalls = [float(figures[name]) for name in table.classes]
        assert float(figures["average"]) == pytest.approx(sum(recalls) / len(recalls), abs=0.02)


def test_figures_are_as_printed() -> None:
    smic, samm = published("smic"), published("samm")
    assert smic is not None and samm is not None
    assert smic.figures["C3D"] == {
        "positive": "58.15",
        "negative": "40.83",
        "surprise": "45.00",
        "average": "47.99",
        "macro_f1": "0.44",
    }
    assert (samm.figures["MAE-DFER"]["average"], samm.figures["MADV-Net"]["average"]) == ("89.85", "89.53")


def test_a_footnote_gives_the_tables_figure_beside_another() -> None:
    for dataset, notes in FOOTNOTES.items():
        table = published(dataset)
        assert table is not None
        for note in notes:
            text, printed = note.said.split(f"Table {table.table}: ")
            assert table.figures[note.method][note.quantity] in printed
            assert text.startswith("Section ") and table.figures[note.method][note.quantity] not in text


@pytest.mark.parametrize("dataset", ["synthetic", "tiny", "megc2019", "composite", "manifest", ""])
def test_other_clips_have_none(dataset: str) -> None:
    assert published(dataset) is None


def test_a_likeness_has_the_real_sets_figures_and_says_what_it_is() -> None:
    like, real = published("casme2_like"), published("casme2")
    assert like is not None and real is not None
    assert like.made_up and like.figures == real.figures
