"""Two studies beside each other: both rankings, what moved from one to the other, and what only one of them has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from dashboards import text
from dashboards.analysis import Analysis, VariantResult, analyse
from dashboards.difference import Difference, Earlier, differences
from dashboards.study import Study

UNCOMPARED = ("not compared", "cannot be compared", "not tested")
"""What a row says that tells nothing of its difference."""
SLOWER = 1.2
"""Folds that take so many times as long are called slower, where the interval leaves no doubt that they do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two."""

    label: str
    """By which the page calls it."""
    study: Study
    settings: Mapping[str, str]
    """Of its reference, flat."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A variant's place in one ranking."""

    rank: int
    result: VariantResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One variant, by its name, on both sides."""

    name: str
    first: Placed | None
    second: Placed | None
    difference: Difference | None = None
    """Second less first, on the subjects and seeds that both have; None where nothing can be compared."""

    @property
    def says(self) -> str:
        """What came of it, in a few words."""
        if self.first is None or self.second is None:
            return "only here"
        if self.difference is None:
            return "not compared"
        if self.difference.comparison is None:
            return "cannot be compared" if self.difference.trained else "the same cells"
        verdict = self.difference.comparison.verdict
        words = {"helps": "better", "hurts": "worse", "equivalent": "same within margin"}
        return words.get(verdict, "inconclusive") if verdict else "not tested"


@dataclass(frozen=True, kw_only=True, slots=True)
class SideBySide:
    """Everything that the page shows."""

    first: Side
    second: Side
    analyses: tuple[Analysis, Analysis]
    rows: tuple[Row, ...]
    """As the first ranks them; then those that only the second has, as it ranks them."""
    subjects: tuple[str, ...]
    """That both have, with the same clips of the same classes: what is compared rests on them."""
    seeds: tuple[int, ...]
    """That both have."""
    notes: tuple[str, ...]
    """What limits the comparison, and why."""
    changes: tuple[tuple[str, str, str], ...]
    """Name, value on the first side, value on the second: of what was run, where it differs."""

    @property
    def agreement(self) -> tuple[int, int]:
        """Pairs of variants that both rank in the same order, of all pairs that both have ranked."""
        ranked = [row for row in self.rows if _scored(row.first) and _scored(row.second)]
        pairs = list(combinations(ranked, 2))
        return sum(_ordered(a.first, b.first) == _ordered(a.second, b.second) for a, b in pairs), len(pairs)


def side_by_side(first: Side, second: Side) -> SideBySide:
    """Compare what both have, in the first one's metric and at its level."""
    mine = first.study
    theirs = replace(second.study, metric=mine.metric, alpha=mine.alpha, margin=mine.margin)
    analyses = analyse(mine), analyse(theirs)
    places = [
        {one.variant.name: Placed(rank=rank, result=one) for rank, one in enumerate(each.results, 1)}
        for each in analyses
    ]
    subjects, seeds = _shared_subjects(mine, theirs), tuple(seed for seed in mine.seeds if seed in theirs.seeds)
    found = _differences(mine, theirs, subjects, seeds)
    return SideBySide(
        first=first,
        second=second,
        analyses=analyses,
        rows=tuple(
            Row(name=name, first=places[0].get(name), second=places[1].get(name), difference=found.get(name))
            for name in dict.fromkeys((*places[0], *places[1]))
        ),
        subjects=subjects,
        seeds=seeds,
        notes=tuple(_notes(first, second, subjects, seeds)),
        changes=tuple(_changes(first, second)),
    )


def headline(found: SideBySide) -> str:
    """What moved, in one sentence."""
    both = [row for row in found.rows if row.first and row.second]
    if not both:
        return "The two have no variant in common, by name."
    if all(row.says in UNCOMPARED for row in both):
        return f"Nothing could be compared of {text.count(len(both), 'variant')} that both have: the notes say why."
    named: dict[str, list[str]] = defaultdict(list)
    for row in both:
        named[row.says].append(f"“{row.name}”")
    label = found.second.label
    parts = [f"{text.several(named[word])} scored {word} in {label}" for word in ("better", "worse") if named[word]]
    start = "; ".join(parts) if parts else "Nothing moved beyond noise"
    agree, pairs = found.agreement
    order = f"; both rank {agree} of {text.count(pairs, 'pair')} of variants in the same order" if pairs else ""
    return f"{start[0].upper()}{start[1:]}, of {text.count(len(both), 'variant')} that both have{order}."


