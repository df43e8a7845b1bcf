"""`madv nightly FILE`: train what changed since last night, and say what came of it by report and exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from madv.errors import MadvError
from orchestration import nightly_process

if TYPE_CHECKING:
    from dashboards.difference import Difference, Earlier
    from dashboards.study import Study
    from orchestration.nightly_file import NightlySpec
    from orchestration.nightly_record import Record, VariantRecord
    from orchestration.prepared import Prepared

SAME, MOVED, BROKE, INTERRUPTED = 0, 3, 4, 130
EVENTS = {MOVED: "moved", BROKE: "broke"}
"""What the webhook hears."""
REPORT = "difference.md"


def add_nightly(parser: argparse.ArgumentParser) -> None:
    """The options of `madv nightly`."""
    parser.description = "Train what changed since last night. Exit code: 0 nothing moved, 3 moved, 4 broke."
    parser.add_argument("file", type=Path, metavar="FILE", help="that names the sweeps, such as sweeps/nightly.yaml")
    parser.set_defaults(command=lambda options: nightly(options.file))


def nightly(file: Path) -> int:
    """Sweep, compare with last night, write the difference report and tonight's record.

    Raises:
        MadvError: something is wrong with a file, and nothing has been trained; or what came of it cannot be written.
    """
    from orchestration.nightly_file import load_nightly

    spec = load_nightly(file)
    try:
        return _nightly(spec)
    except MadvError as error:
        _tell(spec, BROKE, f"the night of {spec.name} stopped", [str(one) for one in error.problems])
        raise


def _nightly(spec: NightlySpec) -> int:
    from dashboards.difference import differences
    from orchestration.cli_report import REPORTS
    from orchestration.nightly_file import prepare_all
    from orchestration.nightly_record import read_record, write_record
    from orchestration.references import References, references, share_references, write_references
    from orchestration.runner import pending_cells

    folder = REPORTS / spec.name
    last = read_record(folder)
    nights = prepare_all(spec)
    found: list[Difference] = []
    record = dict(last or {})
    problems: list[str] = []
    kept = References()
    for listed, prepared in zip(spec.sweeps, nights, strict=True):
        name = prepared.plan.spec.cluster_name
        code, why = nightly_process.sweep_apart(listed)
        if code == INTERRUPTED:
            return INTERRUPTED  # last night's record stays: the next night compares with that
        try:
            if left := pending_cells(prepared.plan, prepared.store):
                problems.append(f"{name} stopped: {why}; {len(left)} cells are left")
                continue  # what it was last night stays in the record
            study = _study(prepared, listed.overrides, spec.alpha)
            tonight = differences(study, _earlier(prepared, (last or {}).get(name, {})), spec.slower)
        except MadvError as error:
            print(f"madv: {error}", file=sys.stderr)
            problems.append(f"{name}: {error.problems[0]}")
            continue
        if code not in (0, 1):  # 1: cells failed, which the differences say
            problems.append(f"{name} was trained, and then stopped: {why}")
        found += tonight
        record[name] = _record(study, tonight)
        kept |= references(prepared.plan, prepared.cache_root)
    names = {prepared.plan.spec.cluster_name for prepared in nights}
    record = {name: variants for name, variants in record.items() if name in names}
    keys = {key for variants in record.values() for one in variants.values() for _, _, key in one.cells}
    write_record(folder, record)
    kept |= References(keys=frozenset(keys))
    write_references(folder, kept)
    for storage in {prepared.plan.spec.storage_path for prepared in nights}:
        share_references(storage, folder, kept)
    return _end(spec, folder, found, problems, last)


def _study(prepared: Prepared, overrides: Sequence[str], alpha: float) -> Study:
    from orchestration.cli_study import make_study

    return replace(make_study(prepared.plan, prepared.store, prepared.cache_root, overrides), alpha=alpha)


def _earlier(prepared: Prepared, variants: Mapping[str, VariantRecord]) -> dict[str, Earlier]:
    """Last night's cells, as far as they are still there."""
    from dashboards.difference import Earlier

    keys = [key for variant in variants.values() for _, _, key in variant.cells]
    done = [key for key, state in prepared.store.states(keys).items() if state == "done"]
    cells = prepared.store.read_whole(done)
    return {
        name: Earlier(
            score=variant.score,
            cells={(seed, subject): cells[key] for seed, subject, key in variant.cells if key in cells},
            keys=frozenset(key for _, _, key in variant.cells),
            failed=frozenset(variant.failed),
        )
        for name, variant in variants.items()
    }


def _record(study: Study, tonight: Sequence[Difference]) -> dict[str, VariantRecord]:
    from orchestration.nightly_record import VariantRecord

    done: dict[str, list[tuple[int, str, str]]] = {one.variant: [] for one in tonight}
    seconds: dict[str, list[float]] = {one.variant: [] for one in tonight}
    for (variant, seed, subject), cell in study.cells.items():
        if cell.state == "done":
            done[variant].append((seed, subject, cell.key))
            seconds[variant].append(cell.seconds)
    return {
        one.variant: VariantRecord(
            score=one.after,
            seconds=sum(seconds[one.variant]) / len(seconds[one.variant]) if seconds[one.variant] else None,
            cells=tuple(done[one.variant]),
            failed=(*one.newly_failed, *one.still_failed),
        )
        for one in tonight
    }


def _end(
    spec: NightlySpec, folder: Path, found: Sequence[Difference], problems: Sequence[str], last: Record | None
) -> int:
    """Write the report, print its sentence and tell the webhook."""
    from dashboards.difference_text import headline, markdown
    from madv.whole_file import write_whole

    first = last is None
    before = {(sweep, variant) for sweep, variants in (last or {}).items() for variant in variants}
    stopped = {sweep for sweep, _ in before} - {one.sweep for one in found} if problems else set()
    gone = before - {(one.sweep, one.variant) for one in found}
    lost = sorted(f"{sweep}, {variant}" for sweep, variant in gone if sweep not in stopped)
    said = headline(found, problems, first=first)
    write_whole(folder / REPORT, markdown(found, problems, lost, title=f"Night of {spec.name}", first=first))
    print(said)
    print(f"report     {folder / REPORT}")
    code = SAME
    if problems or any(one.broke for one in found):
        code = BROKE
    elif any(one.moved or one.slower for one in found):
        code = MOVED
    if code != SAME:
        _tell(spec, code, said, problems, report=str(folder / REPORT))
    return code


def _tell(spec: NightlySpec, code: int, said: str, problems: Sequence[str], **more: str) -> None:
    """Tell the webhook, if there is one."""
    from orchestration.notify import notify, webhook

    if (url := webhook(spec.notify)) is None:
        return
    summary = {"event": EVENTS[code], "exit_code": code, "nightly": spec.name, "verdict": said, **more}
    if trouble := notify(url, {**summary, "problems": list(problems)}):
        print(f"madv: not notified: {trouble}", file=sys.stderr)
