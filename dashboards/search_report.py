"""A search's report on disk: the page, and its trials as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards import tables, text
from dashboards.analysis import Analysis, analyse
from dashboards.search_page import page
from dashboards.search_study import SearchStudy, SearchTrial, StudyOfTrials
from madv.modes import public_folder
from madv.whole_file import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from dashboards.report import Report


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchReport:
    """What was written, and what to print."""

    headline: str
    lines: tuple[str, ...]
    """What was chosen, to copy; and what the race did."""
    warnings: tuple[str, ...]
    trials: int
    failed: tuple[str, ...]
    """Reason of each configuration that failed."""
    path_html: Path
    path_csv: Path
    ablation: Report | None = None
    """Of an ablation whose variants were searched: its report, whose page this one's is."""


def write_search_report(study: SearchStudy, folder: Path) -> SearchReport:
    """Write index.html and trials.csv, each whole or not at all.

    Args:
        study: its trials so far.
        folder: made if it is not there.
    """
    nested = None if study.nested is None else analyse(study.nested)
    table = trials_table(study)
    public_folder(folder)
    trials = [trial for one in study.studies for trial in one.trials]
    report = SearchReport(
        headline=headline(study, nested),
        lines=tuple(_lines(study)),
        warnings=(text.OPTIMISTIC,) if study.optimistic and nested is None else (),
        trials=len(trials),
        failed=tuple(trial.reason for trial in trials if trial.state == "failed"),
        path_html=folder / "index.html",
        path_csv=folder / "trials.csv",
    )
    write_whole(report.path_csv, tables.csv(table))
    write_whole(report.path_html, page(study, nested, table, report.headline, report.warnings))
    return report


def headline(study: SearchStudy, nested: Analysis | None) -> str:
    """The verdict in one sentence."""
    name = text.METRIC_NAMES.get(study.objectives[0], study.objectives[0])
    if nested is not None and nested.results and nested.results[0].scores:
        result = nested.results[0]
        metric = study.objectives[0]
        tuned = [one.best.values[0] for one in study.studies if one.best is not None]
        held_out = f"{name} {text.score(result.scores[metric])}"
        if metric in result.intervals:
            held_out += f" {text.interval(*result.intervals[metric])}"
        groups = text.count(len(tuned), "group")
        return (
            f"What the other subjects chose scores {held_out} on subjects that chose nothing; on the subjects that "
            f"chose it, it scored {text.score(sum(tuned) / len(tuned))} in the mean of {groups}."
        )
    only = study.studies[0]
    if nested is not None or study.nested is not None or len(study.studies) > 1:
        return "Nothing can be said yet: the groups have not all been scored."
    finished = sum(trial.state == "finished" for trial in only.trials)
    if not finished:
        return "Nothing can be said yet: no configuration is finished."
    if only.best is None:
        return f"{text.count(len(only.front), 'configuration')} of {finished} are beaten by none in every objective."
    return f"Trial {only.best.number} comes first of {finished} with {name} {text.score(only.best.values[0])}."


def trials_table(study: SearchStudy) -> pd.DataFrame:
    """One row a trial: study, trial, state, the objectives, folds, seconds, each setting, reason."""
    import pandas as pd

    settings = list(dict.fromkeys(key for one in study.studies for trial in one.trials for key in trial.settings))
    rows = [_row(one, trial, study.objectives, settings) for one in study.studies for trial in one.trials]
    columns = ["study", "trial", "state", *study.objectives, "folds", "seconds of all folds", *settings, "reason"]
    return pd.DataFrame(rows, columns=columns)


def _row(study: StudyOfTrials, trial: SearchTrial, objectives: Sequence[str], settings: Sequence[str]) -> list[object]:
    values = trial.values or (None,) * len(objectives)
    chosen = [trial.settings.get(key) for key in settings]
    return [study.name, trial.number, trial.state, *values, trial.folds, trial.seconds, *chosen, trial.reason or None]


def _lines(study: SearchStudy) -> list[str]:
    lines = []
    for one in study.studies:
        if one.best is not None:
            who = f"{one.name}: " if len(study.studies) > 1 else ""
            lines.append(f"{who}{' '.join(f'{key}={value}' for key, value in one.best.settings.items())}")
    saved, stopped = sum(one.saved for one in study.studies), 0
    stopped = sum(trial.state == "stopped" for one in study.studies for trial in one.trials)
    trained = sum(trial.folds for one in study.studies for trial in one.trials)
    if stopped:
        share = saved / (saved + trained)
        lines.append(
            f"{stopped} configurations were stopped early, which saved {saved} folds of {saved + trained} ({share:.0%})"
        )
    return lines
