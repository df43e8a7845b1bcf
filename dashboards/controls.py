"""Controls: trainings whose answer is known beforehand. If one gives another, nothing else in the report holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dashboards import statistics, text
from dashboards.outcomes import Ints, collect, rectangle
from dashboards.statistics import METRICS, Floats, Metric
from dashboards.study import Study

ALARM = 0.005
"""Level of significance: a control that is run every night must not cry wolf."""
DRAWS = 4_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """What came of one control."""

    kind: str
    """repeat or shuffled_labels."""
    score: float
    """The study's metric, pooled, mean over seeds."""
    expected: float
    """What it is compared with: the reference's score on the same subjects, or the mean of permuted predictions."""
    p: float
    failed: bool
    sentence: str


def check_controls(study: Study) -> list[Control]:
    """Those of the study's controls that can be judged: two subjects, and for a repeat the reference's, are done."""
    reference = next((variant for variant in study.variants if variant.is_reference), None)
    if reference is None:
        return []
    found = []
    for kind, variant in study.controls.items():
        outcomes = collect(replace(study, variants=(reference, variant)))
        done = outcomes.done[1] & outcomes.done[0] if kind == "repeat" else outcomes.done[1]
        seeds, subjects = rectangle(done)
        if len(subjects) < 2:
            continue
        theirs, ours = (outcomes.counts[v][np.ix_(seeds, subjects)] for v in (0, 1))
        if kind == "repeat":
            found.append(_repeat(study, theirs, ours))
        else:
            found.append(_shuffled(study, ours))
    return found


def not_judged(study: Study, judged: Sequence[Control]) -> list[str]:
    """What to say of the study's other controls."""
    said = []
    for kind, variant in study.controls.items():
        if kind in [control.kind for control in judged]:
            continue
        cells = [study.cells.get((variant.name, *place)) for place in product(study.seeds, study.subjects)]
        states = [cell.state for cell in cells if cell is not None]
        failed = f" and {states.count('failed')} failed" if "failed" in states else ""
        needed = "two subjects, the reference’s too" if kind == "repeat" else "two subjects"
        done = f"{states.count('done')} of its {text.count(len(cells), 'cell')} are done{failed}"
        said.append(f"The control {kind.replace('_', ' ')} is not judged: it takes {needed}; {done}.")
    return said


def _repeat(study: Study, reference: Ints, repeat: Ints) -> Control:
    """The reference trained again from other seeds: a difference says that seeds matter more than the tests allow."""
    metric, name = METRICS[study.metric], text.METRIC_NAMES[study.metric]
    patterns = statistics.exchanges(np.random.default_rng(0), reference.shape[1])
    p = statistics.exchange_p(repeat, reference, patterns, metric)
    score, expected = (float(statistics.pooled(counts, metric).mean()) for counts in (repeat, reference))
    failed = p < ALARM
    verdict = "trainings differ by more than the tests allow for" if failed else "as it should be"
    sentence = (
        f"The reference trained again with other seeds scores {name} {text.score(score)} where it scored "
        f"{text.score(expected)} (p {text.p_value(p)}): {verdict}."
    )
    return Control(kind="repeat", score=score, expected=expected, p=p, failed=failed, sentence=sentence)


def _shuffled(study: Study, counts: Ints) -> Control:
    """Trained on shuffled labels: better than permuted predictions says that the scored labels leak into training."""
    metric, name = METRICS[study.metric], text.METRIC_NAMES[study.metric]
    score = float(statistics.pooled(counts, metric).mean())
    permuted = permuted_scores(counts, metric, np.random.default_rng(counts.sum()))
    p = (1 + int((permuted >= score - 1e-9).sum())) / (1 + len(permuted))
    expected, failed = float(permuted.mean()), p < ALARM
    verdict = "labels of the held-out clips leak into training" if failed else "as it should be"
    sentence = (
        f"The reference trained on shuffled labels scores {name} {text.score(score)} where its predictions, permuted, "
        f"score {text.score(expected)} (one-sided p {text.p_value(p)}): {verdict}."
    )
    return Control(kind="shuffled_labels", score=score, expected=expected, p=p, failed=failed, sentence=sentence)


def permuted_scores(counts: Ints, metric: Metric, rng: np.random.Generator) -> Floats:
    """(DRAWS,) scores of predictions permuted among each subject's clips: clips of one subject are not independent.

    A permutation keeps how often a subject shows and is given each class, so that its counts are a random table with
    these margins (Patefield 1981).

    Args:
        counts: (S, N, C, C).
        metric: one of METRICS.
        rng: of the permutations.
    """
    from scipy.stats import random_table  # takes two seconds to import

    seeds, subjects, classes, _ = counts.shape
    pooled = np.zeros((DRAWS, seeds, classes, classes), dtype=np.int64)
    for s, n in np.ndindex(seeds, subjects):
        shown, given = counts[s, n].sum(axis=1), counts[s, n].sum(axis=0)
        if shown.sum():
            pooled[:, s] += random_table(shown, given).rvs(DRAWS, random_state=rng).astype(np.int64)
    return np.asarray(metric(statistics.margins(pooled)).mean(axis=-1))


def alarms(controls: Sequence[Control]) -> list[str]:
    """What to say in red."""
    failed = [control.sentence for control in controls if control.failed]
    return [f"{' '.join(failed)} Nothing below can be trusted."] if failed else []
