"""Pseudo action units answer to movement at their own place, along their own muscle, and to no other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from madv.data.au_flow import NAMES, REGIONS, pseudo_units

SIZE = 112


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(0).normal(size=(SIZE, SIZE))
    return 100 + 30 * gaussian_filter(noise, 3) / gaussian_filter(noise, 3).std()


def moved(picture, right, down):
    """The picture with each point moved by (right, down) pixels."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    return map_coordinates(picture, [y - down, x - right], order=3, mode="nearest")


def acted(picture, name, pixels):
    """Both sides of a unit's region moved along its direction."""
    (centre_x, centre_y), width, direction = REGIONS[name]
    direction = np.array(direction) / np.linalg.norm(direction)
    axis = (np.arange(SIZE) + 0.5) * 2 / SIZE - 1
    right, down = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    for side in (1, -1):
        bump = np.exp(-((axis[None] - side * centre_x) ** 2 + (axis[:, None] - centre_y) ** 2) / (2 * width**2))
        right += side * direction[0] * pixels * bump
        down += direction[1] * pixels * bump
    return moved(picture, right, down)


def units(*frames):
    return pseudo_units(np.stack(frames).astype(np.float32))


def test_a_face_at_rest_or_moving_as_a_whole_shows_nothing(picture):
    found = units(picture, picture, moved(picture, 0.6, -0.4))
    assert found.shape == (len(NAMES), 3)
    assert (found[:, :2] == 0).all()
    assert np.abs(found[:, 2]).max() < 0.1  # of 0.72 pixels, .64 hundredths


@pytest.mark.parametrize("name", ["AU1", "AU4", "AU12", "AU15", "AU26"])
def test_a_unit_answers_to_its_own_movement_and_its_sign(picture, name):
    row = NAMES.index(name)
    up, back = units(picture, acted(picture, name, 1.0), acted(picture, name, -1.0))[row, 1:]
    # One pixel is .89 hundredths of the width; a window as wide as the bump sees about half of its height.
    assert 0.25 < up < 1.1
    assert back == pytest.approx(-up, abs=0.15)


def test_the_lip_corners_do_not_move_the_brows(picture):
    found = dict(zip(NAMES, units(picture, acted(picture, "AU12", 1.0))[:, 1], strict=True))
    assert max(found, key=found.__getitem__) == "AU12"
    assert found["AU15"] < -0.1  # the same corners, pulled down
    assert abs(found["AU1"]) < 0.1 > abs(found["AU2"])


def test_contrast_does_not_matter_and_a_blank_picture_is_no_movement(picture):
    frames = picture, acted(picture, "AU12", 0.8)
    np.testing.assert_allclose(units(*(0.1 * frame for frame in frames)), units(*frames), atol=1e-3)
    assert np.isfinite(units(np.zeros((SIZE, SIZE)), np.ones((SIZE, SIZE)))).all()
