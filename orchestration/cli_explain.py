"""`madv explain`: what the kept networks of a sweep look at in single clips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from madv.errors import MadvError, Problem
from orchestration.checkpoints import CheckpointStore
from orchestration.prepared import Prepared, prepare

if TYPE_CHECKING:
    from dashboards.clips_page import Attention, Look
    from madv.data.clips import Clips
    from madv.explain import Explanation
    from orchestration.cells import Cell
    from orchestration.plan import PlannedCell, Variant

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A clip that a cell has predicted."""

    planned: PlannedCell
    sample_id: str
    truth: int
    predicted: int
    sure: float
    """The predicted class's probability."""


def explain_sweep(file: Path, overrides: Sequence[str], *, variant: str | None, clips: Sequence[str]) -> int:
    """Write the page of the clips that are named, or of one recognised and one confused clip of each class.

    Args:
        file, overrides: of the sweep.
        variant: by its name in the report; None: the reference.
        clips: by sample_id.
    """
    prepared = prepare(file, overrides)
    if prepared.searches:
        raise MadvError(f"{file}: a search keeps no networks; write what it has found as a variant of another sweep")
    print(f"clips      {write_looks(prepared, variant, clips)}")
    return 0


def write_looks(prepared: Prepared, name: str | None = None, wanted: Sequence[str] = ()) -> Path:
    """Read the networks, look into them and write the page; where it is.

    Raises:
        MadvError: no such variant or clip, or no network of it is kept, or one is not what was written.
    """
    from dashboards.clips_page import write_clips
    from madv.checkpoint import from_file
    from madv.data.cache import load
    from madv.data.folds import make_folds
    from madv.explain import explain
    from orchestration.cli_keep import set_aside_broken
    from orchestration.cli_report import REPORTS

    plan = prepared.plan
    variant = _variant(prepared, name)
    kept = CheckpointStore(plan.spec.storage_path)
    cells, planned = _cells(prepared, variant, kept)
    chosen = named(cells, planned, wanted) if wanted else choose(cells, planned)
    if broken := set_aside_broken(kept, dict.fromkeys(one.planned.key for one in chosen)):
        what = f"{len(broken)} kept network{'s'[: len(broken) > 1]}"
        raise MadvError(f"{what} could not be read, see above; `madv sweep` makes them again")
    data = load(variant.config.dataset, prepared.cache_root)
    rows = {name: row for row, name in enumerate(data.manifest["sample_id"])}
    folds = {fold.subject: fold for fold in make_folds(variant.config.protocol, data.subjects, planned[0].seed)}
    looks = []
    for one in chosen:
        state = from_file(*kept.read(one.planned.key)).state
        row = rows[one.sample_id]
        found = explain(variant.config, data, folds[one.planned.subject], [row], state)[0]
        looks.append(_look(data, row, one.truth, found))
    about = f"{variant.name}, seed {planned[0].seed}; each clip as the network saw it that had never seen its subject."
    head = {"title": plan.spec.cluster_name, "about": about}
    return write_clips(looks, head, REPORTS / plan.spec.cluster_name)


def choose(cells: Iterable[Cell], planned: Iterable[PlannedCell]) -> list[Chosen]:
    """Of each class the most surely recognised clip and the most surely confused one, as far as there are any."""
    clips = sorted(_predictions(cells, planned), key=lambda one: (one.truth, -one.sure, one.sample_id))
    found: dict[tuple[int, bool], Chosen] = {}
    for one in clips:
        found.setdefault((one.truth, one.truth == one.predicted), one)
    return sorted(found.values(), key=lambda one: (one.truth, one.truth != one.predicted))


def named(cells: Iterable[Cell], planned: Iterable[PlannedCell], names: Sequence[str]) -> list[Chosen]:
    """The clips of these names.

    Raises:
        MadvError: no network of this sweep has predicted one of them.
    """
    known = {one.sample_id: one for one in _predictions(cells, planned)}
    some = ", ".join(sorted(known)[:3])
    problems = [
        Problem(place=f"--clip {name}", message=f"is none of the {len(known)} clips with a kept network; try {some}")
        for name in names
        if name not in known
    ]
    if problems:
        raise MadvError(problems)
    return [known[name] for name in dict.fromkeys(names)]


