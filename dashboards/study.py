"""What a report is made from: one study, its variants, and the cells that have been trained so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestration.cells import Cell


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyVariant:
    """One row of the ablation table."""

    name: str
    levels: Mapping[str, str]
    """Level of each factor, e.g. {"texture": "on", "depth": "off"}."""
    overrides: tuple[str, ...] = ()
    """Hydra overrides that make this variant."""
    is_reference: bool = False
    random_folds: bool = False
    """Clips were split at random: a cell's subject names its fold, whose clips are several subjects'."""
    method: str = ""
    """The network by the name that the paper's tables have for it, e.g. "3D ResNet-18"."""
    macs: int | None = None
    """Multiply-accumulates of a clip; None if they were not counted."""
    memory: int | None = None
    """Bytes that the network holds while it predicts one clip; None if that was not measured."""
    remarks: tuple[str, ...] = ()
    """What a reader must know of it before its score, such as an oracle among its inputs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """Everything that the report says, before any arithmetic."""

    cluster_name: str
    """Names the sweep and its folder of reports."""
    question: str
    design: str
    """factorial, one_factor_at_a_time, ..."""
    metric: str = "uf1"
    """What ranks the variants and is compared: uf1, uar, accuracy or macro_f1."""
    alpha: float = 0.05
    """Family-wise error rate of the comparisons; intervals cover 1 - alpha."""
    margin: float = 0.02
    """A difference of less, in the study's metric, would not matter."""
    class_names: tuple[str, ...]
    variants: tuple[StudyVariant, ...]
    """In the order of the plan; at most one is the reference."""
    controls: Mapping[str, StudyVariant] = field(default_factory=dict)
    """repeat, shuffled_labels: trainings whose answer is known beforehand. Their cells are under the study's seeds, in
    order, whatever seeds they were trained with."""
    seeds: tuple[int, ...]
    subjects: tuple[str, ...]
    sample_labels: Mapping[str, tuple[int, str]]
    """sample_id -> (class index, subject): what every cell's predictions are checked against."""
    clips: bool = False
    """Whether a page of single clips lies beside the report: clips.html."""
    optimistic: bool = False
    """Scored subjects took part in training or in its choices; the report says so in red."""
    dataset: str = ""
    """Name of the data set's preset, e.g. casme2."""
    remarks: tuple[str, ...] = ()
    """What a reader must know of the data before any score, such as that they are synthetic."""
    ceilings: Mapping[str, float] | None = None
    """Best score that the data allow a variant, by name, where it is known (synthetic data)."""
    growth: Sequence[Mapping[str, Any]] = ()
    """How the reference's cost grows with its clips: growth points of madv/growth.py as plain values."""
    cells: Mapping[tuple[str, int, str], Cell]
    """(variant name, seed, subject) -> cell; one that is not there has not been run."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """What ran: commit, data fingerprint, versions, machine; shown as given."""
    pages: Mapping[str, str] = field(default_factory=dict)
    """Title -> address of pages that belong to it, relative to its own."""
    rerun: tuple[str, ...] = ()
    """Commands that run the study and its report again; shown as given."""
