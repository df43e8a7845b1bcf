"""How a sweep's report compares variants, and what is kept for it: `report:` of a sweep file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from orchestration.sections import Section

METRICS = ("uf1", "uar", "accuracy", "macro_f1")
KEEP = ("none", "best", "all")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOptions:
    """How the report compares variants."""

    metric: str = "uf1"
    """One of METRICS; ranks the variants."""
    alpha: float = 0.05
    """Level of significance, and 1 - alpha the coverage of intervals."""
    margin: float = 0.02
    """A difference of less, in the metric, would not matter in practice."""
    keep_checkpoints: Literal["none", "best", "all"] = "none"
    """Whose trained networks are kept, for `madv explain`: best is the reference and the variant of the highest score,
    with the sweep's first seed."""


def read_report(section: Section, *, search: bool) -> ReportOptions:
    """The section, checked.

    Args:
        section: `report`.
        search: whether configurations are searched for: of these no network is kept.
    """
    section.allow(asdict(ReportOptions()))
    metric = section.choice("metric", METRICS, "uf1")
    alpha = section.number("alpha", 0.05, lambda value: 0 < value < 0.5, "between 0 and 0.5")
    margin = section.number("margin", 0.02, lambda value: 0 < value < 0.5, "between 0 and 0.5")
    keep = section.choice("keep_checkpoints", KEEP, "none")
    if search and keep != "none":
        way_out = "leave it out, and write what the search has found as a variant of a sweep of its own"
        section.problem(f"a search keeps no networks; {way_out}", "keep_checkpoints")
    return ReportOptions(
        metric=metric or "uf1",
        alpha=alpha,
        margin=margin,
        keep_checkpoints="best" if keep == "best" else "all" if keep == "all" else "none",
    )
