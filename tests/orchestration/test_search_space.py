"""A search's space: what parameters mean, and every problem of it in one go."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madv.errors import SpecError
from orchestration.search_space import Dimension, decode, encode, overrides, plain, suggest
from orchestration.spec import load_spec

LEVELS = Dimension(key="levels", kind="simplex", parts=("loss.alpha", "loss.beta", "loss.gamma"))
AU = Dimension(key="model.streams.au", kind="choice", choices=(True, False))
W_AU = Dimension(key="loss.w_au", kind="float", low=0.1, high=10, log=True, when={"model.streams.au": "true"})
SOUND = """\
cluster_name: search
metadata:
  sweep:
    base: [dataset=synthetic, model=madv_tiny]
    design: search
    search:
      nested: 3
      space:
        loss.focal_mu: {low: 0, high: 2}
        loss.beta_ib: {low: 1e-5, high: 0.1, log: true}
        model.streams.au: [true, false]
        loss.w_au: {low: 0.1, high: 10, log: true, when: model.streams.au=true}
        levels: {simplex: [loss.alpha, loss.beta, loss.gamma]}
"""
MANY = """\
cluster_name: search
metadata:
  sweep:
    base: [dataset=synthetic, model=madv_tiny]
    design: search
    factors: {a: {on: [], off: []}}
    search:
      space:
        loss.focl_mu: {low: 0, high: 2}
        loss.beta_ib: {low: 0, high: .1, log: true}
        model.streams.au: [true, false]
        loss.w_au: {low: 10, high: 1, when: model.streams.au=yes}
        loss.focal_lambda: {low: -1, high: 2}
        levels: {simplex: [loss.alpha]}
        train.epochs: {low: 1, high: 7.5, int: true}
        dataset.frames: [8, 16]
      objectives: [uf1, seconds]
      pruner: wilcoxon
      trials: 0
      enqueue: [{loss.focal_lambda: 3, model.streams.au: 3}]
      stoage: x
