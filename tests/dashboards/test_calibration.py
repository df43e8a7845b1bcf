"""The simulated studies are what they say, and the arithmetic keeps its promises on a short run of them.

`make calibration` runs them at full length.
"""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dashboards import calibration, statistics
from dashboards.calibration import Population, halves, seed_variance, simulate, skill_for, truth
from dashboards.statistics import accuracy, uf1
from dashboards.study import Study
from orchestration.cli_calibrate import calibrate

EVEN = Population(sizes=(3, 6, 9))


def test_a_study_has_its_shape_and_its_skill() -> None:
    rng = np.random.default_rng(0)
    counts = simulate(EVEN, [0.5, 0.5], 2000, 2, rng)
    assert counts.shape == (2, 2, 2000, 3, 3)
    assert set(counts.sum(axis=(-1, -2))[0, 0].tolist()) == {3, 6, 9}
    assert (counts.sum(axis=(-1)) == counts.sum(axis=-1)[0, 0]).all()  # the same clips for all variants and seeds
    assert truth(EVEN, skill_for(EVEN, 0.7, uf1), uf1, rng) == pytest.approx(0.7, abs=0.01)
    flat = Population(sizes=(5,), subject=0, taste=0, clip=0, training=0)
    assert truth(flat, 0.0, accuracy, rng) == pytest.approx(0.5, abs=0.01)


def test_equal_variants_are_seldom_called_different() -> None:
    """120 studies of 28 subjects: at a true rate of 5% more than 13 rejections have a probability of .003."""
    rng = np.random.default_rng(1)
    patterns = statistics.exchanges(rng, 28, draws=999)
    studies = [simulate(EVEN, [0.5, 0.5], 28, 2, rng) for _ in range(120)]
    rejected = sum(calibration.rejects(a, b, uf1, 0.05, patterns) for a, b in studies)
    assert 1 <= rejected <= 13


def test_an_interval_of_few_subjects_covers_the_truth() -> None:
    rng = np.random.default_rng(2)
    value = truth(EVEN, 0.5, uf1, rng)
    studies = [simulate(EVEN, [0.5], 16, 1, rng)[0] for _ in range(150)]
    weights = statistics.subject_weights(rng, 16, resamples=2000)
    covered = sum(calibration.covers(counts, value, uf1, 0.05, weights) for counts in studies)
    assert 131 <= covered <= 149


def test_the_command_says_how_a_variant_fares_against_itself(
    study_of: Callable[..., Study], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = SimpleNamespace(plan=None, store=None, cache_root=None)
    monkeypatch.setattr("orchestration.cli_calibrate.prepare", lambda file, overrides: ready)
    monkeypatch.setattr("orchestration.cli_study.make_study", lambda *_: study_of(seeds=4))
    assert calibrate(Path("sweep.yaml"), ()) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "reference: 4 seeds, 12 subjects"
    assert said[1].startswith("halves of its seeds against each other, 3 ways: ")
    assert re.fullmatch(r"variance between seeds: \d\.\d\d of what independent folds predict, p .+", said[3])


def test_seeds_are_halved_in_every_way_once() -> None:
    assert list(halves(2)) == [((0,), (1,))]
    assert len(list(halves(4))) == 3 and len(list(halves(6))) == 10
    assert ((0,), (1,)) in list(halves(3)) and len(list(halves(3))) == 3


def test_noise_that_all_folds_of_a_seed_share_is_flagged() -> None:
    rng = np.random.default_rng(3)
    independent = simulate(EVEN, [0.5], 40, 6, rng)[0]
    ratio, p = seed_variance(independent)
    assert ratio is not None and p is not None and p > calibration.SUSPICIOUS
    shared = np.zeros((6, 40, 2, 2), dtype=np.int64)
    right = 5 + np.array([-3, 3, -2, 2, -1, 1])[:, None] + rng.integers(-1, 2, (6, 40))
    shared[..., 0, 0], shared[..., 0, 1] = right, 10 - right
    assert calibration.self_test(shared, accuracy, rng).ratio_p < calibration.SUSPICIOUS
    assert seed_variance(np.repeat(shared[:1], 3, axis=0)) == (None, None)
