"""Two studies on one page: by hand on few cells, what only one has, and hostile names as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import make_cell
from test_report import HOSTILE, Page

from dashboards.side_by_side import Side, SideBySide, headline, side_by_side
from dashboards.side_by_side_page import page, table
from dashboards.study import Study, StudyVariant
from dashboards.tables import csv as as_csv

StudyOf = Callable[..., Study]
VARIANTS = tuple(StudyVariant(name=name, levels={}, is_reference=name == "base") for name in ("base", "a", "b"))


def side(label: str, study: Study, **settings: str) -> Side:
    return Side(label=label, study=study, settings=settings)


def told(found: SideBySide) -> dict[str, str]:
    return {row.name: row.says for row in found.rows}


@pytest.fixture
def pair(study_of: StudyOf) -> tuple[Study, Study]:
    """The same cells on both sides but for b, which is wrong everywhere in the second, trained anew."""
    study = study_of(variants=VARIANTS, skill={"base": 0.9, "a": 0.8, "b": 0.85})
    wrong = {
        key: replace(cell, key=f"{cell.key}-anew", y_pred=(cell.y_true + 1) % 3, seconds=cell.seconds * 2)
        for key, cell in study.cells.items()
        if key[0] == "b"
    }
    return study, replace(study, cells={**study.cells, **wrong})


def test_what_moved_is_told_from_what_is_the_same(pair: tuple[Study, Study]) -> None:
    found = side_by_side(side("A", pair[0], lr="1"), side("B", pair[1], lr="2"))
    assert told(found) == {"base": "the same cells", "a": "the same cells", "b": "worse"}
    moved = next(row for row in found.rows if row.name == "b")
    assert moved.first is not None and moved.second is not None and moved.difference is not None
    comparison, slowdown = moved.difference.comparison, moved.difference.slowdown
    assert comparison is not None and slowdown is not None
    # All wrong scores 0, so that the difference is the whole score that it had.
    assert comparison.difference == pytest.approx(-moved.first.result.scores["uf1"])
    assert comparison.high is not None and comparison.high < 0
    # Two-sided over 2^12 exchanges; nothing else was compared, so that Holm leaves it.
    assert comparison.p_holm == pytest.approx(2 / 2**12)
    assert (slowdown.ratio, moved.second.rank) == (pytest.approx(2), 3)
    assert found.changes == (("lr", "1", "2"),)
    assert headline(found).startswith("“b” scored worse in B, of 3 variants that both have")


def test_differences_rest_on_the_subjects_with_the_same_clips(pair: tuple[Study, Study]) -> None:
    first, second = pair
    relabelled = {
        clip: ((label + 1) % 3 if clip == "s01_00" else label, who)
        for clip, (label, who) in second.sample_labels.items()
        if who != "s02"
    }
    fewer = replace(second, subjects=tuple(who for who in second.subjects if who != "s02"), sample_labels=relabelled)
    fewer = replace(fewer, seeds=(1, 7), cells={key: cell for key, cell in second.cells.items() if key[1] == 1})
    found = side_by_side(side("A", first), side("B", fewer))
    assert (found.subjects, found.seeds) == (first.subjects[2:], (1,))
    assert [note.startswith("Differences rest on") for note in found.notes] == [True, True]
    moved = next(row for row in found.rows if row.name == "b").difference
    assert moved is not None and moved.comparison is not None
    assert (moved.comparison.subjects, moved.comparison.seeds) == (10, 1)


def test_variants_that_only_one_has_and_rankings_that_disagree(pair: tuple[Study, Study]) -> None:
    first, second = pair
    renamed = replace(
        second,
        variants=(*second.variants[:1], replace(second.variants[1], name="c"), second.variants[2]),
        cells={("c" if key[0] == "a" else key[0], *key[1:]): cell for key, cell in second.cells.items()},
    )
    found = side_by_side(side("A", first), side("B", renamed))
    assert told(found) == {"base": "the same cells", "b": "worse", "a": "only here", "c": "only here"}
    assert found.agreement == (1, 1)
    swapped = side_by_side(side("A", first), side("B", second))
    assert swapped.agreement == (2, 3)  # base before a, base before b; a and b changed places
    rows = list(csv.DictReader(io.StringIO(as_csv(table(found)))))
    assert [(row["variant"], row["first_rank"], row["second_rank"]) for row in rows][-1] == ("c", "", "2")


def test_studies_of_other_classes_or_seeds_are_shown_and_not_compared(pair: tuple[Study, Study]) -> None:
    first, second = pair
    other = replace(second, class_names=("x", "y", "z"))
    found = side_by_side(side("A", first), side("B", other))
    assert found.notes[0].startswith("Nothing is compared: the classes are happiness, surprise, disgust and x, y, z")
    assert set(told(found).values()) == {"not compared"}
    seeds = replace(second, seeds=(7,), cells={})
    found = side_by_side(side("A", first), side("B", seeds))
    assert found.notes == ("Nothing is compared: no seed is on both sides.",)
    assert headline(found) == "Nothing could be compared of 3 variants that both have: the notes say why."
    assert 'id="table"' in page(found)


def test_hostile_names_are_text(study_of: StudyOf) -> None:
    variants = (VARIANTS[0], StudyVariant(name=HOSTILE, levels={}))
    study = study_of(variants=variants, skill={"base": 0.9, HOSTILE: 0.4}, question=HOSTILE, subjects=3)
    anew = {key: make_cell(*key, _rows(cell), key=f"{key}-anew") for key, cell in study.cells.items()}
    second = replace(study, cells=anew, provenance={HOSTILE: HOSTILE}, rerun=(HOSTILE,))
    found = side_by_side(side(HOSTILE, study, **{"a": HOSTILE}), side("B", second))
    shown = Page(page(found))
    assert "img" not in shown.tags
    assert shown.tags.count("script") == 3
    assert all(address.startswith(("data:", "#")) for address in shown.addresses)
    rows = list(csv.reader(io.StringIO(as_csv(table(found)))))
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)


def _rows(cell: Any) -> list[tuple[str, int, int]]:
    return [(sample, int(y), int(y)) for sample, y in zip(cell.sample_id, cell.y_true, strict=True)]


def test_the_same_study_gives_the_same_page(pair: tuple[Study, Study], tmp_path: Path) -> None:
    found = [page(side_by_side(side("A", pair[0]), side("B", pair[1]))) for _ in range(2)]
    assert found[0] == found[1]