def _predictions(cells: Iterable[Cell], planned: Iterable[PlannedCell]) -> list[Chosen]:
    return [
        Chosen(
            planned=where,
            sample_id=name,
            truth=int(truth),
            predicted=int(found),
            sure=float(probabilities[found]),
        )
        for cell, where in zip(cells, planned, strict=True)
        for name, truth, found, probabilities in zip(
            cell.sample_id, cell.y_true, cell.y_pred, cell.probabilities, strict=True
        )
    ]


def _variant(prepared: Prepared, name: str | None) -> Variant:
    from madv.errors import unknown

    variants = {variant.name: variant for variant in prepared.plan.variants}
    if name is not None and name not in variants:
        raise MadvError(unknown("variant", name, variants))
    return variants[name] if name is not None else prepared.plan.variants[0]


def _cells(prepared: Prepared, variant: Variant, kept: CheckpointStore) -> tuple[list[Cell], list[PlannedCell]]:
    """Cells of a variant's first seed whose networks are kept."""
    plan = prepared.plan
    own = [cell for cell in plan.cells if cell.variant == variant.name and cell.seed == plan.spec.seeds[0]]
    networks, cells = kept.states([cell.key for cell in own]), prepared.store.states([cell.key for cell in own])
    there = [cell for cell in own if networks.get(cell.key) == "done" and cells.get(cell.key) == "done"]
    if not there:
        way_out = (
            "write `report: {keep_checkpoints: best}` into the sweep file (all: of every variant) and run `madv sweep`"
        )
        raise MadvError(f"no network of {variant.name} is kept in {kept.folder}; {way_out}")
    return prepared.store.read_many([cell.key for cell in there]), there


def _look(clips: Clips, row: int, truth: int, found: Explanation) -> Look:
    from dashboards.clips_page import Look
    from orchestration.cli_data_show import contact

    sheet = contact(clips, row)
    frames = clips.signal("texture", np.array([row])).shape[2]
    attention = tuple(_attention(clips, name, maps, sheet.places, frames) for name, maps in found.attention.items())
    lacking = [] if found.weights else ["One stream: there are no weights of streams."]
    if not any(one.maps is not None for one in attention):
        lacking.append("No stream of pictures has attention, so there are no maps.")
    return Look(
        sample_id=str(clips.manifest["sample_id"].iloc[row]),
        contact=sheet,
        class_names=clips.class_names,
        truth=truth,
        probabilities=tuple(found.probabilities.tolist()),
        attention=attention,
        weights=found.weights,
        lacking=tuple(lacking),
    )


def _attention(clips: Clips, name: tuple[str, str], maps: Array, shown: Sequence[int], frames: int) -> Attention:
    from dashboards.clips_page import Attention
    from madv.data.au_flow import REGIONS
    from orchestration.cli_data_show import region_box

    stream, level = name
    if stream == "au":
        shares = maps.sum(axis=(0, 1)) * maps.shape[2]
        regions = dict(zip(clips.au_names, shares.tolist(), strict=False))
    else:
        # Finer than the grid, so that a region has its part of the cells at its edge.
        fine = maps.sum(axis=0).repeat(8, axis=0).repeat(8, axis=1)
        square = fine[:, np.arange(fine.shape[0]) * fine.shape[1] // fine.shape[0]]
        even = square.mean()
        boxes = {unit: region_box(unit, len(square)) for unit in REGIONS}
        regions = {
            unit: float(square[b:d, a:c].mean() / even) for unit, (a, b, c, d) in boxes.items() if a < c and b < d
        }
    return Attention(
        stream=stream,
        level=level,
        over_frames=maps.sum(axis=(1, 2)),
        maps=None if stream == "au" else maps.size * maps[[frame * len(maps) // frames for frame in shown]],
        regions=regions,
    )
