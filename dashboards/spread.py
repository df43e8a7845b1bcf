"""What a study as a whole can show: its precision, where its variance comes from, and the variants' mean ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dashboards import precision, ranking, statistics, text
from dashboards.outcomes import Outcomes, rectangle
from dashboards.paired import Comparison
from dashboards.precision import VarianceSplit
from dashboards.ranking import Ranking
from dashboards.statistics import Floats
from dashboards.study import Study


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """What could not be computed is None or empty."""

    detectable: float | None = None
    """True difference that one comparison of this study finds with a power of 80%, at its median standard error."""
    detectable_holm: float | None = None
    """The same at the strictest level of Holm's adjustment."""
    reach: float | None = None
    """Smallest margin within which the best of its comparisons could show a difference to lie."""
    subjects: int = 0
    """That the comparison of most subjects rests on."""
    splits: Mapping[str, VarianceSplit] = field(default_factory=dict)
    """By variant, of the accuracies by seed and subject."""
    ranking: Ranking | None = None
    ranked: tuple[str, ...] = ()
    """The variants of the ranking."""


def find_spread(study: Study, outcomes: Outcomes, comparisons: Sequence[Comparison | None]) -> Spread:
    """From the cells that are there, and the comparisons to the reference."""
    tested = [one for one in comparisons if one is not None and one.error is not None]
    strictest = study.alpha / max(1, len(tested))
    median = _median(tested)
    accuracies = {
        variant.name: _accuracy(outcomes, v) for v, variant in enumerate(study.variants) if outcomes.done[v].any()
    }
    splits = {name: precision.variance_split(accuracy) for name, accuracy in accuracies.items()}
    ranked = tuple(accuracies) if bool(outcomes.done.all()) and len(study.subjects) >= 2 else ()
    ranked = ranked if len(ranked) >= ranking.LEAST else ()
    return Spread(
        detectable=None if median is None else precision.detectable(*median, study.alpha),
        detectable_holm=None if median is None else precision.detectable(*median, strictest),
        reach=min((precision.reach(one.error or 0.0, one.subjects, study.alpha) for one in tested), default=None),
        subjects=max((one.subjects for one in tested), default=0),
        splits={name: split for name, split in splits.items() if split is not None},
        ranking=ranking.rank(np.stack([accuracies[name].mean(axis=0) for name in ranked]), study.alpha)
        if ranked
        else None,
        ranked=ranked,
    )


def sentences(spread: Spread, study: Study) -> list[str]:
    """What the study can show, in words."""
    said = []
    name = text.METRIC_NAMES[study.metric]
    if spread.detectable is not None and spread.detectable_holm is not None and spread.reach is not None:
        said.append(
            f"A true difference of {text.score(spread.detectable)} in {name} would be found with a power of "
            f"{precision.POWER:.0%} by one comparison of this study, one of {text.score(spread.detectable_holm)} after "
            "Holm’s adjustment at its strictest; smaller ones mostly go unseen."
        )
        if spread.subjects < precision.LEAST_SUBJECTS:
            said.append(
                f"With fewer than {precision.LEAST_SUBJECTS} subjects no difference is said to be none in practice "
                "(report.margin): too few subjects agree by chance."
            )
        elif study.margin < spread.reach:
            said.append(
                f"A difference of less than {text.score(study.margin)} would be none in practice (report.margin). No "
                f"comparison here is precise enough to show that: it takes a margin of {text.score(spread.reach)} at "
                "least, or more subjects."
            )
    if spread.ranking is None and len(study.variants) >= ranking.LEAST:
        said.append("Mean ranks are not shown: they need every cell of every variant, and two subjects at least.")
    gains = [precision.gain_of_more_seeds(split, len(study.seeds)) for split in spread.splits.values()]
    if gains:
        said.append(
            f"Endlessly many seeds would narrow the standard error of a mean accuracy over these subjects by "
            f"{float(np.median(gains)):.0%} (median of the variants); the rest is what subjects differ by."
        )
    elif len(study.seeds) == 1:
        said.append("One seed does not tell what single trainings add to the variance.")
    else:
        said.append("Where the variance comes from is not known: no variant has two seeds of two subjects complete.")
    return said


def _median(tested: Sequence[Comparison]) -> tuple[float, int] | None:
    """Median standard error and number of subjects."""
    if not tested:
        return None
    return float(np.median([one.error for one in tested])), int(np.median([one.subjects for one in tested]))


def _accuracy(outcomes: Outcomes, v: int) -> Floats:
    """(S, N) of the seeds and subjects that the variant has complete."""
    seeds, subjects = rectangle(outcomes.done[v])
    return statistics.accuracy(statistics.margins(outcomes.counts[v][np.ix_(seeds, subjects)]))
