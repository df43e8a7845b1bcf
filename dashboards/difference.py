"""Tonight against last night, variant by variant: what moved beyond noise, what fails, what got slower."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from dashboards import statistics
from dashboards.outcomes import collect
from dashboards.paired import Comparison, adjust, compare
from dashboards.resampling import Resampling
from dashboards.statistics import METRICS
from dashboards.study import Study, StudyVariant

if TYPE_CHECKING:
    from orchestration.cells import Cell

Place = tuple[int, str]
"""(seed, subject)"""
BEFORE, AFTER = "last night", "tonight"


@dataclass(frozen=True, kw_only=True, slots=True)
class Slowdown:
    """How many times as long a fold takes: the geometric mean over paired folds, and its interval over subjects."""

    ratio: float
    low: float | None = None
    high: float | None = None
    folds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One variant, tonight against last night."""

    sweep: str
    variant: str
    trained: int
    """Cells that are others than last night's."""
    before: float | None
    """Score; None where it is not known."""
    after: float | None
    comparison: Comparison | None = None
    """Tonight minus last night; None if the same cells were met, or none can be compared."""
    slowdown: Slowdown | None = None
    newly_failed: tuple[Place, ...] = ()
    still_failed: tuple[Place, ...] = ()
    is_new: bool = False
    """There was no such variant last night."""
    alpha: float
    slower_from: float

    @property
    def moved(self) -> bool:
        """Whether the score moved beyond noise."""
        p = None if self.comparison is None else self.comparison.p_holm
        return p is not None and p <= self.alpha

    @property
    def slower(self) -> bool:
        """Whether folds take so much longer that it is to be said, and certainly longer."""
        found = self.slowdown
        return found is not None and found.ratio >= self.slower_from and found.low is not None and found.low > 1

    @property
    def broke(self) -> bool:
        """Whether folds fail."""
        return bool(self.newly_failed or self.still_failed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """What there is of one variant's last night."""

    score: float | None
    cells: Mapping[Place, Cell]
    """That are done and still in the store, under the study's seeds."""
    keys: frozenset[str]
    """Of all cells that were done, in the store or not."""
    failed: frozenset[Place] = frozenset()


def differences(study: Study, before: Mapping[str, Earlier], slower_from: float) -> list[Difference]:
    """Compare all variants and controls of a sweep, paired by seed and subject; Holm over those that changed.

    Args:
        study: of tonight; its alpha is that of what moved.
        before: variant -> its last night; one that is not there is new.
        slower_from: ratio of a fold's times from which it is to be said.
    """
    resampling = Resampling()
    found = []
    for variant in (*study.variants, *study.controls.values()):
        now = {(seed, subject): cell for (name, seed, subject), cell in study.cells.items() if name == variant.name}
        last = before.get(variant.name)
        then = last.cells if last else {}
        keys, failures = (last.keys, last.failed) if last else (frozenset[str](), frozenset[Place]())
        changed = [place for place, cell in now.items() if cell.state == "done" and cell.key not in keys]
        pair = _pair(study, variant, then, now)
        outcomes = collect(pair)
        score = METRICS[study.metric]
        complete = bool(outcomes.done[1].all())
        failed = tuple(sorted(place for place, cell in now.items() if cell.state == "failed"))
        compared = changed and last
        found.append(
            Difference(
                sweep=study.cluster_name,
                variant=variant.name,
                trained=len(changed),
                before=last.score if last else None,
                after=float(statistics.pooled(outcomes.counts[1], score).mean()) if complete else None,
                comparison=compare(pair, outcomes, 1, 0, resampling) if compared else None,
                slowdown=_slowdown(then, now, changed, study.alpha) if compared else None,
                newly_failed=tuple(place for place in failed if place not in failures),
                still_failed=tuple(place for place in failed if place in failures),
                is_new=last is None,
                alpha=study.alpha,
                slower_from=slower_from,
            )
        )
    adjusted = adjust([one.comparison for one in found], study)
    return [replace(one, comparison=comparison) for one, comparison in zip(found, adjusted, strict=True)]


def _pair(study: Study, variant: StudyVariant, then: Mapping[Place, Cell], now: Mapping[Place, Cell]) -> Study:
    """A study of two variants: the same one, on two nights."""
    nights = [(BEFORE, then), (AFTER, now)]
    return replace(
        study,
        variants=tuple(replace(variant, name=name, is_reference=name == BEFORE) for name, _ in nights),
        controls={},
        cells={(name, *place): cell for name, cells in nights for place, cell in cells.items()},
    )


def _slowdown(
    then: Mapping[Place, Cell], now: Mapping[Place, Cell], changed: Sequence[Place], alpha: float
) -> Slowdown | None:
    """Only folds that were trained anew, on the same kind of device, have something to say."""
    logs: dict[str, list[float]] = {}
    for place in changed:
        old, new = then.get(place), now[place]
        if old is None or old.device != new.device:
            continue
        if old.seconds > 0 and new.seconds > 0:
            logs.setdefault(place[1], []).append(math.log(new.seconds / old.seconds))
    if not logs:
        return None
    by_subject = np.array([np.mean(values) for values in logs.values()])
    folds = sum(map(len, logs.values()))
    found = Slowdown(ratio=math.exp(by_subject.mean()), folds=folds)
    if len(by_subject) < 2:
        return found
    half = -float(stdtrit(len(by_subject) - 1, alpha / 2)) * by_subject.std(ddof=1) / math.sqrt(len(by_subject))
    return replace(found, low=math.exp(by_subject.mean() - half), high=math.exp(by_subject.mean() + half))
