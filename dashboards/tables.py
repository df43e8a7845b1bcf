"""The ablation table: one row a variant, ranked; as pandas, CSV and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboards import text
from dashboards.analysis import Analysis, VariantResult

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("uf1", "uar", "accuracy", "macro_f1", "difference", "low", "high", "p")


def ablation_table(analysis: Analysis) -> pd.DataFrame:
    """One row a variant, ranked by the study's metric; what could not be computed is missing.

    Columns: variant, uf1, uar, accuracy, macro_f1; difference (to the reference, of the study's metric), low, high
    (its interval), p (by exchange, not adjusted); p_holm, verdict; uf1_low, uf1_high; the level of each factor;
    cells, failed; seconds (mean of a fold), parameters; recall_<class>; notes. The reference has no difference.
    """
    import pandas as pd

    rows = [_row(result, analysis) for result in analysis.results]
    table = pd.DataFrame(rows, columns=list(rows[0]) if rows else ["variant", *NUMBERS])
    kinds = dict.fromkeys(("cells", "failed", "parameters"), "Int64")
    # A column without any number would otherwise be one of texts.
    kinds |= dict.fromkeys((*NUMBERS, "p_holm", "uf1_low", "uf1_high", "seconds"), "float64")
    kinds |= {name: "float64" for name in rows[0] if name.startswith("recall_")} if rows else {}
    return table.astype({name: kind for name, kind in kinds.items() if name in table})


def csv(table: pd.DataFrame) -> str:
    """The table as CSV: six decimals, empty where there is no number, no text that a spreadsheet would compute."""
    safe = table.rename(columns=text.plain_csv)
    for name in safe.columns[[not _is_number(table[column]) for column in table.columns]]:
        safe[name] = [text.plain_csv(value) if isinstance(value, str) else value for value in safe[name]]
    return str(safe.to_csv(index=False, float_format="%.6f", lineterminator="\n"))


def markdown(analysis: Analysis) -> str:
    """The table for a README or a paper's draft, with what was compared and how."""
    study = analysis.study
    name = text.METRIC_NAMES[study.metric]
    level = f"{100 * (1 - study.alpha):g}%"
    once = "each clip predicted once" if study.optimistic else "each subject held out once"
    heads = ["variant", f"{name} [{level}]", "UAR", "accuracy", "macro-F1", "difference", "p (Holm)", "verdict"]
    lines = [
        f"**{text.plain_markdown(study.question)}**",
        "",
        *(line for warning in analysis.warnings for line in (f"**{text.plain_markdown(warning)}**", "")),
        text.plain_markdown(headline(analysis)),
        "",
        "| " + " | ".join(heads) + " |",
        "|:---|" + "---:|" * (len(heads) - 2) + ":---|",
        *("| " + " | ".join(_markdown_cells(result, analysis)) + " |" for result in analysis.results),
        "",
        f"{text.count(len(study.subjects), 'subject')}, {text.count(len(study.seeds), 'seed')}, "
        f"{text.count(len(study.sample_labels), 'clip')}; {once}, predictions pooled, then scored; "
        f"intervals and tests by subject.",
    ]
    lines += [f"- {text.plain_markdown(note)}" for note in analysis.notes]
    return "\n".join(lines) + "\n"


def headline(analysis: Analysis) -> str:
    """The verdict of the study in one sentence."""
    study = analysis.study
    scored = [result for result in analysis.results if result.scores]
    if not scored:
        return "Nothing can be said yet: no cell of any variant is done."
    first = scored[0]
    who = "The reference" if first.variant.is_reference else f"“{first.variant.name}”"
    start = f"{who} comes first with {text.METRIC_NAMES[study.metric]} {text.score(first.scores[study.metric])}"
    if study.metric in first.intervals:
        start += f" {text.interval(*first.intervals[study.metric])}"
    if len(first.subjects) < len(study.subjects):
        start += f" (on {len(first.subjects)} of {text.count(len(study.subjects), 'subject')})"
    found: dict[str, list[str]] = {"hurts": [], "helps": [], "equivalent": [], "inconclusive": []}
    for result in analysis.results:
        if result.comparison is not None and result.comparison.verdict is not None:
            found[result.comparison.verdict].append(f"“{result.variant.name}”")
    for names in found.values():
        if 2 < len(names) == len(analysis.results) - 1:
            names[:] = [f"each of the other {len(names)} variants"]
    than = "than it" if first.variant.is_reference else "than the reference"
    parts = [
        f"{text.several(found[kind])} {'is' if len(found[kind]) == 1 else 'are'} significantly {word} {than}"
        for kind, word in (("hurts", "worse"), ("helps", "better"))
        if found[kind]
    ]
    if found["equivalent"]:
        verb = "does not differ" if len(found["equivalent"]) == 1 else "do not differ"
        parts.append(f"{text.several(found['equivalent'])} {verb} from the reference by as much as {study.margin:g}")
    if found["inconclusive"] and parts:
        parts.append(f"of {text.several(found['inconclusive'])} the study cannot tell")
    elif found["inconclusive"]:
        parts.append("no variant differs significantly from the reference")
    return "; ".join([start, *parts]) + "."


def _row(result: VariantResult, analysis: Analysis) -> dict[str, Any]:
    comparison, study = result.comparison, analysis.study
    low, high = result.intervals.get("uf1", (None, None))
    row: dict[str, Any] = {"variant": result.variant.name}
    row |= {name: result.scores.get(name) for name in ("uf1", "uar", "accuracy", "macro_f1")}
    row |= {
        name: getattr(comparison, name) if comparison else None for name in ("difference", "low", "high", "p", "p_holm")
    }
    row["verdict"] = "reference" if result.variant.is_reference else comparison.verdict if comparison else None
    row |= {"uf1_low": low, "uf1_high": high}
    # A factor may be named like a column: the numbers keep their names.
    for factor in dict.fromkeys(factor for variant in study.variants for factor in variant.levels):
        clash = factor in _FIXED or factor.startswith("recall_")
        row[f"level_{factor}" if clash else factor] = result.variant.levels.get(factor)
    row |= {"cells": result.cells, "failed": result.failed, "seconds": result.seconds, "parameters": result.parameters}
    for place, name in enumerate(study.class_names):
        row[f"recall_{name}"] = result.recall[place] if result.recall else None
    row["notes"] = "; ".join(result.notes) or None
    return row


_COUNTS = ("cells", "failed", "seconds", "parameters", "notes")
_FIXED = frozenset(("variant", *NUMBERS, "p_holm", "verdict", "uf1_low", "uf1_high", *_COUNTS))


def _markdown_cells(result: VariantResult, analysis: Analysis) -> list[str]:
    metric, comparison = analysis.study.metric, result.comparison
    scored = text.score(result.scores.get(metric))
    if metric in result.intervals:
        scored += f" {text.interval(*result.intervals[metric])}"
    difference, p, verdict = "", "", "reference" if result.variant.is_reference else "not compared"
    if comparison is not None:
        difference = f"{text.signed(comparison.difference)} {text.interval(comparison.low, comparison.high, sign=True)}"
        p = text.p_value(comparison.p_holm)
        verdict = text.VERDICTS[comparison.verdict] if comparison.verdict else "not tested"
    others = [text.score(result.scores.get(name)) for name in ("uar", "accuracy", "macro_f1")]
    return [text.plain_markdown(result.variant.name), scored, *others, difference.strip(), p, verdict]


def _is_number(column: pd.Series[Any]) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(column))
