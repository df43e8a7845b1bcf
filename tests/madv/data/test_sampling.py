"""T times on the recorded frames, by hand and by law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madv.config_data import ClipConfig
from madv.data.sampling import Times, sample

TIMES = Times(10, 12, 16)
ALL = range(5, 21)


def test_onset_to_offset_with_blended_neighbours():
    found = sample(TIMES, ALL, ClipConfig(frames=5))
    assert found.positions.tolist() == [10, 11.5, 13, 14.5, 16]
    assert found.numbers == (10, 11, 12, 13, 14, 15, 16)
    assert found.weight.tolist() == [0, 0.5, 0, 0.5, 0]
    assert found.notes == ()
    frames = np.array([[0], [10], [30], [40], [50], [60], [90]], dtype=np.uint8)
    assert found.blend(frames).tolist() == [[0], [20], [40], [55], [90]]


def test_onset_to_apex_and_uniform():
    assert sample(TIMES, ALL, ClipConfig(frames=3, sampling="onset_apex")).positions.tolist() == [10, 11, 12]
    middle = sample(TIMES._replace(apex=None), ALL, ClipConfig(frames=2, sampling="onset_apex"))
    assert middle.positions.tolist() == [10, 13]
    assert middle.notes == ("no apex: the middle frame 13 is taken",)
    assert sample(TIMES, ALL, ClipConfig(frames=4, sampling="uniform")).positions.tolist() == [5, 10, 15, 20]


def test_what_is_not_annotated_is_the_end_and_noted():
    found = sample(Times(None, None, None), ALL, ClipConfig(frames=2))
    assert found.positions.tolist() == [5, 20]
    assert found.notes == ("no onset: the first frame 5 is taken", "no offset: the last frame 20 is taken")
    still = sample(Times(7, 7, 7), ALL, ClipConfig(frames=3))
    assert still.numbers == (7,)
    assert still.notes == ("a single frame: a still clip",)


@pytest.mark.parametrize(
    ("times", "recorded", "message"),
    [
        (
            TIMES,
            [10, 11, 12, 15, 16],
            r"frames 13-14 of onset 10 to offset 16 are missing \(the frames there are 10 to",
        ),
        (TIMES, range(10, 15), r"frames 15-16 of onset 10 to offset 16 are missing"),
        (TIMES, range(12, 17), r"frames 10-11 of onset"),
        (
            Times(100, 110, 120),
            ALL,
            r"onset 100 and offset 120 are frames of another clip; the frames there are 5 to 20",
        ),
        (Times(12, 11, 10), ALL, r"onset 12 is after offset 10; mend the annotation"),
        (Times(1, 2, 10**9), ALL, r"frames 1-4, 21-1000000000 of onset 1 to offset 1000000000"),
    ],
)
def test_an_annotation_that_does_not_fit_the_frames(times, recorded, message):
    with pytest.raises(ValueError, match=message):
        sample(times, recorded, ClipConfig())


def test_missing_frames_are_blended_where_that_is_asked_for():
    config = ClipConfig(frames=7, missing="blend")
    found = sample(TIMES, [10, 11, 12, 15, 16], config)
    assert found.blend(np.array(found.numbers, np.float32)).tolist() == [10, 11, 12, 13, 14, 15, 16]
    assert found.notes == ("frames 13-14 are missing",)
    assert sample(TIMES, range(12, 15), config).positions[[0, -1]].tolist() == [12, 14]


@given(st.integers(0, 10**7), st.integers(0, 300), st.integers(2, 40))
def test_frame_numbers_blend_into_the_positions(onset, length, frames):
    found = sample(Times(onset, None, onset + length), range(onset, onset + length + 1), ClipConfig(frames=frames))
    assert list(found.numbers) == sorted(set(found.numbers))
    blended = found.blend(np.array(found.numbers) - onset)
    np.testing.assert_allclose(blended, found.positions - onset, rtol=0, atol=1e-4)
    assert ((found.upper - found.lower) <= 1).all()
