"""A data set as its annotations and folders have it: one row a clip, every correction and exclusion listed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from madv.config_data import Casme2Config, CasmeSqConfig, CompositeConfig, ManifestConfig, RecordedConfig
from madv.data.annotations.gather import Gathered, Source, gather, missing
from madv.data.annotations.places import HS_LONG
from madv.data.annotations.record import Annotated, Correction
from madv.data.annotations.smic import ONLY_SHORT
from madv.data.protocols import MEGC_EMOTIONS, PROTOCOLS, Excluded, Protocol, only, own_protocol, select
from madv.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "sample_id": "str",
    "subject": "str",
    "dataset": "str",
    "emotion": "str",
    "label": "int64",
    "onset": "Int64",
    "apex": "Int64",
    "offset": "Int64",
    "action_units": "str",
    "frames": "str",
    "fps": "Float64",
    "depth": "str",
    "estimates": "str",
    "notes": "str",
}
"""Types by column; what is missing is NA."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The clips of a data set under a protocol."""

    table: pd.DataFrame
    """COLUMNS, sorted by sample_id, index 0..N-1. Frame numbers are the annotation's, as corrected; `notes` repeats the
    corrections. `frames` is a folder or film, relative to the root of its data set, NA where it is missing; so are
    `depth` and `estimates`, which only a manifest of one's own has."""
    class_names: tuple[str, ...]
    """Label i is class_names[i]; in alphabetical order."""
    corrections: tuple[Correction, ...]
    """Values of the annotation that are read as others, of clips in the table or not."""
    excluded: tuple[Excluded, ...]
    """Clips that the annotation has and the table has not."""
    problems: tuple[Problem, ...]
    """Folders that are missing, one a clip or one for all."""
    roots: dict[str, Path]
    """Folder that `frames` starts from, by dataset."""
    places: dict[str, str]
    """File and row of the annotation (or the folder alone) by sample_id, for messages."""
    files: tuple[Path, ...]
    """Annotation files that were read."""
    releases: dict[str, str]
    """Of the coding, by dataset, where there are several and the content tells which."""


class _Part(NamedTuple):
    """One data set of a manifest."""

    rows: list[dict[str, Any]]
    """COLUMNS less the label."""
    protocol: Protocol
    corrections: list[Correction]
    excluded: list[Excluded]
    problems: list[Problem]
    places: dict[str, str]
    gathered: Gathered


def read_manifest(config: RecordedConfig, root: Path | None = None) -> Manifest:
    """Read the annotations, apply the protocol, and find the frames; what of them is missing is listed, not raised.

    Args:
        config: of the data set.
        root: the folder as downloaded; None: config.path.

    Raises:
        DataError: no folder, no annotation file or one of another data set, or rows that cannot be mended: all of them.
    """
    import pandas as pd

    parts, problems = [], []
    for source in _sources(config, root):
        try:
            parts.append(_read(source, config))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    class_names = tuple(sorted({name for part in parts for name in part.protocol.class_names}))
    labels = {name: label for label, name in enumerate(class_names)}
    rows = [{**row, "label": labels[part.protocol.classes[row["emotion"]]]} for part in parts for row in part.rows]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    annotations = {part.gathered.annotations.kind: part.gathered.annotations for part in parts}
    return Manifest(
        table=table.sort_values("sample_id", ignore_index=True),
        class_names=class_names,
        corrections=tuple(correction for part in parts for correction in part.corrections),
        excluded=tuple(clip for part in parts for clip in part.excluded),
        problems=tuple(problem for part in parts for problem in part.problems),
        roots={part.gathered.annotations.kind: part.gathered.root for part in parts},
        places={sample_id: place for part in parts for sample_id, place in part.places.items()},
        files=tuple(each.file for each in annotations.values() if each.file),
        releases={kind: each.release for kind, each in annotations.items() if each.release},
    )


def _sources(config: RecordedConfig, root: Path | None) -> list[Source]:
    path = root or (Path(config.path) if config.path else None)
    if not isinstance(config, CompositeConfig):
        images = config.images if isinstance(config, Casme2Config) else ""
        return [Source(config.kind, "dataset.path", path, config.annotations, images)]

    def source(kind: str, own: str | None, annotations: str | None, images: str = "") -> Source:
        return Source(kind, f"dataset.{kind}_path", Path(own) if own else path, annotations, images)

    return [
        source("casme2", config.casme2_path, config.casme2_annotations, config.casme2_images),
        source("samm", config.samm_path, config.samm_annotations),
        source("smic", config.smic_path, config.smic_annotations),
    ]


def _read(source: Source, config: RecordedConfig) -> _Part:
    gathered = gather(source)
    annotations = gathered.annotations
    if isinstance(config, ManifestConfig):
        protocol = own_protocol(annotations.clips)
    else:
        protocol = PROTOCOLS[source.kind, 3 if isinstance(config, CompositeConfig) else config.classes]
    known = MEGC_EMOTIONS if isinstance(config, CompositeConfig) else protocol.classes
    protocol = only(protocol, config.emotions, known)
    taken, excluded = select(
        annotations.clips, protocol, config.expressions if isinstance(config, CasmeSqConfig) else "both"
    )
    if gathered.place is not None and gathered.place.layout == HS_LONG:
        why = "is not among the long recordings; the short ones, HS, have it"
        excluded += [Excluded(row=None, sample_id=f"{name[:3]}/{name}", why=why) for name in ONLY_SHORT]
    problems = list(missing(gathered, source))
    frames = {clip.sample_id: gathered.frames(clip) for clip in taken}
    if not problems:
        problems = [_no_frames(clip, gathered) for clip in taken if frames[clip.sample_id] is None]
    corrected: dict[str, list[str]] = {}
    for correction in annotations.corrections:
        corrected.setdefault(correction.sample_id, []).append(f"{correction.kind}: {correction.what}")
    taken = [replace(clip, notes=(*clip.notes, *corrected.get(clip.sample_id, ()))) for clip in taken]
    # In a composite the subjects of two data sets may share a name.
    prefix = f"{source.kind}/" if isinstance(config, CompositeConfig) else ""
    return _Part(
        rows=[_row(clip, source.kind, prefix, frames[clip.sample_id]) for clip in taken],
        protocol=protocol,
        corrections=[replace(c, sample_id=prefix + c.sample_id) for c in annotations.corrections],
        excluded=[replace(e, sample_id=prefix + e.sample_id) for e in excluded],
        problems=problems,
        places={prefix + clip.sample_id: _place(clip, gathered) for clip in taken},
        gathered=gathered,
    )


def _row(clip: Annotated, kind: str, prefix: str, frames: str | None) -> dict[str, Any]:
    return {
        "sample_id": prefix + clip.sample_id,
        "subject": prefix + clip.subject,
        "dataset": kind,
        "emotion": clip.emotion,
        "onset": clip.onset,
        "apex": clip.apex,
        "offset": clip.offset,
        "action_units": clip.action_units,
        "frames": frames,
        "fps": clip.fps,
        "depth": clip.depth,
        "estimates": clip.estimates,
        "notes": "; ".join(clip.notes) or None,
    }


def _no_frames(clip: Annotated, gathered: Gathered) -> Problem:
    base = "" if gathered.place is None else f"{gathered.place.base}/".removeprefix("./")
    message = f"clip {clip.sample_id} has no folder {base}{clip.folder} in {gathered.root}; add it or remove the row"
    return Problem(place=_place(clip, gathered), message=message)


def _place(clip: Annotated, gathered: Gathered) -> str:
    return str(gathered.annotations.file or gathered.root) + (f", row {clip.row}" if clip.row else "")
