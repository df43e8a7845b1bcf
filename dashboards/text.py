"""How numbers and names are written, in every table and on the page."""

from __future__ import annotations

import html
from collections.abc import Sequence

from dashboards.statistics import Verdict

METRIC_NAMES = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy", "macro_f1": "macro-F1"}
VERDICTS: dict[Verdict, str] = {
    "helps": "better than the reference",
    "hurts": "worse than the reference",
    "equivalent": "no measurable difference within the margin",
    "inconclusive": "inconclusive",
}
OPTIMISTIC = (
    "Optimistic. Subjects that are scored here may have taken part in training, or in choosing what is scored. "
    "Its scores say what such a protocol is worth, not how well a new subject’s clips would be recognised."
)
MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"


def score(value: float | None) -> str:
    """A score in [0, 1] with three digits and no leading zero, as statistics are printed: .874."""
    return NOTHING if value is None else f"{value:.3f}".removeprefix("0")


def signed(value: float | None) -> str:
    """A difference with its sign: +.012, −.104."""
    if value is None:
        return NOTHING
    digits = f"{abs(value):.3f}".removeprefix("0")
    return digits if float(digits) == 0 else f"{MINUS if value < 0 else '+'}{digits}"


def p_value(value: float | None) -> str:
    """A p value: .034, < .001."""
    if value is None:
        return NOTHING
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def interval(low: float | None, high: float | None, *, sign: bool = False) -> str:
    """[.801, .930], or nothing if there is none."""
    if low is None or high is None:
        return ""
    write = signed if sign else score
    return f"[{write(low)}, {write(high)}]"


def duration(seconds: float | None) -> str:
    """4.2 s, 3.5 min, 2.1 h."""
    if seconds is None:
        return NOTHING
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"


def amount(value: int | None) -> str:
    """A count of parameters or bytes in three digits: 812, 48.1 k, 3.04 M."""
    if value is None:
        return NOTHING
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return str(value)


def count(number: int, noun: str) -> str:
    """1 cell, 2 cells."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def several(names: list[str], most: int = 6) -> str:
    """A list in a sentence: a, b and c; the rest of a long one is counted."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def plain_csv(text: str) -> str:
    """A text that a spreadsheet will not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def plain_markdown(text: str) -> str:
    """A text that stays within its cell of a Markdown table and is no markup, HTML or formula."""
    written = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{sign}" if sign in "\\`*_[]|#~$!" else sign for sign in written)


LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "²": "$^2$",
    "’": "'",
    NOTHING: "--",
    MINUS: "$-$",
}
"""Signs that LaTeX reads as markup or, in plain setups, not at all."""


def plain_latex(text: str) -> str:
    """A text that LaTeX prints as it is."""
    return " ".join("".join(LATEX.get(sign, sign) for sign in text).split())


def latex_row(cells: Sequence[str]) -> str:
    """A row of a table; what comes after the end of the row before must not be read as its argument or star."""
    guard = "{}" if cells[0].startswith(("[", "*")) else ""
    return guard + " & ".join(cells) + r" \\"
