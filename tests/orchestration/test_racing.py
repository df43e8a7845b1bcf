"""Racing: what a fold scores, when a configuration is stopped, and what its study is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulated_search import drive, searches

from orchestration.cells import CellStore
from orchestration.racing import fold_score, worse
from orchestration.search_study import open_study, resume
from tests.bench.race import search as race


def by_fold(*scores: float, first: int = 0) -> dict[int, float]:
    return dict(enumerate(scores, start=first))


def test_a_fold_scores_its_balanced_cross_entropy() -> None:
    probabilities = np.array([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]], np.float32)
    # 1/4 log .5 for one of four clips of class 0, 1/2 log .25 for one of two of class 1, 1/4 log 1.
    expected = 0.25 * np.log(0.5) + 0.5 * np.log(0.25)
    assert fold_score(np.array([0, 1, 0]), probabilities, (4, 2)) == pytest.approx(expected)
    assert fold_score(np.array([1]), probabilities[2:], (4, 2)) == pytest.approx(0.5 * np.log(1e-6))


def test_fold_scores_add_up_to_the_study_s() -> None:
    rng = np.random.default_rng(0)
    y_true, probabilities = rng.integers(0, 3, 30), rng.dirichlet((1, 1, 1), 30).astype(np.float32)
    counts = np.bincount(y_true, minlength=3)
    whole = fold_score(y_true, probabilities, counts)
    assert sum(fold_score(y_true[i::5], probabilities[i::5], counts) for i in range(5)) == pytest.approx(whole)


def test_nothing_is_said_before_eight_folds() -> None:
    best = by_fold(*np.zeros(20))
    assert not worse(by_fold(*-np.arange(1.0, 8.0)), best)
    assert worse(by_fold(*-np.arange(1.0, 9.0)), best)  # p = 2 ** -8


def test_half_of_the_folds_lost_is_not_worse() -> None:
    best = by_fold(*np.zeros(8))
    assert not worse(by_fold(-1, 2, -3, 4, -5, 6, -7, 8), best)


def test_a_mean_that_is_no_lower_is_safe() -> None:
    # Seven small losses and one large gain: p = P(W <= 8) = 25/256 < .1, but the mean is 0.
    best = by_fold(*np.zeros(8))
    assert not worse(by_fold(-1, -1.01, -1.02, -1.03, -1.04, -1.05, -1.06, 7.21), best)
    assert worse(by_fold(-1, -1.01, -1.02, -1.03, -1.04, -1.05, -1.06, 6), best)


def test_only_common_folds_count() -> None:
    # The trial meets easy folds first: its mean of -1 is far above the best one's -5.5 over all folds, and yet it is
    # worse on every fold that both have.
    best = by_fold(*[-0.5] * 8, *[-10.5] * 8)
    trial = by_fold(*[-1.0 - place / 100 for place in range(8)])
    assert np.mean(list(best.values())) < np.mean(list(trial.values()))
    assert worse(trial, best)
    assert not worse(trial, by_fold(*[5.0] * 8, first=100))


def test_a_race_stops_the_worse_and_finishes_the_best(tmp_path: Path) -> None:
    options = (
        "enqueue: [{loss.focal_mu: 1, model.streams.au: false}, {loss.focal_mu: 0, model.streams.au: true},"
        " {loss.focal_mu: 1.01, model.streams.au: false}]"
    )
    (search,) = searches(tmp_path, 20, 3, options)
    assert search.races
    store = CellStore(tmp_path / "store")
    study = open_study(search)
    assert study is not None
    saved = drive(search, study, store, resume(study, search))
    first, second, third = study.trials
    assert (first.state.name, len(first.intermediate_values)) == ("COMPLETE", 20)
    # Worse on each fold: stopped as soon as anything is. Its value is a fold's score, for Optuna alone.
    assert (second.state.name, len(second.intermediate_values)) == ("PRUNED", 8)
    assert third.state.name in ("COMPLETE", "PRUNED")
    assert saved == sum(20 - len(trial.intermediate_values) for trial in study.trials)
    assert study.best_trial.number in (0, 2)
    cells = [cell.subject for cell in search.candidate(second.params, "").cells]
    assert tuple(cells) == search.order
    assert [store.states().get(cell.key) for cell in search.candidate(second.params, "").cells] == ["done"] * 8 + [
        None
    ] * 12


@pytest.mark.parametrize(("subjects", "options"), [(19, "pruner: wilcoxon"), (20, "pruner: none")])
def test_no_race(tmp_path: Path, subjects: int, options: str) -> None:
    (search,) = searches(tmp_path, subjects, 1, options)
    assert not search.races


def test_a_larger_budget_keeps_the_order_of_the_race(tmp_path: Path) -> None:
    orders = [searches(tmp_path, 20, trials)[0].order for trials in (5, 50)]
    assert orders[0] == orders[1] != tuple(sorted(orders[0]))


def test_racing_keeps_the_choice_and_saves_folds() -> None:
    """make bench-race in short: two repetitions, thirty configurations, twenty-four subjects."""
    for seed in range(2):
        plain, raced = (race(seed, raced=raced, trials=30, subjects=24) for raced in (False, True))
        assert plain.folds == 30 * 24
        assert raced.folds < 0.9 * plain.folds
        assert raced.level > plain.level - 0.08
