"""The data of a search's figures, as plain tables. A stopped or failed configuration has no score and is in none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboards.search_axes import Axis
from dashboards.search_study import StudyOfTrials

if TYPE_CHECKING:
    import pandas as pd

TOP = 0.25
"""Share of a study's finished configurations that figures set apart as its best."""
GRID = 31
"""Points of a surface along each axis."""
REACH = 0.12
"""How far a configuration speaks for its neighbours on a surface: a standard deviation, as a share of an axis."""
UNKNOWN = 2 * REACH
"""A point of a surface with no configuration as near as this is left empty."""


def finished(studies: Sequence[StudyOfTrials]) -> pd.DataFrame:
    """Finished trials: study, trial, score, relative (score less its study's median), top, then every setting as text.

    top says whether it is among the best quarter of its study, of ties the earlier ones.
    """
    import pandas as pd

    done = [(study, trial) for study in studies for trial in study.trials if trial.state == "finished"]
    settings = list(dict.fromkeys(name for _, trial in done for name in trial.settings))
    rows: list[dict[str, Any]] = []
    for study in studies:
        own = [trial for one, trial in done if one is study]
        ranked = sorted(own, key=lambda trial: (-trial.values[0], trial.number))
        best = {trial.number for trial in ranked[: math.ceil(TOP * len(ranked))]}
        middle = float(np.median([trial.values[0] for trial in own])) if own else 0.0
        for trial in own:
            score = trial.values[0]
            fields = {"trial": trial.number, "score": score, "relative": score - middle, "top": trial.number in best}
            rows.append({"study": study.name, **fields, **trial.settings})
    return pd.DataFrame(rows, columns=["study", "trial", "score", "relative", "top", *settings])


def history(study: StudyOfTrials, metric: str) -> pd.DataFrame:
    """One row a finished trial: number, score, and the best so far."""
    import pandas as pd

    rows = [(trial.number, trial.values[0]) for trial in study.trials if trial.state == "finished"]
    table = pd.DataFrame(rows, columns=["trial", metric])
    table["best"] = table[metric].cummax()
    return table


def front(studies: Sequence[StudyOfTrials], objectives: Sequence[str]) -> pd.DataFrame:
    """Finished trials: study, trial, the first objective, the second, front (whether its study's others all lose).

    Where a search has one objective, the second is the mean training seconds of a fold.
    """
    import pandas as pd

    names = [*objectives, "seconds"][: max(2, len(objectives))]
    rows = []
    for study in studies:
        done = [trial for trial in study.trials if trial.state == "finished"]
        chosen = {trial.number for trial in study.front}
        values = [(*trial.values, trial.seconds / max(1, trial.folds))[: len(names)] for trial in done]
        for trial, own in zip(done, values, strict=True):
            unbeaten = trial.number in chosen
            if len(objectives) == 1:
                unbeaten = not any(o != own and o[0] >= own[0] and o[1] <= own[1] for o in values)
            rows.append((study.name, trial.number, *own, unbeaten))
    return pd.DataFrame(rows, columns=["study", "trial", *names, "front"])


def stops(studies: Sequence[StudyOfTrials]) -> pd.DataFrame:
    """Trials that have ended: study, trial, state, folds (trained before it did), of (a whole one's)."""
    import pandas as pd

    rows = [
        (study.name, trial.number, trial.state, trial.folds, study.folds)
        for study in studies
        for trial in study.trials
        if trial.state in ("finished", "stopped", "failed")
    ]
    return pd.DataFrame(rows, columns=["study", "trial", "state", "folds", "of"])


def importance(studies: Sequence[StudyOfTrials], objective: str) -> pd.DataFrame:
    """study, parameter, importance (a share of 1), mean (over the studies that know it); the greatest mean first."""
    import pandas as pd

    shares = [(study.name, study.importance.get(objective, {})) for study in studies]
    rows = [(study, name, share) for study, own in shares for name, share in own.items()]
    table = pd.DataFrame(rows, columns=["study", "parameter", "importance"])
    table["mean"] = table.groupby("parameter")["importance"].transform("mean")
    return table.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def tuned_and_held_out(studies: Sequence[StudyOfTrials]) -> pd.DataFrame:
    """group, tuned_on, held_out of each group that has chosen; held_out is missing until its subjects are scored."""
    import pandas as pd

    rows = [(one.name, one.best.values[0], one.held_out_score) for one in studies if one.best is not None]
    return pd.DataFrame(rows, columns=["group", "tuned_on", "held_out"])


def slices(trials: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """study, trial, the setting's value, score, place (along the axis, 0 to 1) of each trial that has the setting."""
    table = trials[trials[axis.setting].notna()][["study", "trial", axis.setting, "score"]].reset_index(drop=True)
    return table.assign(place=np.array([axis.place(value) for value in table[axis.setting]], float))


def parallel(trials: pd.DataFrame, axes: Sequence[Axis]) -> pd.DataFrame:
    """study, trial, score, top, setting, value, place: one row a trial and setting; place is missing with the value."""
    import pandas as pd

    rows = [
        (row["study"], row["trial"], row["score"], row["top"], axis.setting, value, axis.place(value))
        for row in trials.to_dict("records")
        for axis in axes
        for value in [row[axis.setting] if isinstance(row[axis.setting], str) else None]
    ]
    return pd.DataFrame(rows, columns=["study", "trial", "score", "top", "setting", "value", "place"])


def surface(trials: pd.DataFrame, across: Axis, up: Axis, column: str) -> pd.DataFrame:
    """A smooth surface through the trials: the two settings' values on a grid, and the score expected there.

    Each point is the mean of all trials, weighted by a Gaussian of their distance (Nadaraya and Watson's estimate).

    Args:
        trials: of finished.
        across, up: of numbers.
        column: score or relative.

    Returns:
        across.setting, up.setting, x, y (places, 0 to 1) and score, which is missing far from every trial; GRID x GRID
        rows, x running fastest.
    """
    import pandas as pd

    known = trials[trials[across.setting].notna() & trials[up.setting].notna()]
    places = np.array([[axis.place(value) for value in known[axis.setting]] for axis in (across, up)], float)  # (2, n)
    line = np.linspace(0, 1, GRID)
    x, y = (grid.ravel() for grid in np.meshgrid(line, line))
    square = (x[:, None] - places[0]) ** 2 + (y[:, None] - places[1]) ** 2  # (points, n)
    nearest = square.min(axis=1, initial=np.inf)
    # Less the nearest's, so that the weights of far trials do not all vanish.
    weights = np.exp((nearest[:, None] - square) / (2 * REACH**2))
    scores = weights @ known[column].to_numpy(float) / weights.sum(axis=1)
    scores[nearest > UNKNOWN**2] = np.nan
    values = {axis.setting: [axis.value(place) for place in grid] for axis, grid in ((across, x), (up, y))}
    return pd.DataFrame(values | {"x": x, "y": y, "score": scores})
