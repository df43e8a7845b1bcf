"""madv calibrate: the reference of a sweep against itself, by disjoint halves of its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from madv.errors import Problem, SpecError
from orchestration.prepared import prepare

SEED = 0


def calibrate(file: Path, overrides: Sequence[str]) -> int:
    """Print how often two halves of one variant's seeds are called different, and whether seeds share noise.

    Raises:
        SpecError: fewer than two seeds of the reference have all of two subjects.
    """
    from dashboards import text
    from dashboards.calibration import SUSPICIOUS, self_test
    from dashboards.outcomes import collect, rectangle
    from dashboards.statistics import METRICS
    from orchestration.cli_study import make_study

    prepared = prepare(file, overrides)
    study = make_study(prepared.plan, prepared.store, prepared.cache_root, overrides)
    outcomes = collect(study)
    reference = next(v for v, variant in enumerate(study.variants) if variant.is_reference)
    seeds, subjects = rectangle(outcomes.done[reference])
    if len(seeds) < 2 or len(subjects) < 2:
        message = (
            f"two seeds of the reference are needed, finished for two subjects or more; there are {len(seeds)} of "
            f"{len(subjects)}: raise it and run `madv sweep`"
        )
        raise SpecError([Problem(place="metadata.sweep.seeds", message=message)])
    counts = outcomes.counts[reference][np.ix_(seeds, subjects)]
    found = self_test(counts, METRICS[study.metric], np.random.default_rng(SEED))
    called = sum(p <= study.alpha for p in found.p_values)
    name = text.METRIC_NAMES[study.metric]
    print(f"{study.variants[reference].name}: {text.count(len(seeds), 'seed')}, {text.count(len(subjects), 'subject')}")
    ways = text.count(len(found.p_values), "way")
    print(f"halves of its seeds against each other, {ways}: {called} called different at {study.alpha:g}")
    print(f"largest difference of two halves: {text.score(found.largest)} in {name}")
    if found.ratio is None or found.ratio_p is None:
        print("seeds do not differ at all: every training of a fold gives the same predictions")
        return 0
    print(
        f"variance between seeds: {found.ratio:.2f} of what independent folds predict, p {text.p_value(found.ratio_p)}"
    )
    if found.ratio_p < SUSPICIOUS:
        print("SUSPICIOUS: all folds of a seed share noise, so that tests over subjects call too many differences")
    return 0
