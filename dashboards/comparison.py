"""Methods beside each other in the layout of the paper's Tables 2 to 5: data of the tables, without any drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.analysis import Analysis, VariantResult
from dashboards.published import PROTOCOL, Footnote, Published, methods, published

if TYPE_CHECKING:
    import pandas as pd

SCORES = {"average": "mean recall", "macro_f1": "macro-F1", "uf1": "UF1", "uar": "UAR"}
"""Columns after those of the classes."""
COSTS = {
    "parameters": "parameters",
    "macs": "MACs a clip",
    "seconds": "s / fold",
    "memory": "memory, one clip predicted",
    "peak_memory": "memory, training",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodRow:
    """One method."""

    name: str
    """As in the paper's tables; with the variant's name where several variants are of one method."""
    result: VariantResult
    measured: Mapping[str, float]
    """Class or key of SCORES -> share; empty if nothing is scored."""
    published: Mapping[str, str]
    """Class or key of SCORES -> as the paper prints it."""
    costs: Mapping[str, float | int | None]
    """By key of COSTS: counts, mean seconds of a fold, bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodComparison:
    """The methods of a study and what the paper has of them."""

    rows: tuple[MethodRow, ...]
    """In the order of the paper's tables."""
    classes: tuple[str, ...]
    """The paper's in its order, then those that only the study has."""
    published: Published | None
    footnotes: tuple[Footnote, ...]
    """Of the methods that are here."""
    notes: tuple[str, ...]
    """What a reader must know before putting two figures side by side."""

    @property
    def labels(self) -> dict[str, str]:
        """Variant's name -> method's name."""
        return {row.result.variant.name: row.name for row in self.rows}


def compare_methods(analysis: Analysis) -> MethodComparison | None:
    """The comparison; None for a study whose variants are not different methods."""
    study = analysis.study
    times = Counter(variant.method for variant in study.variants)
    if len(times) < 2:
        return None
    table = published(study.dataset)
    order = {method: place for place, method in enumerate(methods())}
    in_plan = {variant.name: place for place, variant in enumerate(study.variants)}
    results = sorted(
        analysis.results,
        key=lambda result: (order.get(result.variant.method, len(order)), in_plan[result.variant.name]),
    )
    return MethodComparison(
        rows=tuple(_row(result, times, study.class_names, table) for result in results),
        classes=tuple(dict.fromkeys((*(table.classes if table else ()), *study.class_names))),
        published=table,
        footnotes=tuple(footnote for footnote in (table.footnotes if table else ()) if footnote.method in times),
        notes=tuple(_notes(study.class_names, table)),
    )


def comparison_table(comparison: MethodComparison) -> pd.DataFrame:
    """One row a method, shares and counts as numbers: method, variant, recall_<class>, mean_recall, macro_f1, uf1, uar,
    costs; where there are published figures published_<the same> and published_protocol."""
    import pandas as pd

    columns = {name: f"recall_{name}" for name in comparison.classes}
    columns |= {"average": "mean_recall"} | {name: name for name in list(SCORES)[1:]}
    rows = []
    for row in comparison.rows:
        fields: dict[str, Any] = {"method": row.name, "variant": row.result.variant.name}
        fields |= {column: row.measured.get(name) for name, column in columns.items()}
        fields |= row.costs
        if comparison.published:
            known = {name: row.published.get(name) for name in (*comparison.published.classes, "average", "macro_f1")}
            fields |= {f"published_{columns[name]}": share(name, value) for name, value in known.items()}
            fields["published_protocol"] = "unknown" if row.published else None
        rows.append(fields)
    table = pd.DataFrame(rows)
    counts = ("parameters", "macs", "memory", "peak_memory")
    texts = ("method", "variant", "published_protocol")
    return table.astype({name: "Int64" if name in counts else "float64" for name in table.columns if name not in texts})


def share(quantity: str, printed: str | None) -> float | None:
    """A published figure as a share: the paper prints recall in per cent and macro-F1 as a share."""
    if printed is None:
        return None
    return float(printed) if quantity == "macro_f1" else round(float(printed) / 100, 6)


def _row(
    result: VariantResult, times: Mapping[str, int], class_names: tuple[str, ...], table: Published | None
) -> MethodRow:
    variant, scores = result.variant, result.scores
    measured = dict(zip(class_names, result.recall, strict=True)) if scores else {}
    if scores:
        measured |= {"average": scores["uar"]} | {name: scores[name] for name in list(SCORES)[1:]}
    return MethodRow(
        name=variant.method if times[variant.method] == 1 else f"{variant.method} ({variant.name})",
        result=result,
        measured=measured,
        published=table.figures.get(variant.method, {}) if table else {},
        costs={
            "parameters": result.parameters,
            "macs": variant.macs,
            "seconds": result.seconds,
            "memory": variant.memory,
            "peak_memory": result.peak_memory,
        },
    )


def _notes(class_names: tuple[str, ...], table: Published | None) -> list[str]:
    if table is None:
        return ["The paper publishes no figures for these clips."]
    notes = [
        f"Published: Table {table.table} of the paper, {table.title}, {PROTOCOL}: it does not say how its clips were "
        "split. Its figures are shown beside ours and never tested against them."
    ]
    if table.made_up:
        notes.append(
            f"The clips measured here are synthetic, with classes and counts of {table.title}; those of the paper are "
            "not. Figures side by side are of different clips."
        )
    if set(class_names) != set(table.classes):
        notes.append(
            f"The paper’s task has the classes {', '.join(table.classes)}; this one has {', '.join(class_names)}: even "
            "figures under the same name are of different tasks."
        )
    return notes
