"""The ablation table for a paper: LaTeX with booktabs, the best score in bold, significance marked."""

from __future__ import annotations

from dashboards import text
from dashboards.analysis import Analysis, VariantResult

STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
"""Marks of p values after Holm's adjustment, from the smallest."""
OTHERS = ("uar", "accuracy", "macro_f1")


def ablation_latex(analysis: Analysis) -> str:
    """A table environment; the preamble needs booktabs. Text of the study is escaped."""
    study, plain = analysis.study, text.plain_latex
    metric = study.metric
    others = [name for name in ("uf1", *OTHERS) if name != metric]
    best = {
        name: max((text.score(result.scores.get(name)) for result in analysis.results if result.scores), default="")
        for name in (metric, *others)
    }
    heads = ["variant", text.METRIC_NAMES[metric], "interval", "difference", "interval"]
    heads += [text.METRIC_NAMES[name] for name in others]
    rows = [_row(result, metric, study.alpha, others, best) for result in analysis.results]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{plain(_caption(analysis))}}}",
        rf"\label{{tab:{_label(study.cluster_name)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        r"\toprule",
        " & ".join(plain(head) for head in heads) + r" \\",
        r"\midrule",
        *map(text.latex_row, rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(result: VariantResult, metric: str, alpha: float, others: list[str], best: dict[str, str]) -> list[str]:
    plain, comparison = text.plain_latex, result.comparison

    def score(name: str) -> str:
        said = text.score(result.scores.get(name))
        return rf"\textbf{{{said}}}" if result.scores and said == best[name] else plain(said)

    difference, extent = "", ""
    if comparison is not None:
        difference = plain(text.signed(comparison.difference)) + _stars(comparison.p_holm, alpha)
        extent = plain(text.interval(comparison.low, comparison.high, sign=True))
    return [
        plain(result.variant.name),
        score(metric),
        plain(text.interval(*result.intervals.get(metric, (None, None)))),
        difference,
        extent,
        *(score(name) for name in others),
    ]


def _marks(alpha: float) -> list[tuple[float, str]]:
    """Those of STARS that call nothing significant that the study does not, and its own level where there is none."""
    marks = [(limit, mark) for limit, mark in STARS if limit <= alpha]
    return marks or [(alpha, "*")]


def _stars(p: float | None, alpha: float) -> str:
    stars = next((mark for limit, mark in _marks(alpha) if p is not None and p <= limit), "")
    return f"$^{{{stars}}}$" if stars else ""


def _caption(analysis: Analysis) -> str:
    study = analysis.study
    name, level = text.METRIC_NAMES[study.metric], f"{100 * (1 - study.alpha):g}%"
    marks = ", ".join(f"{mark} {limit:g}".replace("0.", ".") for limit, mark in _marks(study.alpha)[::-1])
    once = "Each clip is predicted once" if study.optimistic else "Each subject is held out once"
    parts = [
        *analysis.warnings,
        study.question,
        f"{text.count(len(study.subjects), 'subject')}, {text.count(len(study.sample_labels), 'clip')}, "
        f"{text.count(len(study.seeds), 'seed')}"
        + (f", data set {study.dataset}" if study.dataset else "")
        + f". {once}; predictions are pooled, then scored.",
        f"{level} intervals over subjects; differences in {name} to the reference, paired by subject; p by exchange of "
        f"subjects after Holm: {marks}. Best in bold.",
    ]
    if analysis.partial:
        parts.append("Partial: not all cells are done.")
    return " ".join(parts)


def _label(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in ".-" else "-" for sign in name)
