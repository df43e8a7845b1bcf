"""Sharing out clips: whole numbers from shares, classes over subjects, carriers over classes and subjects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def apportion(total: int, shares: Sequence[float]) -> IntArray:
    """Whole numbers that add up to `total` and follow `shares` (which add up to 1), by largest remainders."""
    exact = total * np.asarray(shares, dtype=np.float64)
    counts = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts


def interleave(counts: Sequence[int] | IntArray) -> IntArray:
    """The numbers 0..K-1, each as often as its count, spread evenly: any stretch has them in proportion.

    >>> interleave([2, 4]).tolist()
    [1, 0, 1, 1, 0, 1]
    """
    kinds = np.repeat(np.arange(len(counts)), counts)
    place = np.concatenate([(np.arange(count) + 0.5) / count for count in counts if count])
    return kinds[np.lexsort((kinds, place))]


def share_out(groups: Sequence[IntArray], shares: Sequence[float]) -> IntArray:
    """Give each of N clips one of K kinds, with exact totals and every group as even as whole numbers allow.

    Clips are served one by one with the kind that their groups lack most; then pairs of clips swap kinds for as long
    as that brings the groups closer to the shares.

    Args:
        groups: groupings of the clips, the most important first, each (N,) group numbers (class, subject, ...).
        shares: (K,) adding up to 1.

    Returns:
        (N,) kinds.
    """
    number, kinds = len(groups[0]), len(shares)
    weights = [4.0**-rank for rank in range(len(groups))]
    left = apportion(number, shares)
    # Per grouping (G, K): how many clips of each kind a group has beyond its share so far.
    excess = [np.zeros((int(group.max()) + 1, kinds)) for group in groups]
    chosen = np.zeros(number, dtype=np.int64)
    for clip in range(number):
        want = np.zeros(kinds)
        for table, group, weight in zip(excess, groups, weights, strict=True):
            table[group[clip]] -= shares
            want -= weight * table[group[clip]]
        chosen[clip] = kind = int(np.argmax(np.where(left > 0, want, -np.inf)))
        left[kind] -= 1
        for table, group in zip(excess, groups, strict=True):
            table[group[clip], kind] += 1
    _swap(chosen, groups, weights, excess)
    return chosen


def _swap(
    chosen: IntArray, groups: Sequence[IntArray], weights: Sequence[float], excess: Sequence[npt.NDArray[np.float64]]
) -> None:
    """Swap the kinds of two clips, in place, while that lowers the weighted sum of squared excesses."""
    everyone = np.arange(len(chosen))
    for _ in range(len(chosen) ** 2):
        before = chosen.copy()
        for clip in everyone:
            own = chosen[clip]
            gain = np.zeros(len(chosen))
            for table, group, weight in zip(excess, groups, weights, strict=True):
                # Moving a unit from kind a to b in one group changes the sum of squares by 2 (e_b - e_a + 1).
                here = table[group[clip], chosen] - table[group[clip], own] + 1
                there = table[group, own] - table[group, chosen] + 1
                gain -= np.where(group == group[clip], 0, 2 * weight * (here + there))
            gain[chosen == own] = 0
            other = int(np.argmax(gain))
            if gain[other] > 1e-9:
                for table, group in zip(excess, groups, strict=True):
                    for place, gone, come in ((clip, own, chosen[other]), (other, chosen[other], own)):
                        table[group[place], gone] -= 1
                        table[group[place], come] += 1
                chosen[clip], chosen[other] = chosen[other], own
        if (before == chosen).all():
            return
