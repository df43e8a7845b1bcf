"""The report of an ablation whose every variant was searched: by held-out scores, and beside the file's own weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.cli_report import verdict_of
from orchestration.cli_search_report import provenance, search_study
from orchestration.cli_study import make_study
from orchestration.prepared import Prepared
from orchestration.search_nested import chosen
from orchestration.search_plan import Search
from orchestration.verdict import write_verdict

if TYPE_CHECKING:
    from dashboards.search_report import SearchReport
    from dashboards.side_by_side import SideBySide
    from dashboards.study import Study
    from orchestration.plan import Plan

PAGE = "index.html"
FROZEN = "frozen"
SEARCHES = "searches"
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def report_arms(prepared: Prepared, overrides: Sequence[str], folder: Path) -> SearchReport:
    """Write the ablation's report; below it what each variant's search tried, and frozen beside retuned.

    Args:
        prepared: the sweep.
        overrides: of the command line.
        folder: of the report; frozen/ and searches/<variant>/ are below it.
    """
    from dashboards.report import write_report
    from dashboards.search_report import SearchReport, write_search_report

    pages: dict[str, str] = {}
    tried: list[SearchReport] = []
    for arm, searches in arms(prepared.searches).items():
        place = Path(SEARCHES, f"{len(tried)}-{UNSAFE.sub('-', arm)}")
        tried.append(write_search_report(search_study(prepared, searches, overrides), folder / place))
        pages[f"search of {arm}"] = f"{place.as_posix()}/{PAGE}"
    frozen, retuned = (
        make_study(plan, prepared.store, prepared.cache_root, overrides)
        for plan in (prepared.plan, retuned_plan(prepared))
    )
    found = _beside(frozen, retuned, folder / FROZEN) if frozen.cells else None
    if found is not None:
        pages = {"frozen beside retuned": f"{FROZEN}/{PAGE}", **pages}
    first = prepared.searches[0]
    ran = provenance(prepared, first)
    retuned = replace(
        retuned,
        remarks=(*retuned.remarks, _said(first, frozen=found is not None)),
        provenance={**retuned.provenance, **{name: ran[name] for name in ("sampler", "budget", "storage")}},
        pages=pages,
    )
    written = write_report(retuned, folder)
    write_verdict(folder, verdict_of(written))
    return SearchReport(
        headline=written.headline,
        lines=tuple(_lines(found)) if found is not None else (),
        warnings=written.warnings,
        trials=sum(one.trials for one in tried),
        failed=tuple(reason for one in tried for reason in one.failed),
        path_html=written.path_html,
        path_csv=written.path_csv,
        ablation=written,
    )


def arms(searches: Sequence[Search]) -> dict[str, list[Search]]:
    """The searches of each variant, in the order of the plan."""
    found: dict[str, list[Search]] = {}
    for search in searches:
        found.setdefault(search.arm, []).append(search)
    return found


def retuned_plan(prepared: Prepared) -> Plan:
    """The sweep's variants, each with the folds of what its searches chose for the subjects that chose nothing."""
    best = chosen(prepared.searches)
    cells = [
        replace(cell, variant=search.arm)
        for search in prepared.searches
        if search.label in best
        for cell in best[search.label].cells
    ]
    return replace(prepared.plan, cells=tuple(cells))


def _beside(frozen: Study, retuned: Study, folder: Path) -> SideBySide:
    """Write the page and the table of both."""
    from dashboards.side_by_side import Side, side_by_side
    from dashboards.side_by_side_page import page, table
    from dashboards.tables import csv
    from madv.modes import public_folder
    from madv.whole_file import write_whole

    found = side_by_side(
        Side(label=FROZEN, study=frozen, settings={}), Side(label="retuned", study=retuned, settings={})
    )
    public_folder(folder)
    write_whole(folder / "side_by_side.csv", csv(table(found)))
    write_whole(folder / PAGE, page(found))
    return found


def _said(first: Search, *, frozen: bool) -> str:
    """How the variants came by their settings."""
    spec = first.spec
    others = "; the same variants with the file’s own weights are on a page beside this one" if frozen else ""
    return (
        f"Every variant was searched on its own, {spec.trials} configurations for each of {spec.nested} groups of "
        f"subjects by {spec.sampler} from the same seeds, over what of the space it reads; a group is scored by what "
        f"the other groups’ subjects chose{others}."
    )


def _lines(found: SideBySide) -> list[str]:
    """Frozen beside retuned, a line a variant."""
    from dashboards import text

    metric = found.first.study.metric
    lines = []
    for row in found.rows:
        scores = [text.score(one.result.scores.get(metric) if one else None) for one in (row.first, row.second)]
        one = row.difference.comparison if row.difference else None
        moved = f", {text.signed(one.difference)} {text.interval(one.low, one.high, sign=True)}" if one else ""
        says = row.says.replace("better", "retuning helps").replace("worse", "retuning hurts")
        lines.append(f"{row.name}: {scores[0]} frozen, {scores[1]} retuned{moved.rstrip()}: {says}")
    return lines
