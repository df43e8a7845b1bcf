"""The comparison of methods as it is read: fields for the page, Markdown, LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboards import html, text
from dashboards.comparison import COSTS, SCORES, MethodComparison, MethodRow, comparison_table
from dashboards.published import PROTOCOL

if TYPE_CHECKING:
    from markupsafe import Markup

SYMBOLS = "abcdefghijklmnopqrstuvwxyz"
"""Marks of footnotes, in their order."""
KEY = (
    "Recall of each class and their mean in per cent, as in the paper’s tables; the mean is UAR (Eq. 32), the paper’s "
    "average recognition accuracy. Macro-F1 is Eq. 30."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One cell of the table."""

    measured: str
    published: str = ""
    marks: str = ""
    """Of the published figure's footnotes."""


def heads(comparison: MethodComparison) -> list[str]:
    """Names of the columns after the method's."""
    return [*comparison.classes, *SCORES.values()]


def entries(comparison: MethodComparison, row: MethodRow) -> list[Entry]:
    """Cells of a row, in the order of heads."""
    found = []
    for name in (*comparison.classes, *SCORES):
        value = row.measured.get(name)
        in_per_cent = name in comparison.classes or name == "average"
        measured = text.NOTHING if value is None else f"{100 * value:.2f}" if in_per_cent else f"{value:.3f}"
        marks = [
            symbol
            for symbol, footnote in zip(SYMBOLS, comparison.footnotes, strict=False)
            if (footnote.method, footnote.quantity) == (row.result.variant.method, name)
        ]
        found.append(Entry(measured=measured, published=row.published.get(name, ""), marks=",".join(marks)))
    return found


def costs(comparison: MethodComparison) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the cost table; training memory where a GPU told it."""
    shown = {
        name: head
        for name, head in COSTS.items()
        if name != "peak_memory" or any(row.costs[name] is not None for row in comparison.rows)
    }
    return list(shown.values()), [[_cost(name, row.costs[name]) for name in shown] for row in comparison.rows]


def section(comparison: MethodComparison) -> Markup:
    """The page's section."""
    from markupsafe import Markup

    cost_heads, cost_rows = costs(comparison)
    return Markup(
        html.render(
            "comparison.html.j2",
            comparison=comparison,
            key=KEY,
            protocol=PROTOCOL,
            heads=heads(comparison),
            rows=[(row, entries(comparison, row), cost) for row, cost in zip(comparison.rows, cost_rows, strict=True)],
            cost_heads=cost_heads,
            footnotes=footnotes(comparison),
            download=html.download(comparison_table(comparison)),
        )
    )


def footnotes(comparison: MethodComparison) -> list[str]:
    """Each with its mark."""
    return [f"{symbol} {note.said}" for symbol, note in zip(SYMBOLS, comparison.footnotes, strict=False)]


def markdown(comparison: MethodComparison) -> str:
    """Both tables with their notes; published figures in brackets."""

    def cell(entry: Entry) -> str:
        marks = f"<sup>{entry.marks}</sup>" if entry.marks else ""
        return f"{entry.measured} ({entry.published}{marks})" if entry.published else entry.measured

    plain = text.plain_markdown
    cost_heads, cost_rows = costs(comparison)
    scores = [[cell(entry) for entry in entries(comparison, row)] for row in comparison.rows]
    names = [plain(row.name) for row in comparison.rows]
    lines = _grid(names, [plain(head) for head in heads(comparison)], scores)
    lines += ["", plain(_key(comparison)), *(f"\n{plain(line)}" for line in _below(comparison)), ""]
    return "\n".join([*lines, *_grid(names, cost_heads, cost_rows)]) + "\n"


def latex(comparison: MethodComparison) -> str:
    """Both tables for a paper that loads booktabs."""
    plain = text.plain_latex

    def cell(entry: Entry) -> str:
        marks = f"$^{{{entry.marks}}}$" if entry.marks else ""
        return plain(entry.measured) + (f" ({entry.published}{marks})" if entry.published else "")

    cost_heads, cost_rows = costs(comparison)
    scores = [[cell(entry) for entry in entries(comparison, row)] for row in comparison.rows]
    below = [plain(_key(comparison)), *map(plain, _below(comparison))]
    names = [plain(row.name) for row in comparison.rows]
    parts = [_tabular(names, [plain(head) for head in heads(comparison)], scores), *below]
    parts.append(_tabular(names, cost_heads, [[plain(value) for value in row] for row in cost_rows]))
    return "\n\n".join(parts) + "\n"


def _key(comparison: MethodComparison) -> str:
    return f"{KEY} In brackets: published, {PROTOCOL}." if comparison.published else KEY


def _below(comparison: MethodComparison) -> list[str]:
    return [*comparison.notes, *footnotes(comparison)]


def _cost(name: str, value: float | int | None) -> str:
    if value is None:
        return text.NOTHING
    if name == "seconds":
        return f"{value:.3g}"
    amount = text.amount(int(value))
    return f"{amount}B" if name in ("memory", "peak_memory") else amount


def _grid(names: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [["method", *columns], *([name, *row] for name, row in zip(names, rows, strict=True))]
    written = ["| " + " | ".join(line) + " |" for line in lines]
    return [written[0], "|:---|" + "---:|" * len(columns), *written[1:]]


def _tabular(names: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [["method", *columns], *([name, *row] for name, row in zip(names, rows, strict=True))]
    head, *body = map(text.latex_row, lines)
    start = [rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule", head, r"\midrule"]
    return "\n".join([*start, *body, r"\bottomrule", r"\end{tabular}"])
