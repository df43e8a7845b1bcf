"""The difference report of a night: its sentence, and the table as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.difference import Difference
from dashboards.text import plain_markdown

UNCHANGED = "the same cells"


def headline(found: Sequence[Difference], problems: Sequence[str], *, first: bool) -> str:
    """The night in one sentence."""
    count = f"{len(found)} variants, {sum(one.trained for one in found)} cells trained anew"
    broke = [f"{sum(len(one.newly_failed) for one in found)} folds newly fail", *problems]
    still = sum(len(one.still_failed) for one in found)
    if any(one.broke for one in found) or problems:
        parts = [*broke, *([f"{still} still fail"] if still else [])]
        return f"Broke: {'; '.join(parts)} ({count})."
    if first:
        return f"First night: there is nothing to compare with ({count})."
    moved, slower = [one for one in found if one.moved], [one for one in found if one.slower]
    if not moved and not slower:
        return f"Nothing moved beyond noise ({count})."
    return f"{len(moved)} scores moved beyond noise, {len(slower)} variants got slower ({count})."


def markdown(
    found: Sequence[Difference], problems: Sequence[str], gone: Sequence[str], *, title: str, first: bool
) -> str:
    """The report: what stands out first, then all variants that are not the same cells."""
    lines = [f"# {plain_markdown(title)}", "", plain_markdown(headline(found, problems, first=first)), ""]
    lines += [f"- {plain_markdown(problem)}" for problem in problems]
    lines += [f"- {plain_markdown(_failures(one))}" for one in found if one.broke]
    lines += [f"- {plain_markdown(name)} is no longer compared" for name in gone]
    shown = [one for one in found if one.trained or one.broke]
    if len(lines) > 4:
        lines.append("")
    if shown and not first:
        lines += [
            "| sweep | variant | last night | tonight | difference, interval | p (Holm) | fold time, interval | |",
            "|---|---|---:|---:|---:|---:|---:|---|",
            *(_row(one) for one in shown),
            "",
        ]
    same = len(found) - len(shown)
    if same:
        lines.append(f"{same} variants are {UNCHANGED} as last night.")
    return "\n".join(lines).rstrip() + "\n"


def _row(one: Difference) -> str:
    comparison, slowdown = one.comparison, one.slowdown
    difference = "" if comparison is None else _interval(comparison.difference, comparison.low, comparison.high, "+.3f")
    p = "" if comparison is None or comparison.p_holm is None else f"{comparison.p_holm:.3f}"
    time = "" if slowdown is None else "x " + _interval(slowdown.ratio, slowdown.low, slowdown.high, ".2f")
    names = [plain_markdown(one.sweep), plain_markdown(one.variant)]
    values = [*names, _score(one.before), _score(one.after), difference, p, time, says(one)]
    return "| " + " | ".join(values) + " |"


def says(one: Difference) -> str:
    """What is to be said of a variant, in a few words."""
    words = []
    if one.broke:
        words.append("fails")
    if one.moved and one.comparison is not None:
        words.append("better" if one.comparison.difference > 0 else "worse")
    if one.slower:
        words.append("slower")
    if one.is_new:
        words.append("new")
    elif one.trained and one.comparison is None:
        words.append("cannot be compared: clips or folds differ, or last night's cells are gone")
    return ", ".join(words) or "within noise"


def _failures(one: Difference) -> str:
    parts = []
    for word, places in (("newly", one.newly_failed), ("still", one.still_failed)):
        if places:
            shown = ", ".join(f"{subject} (seed {seed})" for seed, subject in places[:3])
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            parts.append(f"{word} fails at {shown}{more}")
    return f"{one.sweep}, {one.variant}: {'; '.join(parts)}"


def _interval(value: float, low: float | None, high: float | None, form: str) -> str:
    text = format(value, form)
    return text if low is None or high is None else f"{text} [{format(low, form)}, {format(high, form)}]"


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
