"""Factors and components as weighted sums of variants' scores: main effects, interactions, Shapley values.

Everything here is a pure function of the variants' levels; a contrast is a weight for each variant.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dashboards.statistics import Floats

Levels = Mapping[str, str]
"""Factor -> level of one variant; a factor that exists only where another is on may be absent."""

MOST_COMPONENTS = 12
"""Exact Shapley values of more need over 4096 variants."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """What is asked of the scores: the sum of weights times scores."""

    name: str
    weights: Floats
    """(V,); their positive and negative parts each add up to 1 for a main effect."""
    comparisons: int
    """Settings of the other factors that it is a mean over."""


def main_effects(levels: Sequence[Levels], reference: Levels) -> list[Contrast]:
    """Each level of each factor less the reference's level: the mean over all settings of the others that have both.

    Args:
        levels: of each variant.
        reference: levels of the reference.
    """
    found = []
    places = _places(levels)
    for factor, level in _others(levels, reference):
        pairs = []
        for place, own in enumerate(levels):
            base = places.get(_key({**own, factor: reference[factor]}))
            if own.get(factor) == level and base is not None:
                pairs.append((place, base))
        if pairs:
            weights = np.zeros(len(levels))
            for place, base in pairs:
                weights[place] += 1 / len(pairs)
                weights[base] -= 1 / len(pairs)
            found.append(Contrast(name=f"{factor}={level}", weights=weights, comparisons=len(pairs)))
    return found


def balanced_effects(levels: Sequence[Levels], reference: Levels) -> list[Contrast]:
    """Main effects in a fraction of a factorial: the mean over all variants with a level less that of the others.

    No two variants differ in one factor alone there, but every factor has each of its two levels in half of them.
    """
    found = []
    for factor, level in _others(levels, reference):
        changed = np.array([own.get(factor) == level for own in levels])
        kept = np.array([own.get(factor) == reference[factor] for own in levels])
        if changed.sum() == kept.sum() > 0 and (changed | kept).all():
            weights = changed / changed.sum() - kept / kept.sum()
            found.append(Contrast(name=f"{factor}={level}", weights=weights, comparisons=int(changed.sum())))
    return found


def interactions(levels: Sequence[Levels], reference: Levels) -> list[Contrast]:
    """What two changes do together beyond the sum of what each does alone, where all four variants are there."""
    found = []
    places = _places(levels)
    for (first, a), (second, b) in itertools.combinations(_others(levels, reference), 2):
        if first == second:
            continue
        squares = []
        for place, own in enumerate(levels):
            if own.get(first) != a or own.get(second) != b:
                continue
            alone = {**own, second: reference[second]}, {**own, first: reference[first]}
            neither = {**own, first: reference[first], second: reference[second]}
            corners = [places[key] for key in map(_key, (*alone, neither)) if key in places]
            if len(corners) == 3:
                squares.append((place, *corners))
        if squares:
            weights = np.zeros(len(levels))
            for square in squares:
                for place, sign in zip(square, (1, -1, -1, 1), strict=True):
                    weights[place] += sign / len(squares)
            name = f"{first}={a} × {second}={b}"
            found.append(Contrast(name=name, weights=weights, comparisons=len(squares)))
    return found


def shapley(levels: Sequence[Levels], reference: Levels) -> list[Contrast] | None:
    """The share of each two-level factor in what the whole network adds to none of its components.

    A component is a factor at the reference's level; without it, the factor is at its other level. A component's value
    is the mean, over all orders in which components may be added, of what it adds. Factors of more levels stay at the
    reference's. Weights have one place more than there are variants: the score of what stands in for the network with
    no component, which is the variant with none of them where there is one.

    Returns:
        None where there are fewer than two components, more than MOST_COMPONENTS, or a combination that is missing.
    """
    counts = {factor: len({own[factor] for own in levels if factor in own}) for factor in reference}
    components = [factor for factor, count in counts.items() if count == 2]
    if not 2 <= len(components) <= MOST_COMPONENTS:
        return None
    other = {factor: level for factor, level in _others(levels, reference) if factor in components}
    places = _places(levels)
    place: dict[frozenset[str], int] = {}
    for size in range(len(components) + 1):
        for kept in itertools.combinations(components, size):
            off = {factor: other[factor] for factor in components if factor not in kept}
            there = places.get(_key({**reference, **off}), len(levels) if not kept else None)
            if there is None:
                return None
            place[frozenset(kept)] = there
    contrasts = []
    for component in components:
        weights = np.zeros(len(levels) + 1)
        for without, before in place.items():
            if component not in without:
                share = 1 / (len(components) * math.comb(len(components) - 1, len(without)))
                weights[place[without | {component}]] += share
                weights[before] -= share
        contrasts.append(Contrast(name=component, weights=weights, comparisons=2 ** (len(components) - 1)))
    return contrasts


def _others(levels: Sequence[Levels], reference: Levels) -> list[tuple[str, str]]:
    """Every factor with each level that is not the reference's, in the order of the variants."""
    pairs = [(factor, own[factor]) for factor in reference for own in levels if factor in own]
    return [pair for pair in dict.fromkeys(pairs) if reference[pair[0]] != pair[1]]


def _places(levels: Sequence[Levels]) -> dict[frozenset[tuple[str, str]], int]:
    return {_key(own): place for place, own in enumerate(levels)}


def _key(levels: Levels) -> frozenset[tuple[str, str]]:
    return frozenset(levels.items())
