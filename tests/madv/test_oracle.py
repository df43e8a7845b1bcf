"""Annotated action units over time against numbers worked by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from madv.data.clips import Clips
from madv.data.oracle import annotated_intensities
from madv.errors import DataError


def clips(times: list[tuple[Any, Any, Any]], frames: int = 5, targets: bool = True, **columns: list[int]) -> Clips:
    """One unit of two is annotated in every clip."""
    number = len(times)
    manifest = pd.DataFrame(times, columns=["onset", "apex", "offset"], dtype=object).assign(**columns)
    return Clips(
        manifest=manifest,
        class_names=("a", "b"),
        streams={"texture": np.zeros((number, 3, frames, 2, 2))},
        au_targets=np.tile(np.array([[1, 0]], np.float32), (number, 1)) if targets else None,
        fingerprint="",
    )


def first_unit(clips: Clips) -> list[Any]:
    rows = np.arange(len(clips.manifest))
    return [pytest.approx(row) for row in annotated_intensities(clips, rows)[:, 0].tolist()]


def test_units_rise_to_the_apex_and_fall_to_the_offset() -> None:
    assert first_unit(clips([(0, 1, 4), (1, 3, 4)])) == [[0, 1, 2 / 3, 1 / 3, 0], [0, 0, 0.5, 1, 0]]


def test_units_that_are_not_annotated_stay_at_zero() -> None:
    intensities = annotated_intensities(clips([(0, 1, 4)]), np.array([0]))
    assert intensities.shape == (1, 2, 5) and intensities.dtype == np.float32
    assert not intensities[0, 1].any()


@pytest.mark.parametrize("apex", [None, pd.NA, float("nan"), 0, 9, -3])
def test_an_apex_that_cannot_be_is_the_middle(apex: Any) -> None:
    assert first_unit(clips([(0, apex, 4)])) == [[0, 0.5, 1, 0.5, 0]]


def test_onset_and_offset_that_are_missing_are_the_ends_of_the_clip() -> None:
    assert first_unit(clips([(None, 2, None)])) == [[0, 0.5, 1, 0.5, 0]]


def test_frame_numbers_of_the_annotation_are_found_in_the_clip() -> None:
    # Five frames spread over 100 to 140: 100, 110, ... 140; and over 80 to 120: 80, 90, ... 120.
    times = [(100, 110, 140), (100, 110, 120)]
    found = first_unit(clips(times, first_frame=[100, 80], last_frame=[140, 120]))
    assert found == [[0, 1, 2 / 3, 1 / 3, 0], [0, 0, 0, 1, 0]]


def test_a_clip_from_onset_to_apex_only_rises() -> None:
    rising = [0, 0.25, 0.5, 0.75, 1]
    columns = {"first_frame": [100, 100], "last_frame": [120, 120]}
    assert first_unit(clips([(100, 120, 150), (100, 120, None)], **columns)) == [rising, rising]


def test_rows_are_those_asked_for() -> None:
    chosen = annotated_intensities(clips([(0, 1, 4), (0, 2, 4)]), np.array([1]))
    assert chosen[:, 0].tolist() == [[0, 0.5, 1, 0.5, 0]]


def test_a_single_frame_shows_nothing() -> None:
    assert first_unit(clips([(0, 0, 0)], frames=1)) == [[0]]


def test_without_annotated_units_there_is_no_oracle() -> None:
    with pytest.raises(DataError, match=r"model\.au\.source=estimated"):
        annotated_intensities(clips([(0, 1, 4)], targets=False), np.array([0]))
