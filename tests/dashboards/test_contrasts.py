"""Effects, interactions and Shapley values against small studies worked by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.contrasts import balanced_effects, interactions, main_effects, shapley

TWO = [{"a": a, "b": b} for a in ("on", "off") for b in ("on", "off")]  # on on, on off, off on, off off
SCORES = np.array([0.9, 0.7, 0.6, 0.5])


def values(found, scores) -> dict[str, float]:
    """Weighted sums; scores of the variants, and of what stands in for nothing where they have one place more."""
    return {one.name: float(one.weights[: len(scores)] @ scores[: len(one.weights)]) for one in found or []}


def test_main_effects_are_means_over_the_other_factor() -> None:
    found = main_effects(TWO, TWO[0])
    assert values(found, SCORES) == pytest.approx({"a=off": (0.6 - 0.9 + 0.5 - 0.7) / 2, "b=off": (-0.2 - 0.1) / 2})
    assert [one.comparisons for one in found] == [2, 2]


def test_an_interaction_is_what_two_changes_do_beyond_their_sum() -> None:
    assert values(interactions(TWO, TWO[0]), SCORES) == pytest.approx({"a=off × b=off": 0.5 - 0.6 - 0.7 + 0.9})


def test_an_excluded_combination_leaves_out_what_needs_it() -> None:
    found = main_effects(TWO[:3], TWO[0])
    assert values(found, SCORES) == pytest.approx({"a=off": -0.3, "b=off": -0.2})
    assert [one.comparisons for one in found] == [1, 1]
    assert interactions(TWO[:3], TWO[0]) == []


def test_shapley_of_two_components_by_hand() -> None:
    # a adds .2 to nothing and .2 to b; b adds .1 to nothing and ... of on on .9, on off .7, off on .6, off off .5
    assert values(shapley(TWO, TWO[0]), SCORES) == pytest.approx({"a": (0.2 + 0.3) / 2, "b": (0.1 + 0.2) / 2})


def test_without_a_variant_of_nothing_another_score_stands_for_it() -> None:
    found = shapley(TWO[:3], TWO[0])
    scores = np.array([0.9, 0.7, 0.6, 0.25])  # the last is the stand-in's
    assert values(found, scores) == pytest.approx({"a": (0.45 + 0.3) / 2, "b": (0.35 + 0.2) / 2})


def test_a_missing_combination_leaves_no_shapley_values() -> None:
    assert shapley([*TWO[:2], TWO[3]], TWO[0]) is None
    assert shapley([{"a": "on"}, {"a": "off"}], {"a": "on"}) is None


@given(st.integers(2, 4), st.randoms(use_true_random=False))
def test_shapley_values_are_fair(number: int, random) -> None:
    """They add up to the whole, a component that adds nothing has none, and equal ones have equal shares."""
    names = [f"f{place}" for place in range(number)]
    levels = [dict(zip(names, chosen, strict=True)) for chosen in itertools.product(("on", "off"), repeat=number)]
    worth = {frozenset(kept): random.random() for kept in _subsets(names[1:])}
    # The first component adds nothing to anything.
    scores = np.array([worth[frozenset(n for n in names[1:] if own[n] == "on")] for own in levels])
    found = values(shapley(levels, levels[0]), scores)
    assert found["f0"] == pytest.approx(0, abs=1e-12)
    assert sum(found.values()) == pytest.approx(scores[0] - scores[-1])
    alike = np.array([math.sqrt(sum(level == "on" for level in own.values())) for own in levels])
    assert values(shapley(levels, levels[0]), alike) == pytest.approx(dict.fromkeys(names, math.sqrt(number) / number))


def _subsets(names: list[str]) -> list[tuple[str, ...]]:
    return [kept for size in range(len(names) + 1) for kept in itertools.combinations(names, size)]


def test_a_fraction_has_balanced_effects() -> None:
    """The half fraction of three factors with I = ABC: each effect is a mean of two less a mean of two."""
    signs = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
    levels = [{name: "on" if sign > 0 else "off" for name, sign in zip("abc", row, strict=True)} for row in signs]
    scores = np.array([0.8, 0.6, 0.5, 0.3])
    assert values(balanced_effects(levels, levels[0]), scores) == pytest.approx(
        {"a=off": -0.3, "b=off": -0.2, "c=off": 0}
    )
    assert main_effects(levels, levels[0]) == []
