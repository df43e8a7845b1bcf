"""The command `madv data check`: what a folder holds, what is missing or odd, and how to prepare it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from madv.data.check import Report, check

WRONG = 2


def check_folder(path: Path) -> int:
    """Print a report for each data set in the folder; 2 where one has something to mend."""
    reports = check(path)
    console = Console(highlight=False)
    for report in reports:
        _print(report, console)
    return WRONG if any(report.wrong for report in reports) else 0


def _print(report: Report, console: Console) -> None:
    twin = ", a twin: synthetic frames, not the data set itself" if report.twin else ""
    console.print(Text(f"{report.title}{twin}", style="bold"), soft_wrap=True)
    for name, text in report.facts.items():
        console.print(Text(f"  {name:12} {text}"), soft_wrap=True)
    for finding in report.findings:
        style = "red" if finding.wrong else ""
        label = "wrong" if finding.wrong else "note"
        console.print(Text(f"  {label:12} {finding.what}: {finding.number}", style=style), soft_wrap=True)
        for line in finding.first:
            console.print(Text(f"               {line}"), soft_wrap=True)
        if finding.number > len(finding.first):
            console.print(Text(f"               ... and {finding.number - len(finding.first)} more"))
    name = "when mended" if report.wrong else "prepare with"
    console.print(Text(f"  {name:12} {report.command}"), soft_wrap=True)
