"""What a folder holds, what is missing or odd in it, and the command that prepares it. Nothing is decoded."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from madv.data import megc2019_files
from madv.data.annotations.gather import Gathered, Source, gather, missing
from madv.data.annotations.kinds import KINDS
from madv.data.check_frames import Finding, Notes, look
from madv.data.layouts import Found, no_folder, recognise, unknown_folder, unreadable
from madv.data.twin_layouts import in_twin
from madv.errors import DataError, Problem

_COMPOSITE = ("casme2", "samm", "smic")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One data set of a folder."""

    kind: str
    title: str
    root: Path
    twin: bool
    """Synthetic frames: `madv data synthesize` wrote them."""
    facts: dict[str, str]
    """Lines such as "clips": "255 of 26 subjects"."""
    findings: tuple[Finding, ...]
    command: str
    """Prepares it."""

    @property
    def wrong(self) -> bool:
        """Whether anything has to be mended first."""
        return any(finding.wrong for finding in self.findings)


def check(root: Path) -> list[Report]:
    """Look at all that a folder holds.

    Args:
        root: a folder as downloaded, or one that holds several; or the npz file of MEGC2019's flow.

    Returns:
        One report for each data set, and one more for the composite where its three are there.

    Raises:
        DataError: it is no folder, or holds no data set that is known.
    """
    flow = [_flow(path) for path in megc2019_files.find(root)]
    if not root.is_dir():
        if flow:
            return flow
        raise DataError([Problem(place=str(root), message=no_folder(root))])
    found = recognise(root)
    if not found and not flow:
        raise DataError([Problem(place=str(root), message=unknown_folder(root)), *unreadable(root)])
    reports = [
        _report(root, each, images) for each in found for images in list(each.places) or [_first_images(each.kind)]
    ]
    if {each.kind for each in found if each.files} >= set(_COMPOSITE):
        reports.append(_composite(root, [report for report in reports if report.kind in _COMPOSITE]))
    return [*reports, *flow]


def _report(root: Path, found: Found, images: str) -> Report:
    notes = Notes()
    annotations = str(found.files[0]) if len(found.files) > 1 else None
    if annotations is not None:
        notes.odd["annotation files; the first is taken"] = [str(file.relative_to(root)) for file in found.files]
    source = Source(found.kind, "dataset.path", root, annotations, images)
    facts: dict[str, str] = {}
    own: list[str] = []
    try:
        gathered = gather(source)
    except DataError as error:
        notes.problems("problems of the annotations", [*error.problems, *([] if found.files else unreadable(root))])
    else:
        facts = _facts(gathered, images)
        notes.problems("folders missing", missing(gathered, source))
        look(gathered, notes)
        clips = gathered.annotations.clips
        own += ["dataset.depth.source=folder"] if any(clip.depth for clip in clips) else []
        own += ["dataset.au.source=openface"] if any(clip.estimates for clip in clips) else []
    overrides = [f"dataset={found.kind}", _override("path", root)]
    overrides += [f"dataset.images={images}"] if images and images != _first_images(found.kind) else []
    overrides += [_override("annotations", Path(annotations))] if annotations else []
    return Report(
        kind=found.kind,
        title=KINDS[found.kind].title,
        root=root,
        twin=in_twin(root / found.places[images].base if images in found.places else root),
        facts=facts,
        findings=notes.finish(),
        command=_command([*overrides, *own]),
    )


def _facts(gathered: Gathered, images: str) -> dict[str, str]:
    clips, file = gathered.annotations.clips, gathered.annotations.file
    emotions = Counter(clip.emotion or "none" for clip in clips)
    release = f", coding of {gathered.annotations.release}" if gathered.annotations.release else ""
    facts = {
        "annotations": f"{file.name}{release}" if file else "none: the folders' names say it all",
        "frames": f"{gathered.place.base}/{f' ({images})' if images else ''}" if gathered.place else "",
        "clips": f"{len(clips)} of {len({clip.subject for clip in clips})} subjects",
        "emotions": ", ".join(f"{name} {number}" for name, number in emotions.most_common()),
    }
    if len({clip.expression for clip in clips}) > 1:
        expressions = Counter(clip.expression for clip in clips)
        facts["expressions"] = ", ".join(f"{number} {name}" for name, number in expressions.most_common())
    return {name: text for name, text in facts.items() if text}


def _composite(root: Path, parts: list[Report]) -> Report:
    cropped = [report for report in parts if "dataset.images" not in report.command]
    bad = [f"{report.title}, see above" for report in cropped if report.wrong]
    findings = (Finding(what="parts to mend", wrong=True, number=len(bad), first=tuple(bad)),) if bad else ()
    return Report(
        kind="composite",
        title="MEGC2019's composite of the three",
        root=root,
        twin=any(report.twin for report in parts),
        facts={"parts": ", ".join(report.title for report in cropped)},
        findings=findings,
        command=_command(["dataset=composite", _override("path", root)]),
    )


def _flow(path: Path) -> Report:
    """MEGC2019 as optical flow: one npz file, or the folder of images with their label CSV."""
    notes, facts = Notes(), {}
    try:
        raw = megc2019_files.read_folder(path) if path.is_dir() else megc2019_files.read_npz(path)
    except DataError as error:
        notes.problems("problems of the files", error.problems)
    else:
        people, emotions = set(zip(raw.dataset, raw.subject, strict=True)), Counter(raw.labels.tolist())
        facts = {
            "images": "28 x 28: horizontal flow, vertical flow, strain",
            "clips": f"{len(raw.labels)} of {len(people)} subjects",
            "emotions": ", ".join(f"{name} {emotions[at]}" for at, name in enumerate(megc2019_files.CLASS_NAMES)),
        }
    return Report(
        kind="megc2019",
        title="MEGC2019's composite as optical flow",
        root=path,
        twin=False,
        facts=facts,
        findings=notes.finish(),
        command=_command(["dataset=megc2019", _override("path", path)]),
    )


def _first_images(kind: str) -> str:
    return "cropped" if kind == "casme2" else ""


def _command(overrides: Iterable[str]) -> str:
    return "madv data prepare " + " ".join(map(shlex.quote, overrides))


def _override(name: str, path: Path) -> str:
    """A setting as Hydra's grammar has it: quoted unless it is plain."""
    text = str(path.resolve())
    if re.fullmatch(r"[\w./%@+-]+", text, re.ASCII):
        return f"dataset.{name}={text}"
    escaped = text.replace('"', '\\"')
    return f'dataset.{name}="{escaped}"'
