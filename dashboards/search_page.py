"""The report of a search as one HTML page that opens from disk and asks the network for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboards import html, search_drawing, search_drawing_space, search_figures, text
from dashboards.analysis import Analysis
from dashboards.drawing import Figure
from dashboards.race_simulation import CONFIDENCE, OWN_SPREAD, RUNS, SUBJECT_SPREAD, stop_rates
from dashboards.search_axes import find_axes
from dashboards.search_study import SearchStudy, SearchTrial, StudyOfTrials

if TYPE_CHECKING:
    import pandas as pd

SECTIONS = {
    "chosen": "What was chosen",
    "honest": "Tuned on, and held out",
    "history": "How it went",
    "front": "Score against cost",
    "race": "The race",
    "importance": "What mattered",
    "slices": "One setting at a time",
    "contours": "Two settings at a time",
    "parallel": "All settings at once",
    "trials": "Configurations",
    "ran": "What was run",
    "reading": "How to read it",
    "rerun": "How to run it again",
}
SEED = 0
"""Of the simulation of false stops: the same report gives the same bytes."""
LEVEL = 0.7
"""UF1 that false stops are simulated at as long as nothing is finished."""
MOST_SLICES, MOST_CROSSED = 12, 4
"""Of the most important settings: those drawn alone, and those of numbers drawn by two."""
LEAST_TO_CROSS = 10
"""Finished configurations that a surface over two settings rests on."""


def page(
    study: SearchStudy, nested: Analysis | None, table: pd.DataFrame, headline: str, warnings: Sequence[str]
) -> str:
    """The whole page.

    Args:
        study: its trials so far.
        nested: of the subjects that chose nothing, if the search is nested.
        table: trials_table of it, offered for download.
        headline: the verdict.
        warnings: in red.
    """
    drawn = draw(study)
    flat = [figure for figures in drawn.values() for figure in figures]
    trials = [trial for one in study.studies for trial in one.trials]
    settings = list(dict.fromkeys(key for trial in trials for key in trial.settings))
    race = race_facts(study)
    left_out = {"honest": study.nested is None, "race": not study.race}
    return html.render(
        "search.html.j2",
        study=study,
        headline=headline,
        warnings=warnings,
        facts=_facts(study),
        sections=[(anchor, title) for anchor, title in SECTIONS.items() if not left_out.get(anchor)],
        titles=SECTIONS,
        drawn=drawn,
        missing=_missing(study),
        metric=text.METRIC_NAMES.get(study.objectives[0], study.objectives[0]),
        held_out=_held_out(nested, study.objectives[0]),
        limits=[] if nested is None else _limits(nested),
        race=race,
        settings=settings,
        rows=[_row(rank, one, trial) for rank, (one, trial) in enumerate(_ranked(study), start=1)],
        score=text.score,
        provenance=study.provenance.items(),
        downloads={figure.name: html.download(figure.data) for figure in flat} | {"trials": html.download(table)},
        figures_json=html.figures_json(flat),
        style=html.asset("page.css"),
        script=html.asset("page.js"),
        plotly=html.asset("plotly-basic.min.js"),
    )


def draw(study: SearchStudy) -> dict[str, list[Figure]]:
    """The figures of each section; a section without data has none."""
    studies, objectives = study.studies, study.objectives
    metric = text.METRIC_NAMES.get(objectives[0], objectives[0])
    done = search_figures.finished(studies)
    shares = search_figures.importance(studies, objectives[0])
    axes = find_axes(done, dict(zip(shares["parameter"], shares["mean"], strict=True)))
    crossed = [axis for axis in axes if not axis.choices][:MOST_CROSSED] if len(done) >= LEAST_TO_CROSS else []
    # Groups score different subjects, some of them easier: what lies between groups is not the settings'.
    column, name = ("score", metric) if len(studies) == 1 else ("relative", f"{metric} less its group’s median")
    chosen = any(one.best is not None for one in studies)
    ended = any(trial.state != "waiting" and trial.folds for one in studies for trial in one.trials)
    raced = any(one.races for one in studies) and ended
    return {
        "honest": [search_drawing.draw_honest(studies, objectives[0])] if study.nested and chosen else [],
        "history": [search_drawing.draw_history(studies, objectives[0])] if len(done) else [],
        "front": [search_drawing.draw_front(studies, objectives)] if len(done) else [],
        "race": [search_drawing.draw_stops(studies)] if raced else [],
        "importance": [
            search_drawing.draw_importance(studies, objective, study.conditions)
            for objective in objectives
            if any(objective in one.importance for one in studies)
        ],
        "slices": [search_drawing_space.draw_slice(done, axis, metric) for axis in axes[:MOST_SLICES]],
        "contours": [
            search_drawing_space.draw_contour(done, across, up, name, column)
            for across, up in combinations(crossed, 2)
            if (done[across.setting].notna() & done[up.setting].notna()).sum() >= LEAST_TO_CROSS
        ],
        "parallel": [search_drawing_space.draw_parallel(done, axes, metric)] if axes else [],
    }


def _missing(study: SearchStudy) -> dict[str, str]:
    """Why a section has no figure, should it have none."""
    number = sum(trial.state == "finished" for one in study.studies for trial in one.trials)
    if not number:
        return dict.fromkeys(SECTIONS, "No configuration is finished.")
    finished = f"{text.count(number, 'configuration')} {'is' if number == 1 else 'are'} finished"
    return {
        "honest": "No group has chosen yet.",
        "race": "No fold is trained.",
        "importance": f"{finished}; it takes ten in one study that do not all score the same.",
        "slices": f"{finished}, and no setting has two values among them.",
        "contours": f"{finished}; it takes {LEAST_TO_CROSS} that have the same two settings of numbers.",
        "parallel": f"{finished}, and no setting has two values among them.",
    }


def race_facts(study: SearchStudy) -> dict[str, Any]:
    """What the race did, and how often one like it stops what it should not: by simulation."""
    stopped = [(one, trial) for one in study.studies for trial in one.trials if trial.state == "stopped"]
    trained = sum(trial.folds for one in study.studies for trial in one.trials)
    saved = sum(one.saved for one in study.studies)
    best = [one.best.values[0] for one in study.studies if one.best is not None]
    level = min(0.95, max(0.35, max(best, default=LEVEL)))
    p_threshold, least = study.race_rule
    raced = any(one.races for one in study.studies)
    rates = []
    if raced:
        out = set(study.studies[0].held_out)
        clips = [list(sizes) for subject, sizes in study.clips_per_subject.items() if subject not in out]
        rates = stop_rates(clips, level, np.random.default_rng(SEED), p_threshold=p_threshold, least_folds=least)
    return {
        "stopped": len(stopped),
        "saved": saved,
        "planned": saved + trained,
        "share": f"{saved / (saved + trained):.0%}" if saved + trained else "0%",
        "median": int(np.median([trial.folds for _, trial in stopped])) if stopped else None,
        "rates": [(text.signed(r.gain), f"{r.stopped:.1%}", f"{r.folds:.0%}") for r in rates],
        "level": text.score(level),
        "runs": f"{RUNS:,}",
        "spread": f"{SUBJECT_SPREAD:g} and {OWN_SPREAD:g}",
        "confidence": f"{CONFIDENCE[0]:g} to {CONFIDENCE[1]:g}",
    }


def _facts(study: SearchStudy) -> list[tuple[str, str]]:
    states = [trial.state for one in study.studies for trial in one.trials]
    folds = sum(trial.folds for one in study.studies for trial in one.trials)
    facts = [(f"{states.count(state)}", state) for state in ("finished", "stopped", "failed") if states.count(state)]
    seconds = sum(trial.seconds for one in study.studies for trial in one.trials)
    return [*facts, (f"{folds:,}", "folds trained"), (text.duration(seconds), "of training")]


def _held_out(nested: Analysis | None, metric: str) -> str:
    if nested is None or not nested.results or not nested.results[0].scores:
        return text.NOTHING
    result = nested.results[0]
    interval = result.intervals.get(metric)
    return f"{text.score(result.scores[metric])} {text.interval(*interval) if interval else ''}".strip()


def _limits(nested: Analysis) -> list[str]:
    """What the held-out score does not rest on, and why."""
    outcomes = nested.outcomes
    missing = int((~outcomes.trained & ~outcomes.failed).sum())
    reasons = Counter(failure.headline for failure in outcomes.failures)
    said = (
        [f"{text.count(missing, 'cell')} {'is' if missing == 1 else 'are'} missing: not trained yet"] if missing else []
    )
    said += [f"{text.count(number, 'cell')} failed: {reason}" for reason, number in reasons.most_common()]
    return said + [note for result in nested.results for note in result.notes]


def _ranked(study: SearchStudy) -> list[tuple[StudyOfTrials, SearchTrial]]:
    """Finished ones by their first objective, then the others by number."""
    pairs = [(one, trial) for one in study.studies for trial in one.trials if trial.state != "waiting"]
    return sorted(pairs, key=lambda pair: (-pair[1].values[0] if pair[1].values else 1.0, pair[1].number))


def _row(rank: int, study: StudyOfTrials, trial: SearchTrial) -> dict[str, Any]:
    return {
        "rank": rank,
        "study": study.name,
        "trial": trial,
        "values": [text.score(value) if abs(value) <= 1 else text.amount(round(value)) for value in trial.values],
        "folds": f"{trial.folds} of {study.folds}",
        "seconds": text.duration(trial.seconds) if trial.folds else text.NOTHING,
        "best": study.best is not None and trial.number == study.best.number,
    }
