"""Frames found by number, cut to the centre square, resized; what is wrong with a file is said so."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from madv.data.frames import Box, decode, decode_maps, index, pictures, square
from madv.errors import DataError


def save(pixels, file, **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)
    return file


def flat(value, height=40, width=40):
    return np.full((height, width, 3), value, dtype=np.uint8)


def problem(call, *arguments):
    with pytest.raises(DataError) as caught:
        call(*arguments)
    (found,) = caught.value.problems
    return str(found)


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["reg_img46.jpg", "reg_img9.jpg", "reg_img100.jpg"], [9, 46, 100]),
        (["006_05562.jpg", "006_05563.JPG"], [5562, 5563]),
        (["image17581039.jpg"], [17581039]),
        (["img001.png", "._img001.png", "Thumbs.db"], [1]),
    ],
)
def test_frames_are_found_by_the_last_number_of_their_names(tmp_path, names, numbers):
    for name in names:
        (tmp_path / name).touch()
    recording = index(tmp_path)
    assert recording.numbers == numbers
    assert recording.file(numbers[0]) in {str(tmp_path / name) for name in names}


def test_folders_without_frames_and_doubtful_names(tmp_path):
    assert problem(index, tmp_path / "none").startswith(f"{tmp_path / 'none'}: cannot be listed: No such file")
    assert "the folder is empty" in problem(index, tmp_path)
    (tmp_path / "notes.txt").touch()
    assert "none of its 1 files is an image" in problem(index, tmp_path)
    (tmp_path / "img1.jpg").touch()
    (tmp_path / "img01.png").touch()
    assert "holds img01.png and img1.jpg, both frame 1" in problem(index, tmp_path)
    (tmp_path / "img01.png").rename(tmp_path / "face.png")
    assert "holds face.png, an image without a frame number" in problem(index, tmp_path)


def test_the_centre_square_is_kept(tmp_path):
    picture = flat(0, 20, 60)
    picture[:, 20:40] = 200
    save(picture, tmp_path / "img1.png")
    pixels = decode(index(tmp_path), [1], 16)
    assert pixels.shape == (1, 3, 16, 16)
    assert (pixels[..., 1:-1] == 200).all()  # at the edge the resizing looks beyond it
    left = decode(index(tmp_path), [1], 16, Box(0, 0, 1 / 3, 1))
    assert (left[..., :-1] == 0).all()
    assert square(picture, None).size == (20, 20)


def test_grey_frames_have_one_channel_unless_mixed(tmp_path):
    save(flat(7)[..., 0], tmp_path / "img1.jpg")
    save(flat(9)[..., 0], tmp_path / "img2.jpg")
    assert decode(index(tmp_path), [1, 2], 8)[:, :, 0, 0].tolist() == [[7], [9]]
    save(flat(11), tmp_path / "img2.jpg")
    assert decode(index(tmp_path), [1, 2], 8)[:, :, 0, 0].tolist() == [[7] * 3, [11] * 3]


def test_a_jpeg_decoded_at_a_fraction_is_the_same_picture(tmp_path):
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize((320, 240), Image.BICUBIC)
    smooth.save(tmp_path / "img1.jpg", quality=95)
    recording = index(tmp_path)
    (draft,), (whole,) = list(pictures(recording, [1], 56)), list(pictures(recording, [1]))
    assert (draft.shape, whole.shape) == ((60, 80, 3), (240, 320, 3))
    exact = np.asarray(square(whole, None).resize((56, 56), Image.Resampling.BILINEAR), np.float32)
    assert np.abs(decode(recording, [1], 56)[0].transpose(1, 2, 0) - exact).mean() < 1


def test_a_file_that_cannot_be_decoded(tmp_path):
    file = save(flat(90) + np.arange(40, dtype=np.uint8)[:, None], tmp_path / "img1.jpg")
    file.write_bytes(file.read_bytes()[:-30])
    message = problem(decode, index(tmp_path), [1], 16)
    assert message.startswith(f"{file}: cannot be decoded: Premature end of JPEG file")
    file.write_bytes(b"text")
    assert problem(decode, index(tmp_path), [1], 16).startswith(f"{file}: cannot be decoded: is no image; copy it")
    file.unlink()
    for side in (8_000, 12_000, 20_000):  # beyond ours, and beyond either of Pillow's own limits
        (tmp_path / "img1.png").write_bytes(png_header(side))
        assert "img1.png: has more than 50,000,000 pixels" in problem(decode, index(tmp_path), [1], 16)


def png_header(side):
    """A grey picture of an absurd size in a hundred bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_depth_maps_keep_their_units(tmp_path):
    save(np.full((20, 20), 40_000, dtype=np.uint16), tmp_path / "img1.png")
    np.save(tmp_path / "img2.npy", np.full((20, 30), 1.5, dtype=np.float16))
    recording = index(tmp_path, (".png", ".npy"))
    assert decode_maps(recording, [1, 2], 4)[:, 0, 0].tolist() == [40_000, 1.5]
    np.save(tmp_path / "img2.npy", np.zeros((2, 20, 30)))
    assert "has shape (2, 20, 30); a depth map is (height, width)" in problem(decode_maps, recording, [2], 4)
    (tmp_path / "img2.npy").write_bytes(b"no array")
    assert "img2.npy: cannot be read" in problem(decode_maps, recording, [2], 4)
