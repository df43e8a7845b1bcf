"""Shares of components and the reach of a study, against planted skills and recomputation."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_up import STREAMS, stream_variants
from sklearn.metrics import f1_score

from dashboards.analysis import analyse
from dashboards.components import majority
from dashboards.drawing_components import draw_parts, draw_spread
from dashboards.spread import sentences
from dashboards.study import Study

StudyOf = Callable[..., Study]


def test_shapley_values_equal_a_recomputation_and_add_up(study_of: StudyOf) -> None:
    study = study_of()
    analysis = analyse(study)
    score = {result.variant.name: result.scores["uf1"] for result in analysis.results}

    def worth(kept: frozenset[str]) -> float:
        if not kept:  # always the same class: every class is as frequent, and the first of equals is said
            true = [label for label, _ in study.sample_labels.values()]
            return float(f1_score(true, [0] * len(true), average="macro", zero_division=0))
        return score[" ".join(f"{name}=off" for name in STREAMS if name not in kept) or "reference"]

    expected = dict.fromkeys(STREAMS, 0.0)
    for order in itertools.permutations(STREAMS):
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            expected[name] += (worth(before | {name}) - worth(before)) / 6
    found = analysis.components
    assert {one.name: one.value for one in found.shapley} == pytest.approx(expected)
    assert sum(one.value for one in found.shapley) == pytest.approx(score["reference"] - worth(frozenset()))
    assert (found.nothing, found.trained_nothing) == (pytest.approx(worth(frozenset())), False)
    assert [one.name for one in found.shapley] == ["texture", "au", "depth"]  # as planted: .45, .35, .20
    assert all(one.low < one.value < one.high for one in found.shapley)
    texture = next(one for one in found.effects if one.name == "texture=off")
    pairs = [("reference", "texture=off"), ("depth=off", "texture=off depth=off"), ("au=off", "texture=off au=off")]
    assert texture.value == pytest.approx(np.mean([score[off] - score[on] for on, off in pairs]))


def test_the_majority_of_the_others_is_what_nothing_says(study_of: StudyOf) -> None:
    study = study_of(subjects=3, clips=3)
    labels = {"a": (0, "s01"), "b": (0, "s01"), "c": (1, "s02"), "d": (0, "s02"), "e": (1, "s03")}
    counts = majority(replace(study, sample_labels=labels), study.subjects)
    # Without s01 two of three clips show class 1; without s02 and without s03 class 0 leads.
    assert counts[0, 0].tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert counts[0, 1].tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert counts[0, 2].tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_a_missing_variant_leaves_out_its_contrasts_and_the_page_still_comes(study_of: StudyOf) -> None:
    study = study_of(variants=stream_variants()[:-1])
    found = analyse(study).components
    assert found.shapley == () and found.nothing is None
    assert {one.name for one in found.effects} == {"texture=off", "depth=off", "au=off"}
    assert analyse(study_of(design="one_factor_at_a_time")).components.effects == ()


def test_equal_variants_are_called_equal_where_the_study_can_tell(study_of: StudyOf) -> None:
    study = study_of(subjects=16)
    first, second = study.variants[0], study.variants[1]
    same = {key: replace(cell, variant=second.name) for key, cell in study.cells.items() if key[0] == first.name}
    cells = {**study.cells, **{(second.name, seed, subject): cell for (_, seed, subject), cell in same.items()}}
    verdicts = {
        result.variant.name: result.comparison.verdict
        for result in analyse(replace(study, cells=cells)).results
        if result.comparison
    }
    assert verdicts.pop(second.name) == "equivalent" and set(verdicts.values()) == {"hurts"}


def test_what_the_study_can_show_in_words(study_of: StudyOf) -> None:
    analysis = analyse(study_of(subjects=16))
    spread = analysis.spread
    assert spread.detectable is not None and spread.detectable_holm is not None and spread.reach is not None
    assert spread.detectable < spread.detectable_holm
    said = sentences(spread, analysis.study)
    assert said[0].startswith(f"A true difference of {spread.detectable:.3f}".replace("0.", "."))
    assert "No comparison here is precise enough" in said[1] and "Endlessly many seeds" in said[2]
    few = analyse(study_of(subjects=12))
    assert "With fewer than 16 subjects" in sentences(few.spread, few.study)[1]
    alone = analyse(study_of(seeds=1))
    assert alone.spread.splits == {} and sentences(alone.spread, alone.study)[-1].startswith("One seed does not tell")


def test_figures_of_parts_have_their_data(study_of: StudyOf) -> None:
    analysis = analyse(study_of())
    drawn = {figure.name: figure for figure in (*draw_parts(analysis, "95 %"), *draw_spread(analysis, "95 %"))}
    assert list(drawn) == ["shapley", "effects", "interactions", "ranks", "variance"]
    assert list(drawn["shapley"].data["name"]) == ["texture", "au", "depth"]
    assert drawn["ranks"].data["variant"].iloc[0] == "reference"
    assert len(drawn["variance"].data) == len(analysis.study.variants)
