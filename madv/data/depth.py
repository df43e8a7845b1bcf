"""The depth stream: Depth Anything's maps, maps from a folder, and what stands in for them as a control."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madv.errors import DataError, Problem
from madv.hub import AbsentError, model_folder

if TYPE_CHECKING:
    from PIL import Image

Array = npt.NDArray[np.float32]

DEFAULT_MODEL = "depth-anything/Depth-Anything-V2-Small-hf"
"""Apache-2.0; the larger ones are not."""
BATCH = 16
"""Frames that the model sees at once."""
MODEL_FILES = ("config.json", "preprocessor_config.json", "*.safetensors")


class Model(NamedTuple):
    """Depth Anything, ready to run."""

    network: Any
    processor: Any
    device: str


def to_onset(depth: Array, scale: str) -> Array:
    """Bring relative depth, known up to scale and shift, to the units of its clip: the onset frame gets mean 0 and
    standard deviation 1.

    Args:
        depth: (T, H, W); the first frame is the onset.
        scale: "clip": all frames get the onset's scale and shift. "frame": each is fitted to the onset frame by least
            squares; this takes out the jitter of a model that sees frames one by one, and with it any movement that
            is alike all over the face.

    Returns:
        (T, H, W), 0 throughout where the onset has no relief.
    """
    values = depth.astype(np.float64)
    centre, spread = values[0].mean(), values[0].std()
    if not spread > 1e-6 * (abs(centre) + 1e-6):
        return np.zeros(depth.shape, dtype=np.float32)
    if scale == "clip":
        fitted = (values - centre) / spread
    else:
        # The onset so scaled has mean 0, so that the shift of the fit is what centres a frame.
        centred = values - values.mean(axis=(1, 2), keepdims=True)
        onset = (values[0] - centre) / spread
        power = np.square(centred).mean(axis=(1, 2), keepdims=True)
        fitted = centred * (centred * onset).mean(axis=(1, 2), keepdims=True) / np.maximum(power, 1e-12)
    stored: Array = fitted.astype(np.float32)
    return stored


def derangement(number: int) -> npt.NDArray[np.int64]:
    """For each clip another one, at random but always the same: a permutation in which nothing stays."""
    if number < 2:
        raise DataError("dataset.depth.source=shuffled needs two clips")
    order = np.random.default_rng(number).permutation(number)
    other = np.empty(number, dtype=np.int64)
    other[order] = np.roll(order, 1)
    return other


def is_model(path: str | None) -> bool:
    """Whether a path is a model (a folder with a config.json, or an id on the hub) and no folder of depth maps."""
    return path is None or (Path(path) / "config.json").is_file() or not Path(path).expanduser().is_dir()


def load_model(name: str | None) -> Model:
    """Load Depth Anything from a folder, or from the hub by its id, to the GPU if there is one.

    Raises:
        DataError: the weights are not there and cannot be fetched, or are those of another model.
    """
    import torch
    from transformers import DepthAnythingForDepthEstimation, DPTImageProcessorPil

    folder = _folder(name or DEFAULT_MODEL)
    try:
        loaded: Any = DepthAnythingForDepthEstimation.from_pretrained(
            folder, local_files_only=True, output_loading_info=True
        )
        processor = DPTImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        message = f"cannot be loaded as Depth Anything: {str(error).splitlines()[0]}; copy the model's folder again"
        raise _wrong(folder, message) from None
    network, report = loaded
    if report["missing_keys"]:
        message = f"lacks {len(report['missing_keys'])} of Depth Anything's weights; copy the model's folder again"
        raise _wrong(folder, message)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Model(network.eval().to(device), processor, device)


def estimate(model: Model, clips: Iterable[tuple[Any, list[Image.Image]]], size: int) -> Iterator[tuple[Any, Array]]:
    """Relative inverse depth (larger is nearer) of each clip's frames.

    Args:
        model: of `load_model`.
        clips: key and square pictures of a clip; those of a batch may be from several clips.
        size: height and width that the maps are resized to.

    Yields:
        Key and (K, size, size) of each clip, in their order.
    """
    import torch

    done: list[Array] = []
    waiting: list[tuple[Any, int]] = []
    frames = _flat(clips, waiting)
    while batch := list(itertools.islice(frames, BATCH)):
        pixels = model.processor(images=batch, return_tensors="pt")["pixel_values"].to(model.device)
        with torch.inference_mode():  # in single precision: half would round away what a micro-expression moves
            depth = model.network(pixel_values=pixels).predicted_depth
        maps = torch.nn.functional.interpolate(
            depth[:, None], size=(size, size), mode="bilinear", antialias=True, align_corners=False
        )
        done.extend(maps[:, 0].cpu().numpy())
        while waiting and len(done) >= waiting[0][1]:
            key, number = waiting.pop(0)
            yield key, np.stack(done[:number])
            del done[:number]


def _flat(clips: Iterable[tuple[Any, list[Image.Image]]], waiting: list[tuple[Any, int]]) -> Iterator[Image.Image]:
    """All frames of all clips, RGB; key and number of each clip go to `waiting`."""
    for key, images in clips:
        waiting.append((key, len(images)))
        for image in images:
            yield image.convert("RGB")


def _folder(name: str) -> Path:
    """The model's folder: the one given, or the hub's copy on this machine, fetched if need be."""
    try:
        return model_folder(name, MODEL_FILES)
    except AbsentError as error:
        way = "put config.json, preprocessor_config.json and model.safetensors of the model in a folder"
        message = f"is no folder, and the hub cannot give it ({error}): {way} and set dataset.depth.path=FOLDER"
        raise _wrong(name, message) from None


def _wrong(place: object, message: str) -> DataError:
    return DataError([Problem(place=str(place), message=message)])
