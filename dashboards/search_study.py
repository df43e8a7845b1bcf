"""What a search's report is made from: its trials, and what they have chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dashboards.study import Study

TrialState = Literal["finished", "stopped", "failed", "running", "waiting"]
LESS_IS_BETTER = ("seconds", "parameters")


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchTrial:
    """One configuration that was tried."""

    number: int
    state: TrialState
    settings: Mapping[str, str]
    """What it sets; what does not exist there is absent."""
    values: tuple[float, ...] = ()
    """One an objective; empty unless it is finished: a stopped one has no score."""
    folds: int = 0
    """Cells that are there."""
    seconds: float = 0.0
    """Training time of these cells."""
    reason: str = ""
    """Why it failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyOfTrials:
    """One study: all of a search, or the inner subjects of an outer group."""

    name: str
    trials: Sequence[SearchTrial]
    """By number."""
    folds: int
    """Of a configuration that is not stopped."""
    races: bool
    best: SearchTrial | None = None
    """Of one objective: the finished one that the study chooses."""
    overrides: tuple[str, ...] = ()
    """Hydra overrides of the best: the sweep's base and what was chosen."""
    importance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Objective -> share of each parameter in what tells good trials from others (PED-ANOVA); without those of which
    trials are too few or all equal."""
    held_out: tuple[str, ...] = ()
    """Nested: the subjects that are scored by what this study chose."""
    held_out_score: float | None = None
    """Nested: the chosen configuration on them; None if cells are missing."""

    signs: tuple[int, ...] = (1,)
    """Of each objective: 1 if more is better, else -1."""

    @property
    def front(self) -> list[SearchTrial]:
        """Finished trials that no other beats in every objective; of several objectives."""
        finished = [trial for trial in self.trials if trial.state == "finished"]
        return [one for one in finished if not any(_beats(other, one, self.signs) for other in finished)]

    @property
    def saved(self) -> int:
        """Folds that stopped trials were spared."""
        return sum(self.folds - trial.folds for trial in self.trials if trial.state == "stopped")


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchStudy:
    """Everything that the report of a search says."""

    cluster_name: str
    question: str
    objectives: tuple[str, ...]
    optimistic: bool
    """Chosen and scored on the same subjects; the report says so in red."""
    studies: Sequence[StudyOfTrials]
    clips_per_subject: Mapping[str, Sequence[int]]
    """Subject -> clips of each class: what the rates of false stops are simulated on."""
    race: str = ""
    """How it was raced, or why not; empty if that was not asked for."""
    race_rule: tuple[float, int] = (0.1, 8)
    """p threshold, and folds in common before anything is stopped."""
    nested: Study | None = None
    """The chosen configurations on the subjects that chose nothing, as a study of one variant."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    """Parameter that is not always there -> the values of others that it is there with: "model.streams.au=true"."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()


def _beats(one: SearchTrial, other: SearchTrial, signs: Sequence[int]) -> bool:
    ours = [sign * value for sign, value in zip(signs, one.values, strict=True)]
    theirs = [sign * value for sign, value in zip(signs, other.values, strict=True)]
    return all(a >= b for a, b in zip(ours, theirs, strict=True)) and ours != theirs