def _differences(
    mine: Study, theirs: Study, subjects: tuple[str, ...], seeds: tuple[int, ...]
) -> dict[str, Difference]:
    """By variant, of those that both have."""
    if not subjects or not seeds:
        return {}
    whole = set(mine.subjects) == set(theirs.subjects) == set(subjects)
    # Where clips are split at random a fold's clips are several subjects', so that only all of them can be compared.
    known = {one.name for one in mine.variants if whole or not one.random_folds}
    common = tuple(one for one in theirs.variants if one.name in known and (whole or not one.random_folds))
    shared = replace(
        theirs,
        variants=common,
        controls={},
        subjects=subjects,
        seeds=seeds,
        sample_labels={clip: (y, who) for clip, (y, who) in theirs.sample_labels.items() if who in set(subjects)},
        cells={key: cell for key, cell in theirs.cells.items() if key[1] in seeds and key[2] in set(subjects)},
    )
    earlier = {}
    for one in common:
        cells = {(seed, who): cell for (name, seed, who), cell in mine.cells.items() if name == one.name}
        done = {place: cell for place, cell in cells.items() if cell.state == "done"}
        failed = frozenset(place for place, cell in cells.items() if cell.state == "failed")
        keys = frozenset(cell.key for cell in done.values())
        earlier[one.name] = Earlier(score=None, cells=done, keys=keys, failed=failed)
    return {one.variant: one for one in differences(shared, earlier, SLOWER)}


def _shared_subjects(mine: Study, theirs: Study) -> tuple[str, ...]:
    if mine.class_names != theirs.class_names:
        return ()
    clips, others = _clips(mine), _clips(theirs)
    return tuple(subject for subject in mine.subjects if subject in clips and clips[subject] == others.get(subject))


def _clips(study: Study) -> dict[str, dict[str, int]]:
    """Subject -> clip -> class."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for clip, (label, subject) in study.sample_labels.items():
        found[subject][clip] = label
    return found


def _notes(first: Side, second: Side, subjects: tuple[str, ...], seeds: tuple[int, ...]) -> Iterable[str]:
    mine, theirs = first.study, second.study
    if mine.class_names != theirs.class_names:
        classes = " and ".join(", ".join(study.class_names) for study in (mine, theirs))
        yield f"Nothing is compared: the classes are {classes}."
    elif not subjects:
        yield "Nothing is compared: no subject has the same clips of the same classes on both sides."
    elif len(subjects) < max(len(mine.subjects), len(theirs.subjects)):
        yield (
            f"Differences rest on the {text.count(len(subjects), 'subject')} that both have with the same clips; "
            f"{first.label} has {len(mine.subjects)}, {second.label} {len(theirs.subjects)}."
        )
    if not seeds:
        yield "Nothing is compared: no seed is on both sides."
    elif len(seeds) < max(len(mine.seeds), len(theirs.seeds)):
        yield f"Differences rest on the {text.count(len(seeds), 'seed')} that both have."
    if mine.metric != theirs.metric:
        names = text.METRIC_NAMES
        yield f"{second.label} is ranked by {names[theirs.metric]} in its own report, here by {names[mine.metric]}."


def _changes(first: Side, second: Side) -> Iterable[tuple[str, str, str]]:
    """What was run, where it differs: of the study, then of the reference's settings, then of what ran it."""
    mine, theirs = _facts(first.study), _facts(second.study)
    tables = ((mine, theirs), (first.settings, second.settings), (first.study.provenance, second.study.provenance))
    for one, other in tables:
        for name in dict.fromkeys((*one, *other)):
            values = one.get(name, text.NOTHING), other.get(name, text.NOTHING)
            if values[0] != values[1]:
                yield name, *values


def _facts(study: Study) -> dict[str, str]:
    return {
        "question": study.question,
        "design": study.design.replace("_", " "),
        "data set": study.dataset,
        "metric": text.METRIC_NAMES[study.metric],
        "seeds": ", ".join(map(str, study.seeds)),
        "subjects": str(len(study.subjects)),
        "clips": str(len(study.sample_labels)),
        "classes": ", ".join(study.class_names),
    }


def _scored(placed: Placed | None) -> bool:
    return placed is not None and bool(placed.result.scores)


def _ordered(a: Placed | None, b: Placed | None) -> bool:
    return a is not None and b is not None and a.rank < b.rank