"""


def test_a_stick_is_broken_into_parts_that_add_up() -> None:
    # u = .64 leaves sqrt(.64) = .8 of 1 for beta and gamma; u = .625 leaves .625 of .8 for gamma.
    parts = decode([LEVELS], {"levels[0]": 0.64, "levels[1]": 0.625})
    assert parts == pytest.approx({"loss.alpha": 0.2, "loss.beta": 0.3, "loss.gamma": 0.5})
    assert overrides(parts) == ("loss.alpha=0.2", "loss.beta=0.3", "loss.gamma=0.5")


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_a_simplex_goes_there_and_back(shares: list[float]) -> None:
    parts = decode([LEVELS], dict(zip(("levels[0]", "levels[1]"), shares, strict=True)))
    assert sum(parts.values()) == pytest.approx(1)
    assert min(parts.values()) >= 0
    params, problems = encode([LEVELS], parts)
    assert not problems
    assert decode([LEVELS], params) == pytest.approx(parts, abs=1e-6)


def test_what_is_off_has_no_weight() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for on in (True, False):
        study.enqueue_trial({"model.streams.au": on})
        params = suggest([AU, W_AU], study.ask())
        assert ("loss.w_au" in params) is on
        assert ("loss.w_au" in decode([AU, W_AU], {**params, "loss.w_au": 1.0})) is on


def test_numbers_are_tried_as_they_are_written() -> None:
    assert [plain(value) for value in (1.0, 0.001, 1 / 3, 1e-5, True, None, 12)] == [
        "1",
        "0.001",
        "0.333333",
        "1e-05",
        "true",
        "null",
        "12",
    ]


def test_a_sound_file(tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(SOUND)
    search = load_spec(tmp_path / "search.yaml").search
    assert search is not None
    assert [dimension.key for dimension in search.space] == [
        "loss.focal_mu",
        "loss.beta_ib",
        "model.streams.au",
        "loss.w_au",
        "levels",
    ]
    assert (search.space[1].low, search.space[3].when) == (1e-5, {"model.streams.au": "true"})
    assert (search.trials, search.sampler, search.pruner, search.objectives) == (60, "tpe", "wilcoxon", ("uf1",))


def test_the_sweep_file_that_comes_along() -> None:
    search = load_spec(Path(__file__).parents[2] / "sweeps" / "search_weights.yaml").search
    assert search is not None
    settings = {name for dimension in search.space for name in dimension.settings}
    weights = ("alpha", "beta", "gamma", "focal_mu", "focal_lambda", "beta_ib", "w_freq", "w_au")
    assert settings == {f"loss.{name}" for name in weights}
    # The known point sets every parameter.
    assert len(decode(search.space, search.enqueue[0])) == len(weights)


def found(folder: Path, text: str) -> list[str]:
    """Each problem as printed, less folder and path."""
    (folder / "search.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(folder / "search.yaml")
    return [
        str(problem).removeprefix(f"{folder}/search.yaml:").replace("metadata.sweep.", "")
        for problem in caught.value.problems
    ]


def test_all_problems_at_once(tmp_path: Path) -> None:
    starts = [
        "6: factors: has no place in design search",
        "7: search: chooses by the subjects that it reports",
        "9: search.space.loss.focl_mu: 'loss.focl_mu=0': unknown setting 'loss.focl_mu'; did you mean 'loss.focal_mu'?",
        "9: search.space.loss.focl_mu: 'loss.focl_mu=2': unknown setting",
        "10: search.space.loss.beta_ib: a logarithmic scale has no place for low 0",
        "12: search.space.loss.w_au.when: unknown choice of model.streams.au 'yes'; choose from false, true",
        "12: search.space.loss.w_au: low 10 is not below high 1",
        "13: search.space.loss.focal_lambda: 'loss.focal_lambda=-1': loss.focal_lambda: input should be greater",
        "14: search.space.levels.simplex: needs two or more different settings",
        "15: search.space.train.epochs.high: must be a whole number, not 7.5",
        "16: search.space.dataset.frames: dataset is the same for all configurations of a search",
        "18: search.pruner: wilcoxon races for one objective, not for 2",
        "19: search.trials: must be a whole number from 1 to 100000, not 0",
        "20: search.enqueue[0]: unknown model.streams.au '3'; choose from false, true",
        "20: search.enqueue[0]: loss.focal_lambda must be from -1 to 2, not 3",
        "21: search.stoage: unknown key 'stoage'; did you mean 'storage'?",
    ]
    messages = found(tmp_path, MANY)
    assert len(messages) == len(starts), "\n".join(messages)
    for message, start in zip(messages, starts, strict=True):
        assert message.startswith(start), message


@pytest.mark.parametrize(
    ("old", "new", "start"),
    [
        ("nested: 3", "nested: 1", "7: search.nested: must be a whole number from 2 to 100, not 1"),
        ("nested: 3", "sampler: gp", "6: search: chooses by the subjects that it reports"),
        ("nested: 3", "nested: 3\n      sampler: bo", "8: search.sampler: unknown sampler 'bo'; choose from cmaes, gp"),
        (
            "nested: 3",
            "nested: 3\n      sampler: cmaes",
            "8: search.sampler: cmaes moves numbers that are always there",
        ),
        ("nested: 3", "nested: 3\n      objectives: [seconds]", "8: search.objectives: puts seconds first"),
        ("nested: 3", "nested: 3\n      objectives: [uf1, uf2]", "8: search.objectives[1]: unknown objective 'uf2'"),
        ("nested: 3", "nested: 3\n      objectives: [uf1, seconds]", "7: search.nested: reports the one configuration"),
        (
            "nested: 3",
            "nested: 3\n      enqueue: [{loss.alpha: 1, loss.beta: 1, loss.gamma: 1}]",
            "8: search.enqueue[0]: loss.alpha, loss.beta, loss.gamma must add up to 1, none below 0; they make 3",
        ),
        ("[true, false]", "[true]", "11: search.space.model.streams.au.choices: needs two or more different values"),
        ("{low: 0, high: 2}", "{low: 0}", "9: search.space.loss.focal_mu.high: is missing"),
        ("{low: 0, high: 2}", "3", "9: search.space.loss.focal_mu: must be a list of choices or bounds"),
        ("{low: 0, high: 2}", "{low: .nan, high: 2}", "9: search.space.loss.focal_mu.low: must be a number, not nan"),
        ("loss.alpha, ", "loss.focal_mu, ", "13: search.space.levels: loss.focal_mu is already in the space"),
        ("when: model.streams.au", "when: loss.focal_mu", "12: search.space.loss.w_au.when: unknown choice above it"),
    ],
)
def test_one_problem_at_a_time(tmp_path: Path, old: str, new: str, start: str) -> None:
    assert SOUND.count(old) == 1
    messages = found(tmp_path, SOUND.replace(old, new))
    assert any(message.startswith(start) for message in messages), messages
